"""The models in the formats of all contestants, made once."""

import subprocess
from pathlib import Path

from sentences import sentences
from workloads import SENTENCES

FETCH_MINILM = Path(__file__).resolve().parents[1] / "golden/fetch_minilm.sh"


def ensure(model, models):
    """Makes what is missing of a model below `models`: its directory, its ONNX file, GPT-2 as GGUF, the sentences of MiniLM."""
    directory = models / model
    if not (directory / "model.safetensors").exists():
        models.mkdir(parents=True, exist_ok=True)
        if model == "minilm":
            subprocess.run(["sh", FETCH_MINILM, directory], check=True)
        else:
            _save_random(model, directory)
    _unless_there(models / f"{model}.onnx", lambda file: _export_onnx(model, directory, file))
    if model == "gpt2":
        _unless_there(models / "gpt2-f32.gguf", lambda file: _write_gguf(directory, file))
    if model == "minilm":
        lines = sentences(SENTENCES)
        (models / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _unless_there(file, make):
    """Makes a file unless it is there or a package that it takes is missing: its contestant then reports the loss."""
    if file.exists():
        return
    try:
        make(file)
    except ImportError as error:
        print(f"{file.name} is not made: {error}")


def _save_random(model, directory):
    import networks

    networks.save_random(model, directory)


def _export_onnx(model, directory, file):
    import networks
    import torch

    network = networks.load(model, directory)
    example = tuple(torch.ones(2, 128, dtype=torch.long) for _ in network.inputs)
    sizes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("length", min=2, max=512)}
    torch.onnx.export(
        network,
        example,
        str(file),
        input_names=list(network.inputs),
        dynamo=True,
        dynamic_shapes=tuple(sizes for _ in network.inputs),
    )


def _write_gguf(directory, file):
    """Writes GPT-2 as llama.cpp reads it: no vocabulary, matrices with the outputs first."""
    import gguf
    from safetensors.numpy import load_file

    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(directory / "model.safetensors").items()}
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("h."))
    vocabulary, width = tensors["wte.weight"].shape
    writer = gguf.GGUFWriter(str(file), "gpt2")
    writer.add_context_length(tensors["wpe.weight"].shape[0])
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(4 * width)
    writer.add_head_count(width // 64)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for name, tensor in _gguf_tensors(tensors, layers):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_tensors(tensors, layers):
    """GGUF's names with their tensors."""
    import numpy as np

    yield "token_embd.weight", tensors["wte.weight"]
    yield "output.weight", tensors["wte.weight"]
    yield "position_embd.weight", tensors["wpe.weight"]
    norms = {"ln_1": "attn_norm", "ln_2": "ffn_norm"}
    matrices = {"attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for part in ("weight", "bias"):
        yield f"output_norm.{part}", tensors[f"ln_f.{part}"]
        for i in range(layers):
            for ours, theirs in norms.items():
                yield f"blk.{i}.{theirs}.{part}", tensors[f"h.{i}.{ours}.{part}"]
            for ours, theirs in matrices.items():
                yield f"blk.{i}.{theirs}.{part}", np.ascontiguousarray(tensors[f"h.{i}.{ours}.{part}"].T)
