"""Writes the engine's golden files: model directories with the outputs that PyTorch and transformers compute for them.

    python tools/golden/make.py [--only CASE] [--minilm DIR] OUT

Every case becomes the directory OUT/CASE. The layout of the files is described in OUT/README.md, which this tool
does not touch. The case `minilm` needs the model directory that fetch_minilm.sh prints, given with --minilm.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch
import transformers

import bert_cases
import decoder_cases
import gguf_cases
import gguf_model_cases
import chat_cases
import gpt2_cases
import language_tokenizer_cases
import quantized_cases
import sentence_cases
import settings_cases
import tokenizer_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--only", metavar="CASE", help="write this case alone")
    parser.add_argument("--minilm", type=Path, metavar="DIR", help="directory of all-MiniLM-L6-v2")
    args = parser.parse_args()

    cases = {
        **gpt2_cases.CASES,
        **bert_cases.CASES,
        **decoder_cases.CASES,
        **sentence_cases.CASES,
        **tokenizer_cases.CASES,
        **settings_cases.CASES,
        **gguf_cases.CASES,
        **gguf_model_cases.CASES,
        **language_tokenizer_cases.CASES,
        **chat_cases.CASES,
        **quantized_cases.CASES,
        "minilm": lambda directory: sentence_cases.minilm(args.minilm, directory),
    }
    if args.only and args.only not in cases:
        parser.error(f"unknown case {args.only!r}; the cases are: {', '.join(cases)}")
    if args.only == "minilm" and not args.minilm:
        parser.error("the case minilm needs --minilm DIR")

    settings_cases.OUT = args.out
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # One thread: the order of summation, and with it the last bit of every output, must not depend on the core count.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, make in cases.items():
        if args.only not in (None, name):
            continue
        if name == "minilm" and not args.minilm:
            print("minilm: left as it is (no --minilm DIR)", file=sys.stderr)
            continue
        directory = args.out / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make(directory)
        files = [file for file in directory.rglob("*") if file.is_file()]
        for file in files:
            file.chmod(0o644)  # the safetensors library writes 0600
        size = sum(file.stat().st_size for file in files)
        print(f"{name}: {size / 1024:.0f} KiB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
