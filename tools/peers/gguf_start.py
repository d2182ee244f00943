#!/usr/bin/env python3
"""Times programs from their start to the first token of an answer, and takes their peak of memory, for GGUF files and packed files.

    cargo build --release
    tools/peers/gguf_start.py --llama-bench "$(bash tools/peers/llama.sh target/llama)"

It writes docs/results/gguf-start.json. README.md says how each contestant is run. Files are in the page cache, and nothing else may run meanwhile.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import command_line
import gguf_files
import report
import workloads
from command_line import ROOT, comma_separated, names_among
from contestants import Failed, Setting, last_line
from gguf_speed import TITLES
from start_tables import FILE, PACKED
from workloads import Suite

# Five tokens for SmolLM2's tokenizer, which the models with random weights have, too.
PROMPT = "The capital of France is"
TOKENS = 5


def commands(arguments, file, packed, threads):
    """What starts each contestant, reads a prompt, and ends with the first token; `cke` has its threads from the environment."""
    own = [arguments.cke, "generate", "--quiet", "--temperature", "0", "-n", "1", "--prompt", PROMPT, "--model"]
    bench = ["-ngl", "0", "-p", TOKENS, "-n", "0", "-r", "1", "-t", threads, "-o", "json", "-m", file]
    yield workloads.CKE, PACKED, [*own, packed]
    yield workloads.CKE, FILE, [*own, file]
    if arguments.llama_bench:
        yield workloads.LLAMA, FILE, [arguments.llama_bench, "--no-warmup", *bench]
    if arguments.ik_llama_bench:
        yield workloads.IK_LLAMA, FILE, [arguments.ik_llama_bench, "-w", "0", *bench]


def run(setting, command):
    """Seconds of a process, its largest number of resident bytes, mapped files included, and what it printed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        begin = time.perf_counter()
        process = setting.start([*map(str, command)], stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise Failed(f"{Path(command[0]).name} ended with status {process.returncode}: {last_line(errors.read())}")
        output.seek(0)
        return seconds, usage.ru_maxrss * 1024, output.read()


def record(arguments, setting, name, packed, versions):
    """All rounds of one file with one number of threads; notes the versions of the peers."""
    file = setting.directory / f"{name}.gguf"
    entries = []
    for contestant, kind, command in commands(arguments, file, packed, setting.threads):
        entries.append(({"contestant": contestant, "from": kind, "seconds": [], "peak_bytes": []}, command))
    for number in range(arguments.rounds + 1):
        for entry, command in entries:
            seconds, peak, output = run(setting, command)
            if entry["contestant"] != workloads.CKE:
                versions[entry["contestant"]] = json.loads(output)[0]["build_commit"]
            if number:  # The first round brings files into the page cache.
                entry["seconds"].append(seconds)
                entry["peak_bytes"].append(peak)
    sizes = {"file_bytes": file.stat().st_size, "packed_bytes": packed.stat().st_size}
    return {"model": setting.suite.title, "format": name, "threads": setting.threads, **sizes, "entries": [entry for entry, _ in entries]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    names = f"some of {', '.join(TITLES)} (default: smollm2,llama-1b)"
    add("--model", type=names_among(TITLES), default=["smollm2", "llama-1b"], metavar="MODEL,…", help=names)
    add("--models", type=Path, default=ROOT / "target/peers-models", help="holds MODEL/FORMAT.gguf (default: %(default)s)")
    add("--formats", type=comma_separated(str), default=["Q8_0", "Q4_K_M", "Q4_0"], metavar="FORMAT,…")
    add("--out", type=Path, default=ROOT / "docs/results/gguf-start.json", help="results (default: %(default)s)")
    command_line.add_machine_options(parser)
    command_line.add_ik_llama_bench(parser)
    return command_line.parse(parser)


def measure(arguments):
    """A record for each model, format and number of threads."""
    lists = {"--model": arguments.model, "--formats": arguments.formats, "--threads": arguments.threads}
    results = report.header("gguf_start.py", lists, arguments.rounds) | {"kind": "start", "contestants": [], "tests": []}
    versions = {}
    for model in arguments.model:
        suite = Suite(f"{model}-start", TITLES[model], model, "", ())
        settings = [Setting(suite, arguments.models.resolve(), threads) for threads in arguments.threads]
        versions[workloads.CKE] = settings[0].output([arguments.cke, "--version"])[0].split()[-1]
        gguf_files.ensure(arguments.formats, arguments.models, model, gguf_files.llama_quantize(arguments.llama_bench))
        for name in arguments.formats:
            with tempfile.TemporaryDirectory(dir=arguments.models) as directory:
                packed = Path(directory, f"{name}.cke")
                settings[0].output([arguments.cke, "convert", "--quiet", settings[0].directory / f"{name}.gguf", "-o", packed])
                for setting in settings:
                    print(f"{model} {name}, threads: {setting.threads}", file=sys.stderr, flush=True)
                    results["tests"].append(record(arguments, setting, name, packed, versions))
    results["contestants"] = report.contestants(versions)
    return results


if __name__ == "__main__":
    command_line.run(measure, parse_arguments())
