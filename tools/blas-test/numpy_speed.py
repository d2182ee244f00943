#!/usr/bin/env python3
"""Times NumPy's products as they are and with libcke_blas.so preloaded, and prints a Markdown table.

    cargo build --release -p cke-blas
    python3 -m venv target/numpy && target/numpy/bin/pip install -r tools/blas-test/requirements.txt
    target/numpy/bin/python tools/blas-test/numpy_speed.py --out docs/results/numpy.json

Each round starts both, one after the other, each in its own process that times every product; a time is the best of its process. The
table has the median over the rounds, with the range if it is wider than 10%. Results are compared before they are timed. `--out` writes
the table as a file of results, from which tools/peers/charts.sh makes that of the README.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))
import conditions
import printed_tables
import report

DEFAULT_LIBRARY = Path(__file__).resolve().parents[2] / "target/release/libcke_blas.so"

# Element type, shape of A, shape of B.
CASES = [
    ("float32", (64, 64), (64, 64)),
    ("float32", (512, 512), (512, 512)),
    ("float32", (2048, 2048), (2048, 2048)),
    ("float64", (512, 512), (512, 512)),
    ("float64", (2048, 2048), (2048, 2048)),
    ("float32", (100000, 64), (64, 16)),
    ("float32", (128, 768), (768, 3072)),
    ("float32", (96, 128, 64), (96, 64, 128)),
    ("float32", (1, 768), (768, 3072)),
    ("float64", (4096, 4096), (4096,)),
]


def operands(case):
    """A and B of a case, the same in every process."""
    import numpy as np

    dtype, shape_a, shape_b = case
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


def run_child(arguments, threads, library):
    """The results of one process, with the library preloaded where there is one."""
    threads = str(threads)
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
    dtype, shape_a, _ = case
    tolerance = shape_a[-1] * {"float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    if any(abs(x - y) > tolerance for x, y in zip(before["sample"], after["sample"], strict=True)):
        sys.exit(f"{product(case)} in {dtype}: the results differ")


def operations(case):
    """Floating-point operations of one product."""
    _, shape_a, shape_b = case
    columns = shape_b[-1] if len(shape_b) > 1 else 1
    count = 2 * columns
    for size in shape_a:
        count *= size
    return count


def product(case):
    """Such as `128×768 · 768×3072`."""
    return " · ".join("×".join(map(str, shape)) for shape in case[1:])


def cell(case, seconds):
    """The median of GFLOP/s, and the range if it is wide."""
    rates = [operations(case) / one / 1e9 for one in seconds]
    median = statistics.median(rates)
    wide = max(rates) - min(rates) > conditions.WIDE * median
    return f"{median:.0f}" + (f" [{min(rates):.0f}–{max(rates):.0f}]" if wide else "")


def table(arguments, rounds):
    """All products as results that printed_tables.py reads; `rounds` are pairs of processes for each number of threads."""
    import numpy as np

    columns = [title for threads in rounds for title in (f"{threads} thread{'s' * (threads > 1)}", "preloaded")]
    cells = [
        [cell(case, [pair[side][i]["seconds"] for pair in pairs]) for pairs in rounds.values() for side in (0, 1)]
        for i, case in enumerate(CASES)
    ]
    machine = conditions.machine({"machine": report.machine(), "date": report.now()})
    about = (
        f"`tools/blas-test/numpy_speed.py`, {machine}: GFLOP/s of NumPy {np.__version__} from PyPI, with its OpenBLAS and with "
        f"`libcke_blas.so` preloaded; median of {arguments.rounds} interleaved rounds, with [the range] if it is wider than "
        f"{conditions.WIDE:.0%}."
    )
    rows = [[product(case), case[0], *found] for case, found in zip(CASES, cells, strict=True)]
    return {"kind": "printed", "tables": [{"name": "numpy", "about": about, "columns": ["<`A @ B`", "<type", *columns], "rows": rows}]}


def measure_rounds(arguments, threads):
    """What both kinds of processes found in each round, checked."""
    rounds = [
        (run_child(arguments, threads, None), run_child(arguments, threads, arguments.library)) for _ in range(arguments.rounds)
    ]
    for before, after in rounds:
        for i, case in enumerate(CASES):
            check_equal(case, before[i], after[i])
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=DEFAULT_LIBRARY, help="libcke_blas.so (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of both libraries (default: 1 2)")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each product (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="results (default: only the table is printed)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return measure(arguments.seconds)
    if not arguments.library.is_file():
        sys.exit(f"{arguments.library} is not there: cargo build --release -p cke-blas")
    results = table(arguments, {threads: measure_rounds(arguments, threads) for threads in arguments.threads})
    if arguments.out:
        report.write(results, arguments.out)
    print(printed_tables.tables(results))


if __name__ == "__main__":
    main()
