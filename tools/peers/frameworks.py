"""PyTorch, ONNX Runtime and OpenVINO behind one face: a function from NumPy arrays to a NumPy array."""

import importlib.metadata
from dataclasses import replace

import workloads


def version(contestant):
    """The version of a framework's package."""
    return importlib.metadata.version({workloads.PYTORCH: "torch"}.get(contestant, contestant))


def load(contestant, model, models, threads, variant):
    """The forward pass of a variant of a model."""
    return {
        workloads.PYTORCH: _pytorch,
        workloads.ONNXRUNTIME: _onnxruntime,
        workloads.OPENVINO: _openvino,
    }[contestant](model, models, threads, variant)


def _pytorch(model, models, threads, variant):
    import networks
    import torch

    torch.set_num_threads(threads)
    network = networks.in_dtype(networks.load(model, models / model, variant.last_logits), variant.dtype)

    def forward(*arrays):
        return network(*map(torch.from_numpy, arrays)).float().numpy()

    forward.network = network
    return forward


def _onnxruntime(model, models, threads, variant):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(models / f"{model}{variant.suffix}.onnx"), options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]

    def forward(*arrays):
        return session.run(None, dict(zip(names, arrays, strict=True)))[0]

    return forward


def _openvino(model, models, threads, variant):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": variant.dtype, "PERFORMANCE_HINT": "LATENCY"}
    file = models / f"{model}{replace(variant, dtype='f32').suffix}.onnx"
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)

    def forward(*arrays):
        return compiled(list(arrays))[0]

    return forward


def pytorch_generation(network, first, tokens):
    """A run that reads `tokens` tokens one by one with a cache, each the likeliest after the one before."""
    import torch

    def run():
        token, cache = torch.tensor([[first]]), None
        for _ in range(tokens):
            output = network.model(token, past_key_values=cache, use_cache=True)
            token, cache = output.logits[:, -1:].argmax(-1), output.past_key_values

    return run
