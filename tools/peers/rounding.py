#!/usr/bin/env python3
"""How far rounding to eight bits moves the results of a model's linear layers, by what is rounded and how: a Markdown table.

    cat docs/src/*.md > target/text.txt
    target/peers/bin/python tools/peers/rounding.py --text target/text.txt target/peers-models/smollm2/F16.gguf

One forward pass in f32 gives the rows that each layer multiplies; then rows or weights alone are rounded. An error is that of a layer's
results, divided by their magnitude, root mean square.
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

# Rows and outputs of a layer that are looked at, drawn at random.
ROWS, OUTPUTS = 24, 1536
# What is rounded, numbers with one scale, and whether they are spread before.
VARIANTS = (
    ("rows", 128, False),
    ("rows", 64, False),
    ("rows", 32, False),
    ("rows", 128, True),
    ("weights", 128, False),
    ("weights", 32, False),
    ("weights", 128, True),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("model", type=Path, metavar="FILE.gguf")
    add("--text", type=Path, required=True)
    add("--tokens", type=int, default=320, help="from the middle of the text (default: %(default)s)")
    return parser.parse_args()


def rounded(x, group, is_spread):
    """x (…, k) in eight bits and back, one scale for each `group` numbers."""
    k = x.shape[-1]
    x = spread(x) if is_spread else x
    groups = torch.nn.functional.pad(x, (0, -k % group)).unflatten(-1, (-1, group))
    scales = groups.abs().amax(-1, keepdim=True) / 127
    back = torch.where(scales > 0, (groups / scales.clamp_min(1e-38)).round() * scales, groups).flatten(-2)[..., :k]
    return spread(back) if is_spread else back


def spread(x):
    """As `crates/kernels/src/gemm/int8/spread.rs` does it; twice is nothing."""
    whole = x.shape[-1] // 128 * 128
    blocks = x.shape[-1] // 32 * 32
    return torch.cat((mixed(mixed(x[..., :whole], 8), 32), mixed(x[..., whole:blocks], 8), x[..., blocks:]), -1)


def mixed(x, stride):
    """Half the sums and differences of each four numbers `stride` apart."""
    a, b, c, d = x.unflatten(-1, (-1, 4, stride)).unbind(-2)
    mixtures = (a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d)
    return torch.stack(mixtures, -2).flatten(-3) / 2


def rows_of_layers(network, ids):
    """Each linear layer with the rows that it gets."""
    layers, handles = [], []
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            handles.append(module.register_forward_pre_hook(lambda module, inputs: layers.append((module, inputs[0][0]))))
    network(ids)
    for handle in handles:
        handle.remove()
    return layers


def main():
    arguments = parse_arguments()
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    file = {"gguf_file": arguments.model.name}
    network = AutoModelForCausalLM.from_pretrained(arguments.model.parent, dtype=torch.float32, **file).eval()
    ids = AutoTokenizer.from_pretrained(arguments.model.parent, **file)(arguments.text.read_text(encoding="utf-8"))["input_ids"]
    middle = ids[(len(ids) - arguments.tokens) // 2 :][: arguments.tokens]
    squares = dict.fromkeys(VARIANTS, 0.0)
    layers = rows_of_layers(network, torch.tensor([middle]))
    for layer, rows in layers:
        rows = rows[torch.randperm(len(rows))[:ROWS]]
        weights = layer.weight[torch.randperm(len(layer.weight))[:OUTPUTS]]
        results = rows @ weights.T
        for what, group, is_spread in VARIANTS:
            near = (rounded(rows, group, is_spread), weights) if what == "rows" else (rows, rounded(weights, group, is_spread))
            error = (near[0] @ near[1].T - results).square().sum() / results.square().sum()
            squares[what, group, is_spread] += float(error) / len(layers)
    print("| rounded to eight bits | one scale for | error of a layer |\n|---|---:|---:|")
    for (what, group, is_spread), square in squares.items():
        print(f"| {what}{', spread' if is_spread else ''} | {group} | {100 * square**0.5:.2f}% |")


if __name__ == "__main__":
    main()
