"""Cases of Llama and what came after it: logits of small random models of every family, with every rope and with windows crossed."""

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from model_case import POSITIONS, VOCABULARY, checked_forward, load, random_ids, randomise, write_golden

COMMON = dict(
    vocab_size=VOCABULARY,
    max_position_embeddings=POSITIONS,
    hidden_size=36,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    bos_token_id=VOCABULARY - 2,
    eos_token_id=VOCABULARY - 1,
    pad_token_id=None,
)
GEMMA = dict(head_dim=10, query_pre_attn_scalar=11, sliding_window=5)
GEMMA_LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=300.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
YARN_ROPE = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=12)
PAIRS = 2  # of a head of 6 columns of which two thirds turn
LONG_ROPE = dict(
    rope_type="longrope",
    rope_theta=100.0,
    partial_rotary_factor=2 / 3,
    short_factor=[1.0 + 0.1 * i for i in range(PAIRS)],
    long_factor=[1.5 + 0.7 * i for i in range(PAIRS)],
)


def logits(seed: int, model: torch.nn.Module, lengths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Logits of every position for each length, and the hidden state after the last norm for length 33."""
    golden = {}
    for length in lengths:
        ids = random_ids(seed + length, 1, length)

        def forward(model: torch.nn.Module, ids: torch.Tensor = ids, name: str = f"len{length}"):
            outputs = {f"{name}.logits": model(ids).logits[0]}
            if ids.shape[1] == 33:
                outputs[f"{name}.hidden"] = model.model(ids).last_hidden_state[0]
            return outputs

        golden[f"len{length}.ids"] = ids[0]
        golden |= checked_forward(model, forward)
    return golden


def case(seed: int, config: PreTrainedConfig, lengths: tuple[int, ...] = (7, 33, POSITIONS), dtype: torch.dtype = torch.bfloat16):
    """A directory with weights of `dtype`, and logits for some lengths."""

    def make(directory: Path) -> None:
        model = AutoModelForCausalLM.from_config(config)
        randomise(model, seed=seed)
        model.to(dtype).save_pretrained(directory)
        write_golden(directory, logits(seed, load(type(model), directory), lengths))

    return make


CASES = {
    "llama": case(1101, LlamaConfig(**COMMON)),
    "llama-biased": case(
        1201, LlamaConfig(**COMMON | dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True)), (33,)
    ),
    "llama-rope3": case(1301, LlamaConfig(**COMMON, rope_parameters=LLAMA3_ROPE), dtype=torch.float32),
    "llama-linear": case(
        1401,
        LlamaConfig(**COMMON | dict(head_dim=8), rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=3.0)),
        (33,),
    ),
    "mistral": case(1501, MistralConfig(**COMMON, sliding_window=7)),
    "qwen2": case(1601, Qwen2Config(**COMMON, rope_parameters=YARN_ROPE), (7, 33)),
    "qwen2-window": case(
        1701, Qwen2Config(**COMMON, use_sliding_window=True, sliding_window=9, max_window_layers=1), (33,)
    ),
    "qwen3": case(1801, Qwen3Config(**COMMON, head_dim=16, tie_word_embeddings=True), dtype=torch.float16),
    "smollm3": case(1901, SmolLM3Config(**COMMON | dict(num_hidden_layers=4))),
    "gemma2": case(2001, Gemma2Config(**COMMON | GEMMA, attn_logit_softcapping=3.0, final_logit_softcapping=2.0)),
    "gemma3": case(2101, Gemma3TextConfig(**COMMON | GEMMA | dict(num_hidden_layers=3), layer_types=GEMMA_LAYERS)),
    "phi3": case(2201, Phi3Config(**COMMON, sliding_window=11), (7, 33)),
    "phi3-long": case(
        2301,
        Phi3Config(**COMMON, original_max_position_embeddings=20, rope_parameters=LONG_ROPE),
        (7, 33),
    ),
}
