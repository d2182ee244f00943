"""Random settings of small models, as transformers accepts them."""

from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

ACTIVATIONS = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh")
LOCAL, GLOBAL = "sliding_attention", "full_attention"
ROPES = ("default", "linear", "dynamic", "llama3", "yarn", "longrope")


def perhaps(random, probability, **settings):
    """The settings or none."""
    return settings if random.random() < probability else {}


def sizes(random):
    """What all decoders have."""
    heads = random.choice((1, 2, 3, 4, 6, 8, 12))
    key_heads = random.choice([number for number in range(1, heads + 1) if heads % number == 0])
    return {
        "vocab_size": random.choice((5, 17, 64, 257, 1000)),
        "hidden_size": heads * random.choice((8, 10, 16, 20)),
        "intermediate_size": random.choice((1, 8, 33, 64, 129)),
        "num_hidden_layers": random.choice((1, 2, 3, 7)),
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "max_position_embeddings": random.choice((128, 200, 1024, 4096)),
        "rms_norm_eps": random.choice((1e-6, 1e-5, 1e-3)),
        "tie_word_embeddings": random.random() < 0.5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }


def rope(random, columns, kinds=ROPES):
    """How queries and keys are turned; `columns` of a head are."""
    kind = random.choice(kinds)
    trained = {"original_max_position_embeddings": random.choice((16, 32, 64, 100))}
    own = {
        "default": lambda: {},
        "linear": lambda: {"factor": random.choice((1.0, 2.5, 8.0))},
        "dynamic": lambda: {"factor": 4.0},
        "llama3": lambda: trained | {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": random.choice((2.0, 4.0))},
        "yarn": lambda: trained
        | {"factor": random.choice((2.0, 4.0, 13.5))}
        | perhaps(random, 0.3, attention_factor=1.3)
        | perhaps(random, 0.4, beta_fast=16.0, beta_slow=2.0)
        | perhaps(random, 0.4, mscale=0.707, mscale_all_dim=random.choice((0.0, 0.5, 1.0))),
        "longrope": lambda: trained
        | {name: [round(random.uniform(0.8, 8), 3) for _ in range(columns // 2)] for name in ("short_factor", "long_factor")}
        | perhaps(random, 0.4, factor=8.0),
    }[kind]()
    return {"rope_type": kind, "rope_theta": random.choice((10.0, 1e4, 1e6))} | own


def window(random):
    return random.choice((2, 5, 16, 31, 100))


def kinds_of_layers(random, layers):
    """Which layers have the window, or nothing."""
    return perhaps(random, 0.5, layer_types=[random.choice((LOCAL, GLOBAL)) for _ in range(layers)])


def head_dim(random, settings):
    """The columns of a head, and the settings with them, if they do not follow from the width."""
    columns = settings["hidden_size"] // settings["num_attention_heads"]
    if random.random() < 0.5:
        return columns, settings
    columns = random.choice((4, 6, 16, 32, 80, 128))
    return columns, settings | {"head_dim": columns}


def of_llama(random):
    columns, settings = head_dim(random, sizes(random))
    biases = {"attention_bias": random.random() < 0.4, "mlp_bias": random.random() < 0.4}
    return LlamaConfig(**settings | biases, hidden_act=random.choice(ACTIVATIONS), rope_parameters=rope(random, columns))


def of_mistral(random):
    columns, settings = head_dim(random, sizes(random))
    return MistralConfig(**settings, sliding_window=random.choice((None, window(random))), rope_parameters=rope(random, columns))


def of_qwen(random, config):
    columns, settings = head_dim(random, sizes(random)) if config is Qwen3Config else (0, sizes(random))
    columns = columns or settings["hidden_size"] // settings["num_attention_heads"]
    settings.setdefault("head_dim", columns)
    uses_window = random.random() < 0.7
    own = {"use_sliding_window": uses_window, "sliding_window": window(random), "max_window_layers": random.choice((0, 1, 28))}
    own |= kinds_of_layers(random, settings["num_hidden_layers"]) if uses_window else {}
    own |= {"attention_bias": random.random() < 0.4} if config is Qwen3Config else {}
    return config(**settings | own, rope_parameters=rope(random, columns))


def of_gemma(random, config):
    columns = random.choice((8, 16, 32, 80))
    settings = sizes(random) | {"head_dim": columns, "query_pre_attn_scalar": random.choice((columns, 16, 168))}
    settings |= {"sliding_window": window(random), "final_logit_softcapping": random.choice((None, 5.0, 30.0))}
    settings |= kinds_of_layers(random, settings["num_hidden_layers"])
    if config is Gemma2Config:
        cap = random.choice((None, 2.0, 50.0))
        return config(**settings, attn_logit_softcapping=cap, rope_parameters=rope(random, columns))
    local = rope(random, columns, ("default", "linear", "llama3"))
    nested = {"rope_parameters": {GLOBAL: rope(random, columns), LOCAL: local}} if random.random() < 0.5 else {}
    return config(**settings | nested)


def of_phi3(random):
    settings = sizes(random)
    columns = settings["hidden_size"] // settings["num_attention_heads"]
    part = random.choice([part for part in (1.0, 0.75, 0.5, 0.25) if int(columns * part) % 2 == 0])
    turned = rope(random, int(columns * part), ("default", "longrope")) | {"partial_rotary_factor": part}
    trained = random.choice((16, 64, 4096))
    own = {"sliding_window": random.choice((None, window(random))), "original_max_position_embeddings": trained}
    return Phi3Config(**settings | own, rope_parameters=turned)


def of_smollm3(random):
    columns, settings = head_dim(random, sizes(random))
    layers = settings["num_hidden_layers"]
    own = {"use_sliding_window": random.random() < 0.5, "sliding_window": window(random)}
    own |= kinds_of_layers(random, layers)
    own |= perhaps(random, 0.5, no_rope_layers=[random.choice((0, 1)) for _ in range(layers)])
    return SmolLM3Config(**settings | own, no_rope_layer_interval=random.choice((1, 2, 4)), rope_parameters=rope(random, columns))


def of_gpt2(random):
    settings = sizes(random)
    return GPT2Config(
        vocab_size=settings["vocab_size"],
        n_positions=settings["max_position_embeddings"],
        n_embd=settings["hidden_size"],
        n_layer=settings["num_hidden_layers"],
        n_head=settings["num_attention_heads"],
        n_inner=random.choice((None, 33)),
        activation_function=random.choice(ACTIVATIONS),
        scale_attn_weights=random.random() < 0.8,
        scale_attn_by_inverse_layer_idx=random.random() < 0.4,
        tie_word_embeddings=settings["tie_word_embeddings"],
        bos_token_id=1,
        eos_token_id=2,
    )


FAMILIES = {
    "gpt2": of_gpt2,
    "llama": of_llama,
    "mistral": of_mistral,
    "qwen2": lambda random: of_qwen(random, Qwen2Config),
    "qwen3": lambda random: of_qwen(random, Qwen3Config),
    "smollm3": of_smollm3,
    "gemma2": lambda random: of_gemma(random, Gemma2Config),
    "gemma3": lambda random: of_gemma(random, Gemma3TextConfig),
    "phi3": of_phi3,
}
