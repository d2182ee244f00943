"""Trains the byte-level BPE on the training documents and turns both splits into token files.

    python tokenize_corpus.py CORPUS_DIR MODEL_DIR

reads CORPUS_DIR/{train,valid}.jsonl, writes MODEL_DIR/tokenizer.json and CORPUS_DIR/{train,valid}.bin: little-endian
u16 token ids, each document after one <|endoftext|>.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

VOCABULARY = 8192
END_OF_TEXT = "<|endoftext|>"


def read_documents(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def train_tokenizer(documents):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def encode(tokenizer, documents):
    end = tokenizer.token_to_id(END_OF_TEXT)
    ids = [token for encoding in tokenizer.encode_batch(documents) for token in [end, *encoding.ids]]
    return np.array(ids + [end], dtype="<u2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    splits = {name: read_documents(options.corpus / f"{name}.jsonl") for name in ("train", "valid")}
    tokenizer = train_tokenizer(splits["train"])
    options.model.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.model / "tokenizer.json"), pretty=False)
    for name, documents in splits.items():
        ids = encode(tokenizer, documents)
        ids.tofile(options.corpus / f"{name}.bin")
        characters = sum(map(len, documents))
        ratio = characters / len(ids)
        print(f"{name}: {len(documents)} documents, {len(ids)} tokens, {ratio:.2f} characters per token")


if __name__ == "__main__":
    main()
