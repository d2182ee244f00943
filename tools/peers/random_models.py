#!/usr/bin/env python3
"""Compares small models with random settings and weights with transformers: the log-likelihood of each token of random texts, in f32.

    tools/peers/random_models.py --models 500

Each model has a seed, which `--first` begins with. It needs torch and transformers. The exit status is 1 if any token differs by more
than `--most` of its value, and by more than 20 times as much as transformers in f32 differs from transformers in f64.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from command_line import ROOT, names_among
from likelihoods import of_cke
from random_settings import FAMILIES
from transformers import AutoModelForCausalLM

NUMBERS = (torch.float32, torch.float32, torch.bfloat16, torch.float16)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--models", type=int, default=100, help="of each family (default: %(default)s)")
    add("--first", type=int, default=0, help="seed of the first one (default: %(default)s)")
    add("--families", type=names_among(FAMILIES), default=list(FAMILIES), help=f"some of {','.join(FAMILIES)} (default: all)")
    add("--most", type=float, default=1e-3, help="largest difference that is accepted, in parts of the value (default: %(default)s)")
    add("--cke", type=Path, default=ROOT / "target/release/cke", help="default: %(default)s")
    add("--threads", type=int, default=1, help="of both (default: %(default)s)")
    return parser.parse_args()


def write(family, seed, directory):
    """Writes the model of a family and a seed, and gives the tokens of a text for it."""
    source = random.Random(f"{family} {seed}")
    model = AutoModelForCausalLM.from_config(FAMILIES[family](source))
    numbers, size = torch.Generator().manual_seed(seed), source.choice((0.1, 0.3, 0.8))
    gains = 0.0 if family.startswith("gemma") else 1.0
    with torch.no_grad():
        for name, values in model.named_parameters():
            noise = torch.randn(values.shape, generator=numbers)
            one_dimensional = noise * 0.5 if name.endswith("bias") else noise * 0.3 + gains
            values.copy_(noise * size if values.ndim > 1 else one_dimensional)
    model.to(source.choice(NUMBERS)).save_pretrained(directory, max_shard_size=source.choice(("5GB", "20KB")))
    length = min(source.randint(40, 200), model.config.max_position_embeddings)
    return [source.randrange(model.config.vocab_size) for _ in range(length)]


def of_transformers(directory, tokens, dtype):
    """The negative log-likelihood of each token after the first."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval().to(dtype)
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0, :-1].double()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:]), reduction="none")


def difference(arguments, directory, tokens):
    """By how much CKE differs more than it may, or nothing; a text."""
    exact, rounded = (of_transformers(directory, tokens, dtype) for dtype in (torch.float64, torch.float32))
    try:
        own = torch.tensor(of_cke(arguments, directory, tokens), dtype=torch.float64)
    except subprocess.CalledProcessError:
        return "refused"
    distance = torch.minimum((own - exact).abs(), (own - rounded).abs()) / exact.abs().clamp(min=1)
    noise = (rounded - exact).abs().max().item()
    largest = distance.max().item()
    return f"differs by {largest:.2g}, rounding by {noise:.2g}" if largest > max(arguments.most, 20 * noise) else None


def main():
    arguments, differ = parse_arguments(), 0
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for family in arguments.families:
        equal = 0
        for seed in range(arguments.first, arguments.first + arguments.models):
            with tempfile.TemporaryDirectory() as directory:
                found = difference(arguments, Path(directory), write(family, seed, directory))
            if found is None:
                equal += 1
            else:
                print(f"{family} {seed}: {found}", flush=True)
        differ += arguments.models - equal
        print(f"{family}: {equal} of {arguments.models} models equal", flush=True)
    sys.exit(min(differ, 1))


if __name__ == "__main__":
    main()
