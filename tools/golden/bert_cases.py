"""BERT cases: the last hidden state of small random models, alone and in a padded batch."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

from model_case import (
    LENGTHS,
    POSITIONS,
    VOCABULARY,
    checked_forward,
    load,
    random_ids,
    randomise,
    rewrite_weights,
    write_golden,
)

BATCH_LENGTHS = (7, 33, 1, 16, 40)


def config(**changes) -> BertConfig:
    values = dict(
        vocab_size=VOCABULARY,
        hidden_size=51,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=100,
        max_position_embeddings=POSITIONS,
        type_vocab_size=2,
        hidden_act="gelu",
    )
    return BertConfig(**(values | changes))


def odd(directory: Path) -> None:
    """BertModel: no prefix; pooler weights are there and do not matter."""
    model = BertModel(config())
    randomise(model, seed=1101)
    model.save_pretrained(directory)
    model = load(BertModel, directory)
    write_golden(directory, singles(model, seed=1102, lengths=LENGTHS) | batch(model, seed=1103))


def prefixed(directory: Path) -> None:
    """f16, names with the `bert.` prefix, and a masked-language-model head that a loader passes over."""
    model = BertForMaskedLM(config())
    randomise(model, seed=1201)
    model.to(torch.float16).save_pretrained(directory)
    model = load(BertModel, directory)
    write_golden(directory, singles(model, seed=1202) | batch(model, seed=1203))


def relu(directory: Path) -> None:
    model = BertModel(config(hidden_act="relu", layer_norm_eps=1e-3, num_hidden_layers=1))
    randomise(model, seed=1301)
    model.save_pretrained(directory)
    write_golden(directory, singles(load(BertModel, directory), seed=1302))


def legacy(directory: Path) -> None:
    """Names as in the first published BERT: LayerNorm `gamma` and `beta`, an I64 `position_ids`, pre-training heads."""
    model = BertForPreTraining(config(num_hidden_layers=1))
    randomise(model, seed=1401)
    model.save_pretrained(directory)

    def rename(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        renamed = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
        return renamed | {"bert.embeddings.position_ids": torch.arange(POSITIONS).unsqueeze(0)}

    rewrite_weights(directory, rename)
    loaded = load(BertModel, directory)
    for name, parameter in loaded.named_parameters():
        if not torch.equal(parameter, model.bert.get_parameter(name)):
            raise ValueError(f"{name}: transformers did not read the old name")
    write_golden(directory, singles(loaded, seed=1402))


def singles(model: BertModel, seed: int, lengths: tuple[int, ...] = (7, 33)) -> dict[str, torch.Tensor]:
    """Each length by itself; the first half of a sequence has token type 0, the rest type 1."""
    golden = {}
    for length in lengths:
        ids = random_ids(seed + length, 1, length)
        type_ids = token_types([length], length)

        def forward(
            model: BertModel, ids: torch.Tensor = ids, type_ids: torch.Tensor = type_ids, name: str = f"len{length}"
        ) -> dict[str, torch.Tensor]:
            return {f"{name}.hidden": model(ids, token_type_ids=type_ids).last_hidden_state[0]}

        golden[f"len{length}.ids"] = ids[0]
        golden[f"len{length}.type_ids"] = type_ids[0]
        golden |= checked_forward(model, forward)
    return golden


def batch(model: BertModel, seed: int) -> dict[str, torch.Tensor]:
    """Sequences of unequal length, padded on the right with id 0; output rows of padding are set to 0."""
    longest = max(BATCH_LENGTHS)
    lengths = torch.tensor(BATCH_LENGTHS)
    mask = (torch.arange(longest) < lengths.unsqueeze(1)).long()
    ids = random_ids(seed, len(BATCH_LENGTHS), longest) * mask
    ids[1, 3] = 0  # the id of padding as a true token: only the mask tells them apart
    type_ids = token_types(BATCH_LENGTHS, longest)

    def forward(model: BertModel) -> dict[str, torch.Tensor]:
        hidden = model(ids, attention_mask=mask, token_type_ids=type_ids).last_hidden_state
        return {"batch.hidden": hidden * mask.unsqueeze(-1)}

    inputs = {"batch.ids": ids, "batch.type_ids": type_ids, "batch.mask": mask, "batch.lengths": lengths}
    return inputs | checked_forward(model, forward)


def token_types(lengths: list[int] | tuple[int, ...], width: int) -> torch.Tensor:
    """Row i: 0 for the first ceil(lengths[i] / 2) tokens, 1 up to lengths[i], 0 for padding."""
    rows = torch.zeros(len(lengths), width, dtype=torch.int64)
    for row, length in zip(rows, lengths):
        row[(length + 1) // 2 : length] = 1
    return rows


CASES = {"bert-odd": odd, "bert-prefixed": prefixed, "bert-relu": relu, "bert-legacy": legacy}
