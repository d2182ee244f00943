"""What all model cases share: random weights, random inputs, and a guard against ill-conditioned goldens."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

VOCABULARY = 211
POSITIONS = 48
LENGTHS = (1, 7, 33, POSITIONS)

# Largest difference allowed between the f32 output and the same computation in f64, relative to the largest output.
# The Rust tests allow 1e-4; a model that loses more than this in PyTorch itself would test its conditioning, not us.
ROUNDING_LIMIT = 5e-6


def randomise(model: torch.nn.Module, seed: int, std: float = 0.2) -> None:
    """Draws every parameter from N(0, std²), norm gains from N(1, std²).

    The usual initialisation (std 0.02, biases 0, gains 1) hides a forgotten bias, gain or softmax scale.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator) * std
            is_gain = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(noise + 1.0 if is_gain else noise)


def random_ids(seed: int, *shape: int, vocabulary: int = VOCABULARY) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vocabulary, shape, generator=generator)


def load(model_class: type, directory: Path) -> torch.nn.Module:
    """Reads a saved model back as a user would, in f32 with eager attention: its rounded weights are the truth."""
    model, report = model_class.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    missing = [name for name in report["missing_keys"] if not name.startswith("pooler.")]
    if missing:
        raise ValueError(f"{directory}: transformers found no weights for {', '.join(missing)}")
    return model.eval()


def checked_forward(
    model: torch.nn.Module, forward: Callable[[torch.nn.Module], dict[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Runs `forward` in f32 and again in f64, and returns the f32 outputs once both agree within ROUNDING_LIMIT."""
    with torch.no_grad():
        outputs = forward(model)
        exact = forward(copy.deepcopy(model).double())
    for name, output in outputs.items():
        error = ((output.double() - exact[name]).abs().max() / exact[name].abs().max()).item()
        if error > ROUNDING_LIMIT:
            raise ValueError(f"{name}: f32 is {error:.1e} away from f64, wanted at most {ROUNDING_LIMIT:.0e}")
    return outputs


def write_golden(directory: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / "golden.safetensors")


def rewrite_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Replaces the tensors of model.safetensors by `change` of them, for names that save_pretrained writes no more."""
    file = directory / "model.safetensors"
    tensors = change(load_file(file))
    save_file(tensors, file, metadata={"format": "pt"})
