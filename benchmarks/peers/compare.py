"""Our times over PyTorch's, by turns in one run: `python compare.py DATA_DIR` from the workspace root.

Needs torch and numpy in the Python that runs it. Uses two threads on both sides.
"""
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 5
HERE = Path(__file__).parent


def read(command):
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    lines = (line.split() for line in output.stdout.splitlines())
    return {words[0]: float(words[1]) for words in lines if len(words) == 2}


def main():
    data = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    run = ["cargo", "run", "--quiet"]
    steps = str(HERE / "steps.py")
    work = [
        (run + ["--example", "step_time"], [sys.executable, steps, "tabular"]),
        (run + ["--example", "product_time", "--", f"{data}/amazon-computers"],
         [sys.executable, steps, "csr", data]),
    ]
    for ours, theirs in work:
        read(ours)  # builds
        rounds = [(read(ours), read(theirs)) for _ in range(ROUNDS)]
        for name in rounds[0][0]:
            a = [ours[name] for ours, _ in rounds]
            b = [theirs[name] for _, theirs in rounds]
            ratios = [x / y for x, y in zip(a, b)]
            print(f"{name:14} ours {statistics.median(a):8.2f} ms  torch {statistics.median(b):8.2f} ms"
                  f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                  flush=True)


if __name__ == "__main__":
    main()
