"""What the commands that time models have in common: options, their check, and what becomes of the results."""

import argparse
import shutil
import sys
from pathlib import Path

import report
from contest import WrongResult
from contestants import Failed

ROOT = Path(__file__).resolve().parents[2]


def comma_separated(convert):
    """A parser of lists."""
    return lambda text: [convert(part) for part in text.split(",")]


def names_among(known):
    """A parser of lists of names."""

    def names(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"wanted some of {', '.join(known)}, found {', '.join(unknown)}")
        return chosen

    return names


def add_machine_options(parser):
    """Threads, rounds, and the programs that every command may start."""
    add = parser.add_argument
    add("--threads", type=comma_separated(int), default=[1, 2], help="default: 1,2")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--llama-bench", type=Path, default=shutil.which("llama-bench"), help="default: the one in PATH")


def add_ik_llama_bench(parser):
    parser.add_argument("--ik-llama-bench", type=Path, help="llama-bench of ik_llama.cpp (default: it takes no part)")


def add_seconds(parser):
    what = "of a turn; a run that has begun is finished (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=0.5, help=what)


def parse(parser):
    """The arguments, whose machine options can be used."""
    arguments = parser.parse_args()
    if min(arguments.threads) < 1 or arguments.rounds < 1:
        parser.error("wanted at least 1 thread and 1 round")
    if not arguments.cke.is_file():
        parser.error(f"{arguments.cke} is not there: cargo build --release")
    return arguments


def run(measure, arguments):
    """Measures, writes the results to `--out` and prints their tables."""
    try:
        results = measure(arguments)
    except (Failed, WrongResult) as error:
        sys.exit(f"error: {error}")
    report.write(results, arguments.out)
    report.print_tables(results)
