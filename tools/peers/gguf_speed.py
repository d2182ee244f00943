#!/usr/bin/env python3
"""Times SmolLM2 in several formats of GGUF on CKE, llama.cpp and ik_llama.cpp, in turns.

    cargo build --release
    tools/peers/gguf_speed.py --llama-bench "$(bash tools/peers/llama.sh target/llama)"

It writes docs/results/gguf.json. README.md says how each contestant is run. Nothing else may run meanwhile.
"""

import argparse
import shutil
import sys
from pathlib import Path

import gguf_files
import report
import workloads
from contest import Contest
from contestants import Failed, Setting
from peers import ROOT, names_among
from workloads import Suite, Test

CONTESTANTS = (workloads.CKE, workloads.LLAMA, workloads.IK_LLAMA)
FORMATS = "F16,Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0"
MODEL = "smollm2"
TITLE = "SmolLM2 135M"


def suites(formats):
    """A prompt of each length, and generation; their tests are the formats."""

    def suite(name, what, kind, tokens, logits=None):
        tests = [Test(format, format, kind, CONTESTANTS, tokens, logits=logits, file=f"{format}.gguf") for format in formats]
        return Suite(name, f"{TITLE} {what}, formats of GGUF", MODEL, "tokens/s", tuple(tests))

    return (
        suite("smollm2-short-prompt", "reads a prompt of 128 tokens", "prompt", 128, "last"),
        suite("smollm2-prompt", "reads a prompt of 512 tokens", "prompt", 512, "last"),
        suite("smollm2-generation", "generates 64 tokens", "generation", 64),
    )


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [suite.name for suite in suites([])]
    add = parser.add_argument
    made = f"holds {MODEL}/FORMAT.gguf, made where it is missing (default: %(default)s)"
    add("--models", type=Path, default=ROOT / "target/peers-models", help=made)
    add("--formats", type=lambda text: text.split(","), default=FORMATS.split(","), metavar="FORMAT,…", help=f"default: {FORMATS}")
    add("--out", type=Path, default=ROOT / "docs/results/gguf.json", help="results (default: %(default)s)")
    add("--only", type=names_among(names), default=names, metavar="SUITE,…", help=f"some of {', '.join(names)}")
    add("--threads", type=lambda text: [int(count) for count in text.split(",")], default=[1, 2], help="default: 1,2")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--seconds", type=float, default=0.5, help="of a turn; a run that has begun is finished (default: %(default)s)")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--llama-bench", type=Path, default=shutil.which("llama-bench"), help="default: the one in PATH")
    add("--ik-llama-bench", type=Path, help="llama-bench of ik_llama.cpp (default: it takes no part)")
    arguments = parser.parse_args()
    if min(arguments.threads) < 1 or arguments.rounds < 1:
        parser.error("wanted at least 1 thread and 1 round")
    if not arguments.cke.is_file():
        parser.error(f"{arguments.cke} is not there: cargo build --release")
    return arguments


def llama_quantize(llama_bench):
    """The one beside llama-bench, else the one in PATH."""
    beside = llama_bench and Path(llama_bench).with_name("llama-quantize")
    return beside if beside and beside.exists() else shutil.which("llama-quantize")


def measure(arguments):
    """All results of the chosen suites."""
    gguf_files.ensure(arguments.formats, arguments.models / MODEL, llama_quantize(arguments.llama_bench))
    programs = {
        workloads.CKE: arguments.cke,
        workloads.LLAMA: arguments.llama_bench,
        workloads.IK_LLAMA: arguments.ik_llama_bench,
    }
    lists = {"--only": arguments.only, "--formats": arguments.formats, "--threads": arguments.threads}
    results = report.header("gguf_speed.py", lists, arguments.rounds, arguments.seconds) | {"contestants": [], "tests": []}
    versions = {}
    for suite in (suite for suite in suites(arguments.formats) if suite.name in arguments.only):
        for threads in arguments.threads:
            setting = Setting(suite, arguments.models.resolve(), threads)
            with Contest(setting, CONTESTANTS, programs) as contest:
                contest.measure(arguments.rounds, arguments.seconds)
                results["tests"] += contest.results()
                versions |= {entered.name: entered.version for entered in contest.entered}
    results["contestants"] = report.contestants(versions)
    return results


def main():
    arguments = parse_arguments()
    try:
        results = measure(arguments)
    except Failed as error:
        sys.exit(f"error: {error}")
    report.write(results, arguments.out)
    report.print_tables(results)


if __name__ == "__main__":
    main()
