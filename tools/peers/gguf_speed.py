#!/usr/bin/env python3
"""Times a model in several formats of GGUF on CKE, llama.cpp, ik_llama.cpp and mistral.rs, in turns.

    cargo build --release
    tools/peers/gguf_speed.py --llama-bench "$(bash tools/peers/llama.sh target/llama)"

It writes docs/results/gguf.json. README.md says how each contestant is run. Nothing else may run meanwhile.
"""

import argparse
from pathlib import Path

import command_line
import gguf_files
import report
import synthetic_gguf
import workloads
from command_line import ROOT, comma_separated, names_among
from contest import Contest
from contestants import Setting
from workloads import Suite, Test

CONTESTANTS = (workloads.CKE, workloads.LLAMA, workloads.IK_LLAMA, workloads.MISTRAL_RS)
FORMATS = "F16,Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0"
TITLES = {gguf_files.SMOLLM2: "SmolLM2 135M"} | {name: sizes.title for name, sizes in synthetic_gguf.MODELS.items()}
# Tokens before those that are generated.
DEPTHS = (4096, 16384)
# Sequences that run together.
CHATS = 8


def suites(model, formats):
    """Prompts and generation of several lengths, and sequences together; their tests are the formats."""

    def suite(name, what, kind, tokens, logits=None, depth=0):
        tests = [
            Test(format, format, kind, CONTESTANTS, tokens, logits=logits, file=f"{format}.gguf", depth=depth) for format in formats
        ]
        return Suite(f"{model}-{name}", f"{TITLES[model]} {what}, formats of GGUF", model, "tokens/s", tuple(tests))

    def chats():
        """Sequences together beside one by itself."""
        tests = []
        for format in formats:
            together = f"{format}, {CHATS} sequences together"
            tests.append(Test(format, format, "generation", (workloads.CKE,), 64, file=f"{format}.gguf"))
            tests.append(Test(f"{format}x{CHATS}", together, "generation", (workloads.CKE,), 64, CHATS, file=f"{format}.gguf"))
        title = f"{TITLES[model]} generates 64 tokens of one and of several sequences, formats of GGUF"
        return Suite(f"{model}-chats", title, model, "tokens/s", tuple(tests))

    return (
        suite("question", "reads a prompt of 20 tokens", "prompt", 20, "last"),
        suite("short-prompt", "reads a prompt of 128 tokens", "prompt", 128, "last"),
        suite("prompt", "reads a prompt of 512 tokens", "prompt", 512, "last"),
        suite("long-prompt", "reads a prompt of 4096 tokens", "prompt", 4096, "last"),
        suite("generation", "generates 64 tokens", "generation", 64),
        suite("generation-128", "generates 128 tokens", "generation", 128),
        chats(),
        *(suite(f"generation-{depth}", f"generates 64 tokens behind {depth}", "generation", 64, depth=depth) for depth in DEPTHS),
    )


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = ["short-prompt", "prompt", "generation"]
    names = [*usual, "question", "long-prompt", "generation-128", "chats", *(f"generation-{depth}" for depth in DEPTHS)]
    add = parser.add_argument
    made = "holds MODEL/FORMAT.gguf, made where it is missing (default: %(default)s)"
    add("--model", choices=TITLES, default=gguf_files.SMOLLM2, help="default: %(default)s")
    add("--models", type=Path, default=ROOT / "target/peers-models", help=made)
    add("--formats", type=comma_separated(str), default=FORMATS.split(","), metavar="FORMAT,…", help=f"default: {FORMATS}")
    add("--out", type=Path, default=ROOT / "docs/results/gguf.json", help="results (default: %(default)s)")
    add("--only", type=names_among(names), default=usual, metavar="SUITE,…", help=f"some of {', '.join(names)}; default: {', '.join(usual)}")
    command_line.add_machine_options(parser)
    command_line.add_seconds(parser)
    command_line.add_ik_llama_bench(parser)
    add("--mistralrs", type=Path, metavar="PYTHON", help="a Python that has the package mistralrs (default: it takes no part)")
    return command_line.parse(parser)


def measure(arguments):
    """All results of the chosen suites."""
    gguf_files.ensure(arguments.formats, arguments.models, arguments.model, gguf_files.llama_quantize(arguments.llama_bench))
    programs = {
        workloads.CKE: arguments.cke,
        workloads.LLAMA: arguments.llama_bench,
        workloads.IK_LLAMA: arguments.ik_llama_bench,
        workloads.MISTRAL_RS: arguments.mistralrs,
    }
    lists = {"--model": [arguments.model], "--only": arguments.only, "--formats": arguments.formats, "--threads": arguments.threads}
    results = report.header("gguf_speed.py", lists, arguments.rounds, arguments.seconds) | {"contestants": [], "tests": []}
    versions = {}
    wanted = [f"{arguments.model}-{name}" for name in arguments.only]
    for suite in (suite for suite in suites(arguments.model, arguments.formats) if suite.name in wanted):
        for threads in arguments.threads:
            setting = Setting(suite, arguments.models.resolve(), threads)
            with Contest(setting, CONTESTANTS, programs) as contest:
                contest.measure(arguments.rounds, arguments.seconds)
                results["tests"] += contest.results()
                versions |= {entered.name: entered.version for entered in contest.entered}
    results["contestants"] = report.contestants(versions)
    return results


if __name__ == "__main__":
    command_line.run(measure, parse_arguments())
