"""GGUF files: blocks of every format, and a tiny model of every architecture as transformers reads it."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

# Format and the places of its 16-bit floats in a block.
FORMATS = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}

# Zero, minus zero, the smallest, a subnormal, the largest, infinities, a NaN.
ODD_HALVES = [0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E01]


def blocks(directory: Path) -> None:
    """Random and adversarial bytes of every block format, decoded by the gguf package."""
    rng = np.random.default_rng(17)
    tensors = {}
    for name, halves in FORMATS.items():
        size = gguf.GGML_QUANT_SIZES[Type[name]][1]
        raw = [np.full(size, byte, np.uint8) for byte in (0x00, 0xFF, 0x88)]
        for half in [None, *ODD_HALVES]:
            block = rng.integers(0, 256, size, dtype=np.uint8)
            for at in halves:
                value = np.float16(rng.normal() / 50).view(np.uint16) if half is None else np.uint16(half)
                block[at : at + 2] = np.frombuffer(value.tobytes(), np.uint8)
            raw.append(block)
        raw += list(rng.integers(0, 256, (4, size), dtype=np.uint8))
        raw = np.stack(raw)
        with np.errstate(all="ignore"):
            tensors[f"{name}.values"] = dequantize(raw, Type[name]).reshape(-1)
        tensors[f"{name}.bytes"] = raw.reshape(-1)
    save_file(tensors, directory / "golden.safetensors")


WIDTH, HEADS, KEY_HEADS, HEAD, INNER, VOCABULARY = 64, 4, 2, 16, 32, 40


class File:
    """A GGUF file of random weights."""

    def __init__(self, directory: Path, architecture: str, seed: int):
        self.rng = np.random.default_rng(seed)
        self.path, self.architecture = directory / "model.gguf", architecture
        self.writer = GGUFWriter(self.path, architecture)
        self.writer.add_type("model")
        self.writer.add_context_length(128)
        self.writer.add_embedding_length(WIDTH)
        self.writer.add_block_count(1)
        self.writer.add_feed_forward_length(INNER)
        self.writer.add_head_count(HEADS)
        self.writer.add_head_count_kv(KEY_HEADS)
        self.writer.add_layer_norm_rms_eps(1e-5)
        self.writer.add_rope_freq_base(50000.0)
        self.writer.add_vocab_size(VOCABULARY)
        self.writer.add_bos_token_id(1)
        self.writer.add_eos_token_id(2)

    def tensor(self, name: str, shape: list[int], kind: Type = Type.F32) -> None:
        values = self.rng.normal(0, 0.2, shape).astype(np.float32)
        data = quantize(values, kind)
        self.writer.add_tensor(name, data, raw_dtype=kind)

    def model(self, layer: dict[str, list[int]], kinds: list[Type], has_head: bool) -> None:
        self.tensor("token_embd.weight", [VOCABULARY, WIDTH], Type.Q8_0)
        self.tensor("output_norm.weight", [WIDTH])
        if has_head:
            self.tensor("output.weight", [VOCABULARY, WIDTH], Type.F16)
        for place, (name, shape) in enumerate(layer.items()):
            kind = kinds[place % len(kinds)] if len(shape) == 2 else Type.F32
            self.tensor(f"blk.0.{name}", shape, kind)

    def finish(self) -> None:
        """Writes the file, and what transformers makes of it."""
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        directory, file = self.path.parent, {"gguf_file": self.path.name}
        config = transformers.AutoConfig.from_pretrained(directory, **file)
        config.head_dim = HEAD  # which transformers does not take from every architecture's file
        model = transformers.AutoModelForCausalLM.from_pretrained(
            directory, config=config, dtype=torch.float32, **file
        )
        state = {name: value.contiguous().numpy().copy() for name, value in model.state_dict().items()}
        save_file(state, directory / "golden.safetensors")
        config = {key: value for key, value in model.config.to_dict().items() if key in CONFIG_KEYS}
        (directory / "golden.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


CONFIG_KEYS = [
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "sliding_window",
    "tie_word_embeddings",
    "vocab_size",
]

QKV = {
    "attn_norm.weight": [WIDTH],
    "attn_q.weight": [HEADS * HEAD, WIDTH],
    "attn_k.weight": [KEY_HEADS * HEAD, WIDTH],
    "attn_v.weight": [KEY_HEADS * HEAD, WIDTH],
    "attn_output.weight": [WIDTH, HEADS * HEAD],
}
FEED_FORWARD = {
    "ffn_norm.weight": [WIDTH],
    "ffn_gate.weight": [INNER, WIDTH],
    "ffn_up.weight": [INNER, WIDTH],
    "ffn_down.weight": [WIDTH, INNER],
}
BIASES = {"attn_q.bias": [HEADS * HEAD], "attn_k.bias": [KEY_HEADS * HEAD], "attn_v.bias": [KEY_HEADS * HEAD]}
HEAD_NORMS = {"attn_q_norm.weight": [HEAD], "attn_k_norm.weight": [HEAD]}
GEMMA_NORMS = {"post_attention_norm.weight": [WIDTH], "post_ffw_norm.weight": [WIDTH]}


def llama(directory: Path) -> None:
    file = File(directory, "llama", 1)
    file.writer.add_rope_dimension_count(HEAD)
    file.model(QKV | FEED_FORWARD, [Type.Q4_0, Type.Q8_0, Type.Q5_1, Type.BF16], True)
    file.finish()


def qwen2(directory: Path) -> None:
    file = File(directory, "qwen2", 2)
    file.model(QKV | BIASES | FEED_FORWARD, [Type.Q4_1, Type.F16], False)
    file.finish()


def qwen3(directory: Path) -> None:
    file = File(directory, "qwen3", 3)
    file.writer.add_key_length(HEAD)
    file.writer.add_value_length(HEAD)
    file.model(QKV | HEAD_NORMS | FEED_FORWARD, [Type.Q5_0], True)
    file.finish()


def gemma2(directory: Path) -> None:
    file = File(directory, "gemma2", 4)
    file.writer.add_key_length(HEAD)
    file.writer.add_value_length(HEAD)
    file.writer.add_sliding_window(24)
    file.writer.add_attn_logit_softcapping(50.0)
    file.writer.add_final_logit_softcapping(30.0)
    file.model(QKV | FEED_FORWARD | GEMMA_NORMS, [Type.Q8_0], False)
    file.finish()


def gemma3(directory: Path) -> None:
    file = File(directory, "gemma3", 5)
    file.writer.add_key_length(HEAD)
    file.writer.add_value_length(HEAD)
    file.writer.add_sliding_window(24)
    file.model(QKV | HEAD_NORMS | FEED_FORWARD | GEMMA_NORMS, [Type.Q4_0], False)
    file.finish()


def phi3(directory: Path) -> None:
    file = File(directory, "phi3", 6)
    file.writer.add_pad_token_id(0)
    file.writer.add_rope_dimension_count(HEAD)
    layer = {
        "attn_norm.weight": [WIDTH],
        "attn_qkv.weight": [(HEADS + 2 * KEY_HEADS) * HEAD, WIDTH],
        "attn_output.weight": [WIDTH, HEADS * HEAD],
        "ffn_norm.weight": [WIDTH],
        "ffn_up.weight": [2 * INNER, WIDTH],
        "ffn_down.weight": [WIDTH, INNER],
    }
    file.model(layer, [Type.Q8_0], True)
    file.finish()


CASES = {
    "gguf-blocks": blocks,
    "gguf-llama": llama,
    "gguf-qwen2": qwen2,
    "gguf-qwen3": qwen3,
    "gguf-gemma2": gemma2,
    "gguf-gemma3": gemma3,
    "gguf-phi3": phi3,
}
