"""Prints how results of each dtype differ from those of f32: perplexities of a text, and vectors of its sentences.

Usage: python3 tools/book/quality/table.py CKE TEXT BOOK MINILM SMOLLM2

SmolLM2 reads the pages of the directory BOOK, the demo model TEXT, whose sentences become vectors of MiniLM. A change of perplexity stands
with its standard error: that of the mean of the differences, token by token.
"""

import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

DTYPES = ["f32", "f16", "bf16", "int8", "int4"]


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def perplexities(cke, text, model):
    """The perplexity of a text for each dtype, beside that of f32, and the number of tokens."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        command = [cke, "eval", "--quiet", "--json", *model, file.name]
        found = [json.loads(run([*command, "--dtype", dtype])) for dtype in DTYPES]
    return [found[0]["tokens"], f"{found[0]['perplexity']:.3f}", *(compared(one, found[0]) for one in found[1:])]


def compared(one, other):
    """A perplexity, and by how much it is above another one of the same text."""
    differences = [a - b for a, b in zip(one["per_token"], other["per_token"], strict=True)]
    change = 100 * math.expm1(statistics.fmean(differences))
    error = 100 * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{one['perplexity']:.3f} ({change:+.2f} ± {error:.2f}%)".replace("-", "\u2212")


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
    cke, text, book, minilm, smollm2 = sys.argv[1:]
    text = pathlib.Path(text).read_text(encoding="utf-8")
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted(pathlib.Path(book).glob("*.md")))
    lines = sentences(text)
    mean, least = cosines(cke, minilm, lines)
    tokens, *smollm2 = perplexities(cke, pages, ["--model", smollm2])
    few_tokens, *demo = perplexities(cke, text, [])
    rows = [
        (f"SmolLM2-135M of F16, perplexity of {tokens:,} tokens", smollm2),
        (f"demo model, perplexity of {few_tokens:,} tokens", demo),
        (f"MiniLM-L6, cosine to f32 of the vectors of {len(lines)} sentences: mean", mean),
        ("the same: least", least),
    ]
    print("| |" + "|".join(f" {dtype} " for dtype in DTYPES) + "|")
    print("|---|" + "---:|" * len(DTYPES))
    for name, cells in rows:
        print(f"| {name} | " + " | ".join(cells) + " |")


main()
