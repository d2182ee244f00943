"""Prints how results of each dtype differ from those of f32: perplexities of a text, and vectors of its sentences.

Usage: python3 tools/book/quality/table.py CKE TEXT MINILM SMOLLM2
"""

import json
import math
import re
import subprocess
import sys
import tempfile

DTYPES = ["f32", "f16", "bf16", "int8", "int4"]


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def perplexities(cke, text, model):
    """The perplexity of a text for each dtype, beside that of f32."""
    command = [cke, "eval", "--quiet", "--json", *model, text]
    found = [json.loads(run([*command, "--dtype", dtype]))["perplexity"] for dtype in DTYPES]
    changes = [f" ({100 * (value / found[0] - 1):+.2f}%)".replace("-", "\u2212") for value in found[1:]]
    return [f"{value:.3f}{change}" for value, change in zip(found, ["", *changes])]


def sentences(text):
    """The sentences of a text, one a line."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.?!]) ", paragraph) if sentence]


def vectors(cke, model, lines, dtype):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        output = run([cke, "embed", "--quiet", "--model", model, "--dtype", dtype, "--file", file.name])
    return [[float(number) for number in line.split()] for line in output.splitlines()]


def cosine(one, other):
    product = math.fsum(a * b for a, b in zip(one, other))
    return product / math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))


def cosines(cke, model, lines):
    """Mean and least cosine of vectors of each dtype with those of f32."""
    wanted = vectors(cke, model, lines, DTYPES[0])
    mean, least = [], []
    for dtype in DTYPES:
        found = vectors(cke, model, lines, dtype)
        assert len(found) == len(lines), "a vector for each sentence"
        of_sentences = [cosine(*pair) for pair in zip(found, wanted)]
        mean.append(f"{math.fsum(of_sentences) / len(lines):.5f}")
        least.append(f"{min(of_sentences):.5f}")
    return mean, least


def main():
    cke, text, minilm, smollm2 = sys.argv[1:]
    with open(text, encoding="utf-8") as file:
        lines = sentences(file.read())
    mean, least = cosines(cke, minilm, lines)
    rows = [
        ("SmolLM2-135M of F16, perplexity", perplexities(cke, text, ["--model", smollm2])),
        ("demo model, perplexity", perplexities(cke, text, [])),
        (f"MiniLM-L6, cosine to f32 of the vectors of {len(lines)} sentences: mean", mean),
        ("the same: least", least),
    ]
    print("| |" + "|".join(f" {dtype} " for dtype in DTYPES) + "|")
    print("|---|" + "---:|" * len(DTYPES))
    for name, cells in rows:
        print(f"| {name} | " + " | ".join(cells) + " |")


main()
