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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

VOCABULARY, CONTEXT, END_OF_TEXT = 8192, 512, 0
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


class Conv1D(nn.Module):
    """y = x W + b with W (inputs, outputs): GPT-2 stores its weights in this orientation."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return F.linear(x, self.weight.t(), self.bias)


class Attention(nn.Module):
    def __init__(self, r):
        super().__init__()
        self.heads, self.dropout = r.heads, r.dropout
        self.c_attn = Conv1D(r.width, 3 * r.width)
        self.c_proj = Conv1D(r.width, r.width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in self.c_attn(x).split(width, dim=2))
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return self.c_proj(y.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    def __init__(self, r):
        super().__init__()
        self.c_fc = Conv1D(r.width, 4 * r.width)
        self.c_proj = Conv1D(4 * r.width, r.width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Layer(nn.Module):
    def __init__(self, r):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(r.width), Attention(r)
        self.ln_2, self.mlp = nn.LayerNorm(r.width), Mlp(r)
        self.drop = nn.Dropout(r.dropout)

    def forward(self, x):
        x = x + self.drop(self.attn(self.ln_1(x)))
        return x + self.drop(self.mlp(self.ln_2(x)))


class Gpt2(nn.Module):
    """The names of the parameters are those of transformers' GPT2Model."""

    def __init__(self, r):
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, r.width)
        self.wpe = nn.Embedding(CONTEXT, r.width)
        self.drop = nn.Dropout(r.dropout)
        self.h = nn.ModuleList(Layer(r) for _ in range(r.layers))
        self.ln_f = nn.LayerNorm(r.width)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith("c_proj.weight")
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * r.layers) if residual else 0.02)

    def forward(self, ids):
        x = self.drop(self.wte(ids) + self.wpe.weight[: ids.shape[1]])
        for layer in self.h:
            x = layer(x)
        return F.linear(self.ln_f(x), self.wte.weight)


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
        total += F.cross_entropy(logits.float().flatten(0, 1), targets[start : start + 32].flatten(), reduction="sum").item()
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
def teachers_log_mean(teachers, ids):
    with autocast():
        return torch.stack([F.softmax(teacher(ids).float(), dim=-1) for teacher in teachers]).mean(dim=0)


def batch_loss(model, ids, targets, teachers, text_share):
    """The cross-entropy against the text, mixed with the one against the teachers' mean prediction."""
    with autocast():
        logits = model(ids)
    log_p = F.log_softmax(logits.float().flatten(0, 1), dim=-1)
    loss = F.nll_loss(log_p, targets.flatten())
    if not teachers:
        return loss, loss
    soft = -(teachers_log_mean(teachers, ids).flatten(0, 1) * log_p).sum(dim=-1).mean()
    return text_share * loss + (1 - text_share) * soft, loss


def train(name, r, data, teachers=(), text_share=0.3, on_best=None):
    """Returns the model with the weights that were best on the validation split, and that loss."""
    torch.manual_seed(r.seed)
    model = Gpt2(r).to(DEVICE)
    optimizer = make_optimizer(model, r)
    compiled_loss = torch.compile(batch_loss)
    best_loss, best, started, text_losses = math.inf, None, time.time(), []
    for step in range(r.steps):
        for group in optimizer.param_groups:
            group["lr"] = r.learning_rate * schedule(step, r)
        loss, text_loss = compiled_loss(model, *random_batch(data["train"], r.batch), teachers, text_share)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        text_losses.append(text_loss.detach())
        if (step + 1) % 250 == 0 or step + 1 == r.steps:
            valid = validate(model, data["valid"])
            text = torch.stack(text_losses).mean().item()
            print(f"{name} step {step + 1}/{r.steps} train {text:.4f} valid {valid:.4f} {time.time() - started:.0f} s", flush=True)
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
        "do_sample": True, "temperature": 0.7, "top_k": 40, "top_p": 0.95, **ids,
    })
