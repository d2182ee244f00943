#!/usr/bin/env python3
"""Times GPT-2, BERT and MiniLM on CKE, PyTorch, ONNX Runtime, OpenVINO and llama.cpp, in turns: in f32, or in several dtypes.

    cargo build --release
    python3 -m venv target/peers && target/peers/bin/pip install -r tools/peers/requirements.txt
    target/peers/bin/python tools/peers/peers.py
    target/peers/bin/python tools/peers/peers.py --dtypes --rounds 3 --seconds 0.3

It writes docs/results/models.json, or dtypes.json. README.md says how each contestant is run. Nothing else may run meanwhile.
"""

import argparse
import shutil
import sys
from pathlib import Path

import gguf_files
import model_files
import report
import workloads
from contest import Contest, WrongResult
from contestants import Failed, Setting

ROOT = Path(__file__).resolve().parents[2]


def names_among(known):
    """A parser of lists of names."""

    def names(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"wanted some of {', '.join(known)}, found {', '.join(unknown)}")
        return chosen

    return names


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    suites, in_dtypes = ([suite.name for suite in suites] for suites in (workloads.SUITES, workloads.DTYPE_SUITES))
    contestants = workloads.taking_part(workloads.SUITES)
    add = parser.add_argument
    add("--dtypes", action="store_true", help=f"the suites {', '.join(in_dtypes)}: GPT-2 and BERT in f32, bf16, int8 and int4")
    add("--models", type=Path, default=ROOT / "target/peers-models", help="made where they are missing (default: %(default)s)")
    add("--out", type=Path, help="results (default: models.json in docs/results, with --dtypes dtypes.json)")
    add("--only", type=names_among(suites + in_dtypes), metavar="SUITE,…", help=f"some of {', '.join(suites)}; or those of --dtypes")
    add("--contestants", type=names_among(contestants), default=contestants, metavar="NAME,…", help="default: all")
    add("--threads", type=lambda text: [int(count) for count in text.split(",")], default=[1, 2], help="default: 1,2")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--seconds", type=float, default=0.5, help="of a turn; a run that has begun is finished (default: %(default)s)")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--llama-bench", type=Path, default=shutil.which("llama-bench"), help="default: the one in PATH")
    arguments = parser.parse_args()
    arguments.only = arguments.only or (in_dtypes if arguments.dtypes else suites)
    arguments.out = arguments.out or ROOT / "docs/results" / ("dtypes.json" if arguments.dtypes else "models.json")
    if min(arguments.threads) < 1 or arguments.rounds < 1:
        parser.error("wanted at least 1 thread and 1 round")
    if not arguments.cke.is_file():
        parser.error(f"{arguments.cke} is not there: cargo build --release")
    return arguments


def measure(arguments):
    """All results of the chosen suites."""
    programs = {workloads.CKE: arguments.cke, workloads.LLAMA: arguments.llama_bench}
    lists = {"--only": arguments.only, "--contestants": arguments.contestants, "--threads": arguments.threads}
    header = report.header("peers.py", lists, arguments.rounds, arguments.seconds) | {"packages": report.packages()}
    results, versions = header | {"contestants": [], "checks": {}, "tests": []}, {}
    for suite in (workloads.suite(name) for name in arguments.only):
        model_files.ensure(suite, arguments.models, gguf_files.llama_quantize(arguments.llama_bench))
        for threads in arguments.threads:
            setting = Setting(suite, arguments.models.resolve(), threads)
            with Contest(setting, arguments.contestants, programs) as contest:
                results["checks"][suite.name] = contest.compare()
                contest.measure(arguments.rounds, arguments.seconds)
                results["tests"] += contest.results()
                versions |= {entered.name: entered.version for entered in contest.entered}
    results["contestants"] = report.contestants(versions)
    return results


def main():
    arguments = parse_arguments()
    try:
        results = measure(arguments)
    except (Failed, WrongResult) as error:
        sys.exit(f"error: {error}")
    report.write(results, arguments.out)
    report.print_tables(results)


if __name__ == "__main__":
    main()
