#!/usr/bin/env python3
"""Times NumPy's products as they are and with libcke_blas.so preloaded, and prints a Markdown table.

    cargo build --release -p cke-blas
    python3 -m venv target/numpy && target/numpy/bin/pip install -r tools/blas-test/requirements.txt
    target/numpy/bin/python tools/blas-test/numpy_speed.py --threads 1
    target/numpy/bin/python tools/blas-test/numpy_speed.py --threads 2

Each round starts both in turn, in a process of its own that times every product; a time is the best of its process. The
table has the median over the rounds, and the spread of the ratio from round to round. Results are compared before they are timed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

DEFAULT_LIBRARY = Path(__file__).resolve().parents[2] / "target/release/libcke_blas.so"

# Name, element type, shape of A, shape of B.
CASES = [
    ("small square", "float32", (64, 64), (64, 64)),
    ("square", "float32", (512, 512), (512, 512)),
    ("square", "float32", (2048, 2048), (2048, 2048)),
    ("square", "float64", (512, 512), (512, 512)),
    ("square", "float64", (2048, 2048), (2048, 2048)),
    ("skinny", "float32", (100000, 64), (64, 16)),
    ("BERT layer", "float32", (128, 768), (768, 3072)),
    ("heads", "float32", (96, 128, 64), (96, 64, 128)),
    ("vector", "float32", (1, 768), (768, 3072)),
    ("matrix · vector", "float64", (4096, 4096), (4096,)),
]


def operands(case):
    """A and B of a case, the same in every process."""
    import numpy as np

    _, dtype, shape_a, shape_b = case
    generator = np.random.default_rng(1)
    return [generator.uniform(-1, 1, shape).astype(dtype) for shape in (shape_a, shape_b)]


def time_product(a, b, seconds):
    """The best time of one A @ B, in about the given time."""
    import numpy as np

    out = a @ b
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return best


def measure(seconds):
    """What a child process does: prints the best seconds and a checksum of each case as JSON."""
    results = []
    for case in CASES:
        a, b = operands(case)
        results.append({"seconds": time_product(a, b, seconds), "sample": (a @ b).ravel()[::997].astype(float).tolist()})
    json.dump(results, sys.stdout)


def run_child(arguments, library):
    """The results of one process, with the library preloaded where there is one."""
    threads = str(arguments.threads)
    environment = os.environ | {"CKE_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    if library:
        environment |= {"LD_PRELOAD": str(library), "CKE_BLAS_VERBOSE": "1"}
    command = [sys.executable, __file__, "--child", "--seconds", str(arguments.seconds)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if child.returncode != 0 or (library and "cke_blas: calls:" not in child.stderr):
        sys.exit(f"the process {'with' if library else 'without'} the library failed:\n{child.stderr}")
    return json.loads(child.stdout)


def check_equal(case, before, after):
    """Ends the program where the two results differ by more than rounding does."""
    name, dtype, shape_a, _ = case
    tolerance = shape_a[-1] * {"float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    if any(abs(x - y) > tolerance for x, y in zip(before["sample"], after["sample"], strict=True)):
        sys.exit(f"{name} {dtype}: the results differ")


def operations(case):
    """Floating-point operations of one product."""
    _, _, shape_a, shape_b = case
    columns = shape_b[-1] if len(shape_b) > 1 else 1
    count = 2 * columns
    for size in shape_a:
        count *= size
    return count


def print_table(rounds):
    """Median GFLOP/s before and after, and the ratio with its spread."""
    print("| product | type | A | B | NumPy, GFLOP/s | with CKE, GFLOP/s | ratio | spread |")
    print("|---|---|---|---|---:|---:|---:|---:|")
    for i, case in enumerate(CASES):
        name, dtype, *shapes = case
        pairs = [(before[i]["seconds"], after[i]["seconds"]) for before, after in rounds]
        before, after = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratios = [pair[0] / pair[1] for pair in pairs]
        a, b = ("×".join(map(str, shape)) for shape in shapes)
        rates = [operations(case) / seconds / 1e9 for seconds in (before, after)]
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        print(f"| {name} | {dtype} | {a} | {b} | {rates[0]:.1f} | {rates[1]:.1f} | {before / after:.2f} | {spread} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=DEFAULT_LIBRARY, help="libcke_blas.so (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of both libraries (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each product (default: %(default)s)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return measure(arguments.seconds)
    if not arguments.library.is_file():
        sys.exit(f"{arguments.library} is not there: cargo build --release -p cke-blas")
    rounds = [(run_child(arguments, None), run_child(arguments, arguments.library)) for _ in range(arguments.rounds)]
    for before, after in rounds:
        for i, case in enumerate(CASES):
            check_equal(case, before[i], after[i])
    print_table(rounds)


if __name__ == "__main__":
    main()
