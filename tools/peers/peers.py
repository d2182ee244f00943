#!/usr/bin/env python3
"""Times GPT-2, BERT and MiniLM on CKE, PyTorch, ONNX Runtime, OpenVINO and llama.cpp, in turns: in f32, or in several dtypes.

    cargo build --release
    python3 -m venv target/peers && target/peers/bin/pip install -r tools/peers/requirements.txt
    target/peers/bin/python tools/peers/peers.py
    target/peers/bin/python tools/peers/peers.py --dtypes --rounds 3 --seconds 0.3

It writes docs/results/models.json, or dtypes.json. README.md says how each contestant is run. Nothing else may run meanwhile.
"""

import argparse
from pathlib import Path

import command_line
import gguf_files
import model_files
import report
import workloads
from command_line import ROOT, names_among
from contest import Contest
from contestants import Setting

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
    command_line.add_machine_options(parser)
    command_line.add_seconds(parser)
    arguments = command_line.parse(parser)
    arguments.only = arguments.only or (in_dtypes if arguments.dtypes else suites)
    arguments.out = arguments.out or ROOT / "docs/results" / ("dtypes.json" if arguments.dtypes else "models.json")
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


if __name__ == "__main__":
    command_line.run(measure, parse_arguments())
