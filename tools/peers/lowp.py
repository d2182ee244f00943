#!/usr/bin/env python3
"""Times layers in low precision and attention: tables of docs/performance.md.

    cargo build --release
    tools/peers/lowp.py --onednn /path/to/libdnnl.so.3

It runs `cke bench gemm` and `cke bench attention` and writes docs/results/low-precision.json. Nothing else may run meanwhile.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import report
from command_line import ROOT, names_among

# N × K of the layers of GPT-2 and BERT-base: output of attention, up, down, queries with keys and values.
LAYERS = ((768, 768), (3072, 768), (768, 3072), (2304, 768))
# Rows of a prompt, where units are the limit, and of generation, where memory is.
MANY_ROWS = (64, 128, 512)
FEW_ROWS = (1, 2, 4, 8)
DTYPES = ("bf16", "int8_channel", "int8", "q8_0", "int4", "q4_k", "q6_k")
# In f32 as well, which the others are held against.
COLD_DTYPES = ("f32", *DTYPES)
# Those that oneDNN's matmul multiplies.
OF_ONEDNN = ("bf16", "int8_channel", "int8")
# Query heads, key heads, elements of a head, of GPT-2 and BERT-base and of a Llama of 1B.
HEADS = ((12, 12, 64), (32, 8, 64))
POSITIONS = "512,2048"
PARTS = ("layers", "cold", "attention")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--onednn", type=Path, metavar="LIB", help="a oneDNN that computes in the calling process (default: it takes no part)")
    add("--out", type=Path, default=ROOT / "docs/results/low-precision.json", help="results (default: %(default)s)")
    add("--only", type=names_among(PARTS), default=list(PARTS), metavar="PART,…", help=f"some of {', '.join(PARTS)}")
    add("--dtypes", type=names_among(COLD_DTYPES), default=list(COLD_DTYPES), metavar="DTYPE,…", help="default: all")
    add("--threads", type=int, default=1, help="default: %(default)s")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--seconds", type=float, default=0.03, help="of a turn (default: %(default)s)")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    arguments = parser.parse_args()
    if min(arguments.threads, arguments.rounds) < 1 or arguments.seconds <= 0:
        parser.error("wanted at least 1 thread and 1 round, and seconds above 0")
    for file, how in ((arguments.cke, "cargo build --release"), (arguments.onednn, "give the path of a libdnnl.so.3")):
        if file and not file.is_file():
            parser.error(f"{file} is not there: {how}")
    return arguments


def bench(arguments, *words):
    """What a command of `cke bench` writes as JSON."""
    shared = ("-t", str(arguments.threads), "--rounds", str(arguments.rounds), "--json")
    print("cke bench", *words, file=sys.stderr)
    command = [arguments.cke, "bench", *words, "--secs", str(arguments.seconds), *shared]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def shapes(rows):
    """Products of these numbers of rows with the weights of all layers."""
    return ",".join(f"{m}x{n}x{k}nt" for m in rows for n, k in LAYERS)


def products(arguments, dtype, rows, *flags):
    """The products of one format, and what the libraries say of themselves."""
    found = bench(arguments, "gemm", "--packed", "--dtype", dtype, "--shapes", shapes(rows), *flags)
    libraries = {entry["name"]: entry["library"]["version"] for entry in found["contestants"] if entry["library"]}
    return [product(row) for row in found["rows"]], libraries


def product(row):
    """A product as the file of results has it: rates are GFLOP/s of the fastest call."""
    kept = ("dtype", "threads", "peak_gflops", "read_gb_per_s", "share_of_peak", "share_of_limit", "share_of_rows", "ratio")
    sizes = {name: row["product"][name] for name in ("m", "n", "k")}
    prepared = {name: row[name] for name in ("prepared_share_of_peak", "prepared_ratio")}
    entries = [
        {name: entry[name] for name in ("name", "kernel", "rate", "rounds", "rows_seconds") if entry.get(name) is not None}
        for entry in row["entries"]
    ]
    return sizes | {name: row[name] for name in kept} | prepared | {"entries": entries}


def measure(arguments):
    """All results of the chosen parts."""
    lists = {"--only": arguments.only, "--dtypes": arguments.dtypes, "--threads": [arguments.threads]}
    results = report.header("lowp.py", lists, arguments.rounds, arguments.seconds) | {"kind": "low-precision", "libraries": {}}
    results |= {part: [] for part in PARTS}
    if "layers" in arguments.only:
        for dtype in (dtype for dtype in DTYPES if dtype in arguments.dtypes):
            has_peer = arguments.onednn and dtype in OF_ONEDNN
            against = ("--against", f"onednn={arguments.onednn.resolve()}") if has_peer else ()
            rows, libraries = products(arguments, dtype, MANY_ROWS, *against)
            results["layers"] += rows
            results["libraries"] |= libraries
    if "cold" in arguments.only:
        for dtype in (dtype for dtype in COLD_DTYPES if dtype in arguments.dtypes):
            results["cold"] += products(arguments, dtype, FEW_ROWS, "--cold")[0]
    if "attention" in arguments.only:
        for heads, key_heads, size in HEADS:
            sizes = ("--heads", str(heads), "--key-heads", str(key_heads), "--head-size", str(size))
            results["attention"] += bench(arguments, "attention", "--kv", "f32,bf16", "-p", POSITIONS, *sizes)
    return results


def main():
    arguments = parse_arguments()
    try:
        results = measure(arguments)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
    report.write(results, arguments.out)
    report.print_tables(results)


if __name__ == "__main__":
    main()
