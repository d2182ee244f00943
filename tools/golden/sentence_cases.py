"""Sentence embeddings: two tiny models in the sentence-transformers layout, and all-MiniLM-L6-v2 itself.

The pooling is written out by its definition (Reimers and Gurevych, "Sentence-BERT", 2019, section 3) over the hidden
states that transformers computes.
"""

import hashlib
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertModel, BertTokenizer

from bert_cases import config
from minilm_texts import MINILM_TEXTS
from model_case import checked_forward, load, randomise, write_golden
from texts import TINY_SENTENCES
from tokenizer_cases import write_json, write_wordpiece

TINY_MAX_LENGTH = 24
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MODULES = ("Transformer", "Pooling", "Normalize")


def mean_normalized(directory: Path) -> None:
    """Mean of the token vectors, then length 1; the tokenizer.json cuts and pads to 16 tokens, which must not count."""
    write_tiny_model(directory, seed=2101, modules=MODULES, pooling="pooling_mode_mean_tokens", max_position=48)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(directory / "tokenizer.json"))
    write_sentence_golden(directory, TINY_SENTENCES)


def cls_raw(directory: Path) -> None:
    """The vector of [CLS] as it is: no Normalize module."""
    write_tiny_model(directory, seed=2201, modules=MODULES[:2], pooling="pooling_mode_cls_token", max_position=32)
    write_sentence_golden(directory, TINY_SENTENCES)


def minilm(source: Path, directory: Path) -> None:
    """Only texts and embeddings are written; the model itself comes from fetch_minilm.sh."""
    digest = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    if digest != MINILM_SHA256:
        raise ValueError(f"{source}/model.safetensors has SHA-256 {digest}, wanted {MINILM_SHA256}")
    write_sentence_golden(directory, MINILM_TEXTS, source)


def write_tiny_model(directory: Path, seed: int, modules: tuple[str, ...], pooling: str, max_position: int) -> None:
    vocabulary = write_wordpiece(directory, cased=False, max_length=max_position)
    width = 36
    model = BertModel(
        config(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=50,
            num_hidden_layers=1,
            max_position_embeddings=max_position,
        )
    )
    randomise(model, seed)
    model.save_pretrained(directory)
    BertTokenizer.from_pretrained(directory).backend_tokenizer.save(str(directory / "tokenizer.json"))

    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    entries = [
        {"idx": i, "name": str(i), "path": paths[name], "type": f"sentence_transformers.models.{name}"}
        for i, name in enumerate(modules)
    ]
    write_json(directory / "modules.json", entries)
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": TINY_MAX_LENGTH, "do_lower_case": False})
    kinds = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    settings = {"word_embedding_dimension": width} | {f"pooling_mode_{kind}": False for kind in kinds}
    (directory / "1_Pooling").mkdir()
    write_json(directory / "1_Pooling" / "config.json", settings | {pooling: True, "include_prompt": True})


def write_sentence_golden(directory: Path, texts: list[str], model_directory: Path | None = None) -> None:
    """Embeds each text by itself, so that padding plays no part, and writes texts.json and golden.safetensors."""
    source = model_directory or directory
    model = load(BertModel, source)
    tokenizer = BertTokenizer.from_pretrained(source)
    max_length = read_json(source / "sentence_bert_config.json")["max_seq_length"]
    pooling = read_json(source / "1_Pooling" / "config.json")
    normalize = any(module["type"].endswith("Normalize") for module in read_json(source / "modules.json"))

    inputs = [tokenizer.encode(text, truncation=True, max_length=max_length) for text in texts]
    lengths = torch.tensor([len(ids) for ids in inputs])
    ids = torch.zeros(len(inputs), int(lengths.max()), dtype=torch.int64)
    for row, text_ids in zip(ids, inputs):
        row[: len(text_ids)] = torch.tensor(text_ids)

    def forward(model: BertModel) -> dict[str, torch.Tensor]:
        rows = [pool(model(torch.tensor([text_ids])).last_hidden_state[0], pooling) for text_ids in inputs]
        embeddings = torch.stack(rows)
        return {"embeddings": torch.nn.functional.normalize(embeddings) if normalize else embeddings}

    write_golden(directory, {"ids": ids, "lengths": lengths} | checked_forward(model, forward))
    (directory / "texts.json").write_text(json.dumps(texts, indent=1) + "\n")


def pool(hidden: torch.Tensor, pooling: dict[str, object]) -> torch.Tensor:
    """hidden (tokens, width) → (width): the mean over the tokens, special ones included, or the first token."""
    return hidden.mean(dim=0) if pooling["pooling_mode_mean_tokens"] else hidden[0]


def read_json(file: Path) -> dict | list:
    return json.loads(file.read_text(encoding="utf-8"))


CASES = {"st-mean": mean_normalized, "st-cls": cls_raw}
