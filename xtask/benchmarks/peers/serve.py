"""The peer of `cargo xtask bench --peers`: the same work in PyTorch, on request.

Reads a JSON object a line from standard input and answers with one on standard output:

    {"do": "versions"}                              -> {"versions": "torch 2.15.0, ..."}
    {"do": "prepare", "case": NAME, "input": TEXT}  -> {} or {"missing": why}
    {"do": "sample", "seconds": S}                  -> {"ms": [...]}
    {"do": "release"}                               -> {}

OMP_NUM_THREADS says how many threads it may use.
"""
import gc
import importlib.metadata
import json
import os
import sys
import time

import torch

import graphs
import ops
import tables
import texts

CASES = {**ops.CASES, **tables.CASES, **graphs.CASES, **texts.CASES}
PACKAGES = ["torch", "torch_geometric", "transformers"]


def versions():
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


def sample(run, seconds):
    time.sleep(0.03)
    run()
    times = []
    started = time.perf_counter()
    while True:
        start = time.perf_counter()
        run()
        end = time.perf_counter()
        times.append((end - start) * 1e3)
        spent = end - started
        if spent >= seconds and (len(times) >= 3 or spent >= 4 * seconds):
            return times


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    run = None
    for line in sys.stdin:
        question = json.loads(line)
        answer = {}
        try:
            match question["do"]:
                case "versions":
                    answer = {"versions": versions()}
                case "prepare":
                    torch.manual_seed(0)
                    try:
                        run = CASES[question["case"]](question["input"])
                        run()
                    except (KeyError, ImportError) as error:
                        answer = {"missing": f"{type(error).__name__}: {error}"}
                case "sample":
                    answer = {"ms": sample(run, question["seconds"])}
                case "release":
                    run = None
                    gc.collect()
        except Exception as error:  # the other side reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
