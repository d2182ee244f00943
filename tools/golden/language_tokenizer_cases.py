"""Tokenizers of language models: one vocabulary of byte-level BPE and one of SentencePiece's kind, under many `tokenizer.json` parts
and settings, with the ids that AutoTokenizer gives.

A case names what replaces parts of the whole `tokenizer.json`, the settings beside it, the model's type and, if a GGUF file would
say the same, what its keys have beside the vocabulary.
"""

import copy
import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.tokenization_utils_base import generate_merges

from language_texts import CORPUS, TEXTS

BYTE_LEVEL_SIZE, PIECES_SIZE = 620, 560
BEGIN, END, USER, THINK = "<|begin|>", "<|end|>", "<|user|>", "<think>"


def byte_level(directory: Path) -> None:
    """One vocabulary with tokens across digits, punctuation and letters, so that each way to split a text gives other ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_LEVEL_SIZE, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    # No merges make this one.
    for token in ("\u0120unmergeable",):
        model["vocab"][token] = len(model["vocab"])
    whole = whole_json(model, [BEGIN, END, USER], [THINK])
    whole["decoder"] = byte_level_part()
    write_compact(directory / "whole.json", whole)
    ids = {token["content"]: token["id"] for token in whole["added_tokens"]}
    general = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BEGIN, "eos_token": END}
    framed = {"post_processor": {"type": "Sequence", "processors": [byte_level_part(), template(BEGIN, ids)]}}
    nfc = {"normalizer": {"type": "NFC"}}

    def by(pattern: str) -> dict:
        return {"pre_tokenizer": sequence(split(GGUF_PRE_TOKENIZER_SPLITS[pattern]), byte_level_part(use_regex=False))}

    digits = {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, byte_level_part())}
    deepseek_v3 = {
        "pre_tokenizer": sequence(
            split(r"\p{N}{1,3}"),
            split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
            split(
                r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
            byte_level_part(use_regex=False),
        )
    }
    deepseek_coder = {
        "pre_tokenizer": sequence(
            split("[\r\n]"),
            split(r"\s?\p{L}+"),
            split(r"\s?\p{P}+"),
            split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"),
            {"type": "Digits", "individual_digits": True},
            byte_level_part(use_regex=False),
        )
    }
    roles = {"bos": BEGIN, "eos": END}
    qwen = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": END, "pad_token": END, "unk_token": None}
    qwen_gguf = {"pre": "qwen2", "add_bos": False, "eos": END, "pad": END}
    gpt2 = {"tokenizer_class": "GPT2Tokenizer", "bos_token": BEGIN, "eos_token": END, "unk_token": None}
    merged = {"model": {"ignore_merges": True}}
    cases = [
        case("llama", by("llama-bpe") | framed | merged, general, {"pre": "llama-bpe", **roles}),
        case("llama", by("llama-bpe") | framed | merged, general | {"tokenizer_class": "LlamaTokenizer"}),
        case("llama", by("llama-bpe") | merged, general, {"pre": "llama3", "add_bos": False, **roles}),
        case("qwen2", by("qwen2") | nfc, qwen, qwen_gguf),
        case("qwen3", {"pre_tokenizer": byte_level_part()} | framed | merged, qwen),
        case("qwen2", by("qwen2") | nfc | framed, qwen | {"tokenizer_class": "LlamaTokenizerFast", "bos_token": BEGIN}),
        case("qwen2", digits, general),
        case("qwen3", digits, general, {"pre": "smollm", **roles}),
        case("qwen3", {}, {"add_prefix_space": True}),
        case("llama", digits, gpt2),
        case("smollm3", digits, general, {"pre": "starcoder", "add_bos": False, **roles}),
        case("mistral", by("tekken") | framed | merged, general | {"tokenizer_class": "LlamaTokenizer"}, {"pre": "tekken", **roles}),
        case("phi3", by("gpt-4o"), gpt2, {"pre": "gpt-4o", **roles}),
        case("gpt2", {"pre_tokenizer": byte_level_part()}, gpt2, {"pre": "gpt-2", **roles}),
        case("gpt2", {"pre_tokenizer": byte_level_part()}, general, {**roles}),
        case("cohere", digits | nfc, general, {"pre": "command-r", **roles}),
        case("deepseek_v3", deepseek_v3 | framed, general, {"pre": "deepseek-v3", "add_bos": True, **roles}),
        case("llama", deepseek_coder, general, {"pre": "deepseek-coder", "add_bos": False, **roles}),
    ]
    write_cases(directory, cases)


def pieces(directory: Path) -> None:
    """A vocabulary of SentencePiece's kind with scores, byte tokens and the merges that transformers derives from them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=PIECES_SIZE, special_tokens=special, limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    # SentencePiece puts the merged tokens first, the characters last.
    learned = [token for token in sorted(model["vocab"], key=model["vocab"].get) if token not in special]
    tokens = special + [token for token in learned if len(token) > 1] + [token for token in learned if len(token) == 1]
    scores = {token: -float(max(0, place - len(special))) for place, token in enumerate(tokens)}
    model["vocab"] = {token: place for place, token in enumerate(tokens)}
    scored = {token: score for token, score in scores.items() if token not in special}
    model["merges"] = generate_merges({token: model["vocab"][token] for token in scored}, scored)
    whole = whole_json(model, [USER], [THINK, "   "])
    known = [{**added(token), "id": model["vocab"][token]} for token in special[:3]]
    whole["added_tokens"] = known + whole["added_tokens"]
    whole["decoder"] = pieces_decoder(True)
    write_compact(directory / "whole.json", whole)
    (directory / "scores.json").write_text(json.dumps([scores[token] for token in tokens]) + "\n")
    ids = model["vocab"]
    prepend = {"type": "Prepend", "prepend": "\u2581"}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    older = {"normalizer": {"type": "Sequence", "normalizers": [prepend, replace]}, "pre_tokenizer": None}
    framed = {"post_processor": template("<s>", ids)}
    ended = {"post_processor": template("<s>", ids, "</s>")}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    llama = {"tokenizer_class": "LlamaTokenizer", "legacy": False, **roles}
    # The file as it is: what SentencePiece gives, and llama.cpp.
    general = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
    gguf = {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}
    rstripped = [token | {"rstrip": token["content"] == USER} for token in whole["added_tokens"]]
    gemma = {"tokenizer_class": "GemmaTokenizer", "pad_token": "<unk>", "mask_token": None, **roles}
    by_spaces = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    gemma_parts = {"normalizer": replace, "pre_tokenizer": by_spaces, "decoder": pieces_decoder(False)}
    cases = [
        case("llama", older | framed, llama),
        case("llama", older | framed, llama | {"legacy": True}),
        case("llama", older | ended, llama | {"add_prefix_space": False}, {"add_space_prefix": False, "add_eos": True, **gguf}),
        case("llama", older | framed, {**llama, "split_special_tokens": True}),
        case("llama", {"pre_tokenizer": metaspace}, general),
        case("llama", older | framed, general, gguf),
        case("llama", older, general, {"add_bos": False, **gguf}),
        case("mistral", older | framed, llama),
        case("mistral", older, {}),
        case("phi3", older | {"added_tokens": rstripped}, llama),
        case("gemma2", gemma_parts | framed, gemma, {"add_space_prefix": False, **gguf}),
        case("gemma3_text", {"normalizer": None, "pre_tokenizer": metaspace}, {**gemma, "tokenizer_class": None}),
    ]
    write_cases(directory, cases)


