#!/usr/bin/env python3
"""Sets the perplexity of GGUF files that CKE finds beside that of llama.cpp, as a Markdown table.

    for page in llama gguf-blocks history; do git show 88e454f:docs/src/$page.md; done > target/text.txt
    tools/peers/perplexity.py --f32 --text target/text.txt --named "three pages of this book" --out docs/results/quality.json \
        target/peers-models/smollm2/*.gguf

Both read the text in windows of 512 tokens side by side and score what the second half of each predicts. With --out the table of this
name in a file of docs/results is replaced.
"""

import argparse
import datetime
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import printed_tables
from command_line import ROOT

WINDOW = 512
TABLE = "gguf"


class Failed(Exception):
    """A program ended with an error or printed what nobody knows, or both did not score the same tokens."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE.gguf")
    add("--text", type=Path, required=True, help=f"of {2 * WINDOW} tokens at least")
    add("--named", metavar="WORDS", help="what the text is, for the table (default: its size)")
    add("--threads", type=int, default=2, help="of both (default: %(default)s)")
    add("--f32", action="store_true", help="a column more: CKE with the file's weights, and all products, in f32")
    add("--out", type=Path, metavar="FILE.json", help=f"whose table {TABLE} is replaced (default: none)")
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
    """A file's cells, its name first, and the windows that were read."""
    (windows, own), (chunks, others) = of_cke(arguments, file), of_llama(arguments, file)
    if windows != chunks:
        raise Failed(f"{file}: CKE's tokens fill {windows} windows, llama.cpp's {chunks}: they are not the same")
    exact = [of_cke(arguments, file, "--dtype", "f32")[1]] if arguments.f32 else []
    cells = [file.stem, f"{own:.3f}", *(f"{value:.3f}" for value in exact), f"{others:.3f}"]
    return [*cells, *(f"{100 * (value / others - 1):+.2f}%" for value in (own, *exact))], windows


def table(arguments):
    """All rows, each of which is printed when it is there, to standard error."""
    exact = "`cke eval --dtype f32`"
    titles = ["<format", "`cke eval`", *([exact] if arguments.f32 else []), "`llama-perplexity`", "difference"]
    titles += ["difference in f32"] if arguments.f32 else []
    rows = []
    for file in arguments.files:
        cells, windows = row(arguments, file)
        print(" ".join(cells), file=sys.stderr, flush=True)
        rows.append(cells)
    scored = windows * (WINDOW // 2 - 1)
    text = arguments.named or f"{arguments.text.stat().st_size:,} bytes of text"
    about = (
        f"`tools/peers/perplexity.py{' --f32' if arguments.f32 else ''}`, {datetime.date.today()}: perplexity on {text}, "
        f"in {windows} windows of {WINDOW} tokens of which the second half is scored ({scored:,} tokens)."
    )
    return {"name": TABLE, "about": about, "columns": titles, "rows": rows}


def replace(path, made):
    results = json.loads(path.read_text())
    results["tables"] = [made if one["name"] == made["name"] else one for one in results["tables"]]
    text = json.dumps(results, indent=1, ensure_ascii=False)
    # A row of a table is a line.
    cell = r'"(?:[^"\\]|\\.)*"'
    text = re.sub(rf"\[\s+({cell}(?:,\s+{cell})*)\s+\]", lambda row: "[" + re.sub(r",\n\s+", ", ", row[1]) + "]", text)
    path.write_text(text + "\n")


def main():
    arguments = parse_arguments()
    try:
        made = table(arguments)
    except Failed as error:
        sys.exit(f"error: {error}")
    print("\n".join(printed_tables.table(made)))
    if arguments.out:
        replace(arguments.out, made)


if __name__ == "__main__":
    main()
