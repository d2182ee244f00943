#!/usr/bin/env python3
"""Compares the log-likelihood of each token of a text, in f32, with those of transformers on the same GGUF file.

    tools/peers/likelihoods.py --text docs/src/llama.md target/peers-models/smollm2/F16.gguf

transformers tokenizes the text and reads the weights by its own reader (`gguf_file=`); CKE gets the tokens and runs with `--dtype f32`.
It needs torch, transformers, accelerate and gguf. The exit status is 1 if any token differs by more than `--most`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from command_line import ROOT
from transformers import AutoModelForCausalLM, AutoTokenizer


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE.gguf")
    add("--text", type=Path, required=True, help="what is scored")
    add("--tokens", type=int, default=1024, help="of the text at most (default: %(default)s)")
    add("--most", type=float, default=1e-3, help="largest difference that is accepted (default: %(default)s)")
    add("--threads", type=int, default=2, help="of both (default: %(default)s)")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    return parser.parse_args()


def of_transformers(file, text, most_tokens):
    """The tokens of the text, and the negative log-likelihood of each after the first."""
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokens = AutoTokenizer.from_pretrained(**source)(text, return_tensors="pt").input_ids[:, :most_tokens]
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(tokens).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="none")
    return tokens[0].tolist(), losses.tolist()


def of_cke(arguments, file, tokens):
    """The same of CKE for these tokens."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as list_of_tokens:
        json.dump(tokens, list_of_tokens)
        list_of_tokens.flush()
        command = [arguments.cke, "eval", "--model", file, "--tokens-file", list_of_tokens.name, "--dtype", "f32"]
        command += ["--threads", arguments.threads, "--quiet", "--json"]
        done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)["per_token"]


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    text, differs = arguments.text.read_text(), False
    print("| file | tokens | CKE | transformers | largest difference of a token |\n|---|---:|---:|---:|---:|", flush=True)
    for file in arguments.files:
        tokens, theirs = of_transformers(file, text, arguments.tokens)
        ours = of_cke(arguments, file, tokens)
        largest = max(abs(own - other) for own, other in zip(ours, theirs, strict=True))
        means = [sum(losses) / len(losses) for losses in (ours, theirs)]
        print(f"| {file.stem} | {len(tokens)} | {means[0]:.6f} | {means[1]:.6f} | {largest:.1e} |", flush=True)
        differs |= not largest <= arguments.most
    sys.exit(1 if differs else 0)


if __name__ == "__main__":
    main()
