"""Tokenizer cases: directories with the older vocabulary files alone, and the ids of transformers' fast tokenizers."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizer, GPT2Tokenizer, PreTrainedTokenizerBase

from texts import BPE_CORPUS, TOKENIZER_TEXTS, wordpiece_vocabulary

BPE_SIZE = 420


def byte_level_bpe(directory: Path) -> None:
    """vocab.json and merges.txt as GPT-2 was published; `<|endoftext|>` has the last id."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE - 1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(BPE_CORPUS, trainer)
    tokenizer.model.save(str(directory))
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]))
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    write_json(directory / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024})
    write_golden(directory, GPT2Tokenizer.from_pretrained(directory))


def wordpiece_lower(directory: Path) -> None:
    write_wordpiece(directory, cased=False)
    write_golden(directory, BertTokenizer.from_pretrained(directory))


def wordpiece_cased(directory: Path) -> None:
    write_wordpiece(directory, cased=True)
    write_golden(directory, BertTokenizer.from_pretrained(directory))


def write_wordpiece(directory: Path, cased: bool, max_length: int = 512) -> int:
    """Writes vocab.txt and tokenizer_config.json, and returns the size of the vocabulary."""
    vocabulary = wordpiece_vocabulary(cased)
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in vocabulary), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": not cased, "model_max_length": max_length}
    write_json(directory / "tokenizer_config.json", settings)
    return len(vocabulary)


def write_golden(directory: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    cases = []
    for text in TOKENIZER_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        cases.append(
            {
                "text": text,
                "ids": ids,
                "ids_with_special": tokenizer.encode(text, add_special_tokens=True),
                "decoded": tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False),
            }
        )
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (directory / "golden.json").write_text(f"[\n{lines}\n]\n")


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


CASES = {
    "tokenizer-bpe": byte_level_bpe,
    "tokenizer-wordpiece": wordpiece_lower,
    "tokenizer-wordpiece-cased": wordpiece_cased,
}
