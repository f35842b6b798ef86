"""Sparse products and a graph convolutional network's epoch; the input is the graph's folder."""
import gzip

import numpy as np
import torch
import torch.nn.functional as F

NODES = 13752


def adjacency(folder):
    """D^-1/2 (A + I) D^-1/2 as rows, columns and values."""
    with gzip.open(f"{folder}/raw/edge.csv.gz", "rt") as file:
        edges = np.loadtxt(file, delimiter=",", dtype=np.int64)
    rows = np.concatenate([edges[:, 0], edges[:, 1], np.arange(NODES)])
    columns = np.concatenate([edges[:, 1], edges[:, 0], np.arange(NODES)])
    degree = np.bincount(rows, minlength=NODES)
    values = (1 / np.sqrt(degree[rows] * degree[columns])).astype(np.float32)
    return rows, columns, values


def csr(folder):
    rows, columns, values = adjacency(folder)
    matrix = torch.sparse_coo_tensor(np.stack([rows, columns]), values, (NODES, NODES))
    return matrix.coalesce().to_sparse_csr()


def narrow(matrix):
    """With 32-bit indices, which are faster for most widths."""
    return torch.sparse_csr_tensor(
        matrix.crow_indices().int(), matrix.col_indices().int(), matrix.values(), matrix.shape)


def fastest(runs):
    """The faster of several ways to do one thing, by a short trial."""
    import time

    def cost(run):
        run()
        times = []
        for _ in range(7):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return sorted(times)[3]

    return min(runs, key=cost)


def product(width):
    def case(folder):
        wide = csr(folder)
        x = torch.randn(NODES, width)
        return fastest([lambda matrix=matrix: matrix @ x for matrix in (wide, narrow(wide))])

    return case


class Symmetric(torch.autograd.Function):
    """A X whose backward multiplies with A again, because A is symmetric."""

    @staticmethod
    def forward(ctx, matrix, x):
        ctx.matrix = matrix
        return matrix @ x

    @staticmethod
    def backward(ctx, dy):
        return None, ctx.matrix @ dy


def train(width):
    def case(folder):
        wide = csr(folder)
        x = torch.randn(NODES, width, requires_grad=True)
        dy = torch.randn(NODES, width)

        def way(matrix):
            def run():
                x.grad = None
                Symmetric.apply(matrix, x).backward(dy)

            return run

        return fastest([way(wide), way(narrow(wide))])

    return case


def pyg(folder):
    """The default message passing of PyTorch Geometric: gather, weigh, scatter."""
    from torch_geometric.nn import MessagePassing

    class Propagate(MessagePassing):
        def __init__(self):
            super().__init__(aggr="add")

        def forward(self, x, edges, weights):
            return self.propagate(edges, x=x, weights=weights)

        def message(self, x_j, weights):
            return weights.view(-1, 1) * x_j

    rows, columns, values = adjacency(folder)
    edges = torch.from_numpy(np.stack([columns, rows]))
    weights = torch.from_numpy(values)
    x = torch.randn(NODES, 128)
    layer = Propagate()
    return lambda: layer(x, edges, weights)


def epoch(folder):
    matrix = narrow(csr(folder))
    with gzip.open(f"{folder}/raw/node-feat.csv.gz", "rt") as file:
        x = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.float32))
    ax = matrix @ x
    sizes = [(x.shape[1], 256), (256, 256), (256, 10)]
    layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in sizes)
    optimiser = torch.optim.AdamW(layers.parameters(), lr=1e-3, fused=True)
    labels = torch.arange(NODES) % 10

    def run():
        h = F.relu(layers[0](ax))
        h = F.relu(layers[1](Symmetric.apply(matrix, h)))
        h = Symmetric.apply(matrix, h @ layers[2].weight.t()) + layers[2].bias
        loss = F.cross_entropy(h, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def million(_):
    nodes, degree, width = 1_000_000, 25, 100
    random = np.random.default_rng(3)
    columns = np.sort(random.integers(0, nodes, (nodes, degree), dtype=np.int32), 1).reshape(-1)
    starts = torch.arange(0, nodes * degree + 1, degree, dtype=torch.int32)
    values = torch.full((nodes * degree,), 1 / degree)
    matrix = torch.sparse_csr_tensor(starts, torch.from_numpy(columns), values, (nodes, nodes))
    x = torch.randn(nodes, width)
    return lambda: matrix @ x


WIDTHS = (64, 128, 512, 767)
CASES = {
    **{f"csr-{width}": product(width) for width in WIDTHS},
    **{f"csr-train-{width}": train(width) for width in WIDTHS},
    "pyg-128": pyg,
    "gcn-epoch": epoch,
    "csr-million": million,
}