def case(model_type: str, parts: dict, settings: dict, gguf: dict | None = None) -> dict:
    settings = {key: value for key, value in settings.items() if key != "tokenizer_class" or value}
    return {"model_type": model_type, "parts": parts, "settings": settings, "gguf": gguf}


def whole_json(model: dict, special: list[str], plain: list[str]) -> dict:
    end = len(model["vocab"])
    tokens = [added(token) for token in special] + [added(token, False) for token in plain]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": end + place, **token} for place, token in enumerate(tokens)],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def added(content: str, special: bool = True) -> dict:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"content": content, **flags, "special": special}


def byte_level_part(use_regex: bool = True) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def split(pattern: str) -> dict:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*parts: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def pieces_decoder(strips: bool) -> dict:
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    decoders = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}] + [strip] * strips
    return {"type": "Sequence", "decoders": decoders}


def template(before: str, ids: dict, after: str | None = None) -> dict:
    def special(token: str) -> dict:
        return {"SpecialToken": {"id": token, "type_id": 0}}

    texts = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    ends = [special(after)] if after else []
    tokens = {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in (before, after) if token}
    single = [special(before), texts[0], *ends]
    return {"type": "TemplateProcessing", "single": single, "pair": single + texts[1:], "special_tokens": tokens}


def write_cases(directory: Path, cases: list[dict]) -> None:
    whole = json.loads((directory / "whole.json").read_text())
    (directory / "texts.json").write_text("[\n" + ",\n".join("  " + json.dumps(text) for text in TEXTS) + "\n]\n")
    results = [one | tokenize(whole, one) for one in cases]
    for key in ("ids", "decoded"):
        lists = [result[key] for result in results]
        for place, result in enumerate(results):
            # The number of an earlier case with the same.
            result[key] = first if (first := lists.index(lists[place])) < place else lists[place]
    lines = ",\n".join(json.dumps(result, separators=(",", ":")) for result in results)
    (directory / "golden.json").write_text(f"[\n{lines}\n]\n")


def tokenize(whole: dict, one: dict) -> dict:
    """`before` and `after`: the tokens put round a text; `decoded`: null where it is the text."""
    replaced = copy.deepcopy(whole)
    parts = dict(one["parts"])
    replaced["model"] |= parts.pop("model", {})
    replaced |= parts
    with tempfile.TemporaryDirectory() as name:
        model_dir = Path(name)
        (model_dir / "config.json").write_text(json.dumps({"model_type": one["model_type"]}))
        (model_dir / "tokenizer_config.json").write_text(json.dumps(one["settings"]))
        (model_dir / "tokenizer.json").write_text(json.dumps(replaced))
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        plain = [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
        framed = [tokenizer.encode(text) for text in TEXTS]
        decoded = [tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in plain]
    empty, some = framed[TEXTS.index("")], TEXTS.index("hello world")
    before = framed[some].index(plain[some][0])
    for ids, inner in zip(framed, plain):
        assert ids == empty[:before] + inner + empty[before:], (ids, inner)
    return {
        "class": type(tokenizer).__name__,
        "before": empty[:before],
        "after": empty[before:],
        "ids": plain,
        "decoded": [None if found == text else found for found, text in zip(decoded, TEXTS)],
        "bos": tokenizer.bos_token,
        "eos": tokenizer.eos_token,
        "unk": tokenizer.unk_token,
        "pad": tokenizer.pad_token,
    }


def write_compact(file: Path, value: dict) -> None:
    file.write_text(json.dumps(value, separators=(",", ":")) + "\n")


CASES = {"language-byte-level": byte_level, "language-pieces": pieces}
