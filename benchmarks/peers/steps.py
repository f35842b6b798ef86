"""The same work in PyTorch, for the ratios of docs/performance.md.

    python steps.py tabular            one training step: 14 tables x 16, MLP 256-128, batch 512
    python steps.py csr DATA_DIR       A_hat X on amazon-computers, widths 64, 128, 512

Prints `name median_ms` lines. Two threads. Needs torch and numpy.
"""
import gzip
import statistics
import sys
import time

import numpy as np
import torch

torch.set_num_threads(2)


def median_ms(step, warmup=10, repeats=50):
    for _ in range(warmup):
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def tabular():
    torch.manual_seed(0)
    rows = [32] * 6 + [10, 18, 9, 16, 8, 7, 4, 44]
    tables = torch.nn.ModuleList(torch.nn.Embedding(n, 16) for n in rows)
    mlp = torch.nn.Sequential(
        torch.nn.Linear(14 * 16, 256), torch.nn.ReLU(),
        torch.nn.Linear(256, 128), torch.nn.ReLU(), torch.nn.Linear(128, 2))
    parameters = list(tables.parameters()) + list(mlp.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    ids = torch.stack([torch.randint(0, n, (512,)) for n in rows], 1)
    labels = torch.randint(0, 2, (512,))

    def step():
        x = torch.cat([table(ids[:, i]) for i, table in enumerate(tables)], 1)
        loss = torch.nn.functional.cross_entropy(mlp(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    print(f"tabular-step {median_ms(step, 20, 200):.3f}")


def csr(data_dir):
    with gzip.open(f"{data_dir}/amazon-computers/raw/edge.csv.gz", "rt") as file:
        edges = np.loadtxt(file, delimiter=",", dtype=np.int64)
    n = 13752
    rows = np.concatenate([edges[:, 0], edges[:, 1], np.arange(n)])
    columns = np.concatenate([edges[:, 1], edges[:, 0], np.arange(n)])
    degree = np.bincount(rows, minlength=n)
    values = (1 / np.sqrt(degree[rows] * degree[columns])).astype(np.float32)
    coo = torch.sparse_coo_tensor(np.stack([rows, columns]), values, (n, n)).coalesce()
    matrix = coo.to_sparse_csr()
    matrix = torch.sparse_csr_tensor(
        matrix.crow_indices().int(), matrix.col_indices().int(), matrix.values(), (n, n))
    for width in (64, 128, 512):
        x = torch.randn(n, width)
        print(f"csr-{width} {median_ms(lambda: matrix @ x, 5, 30):.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("tabular", "csr"):
        sys.exit(__doc__)
    tabular() if sys.argv[1] == "tabular" else csr(sys.argv[2])
