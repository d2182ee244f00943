"""Trains the demo model, a small GPT-2, and writes it as transformers' GPT2LMHeadModel would.

    python train.py CORPUS_DIR MODEL_DIR

reads CORPUS_DIR/{train,valid}.bin and writes MODEL_DIR/{model.safetensors, config.json, generation_config.json}.
The corpus is small, so the model soon overfits it. Larger models ("teachers") are therefore trained first; the demo
model learns from the average of their predictions as well as from the text (Hinton et al., 2015, arXiv:1503.02531).
"""

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from gpt2 import CONTEXT, VOCABULARY, Gpt2

END_OF_TEXT = 0  # token id
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass
class Recipe:
    layers: int
    width: int
    heads: int
    dropout: float
    weight_decay: float
    learning_rate: float
    steps: int
    batch: int = 64
    warmup: int = 200
    seed: int = 1


TEACHER = Recipe(layers=6, width=512, heads=8, dropout=0.3, weight_decay=3.0, learning_rate=3e-3, steps=3000)
TEACHER_SEEDS = (1, 2, 3)
DEMO = Recipe(layers=6, width=256, heads=4, dropout=0.1, weight_decay=1.5, learning_rate=4e-3, steps=7500)
TEXT_SHARE = 0.3  # weight of the text in the demo model's loss; the rest is the teachers'


def load_tokens(path):
    return torch.from_numpy(np.fromfile(path, dtype="<u2").astype(np.int64)).to(DEVICE)


def autocast():
    return torch.autocast(DEVICE, dtype=torch.bfloat16)


def random_batch(tokens, size):
    starts = torch.randint(len(tokens) - CONTEXT, (size, 1), device=DEVICE)
    window = tokens[starts + torch.arange(CONTEXT + 1, device=DEVICE)]
    return window[:, :-1], window[:, 1:]


@torch.no_grad()
def validate(model, tokens):
    """Mean negative log-likelihood per token over windows of the whole context, in nats."""
    model.eval()
    count = (len(tokens) - 1) // CONTEXT
    ids = tokens[: count * CONTEXT].view(count, CONTEXT)
    targets = tokens[1 : count * CONTEXT + 1].view(count, CONTEXT)
    total = 0.0
    for start in range(0, count, 32):
        with autocast():
            logits = model(ids[start : start + 32])
        logits = logits.float().flatten(0, 1)
        total += F.cross_entropy(logits, targets[start : start + 32].flatten(), reduction="sum").item()
    model.train()
    return total / targets.numel()


def make_optimizer(model, r):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": r.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=r.learning_rate, betas=(0.9, 0.95), fused=DEVICE == "cuda")


def schedule(step, r):
    """Linear warm-up, then a cosine to zero."""
    if step < r.warmup:
        return (step + 1) / r.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - r.warmup) / (r.steps - r.warmup)))


@torch.no_grad()
def mean_prediction(teachers, ids):
    with autocast():
        return torch.stack([F.softmax(teacher(ids).float(), dim=-1) for teacher in teachers]).mean(dim=0)


def batch_loss(model, ids, targets, teachers):
    """Returns the loss to minimize and its part against the text: the cross-entropy against the text is mixed with
    the one against the teachers' mean prediction."""
    with autocast():
        logits = model(ids)
    log_p = F.log_softmax(logits.float().flatten(0, 1), dim=-1)
    loss = F.nll_loss(log_p, targets.flatten())
    if not teachers:
        return loss, loss
    soft = -(mean_prediction(teachers, ids).flatten(0, 1) * log_p).sum(dim=-1).mean()
    return TEXT_SHARE * loss + (1 - TEXT_SHARE) * soft, loss


def train(name, r, data, teachers=(), on_best=None):
    """Returns the model with the weights that were best on the validation split, and that loss."""
    torch.manual_seed(r.seed)
    model = Gpt2(r.layers, r.width, r.heads, r.dropout).to(DEVICE)
    optimizer = make_optimizer(model, r)
    compiled_loss = torch.compile(batch_loss)
    best_loss, best, started, text_losses = math.inf, None, time.time(), []
    for step in range(r.steps):
        for group in optimizer.param_groups:
            group["lr"] = r.learning_rate * schedule(step, r)
        loss, text_loss = compiled_loss(model, *random_batch(data["train"], r.batch), teachers)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        text_losses.append(text_loss.detach())
        if (step + 1) % 250 == 0 or step + 1 == r.steps:
            valid = validate(model, data["valid"])
            text = torch.stack(text_losses).mean().item()
            seconds = time.time() - started
            print(f"{name} step {step + 1}/{r.steps} train {text:.4f} valid {valid:.4f} {seconds:.0f} s", flush=True)
            text_losses = []
            if valid < best_loss:
                best_loss, best = valid, {key: value.clone() for key, value in model.state_dict().items()}
                if on_best:
                    on_best(best)
    model.load_state_dict(best)
    return model, best_loss


def export(state, model_dir):
    """Writes the tied model in bf16; without `lm_head.weight`, which is `transformer.wte.weight`."""
    tensors = {f"transformer.{name}": value.to("cpu", torch.bfloat16).contiguous() for name, value in state.items()}
    save_file(tensors, model_dir / "model.safetensors", metadata={"format": "pt"})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_configuration(r, model_dir):
    ids = {"bos_token_id": END_OF_TEXT, "eos_token_id": END_OF_TEXT}
    write_json(model_dir / "config.json", {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": VOCABULARY,
        "n_positions": CONTEXT,
        "n_ctx": CONTEXT,
        "n_embd": r.width,
        "n_layer": r.layers,
        "n_head": r.heads,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "initializer_range": 0.02,
        "embd_pdrop": r.dropout,
        "attn_pdrop": r.dropout,
        "resid_pdrop": r.dropout,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        **ids,
    })
    write_json(model_dir / "generation_config.json", {
        "do_sample": True, "temperature": 0.8, "top_k": 40, "top_p": 0.95, "repetition_penalty": 1.05, **ids,
    })


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    options.model.mkdir(parents=True, exist_ok=True)
    started = time.time()
    data = {split: load_tokens(options.corpus / f"{split}.bin") for split in ("train", "valid")}
    teachers = []
    for seed in TEACHER_SEEDS:
        teacher, _ = train(f"teacher {seed}", replace(TEACHER, seed=seed), data)
        teachers.append(teacher.eval().requires_grad_(False))
    write_configuration(DEMO, options.model)
    demo, _ = train("demo", DEMO, data, tuple(teachers), on_best=lambda state: export(state, options.model))
    rounded = {name: value.to(torch.bfloat16) for name, value in demo.state_dict().items()}
    demo.load_state_dict(rounded)
    parameters = sum(p.numel() for p in demo.parameters())
    print(f"{parameters} parameters, valid {validate(demo, data['valid']):.4f} after rounding to bf16, "
          f"{(time.time() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
