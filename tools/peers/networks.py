"""The models as PyTorch modules: arrays in, one tensor out. The ONNX files are exported from the same."""

import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D


class Gpt2(torch.nn.Module):
    """(batch, length) token ids to (batch, length, vocabulary) logits."""

    inputs = ("ids",)
    logits_to_keep = 0  # All of them.

    def __init__(self, directory):
        super().__init__()
        self.model = GPT2LMHeadModel.from_pretrained(directory)

    def forward(self, ids):
        return self.model(ids, use_cache=False, logits_to_keep=self.logits_to_keep).logits


class LastLogits(Gpt2):
    """The same, but (batch, 1, vocabulary): the logits of the last position."""

    logits_to_keep = 1


class Bert(torch.nn.Module):
    """(batch, length) token ids to (batch, length, width) hidden states."""

    inputs = ("ids",)

    def __init__(self, directory):
        super().__init__()
        self.model = BertModel.from_pretrained(directory, add_pooling_layer=False)

    def forward(self, ids):
        return self.model(ids).last_hidden_state


class MiniLm(torch.nn.Module):
    """(batch, length) token ids and their mask to (batch, width) vectors of length 1, as sentence-transformers makes them."""

    inputs = ("ids", "mask")

    def __init__(self, directory):
        super().__init__()
        self.model = BertModel.from_pretrained(directory, add_pooling_layer=False)

    def forward(self, ids, mask):
        hidden = self.model(ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(mean, dim=1)


NETWORKS = {"gpt2": Gpt2, "bert": Bert, "minilm": MiniLm}


def load(name, directory, last_logits=False):
    """The module of this name with the weights of `directory`, ready for inference."""
    torch.set_grad_enabled(False)
    network = LastLogits if last_logits and name == "gpt2" else NETWORKS[name]
    return network(directory).eval()


def in_dtype(network, dtype):
    """The module in f32, in bf16, or with linear layers in eight bits, whose inputs are quantised as they come."""
    if dtype == "bf16":
        return network.to(torch.bfloat16)
    if dtype == "int8":
        _use_linear_layers(network)
        return torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, torch.qint8)
    return network


def _use_linear_layers(module):
    """GPT-2's layers have another class, which PyTorch does not quantise."""
    for name, child in module.named_children():
        if isinstance(child, Conv1D):
            linear = torch.nn.Linear(*child.weight.shape)
            linear.weight, linear.bias = torch.nn.Parameter(child.weight.T.contiguous()), child.bias
            setattr(module, name, linear)
        else:
            _use_linear_layers(child)


def save_random(name, directory):
    """Writes a GPT-2 124M or BERT-base with random weights, as transformers writes models."""
    torch.manual_seed(0)
    make = {
        "gpt2": lambda: GPT2LMHeadModel(GPT2Config()),
        "bert": lambda: BertModel(BertConfig(), add_pooling_layer=False),
    }
    make[name]().save_pretrained(directory)
