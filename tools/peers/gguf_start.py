#!/usr/bin/env python3
"""Times programs from their start to the first token of an answer, and takes their peak of memory, for GGUF files and packed files.

    cargo build --release
    tools/peers/gguf_start.py --llama-bench "$(bash tools/peers/llama.sh target/llama)"

It writes docs/results/gguf-start.json. README.md says how each contestant is run. Files are in the page cache, and nothing else may run meanwhile.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf_files
import report
import workloads
from contestants import Failed, Setting, last_line
from gguf_speed import TITLES
from peers import ROOT
from workloads import Suite

# Five tokens for SmolLM2's tokenizer, which the models with random weights have, too.
PROMPT = "The capital of France is"
TOKENS = 5
FILE, PACKED = "GGUF file", "packed file"


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


def pack(cke, file, packed):
    """Writes the packed file of a GGUF file."""
    done = subprocess.run([cke, "convert", "--quiet", file, "-o", packed], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"cke convert: {last_line(done.stderr)}")


def record(arguments, model, name, threads, packed, versions):
    """All rounds of one file with one number of threads; notes the versions of the peers."""
    setting = Setting(Suite(f"{model}-start", TITLES[model], model, "", ()), arguments.models.resolve(), threads)
    file = setting.directory / f"{name}.gguf"
    entries = []
    for contestant, kind, command in commands(arguments, file, packed, threads):
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
    return {"model": TITLES[model], "format": name, "threads": threads, **sizes, "entries": [entry for entry, _ in entries]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    names = f"some of {', '.join(TITLES)} (default: smollm2,llama-1b)"
    add("--model", type=lambda text: text.split(","), default=["smollm2", "llama-1b"], metavar="MODEL,…", help=names)
    add("--models", type=Path, default=ROOT / "target/peers-models", help="holds MODEL/FORMAT.gguf (default: %(default)s)")
    add("--formats", type=lambda text: text.split(","), default=["Q8_0", "Q4_K_M", "Q4_0"], metavar="FORMAT,…")
    add("--out", type=Path, default=ROOT / "docs/results/gguf-start.json", help="results (default: %(default)s)")
    add("--threads", type=lambda text: [int(count) for count in text.split(",")], default=[1, 2], help="default: 1,2")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--llama-bench", type=Path, default=shutil.which("llama-bench"), help="default: the one in PATH")
    add("--ik-llama-bench", type=Path, help="llama-bench of ik_llama.cpp (default: it takes no part)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.model if name not in TITLES]
    if unknown:
        parser.error(f"wanted {names}, found {', '.join(unknown)}")
    if min(arguments.threads) < 1 or arguments.rounds < 1:
        parser.error("wanted at least 1 thread and 1 round")
    if not arguments.cke.is_file():
        parser.error(f"{arguments.cke} is not there: cargo build --release")
    return arguments


def measure(arguments):
    """A record for each model, format and number of threads."""
    lists = {"--model": arguments.model, "--formats": arguments.formats, "--threads": arguments.threads}
    results = report.header("gguf_start.py", lists, arguments.rounds) | {"kind": "start", "contestants": [], "tests": []}
    printed = subprocess.run([arguments.cke, "--version"], check=True, capture_output=True, text=True)
    versions = {workloads.CKE: printed.stdout.split()[-1]}
    for model in arguments.model:
        gguf_files.ensure(arguments.formats, arguments.models, model, gguf_files.llama_quantize(arguments.llama_bench))
        for name in arguments.formats:
            with tempfile.TemporaryDirectory(dir=arguments.models) as directory:
                packed = Path(directory, f"{name}.cke")
                pack(arguments.cke, arguments.models / model / f"{name}.gguf", packed)
                for threads in arguments.threads:
                    print(f"{model} {name}, threads: {threads}", file=sys.stderr, flush=True)
                    results["tests"].append(record(arguments, model, name, threads, packed, versions))
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
