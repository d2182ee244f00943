"""Models of transformers as GGUF files, with the logits that transformers computes: what a reader makes of keys and of the order of rows."""

from pathlib import Path

import gguf
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from gguf.quants import quantize
from transformers import AutoModelForCausalLM, MistralConfig, PreTrainedConfig, SmolLM3Config

from decoder_cases import COMMON, logits
from model_case import randomise, write_golden


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of queries or keys as files of the llama architecture have them: of each head first, middle, second, …"""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def write(file: Path, architecture: gguf.MODEL_ARCH, model: torch.nn.Module) -> None:
    config = model.config
    writer = GGUFWriter(file, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_type("model")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    if config.sliding_window is not None:
        writer.add_sliding_window(config.sliding_window)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name.endswith("q_proj.weight"):
            weight = interleaved(weight, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            weight = interleaved(weight, config.num_key_value_heads)
        kind = Type.BF16 if weight.ndim == 2 else Type.F32
        data = quantize(weight.float().contiguous().numpy(), kind)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def case(seed: int, architecture: gguf.MODEL_ARCH, config: PreTrainedConfig, lengths: tuple[int, ...]):
    """A file of weights in bf16, and the logits of every position for each length."""

    def make(directory: Path) -> None:
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        randomise(model, seed=seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.bfloat16())
        model.eval()
        write(directory / "model.gguf", architecture, model)
        write_golden(directory, logits(seed, model, lengths))

    return make


CASES = {
    "gguf-mistral": case(2401, gguf.MODEL_ARCH.LLAMA, MistralConfig(**COMMON, sliding_window=7), (7, 33)),
    "gguf-smollm3": case(2501, gguf.MODEL_ARCH.SMOLLM3, SmolLM3Config(**COMMON | dict(num_hidden_layers=4)), (33,)),
}
