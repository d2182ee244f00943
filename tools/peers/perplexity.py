#!/usr/bin/env python3
"""Sets the perplexity of GGUF files that CKE finds beside that of llama.cpp, as a Markdown table.

    cat docs/src/*.md > target/text.txt
    tools/peers/perplexity.py --text target/text.txt target/peers-models/smollm2/*.gguf

Both read the text in windows of 512 tokens side by side and score what the second half of each predicts.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 512


class Failed(Exception):
    """A program ended with an error or printed what nobody knows, or both did not score the same tokens."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE.gguf")
    add("--text", type=Path, required=True, help=f"of {2 * WINDOW} tokens at least")
    add("--threads", type=int, default=2, help="of both (default: %(default)s)")
    add("--f32", action="store_true", help="a column more: CKE with the file's weights, and all products, in f32")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--llama-perplexity", type=Path, default=shutil.which("llama-perplexity"), help="default: the one in PATH")
    arguments = parser.parse_args()
    if arguments.llama_perplexity is None:
        parser.error("llama-perplexity is not in PATH: tools/peers/llama.sh builds it")
    return arguments


def outputs(command):
    """Standard output and standard error of a command."""
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{Path(command[0]).name} ended with status {done.returncode}:\n{done.stderr}")
    return done.stdout, done.stderr


def of_cke(arguments, file, *flags):
    """Windows and perplexity."""
    windows = ("--window", WINDOW, "--unscored", WINDOW // 2)
    command = [arguments.cke, "eval", "--model", file, *windows, "--threads", arguments.threads, "--json", *flags, arguments.text]
    found = json.loads(outputs(command)[0])
    return found["tokens"] // WINDOW, found["perplexity"]


def of_llama(arguments, file):
    """The same; the perplexity has four decimals."""
    flags = ("-c", WINDOW, "-t", arguments.threads, "--no-warmup", "-ngl", 0)
    output = "".join(outputs([arguments.llama_perplexity, "-m", file, "-f", arguments.text, *flags]))
    chunks, perplexity = re.search(r"over (\d+) chunks", output), re.search(r"PPL = ([\d.]+)", output)
    if not chunks or not perplexity:
        raise Failed(f"llama-perplexity: wanted its final estimate, found\n{output[-1000:]}")
    return int(chunks[1]), float(perplexity[1])


def row(arguments, file):
    """A file's cells, its name first."""
    (windows, own), (chunks, others) = of_cke(arguments, file), of_llama(arguments, file)
    if windows != chunks:
        raise Failed(f"{file}: CKE's tokens fill {windows} windows, llama.cpp's {chunks}: they are not the same")
    exact = [of_cke(arguments, file, "--dtype", "f32")[1]] if arguments.f32 else []
    return [file.stem, f"{own:.4f}", f"{others:.4f}", f"{100 * (own / others - 1):+.2f}%", *(f"{value:.4f}" for value in exact)]


def main():
    arguments = parse_arguments()
    titles = ["format", "CKE", "llama.cpp", "difference", *(["CKE in f32"] if arguments.f32 else [])]
    print(f"| {' | '.join(titles)} |\n|---|{'---:|' * (len(titles) - 1)}", flush=True)
    try:
        for file in arguments.files:
            print(f"| {' | '.join(row(arguments, file))} |", flush=True)
    except Failed as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
