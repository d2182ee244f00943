"""The models in the formats of all contestants, made once."""

import subprocess
from pathlib import Path

import gguf_files
from sentences import sentences
from workloads import GPT2_GGUF, LLAMA, ONNXRUNTIME, OPENVINO, SENTENCES, Variant

FETCH_MINILM = Path(__file__).resolve().parents[1] / "golden/fetch_minilm.sh"


def ensure(suite, models, llama_quantize):
    """Makes what a suite's model lacks below `models`: its directory, ONNX files, GPT-2 as GGUF, the sentences of MiniLM."""
    model, directory = suite.model, models / suite.model
    if not (directory / "model.safetensors").exists():
        models.mkdir(parents=True, exist_ok=True)
        if model == "minilm":
            subprocess.run(["sh", FETCH_MINILM, directory], check=True)
        else:
            _save_random(model, directory)
    for test in (test for test in suite.tests if {ONNXRUNTIME, OPENVINO} & set(test.contestants)):
        _ensure_onnx(model, models, test.variant)
    if model == "gpt2":
        for dtype in dict.fromkeys(test.dtype for test in suite.tests if LLAMA in test.contestants):
            _ensure_gguf(dtype, directory, models, llama_quantize)
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


def _ensure_onnx(model, models, variant):
    """The ONNX file of a variant: OpenVINO makes bf16 of the one in f32, ONNX Runtime quantises that once."""
    f32 = Variant(last_logits=variant.last_logits)
    plain = models / f"{model}{f32.suffix}.onnx"
    _unless_there(plain, lambda file: _export_onnx(model, models / model, file, f32))
    if variant.dtype == "int8":
        _unless_there(models / f"{model}{variant.suffix}.onnx", lambda file: _quantize_onnx(plain, file))


def _ensure_gguf(dtype, directory, models, llama_quantize):
    """GPT-2 for llama.cpp; its llama-bench reports the loss of a format that nobody can make."""
    f32 = models / GPT2_GGUF["f32"]
    _unless_there(f32, lambda file: _write_gguf(directory, file))
    if dtype != "f32" and llama_quantize and f32.exists():
        file = models / GPT2_GGUF[dtype]
        _unless_there(file, lambda file: gguf_files.quantize(llama_quantize, f32, file, file.stem.removeprefix("gpt2-")))


def _quantize_onnx(plain, file):
    """Weights in eight bits with a scale for each output; activations are quantised as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(onnx.load(plain), str(file), per_channel=True, weight_type=QuantType.QInt8)


def _export_onnx(model, directory, file, variant):
    import networks
    import torch

    network = networks.load(model, directory, variant.last_logits)
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
