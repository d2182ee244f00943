"""GPT-2 cases: logits, hidden states, greedy continuations and negative log-likelihoods of small random models."""

from pathlib import Path

import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, GPT2Model

from model_case import (
    LENGTHS,
    POSITIONS,
    VOCABULARY,
    checked_forward,
    load,
    random_ids,
    randomise,
    rewrite_weights,
    write_golden,
)

NEW_TOKENS = 20
NLL_TOKENS = 40
REPETITION_PENALTY = 1.3
# Greedy decoding is reproducible only where the best logit is clearly the best.
LEAST_MARGIN = 2e-3


def config(**changes) -> GPT2Config:
    values = dict(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=51,
        n_head=3,
        n_layer=2,
        activation_function="gelu_new",
        bos_token_id=VOCABULARY - 1,
        eos_token_id=VOCABULARY - 1,
    )
    return GPT2Config(**(values | changes))


def odd(directory: Path) -> None:
    model = GPT2LMHeadModel(config())
    randomise(model, seed=101)
    model.save_pretrained(directory)
    model = load(GPT2LMHeadModel, directory)
    golden = positions(model, seed=102, lengths=LENGTHS)
    golden |= generation(model, "greedy", seed=110, repetition_penalty=1.0)
    golden |= generation(model, "penalty", seed=110, repetition_penalty=REPETITION_PENALTY)
    golden |= negative_log_likelihood(model, seed=104)
    write_golden(directory, golden)


def untied(directory: Path) -> None:
    model = GPT2LMHeadModel(
        config(tie_word_embeddings=False, activation_function="relu", layer_norm_epsilon=1e-3, n_inner=130)
    )
    randomise(model, seed=201)
    model.save_pretrained(directory, max_shard_size="130KB")
    shards = len(list(directory.glob("model-*.safetensors")))
    if shards != 3:
        raise ValueError(f"wanted 3 shards, got {shards}")
    write_golden(directory, positions(load(GPT2LMHeadModel, directory), seed=202))


def bare(directory: Path) -> None:
    """bf16, without the `transformer.` prefix, with the causal masks (`h.0.attn.bias`) of the first published GPT-2."""
    model = GPT2Model(config(activation_function="gelu"))
    randomise(model, seed=301)
    model.to(torch.bfloat16).save_pretrained(directory)
    mask = torch.tril(torch.ones(1, 1, POSITIONS, POSITIONS))
    rewrite_weights(
        directory,
        lambda tensors: tensors | {f"h.{i}.attn.bias": mask.clone() for i in range(model.config.n_layer)},
    )
    write_golden(directory, positions(load(GPT2LMHeadModel, directory), seed=302))


def f16(directory: Path) -> None:
    model = GPT2LMHeadModel(config())
    randomise(model, seed=401)
    model.to(torch.float16).save_pretrained(directory)
    write_golden(directory, positions(load(GPT2LMHeadModel, directory), seed=402))


def silu(directory: Path) -> None:
    model = GPT2LMHeadModel(config(n_embd=64, n_head=4, activation_function="silu"))
    randomise(model, seed=501)
    model.to(torch.bfloat16).save_pretrained(directory)
    write_golden(directory, positions(load(GPT2LMHeadModel, directory), seed=502))


def layer_scaled(directory: Path) -> None:
    """Scores are divided by the layer's number too: a loader that overlooks the option gives wrong logits."""
    model = GPT2LMHeadModel(config(n_embd=24, n_layer=3, scale_attn_by_inverse_layer_idx=True))
    randomise(model, seed=601)
    model.save_pretrained(directory)
    write_golden(directory, positions(load(GPT2LMHeadModel, directory), seed=602, lengths=(33,)))


def positions(
    model: GPT2LMHeadModel, seed: int, lengths: tuple[int, ...] = (7, 33, POSITIONS)
) -> dict[str, torch.Tensor]:
    """Logits of every position for each length, and the hidden state after the last LayerNorm for length 33."""
    golden = {}
    for length in lengths:
        ids = random_ids(seed + length, 1, length)

        def forward(
            model: GPT2LMHeadModel, ids: torch.Tensor = ids, name: str = f"len{length}"
        ) -> dict[str, torch.Tensor]:
            outputs = {f"{name}.logits": model(ids).logits[0]}
            if ids.shape[1] == 33:
                outputs[f"{name}.hidden"] = model.transformer(ids).last_hidden_state[0]
            return outputs

        golden[f"len{length}.ids"] = ids[0]
        golden |= checked_forward(model, forward)
    return golden


def generation(model: GPT2LMHeadModel, name: str, seed: int, repetition_penalty: float) -> dict[str, torch.Tensor]:
    """Greedy continuations of two prompts; the end-of-text token does not stop them."""
    model.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=NEW_TOKENS, repetition_penalty=repetition_penalty, pad_token_id=0
    )
    golden = {}
    for index, length in enumerate((5, 12)):
        prompt = random_ids(seed + index, 1, length)
        result = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), return_dict_in_generate=True, output_scores=True
        )
        for step, scores in enumerate(result.scores):
            best, second = scores[0].topk(2).values.tolist()
            if best - second < LEAST_MARGIN:
                raise ValueError(f"{name}{index}: step {step} is decided by {best - second:.1e}; take another seed")
        golden[f"{name}{index}.prompt"] = prompt[0]
        golden[f"{name}{index}.tokens"] = result.sequences[0, length:]
    return golden


def negative_log_likelihood(model: GPT2LMHeadModel, seed: int) -> dict[str, torch.Tensor]:
    ids = random_ids(seed, 1, NLL_TOKENS)

    def forward(model: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
        logits = model(ids).logits[0, :-1]
        return {"nll.per_token": torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")}

    return {"nll.ids": ids[0]} | checked_forward(model, forward)


CASES = {
    "gpt2-odd": odd,
    "gpt2-untied": untied,
    "gpt2-bare": bare,
    "gpt2-f16": f16,
    "gpt2-silu": silu,
    "gpt2-layer-scaled": layer_scaled,
}
