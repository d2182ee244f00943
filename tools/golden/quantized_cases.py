"""Checkpoints quantised as AutoGPTQ, GPTQModel, AutoAWQ and the writers of fp8 do, by numpy alone, with the weights they stand for.

Every case is a tiny Llama. `golden.safetensors` has what one of its layers is made of in f32, from the definition of the format and from
the numbers before they were packed.

    python tools/golden/quantized_cases.py OUT [CASE]
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTH, HEADS, KEY_HEADS, HEAD, INNER, VOCABULARY = 256, 2, 1, 8, 16, 24
LAYERS = {
    "self_attn.q_proj": (HEADS * HEAD, WIDTH),
    "self_attn.k_proj": (KEY_HEADS * HEAD, WIDTH),
    "self_attn.v_proj": (KEY_HEADS * HEAD, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
}
# Left as they are: their inputs are fewer than a group.
PLAIN = {"self_attn.o_proj": (WIDTH, HEADS * HEAD), "mlp.down_proj": (WIDTH, INNER)}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": 1,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "head_dim": HEAD,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 32,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# The layer whose weights are written down.
SHOWN = "model.layers.0.self_attn.k_proj"


def words(numbers: np.ndarray) -> np.ndarray:
    """(…, 8·n) numbers of four bits as (…, n) words, the first lowest."""
    parts = numbers.astype(np.uint32).reshape(*numbers.shape[:-1], -1, 8)
    return np.bitwise_or.reduce(parts << (4 * np.arange(8, dtype=np.uint32)), axis=-1).astype(np.uint32).view(np.int32)


def levels(rng: np.random.Generator, outputs: int, inputs: int, groups: int, symmetric: bool):
    """Numbers, zero points and scales: (inputs, outputs) and (groups, outputs)."""
    q = rng.integers(0, 16, (inputs, outputs))
    zeros = np.full((groups, outputs), 8) if symmetric else rng.integers(1, 16, (groups, outputs))
    scales = (rng.uniform(0.3, 1.0, (groups, outputs)) * 0.02).astype(np.float16)
    return q, zeros, scales


def dequantised(q, zeros, scales, group_of: np.ndarray) -> np.ndarray:
    """(outputs, inputs) in f32."""
    return ((q - zeros[group_of]).astype(np.float32) * scales.astype(np.float32)[group_of]).T.copy()


def gptq(group_size: int, symmetric: bool, stored_offset: int, act_order: bool = False, scale_type=np.float16, **config):
    """Numbers packed along the inputs, zero points along the outputs and less `stored_offset`."""
    settings = {"quant_method": "gptq", "bits": 4, "group_size": group_size, "sym": symmetric, "desc_act": act_order}

    def layer(rng, outputs, inputs):
        size = inputs if group_size == -1 else group_size
        group_of = np.arange(inputs) // size
        q, zeros, scales = levels(rng, outputs, inputs, inputs // size, symmetric)
        scales = scales.astype(scale_type)
        if act_order:
            group_of = rng.permutation(group_of)
        parts = {
            "qweight": words(q.T).T.copy(),
            "qzeros": words(zeros - stored_offset),
            "scales": scales,
            "g_idx": group_of.astype(np.int32),
        }
        return parts, dequantised(q, zeros, scales, group_of)

    return settings | config, layer


def awq(group_size: int):
    """All packed along the outputs, in the order 0 2 4 6 1 3 5 7."""
    settings = {"quant_method": "awq", "bits": 4, "group_size": group_size, "zero_point": True, "version": "gemm"}

    def in_order(numbers):
        return numbers.reshape(numbers.shape[0], -1, 8)[:, :, [0, 2, 4, 6, 1, 3, 5, 7]].reshape(numbers.shape)

    def layer(rng, outputs, inputs):
        group_of = np.arange(inputs) // group_size
        q, zeros, scales = levels(rng, outputs, inputs, inputs // group_size, False)
        parts = {"qweight": words(in_order(q)), "qzeros": words(in_order(zeros)), "scales": scales}
        return parts, dequantised(q, zeros, scales, group_of)

    return settings, layer


def e4m3(codes: np.ndarray) -> np.ndarray:
    """What bytes stand for, by the definition of the format."""
    sign = np.where(codes & 0x80, -1.0, 1.0)
    exponent, fraction = (codes >> 3 & 15).astype(np.int32), (codes & 7).astype(np.float64)
    magnitude = np.where(exponent == 0, np.ldexp(fraction / 8, -6), np.ldexp(1 + fraction / 8, exponent - 7))
    return (sign * magnitude).astype(np.float32)


def fp8(settings: dict, name: str, scale_shape, block):
    """Bytes with scales of f32."""

    def layer(rng, outputs, inputs):
        codes = rng.integers(0, 256, (outputs, inputs), dtype=np.uint8)
        codes[(codes & 0x7F) == 0x7F] = 0  # no NaN
        codes[(codes & 0x7F) > 0x60] ^= 0x40  # nor very large
        scales = np.asarray(rng.uniform(0.3, 1.0, scale_shape(outputs, inputs)) / 100, np.float32)
        height, width = block or (outputs, inputs)
        rows, cols = np.arange(outputs) // height, np.arange(inputs) // width
        across = np.broadcast_to(scales.reshape(scales.shape or (1, 1)), (rows.max() + 1, cols.max() + 1))
        return {"weight": codes, name: scales}, e4m3(codes) * across[np.ix_(rows, cols)]

    return settings, layer


def write(settings_and_layer, seed: int):
    settings, layer = settings_and_layer

    def make(directory: Path) -> None:
        rng = np.random.default_rng(seed)
        normal = lambda *shape: rng.normal(0, 0.2, shape).astype(np.float16)
        tensors = {
            "model.embed_tokens.weight": normal(VOCABULARY, WIDTH),
            "model.norm.weight": 1 + normal(WIDTH),
            "model.layers.0.input_layernorm.weight": 1 + normal(WIDTH),
            "model.layers.0.post_attention_layernorm.weight": 1 + normal(WIDTH),
        }
        for name, shape in PLAIN.items():
            tensors[f"model.layers.0.{name}.weight"] = normal(*shape)
        bytes_of = {}
        for name, (outputs, inputs) in LAYERS.items():
            parts, weights = layer(rng, outputs, inputs)
            for part, values in parts.items():
                tensors[f"model.layers.0.{name}.{part}"] = values
            if f"model.layers.0.{name}" == SHOWN:
                save_file({"weight": weights}, directory / "golden.safetensors")
            if "weight" in parts:
                bytes_of[f"model.layers.0.{name}.weight"] = "F8_E4M3"
        save_file(tensors, directory / "model.safetensors")
        rename_types(directory / "model.safetensors", bytes_of)
        config = CONFIG | {"quantization_config": settings}
        (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    return make


def rename_types(file: Path, types: dict[str, str]) -> None:
    """Gives tensors of bytes the type that numpy has no name for."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for name, dtype in types.items():
        header[name]["dtype"] = dtype
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "float-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}},
}
CASES = {
    "quantized-gptq": write(gptq(128, False, 1), 41),
    "quantized-gptq-act-order": write(gptq(128, False, 1, act_order=True), 42),
    "quantized-gptq-v2": write(gptq(-1, False, 0, checkpoint_format="gptq_v2"), 43),
    "quantized-gptq-symmetric": write(gptq(32, True, 0, checkpoint_format="gptq"), 44),
    "quantized-awq": write(awq(128), 45),
    "quantized-fp8-block": write(
        fp8(FP8 | {"weight_block_size": [5, 96]}, "weight_scale_inv", lambda o, i: (-(-o // 5), -(-i // 96)), (5, 96)), 46
    ),
    "quantized-fp8-tensor": write(fp8(FP8 | {"activation_scheme": "static"}, "weight_scale", lambda o, i: (), None), 47),
    "quantized-fp8-channel": write(fp8(COMPRESSED, "weight_scale", lambda o, i: (o, 1), (1, WIDTH)), 48),
}


def main() -> None:
    out, only = Path(sys.argv[1]), sys.argv[2:]
    for name, make in CASES.items():
        if only and name not in only:
            continue
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
        make(out / name)
        for file in (out / name).iterdir():
            file.chmod(0o644)


if __name__ == "__main__":
    main()
