"""What the files beside the weights say: generation, sampling, tokenizers and sentence models under many settings.

Each case is one `golden.json`: a list of settings, each with what transformers or sentence-transformers makes of it. The models
and vocabularies are those of other cases, so that only settings and results are stored. They are written before these.
"""

import copy
import json
import shutil
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, GPT2LMHeadModel
from transformers.generation import logits_process as processors

from gpt2_cases import LEAST_MARGIN
from model_case import load

OUT = Path()  # the directory of all cases, set by make.py

GENERATION_PROMPTS = ([17, 4, 4, 99, 17, 4], [150])
NEW_TOKENS = 14


def generation(directory: Path) -> None:
    """Greedy continuations by `gpt2-odd` under a generation_config.json, or the same keys in config.json."""
    plain = generate({}, {}, GENERATION_PROMPTS[0])
    first, fifth = plain[0], plain[4]
    followed = [
        {"eos_token_id": fifth},
        {"eos_token_id": [fifth, 50256, -1]},
        {"eos_token_id": -1},
        {"eos_token_id": 50256},
        {"do_sample": False, "temperature": 0.3, "top_k": 3, "top_p": 0.2},
        {"no_repeat_ngram_size": 2},
        {"no_repeat_ngram_size": 1},
        {"encoder_no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.7},
        {"encoder_repetition_penalty": 3.0},
        {"suppress_tokens": [first, fifth]},
        {"begin_suppress_tokens": [first]},
        {"bad_words_ids": [[first], [fifth, plain[5]], [plain[1], plain[2], plain[3]]]},
        {"sequence_bias": [[[first], -20.0], [[fifth], 4.0], [[4, 17], 30.0]]},
        {"forced_bos_token_id": 7},
        {"forced_eos_token_id": 9, "eos_token_id": 11},
        {"min_new_tokens": 7, "eos_token_id": fifth},
        {"min_length": 9, "eos_token_id": fifth},
        {"max_length": 10},
        {"max_length": 10, "max_new_tokens": 3},
        {"exponential_decay_length_penalty": [3, 1.6], "eos_token_id": [fifth, fifth]},
        {"remove_invalid_values": True, "renormalize_logits": True},
        {"max_time": 0.0},
        {"use_cache": False, "output_scores": True, "return_dict_in_generate": True},
    ]
    together = {
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 3,
        "suppress_tokens": [first],
        "begin_suppress_tokens": [plain[1]],
        "sequence_bias": [[[4, 4], 6.0]],
        "forced_eos_token_id": 3,
        "eos_token_id": [fifth, 3],
        "min_new_tokens": 8,
        "max_new_tokens": 12,
    }
    cases = [({}, {})] + [(settings, {}) for settings in [*followed, together]]
    # The older place is read if there is no newer one, and alone then.
    cases += [(None, {"no_repeat_ngram_size": 2, "eos_token_id": fifth, "max_length": 12}), ({}, {"eos_token_id": fifth})]
    results = []
    for generation_config, config in cases:
        for prompt in GENERATION_PROMPTS:
            tokens = generate(generation_config, config, prompt)
            results.append(
                {"generation_config": generation_config, "config": config, "prompt": prompt, "tokens": tokens}
            )
    write_list(directory, results)


def generate(generation_config: dict | None, config: dict, prompt: list[int]) -> list[int]:
    """The new tokens, the end token among them; at most NEW_TOKENS if the settings do not say how many."""
    with tempfile.TemporaryDirectory() as name:
        model_dir = Path(name)
        copy_model(OUT / "gpt2-odd", model_dir)
        changed = read_json(model_dir / "config.json") | config
        (model_dir / "config.json").write_text(json.dumps(changed))
        (model_dir / "generation_config.json").unlink()
        if generation_config is not None:
            (model_dir / "generation_config.json").write_text(json.dumps(generation_config))
        model = load(GPT2LMHeadModel, model_dir)
    said = (generation_config or {}) | (config if generation_config is None else {})
    limit = {} if said.keys() & {"max_length", "max_new_tokens"} else {"max_new_tokens": NEW_TOKENS}
    ids = torch.tensor([prompt])
    result = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **limit,
    )
    for step, scores in enumerate(result.scores):
        best, second = scores[0].topk(2).values.tolist()
        if best - second < LEAST_MARGIN:
            raise ValueError(f"{said}: step {step} is decided by {best - second:.1e}; take another prompt")
    return result.sequences[0, len(prompt) :].tolist()


def sampling(directory: Path) -> None:
    """Distributions after the filters of sampling, over random logits."""
    generator = torch.Generator().manual_seed(7001)
    settings = [
        {"typical_p": 0.3},
        {"typical_p": 0.9, "temperature": 0.7},
        {"typical_p": 0.95, "top_k": 9},
        {"epsilon_cutoff": 0.03},
        {"epsilon_cutoff": 0.9},
        {"eta_cutoff": 0.02},
        {"eta_cutoff": 0.3, "temperature": 2.0},
        {"top_h": 0.4},
        {"top_h": 0.8, "top_k": 3},
        {"top_h": 1.0},
        {"top_h": 0.6, "temperature": 1.4, "top_p": 0.8, "min_p": 0.05},
        {"temperature": 0.9, "top_k": 12, "top_p": 0.95, "typical_p": 0.8, "epsilon_cutoff": 0.01, "eta_cutoff": 0.05},
    ]
    results = []
    for values in settings:
        for spread in (0.7, 2.5):
            logits = (torch.randn(24, generator=generator) * spread).round(decimals=3)
            scores = filtered(values, logits.unsqueeze(0))
            probabilities = scores.softmax(dim=-1)[0]
            kept = [[token, p] for token, p in enumerate(probabilities.tolist()) if p > 0]
            results.append({"settings": values, "logits": logits.tolist(), "kept": kept})
    write_list(directory, results)


def filtered(values: dict[str, float], scores: torch.Tensor) -> torch.Tensor:
    """The library's filters that are on, in its order."""
    warpers = [
        ("temperature", processors.TemperatureLogitsWarper),
        ("top_h", processors.TopHLogitsWarper),
        ("top_k", processors.TopKLogitsWarper),
        ("top_p", processors.TopPLogitsWarper),
        ("min_p", processors.MinPLogitsWarper),
        ("typical_p", processors.TypicalLogitsWarper),
        ("epsilon_cutoff", processors.EpsilonLogitsWarper),
        ("eta_cutoff", processors.EtaLogitsWarper),
    ]
    for key, warper in warpers:
        if key in values:
            scores = warper(values[key])(None, scores)
    return scores


TOKENIZER_TEXTS = ["", "Hello World 1234", " hello", "CAFÉ café 你好 don't", "a<|endoftext|> b [MASK] c", "x" * 120]
MASK_ENDS = {"type": "BertProcessing", "sep": ["[MASK]", 5], "cls": ["[PAD]", 0]}


def tokenizers(directory: Path) -> None:
    """Ids under each combination of tokenizer.json and tokenizer_config.json, for GPT-2 and for BERT."""
    bpe = AutoTokenizer.from_pretrained(with_config(OUT / "tokenizer-bpe", "gpt2"))
    bpe.backend_tokenizer.save(str(directory / "bpe.json"))
    compact(directory / "bpe.json")
    end = next(token["id"] for token in read_json(directory / "bpe.json")["added_tokens"])

    def template(before: bool, after: bool) -> dict:
        special = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
        text = {"Sequence": {"id": "A", "type_id": 0}}
        single = [special] * before + [text] + [special] * after
        ids = {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [end], "tokens": ["<|endoftext|>"]}}
        pair = [text, {"Sequence": {"id": "B", "type_id": 1}}]
        return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": ids}

    def byte_level(prefix_space: bool) -> dict:
        return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": True}

    general = {"tokenizer_class": "PreTrainedTokenizerFast"}
    cased = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    gpt2_cases = [
        (parts, settings | kind)
        for kind in ({}, general)
        for parts, settings in [
            ({}, {}),
            ({"post_processor": template(True, False)}, {}),
            ({"post_processor": template(True, True)}, {"add_bos_token": False}),
            ({"post_processor": None}, {"add_bos_token": True}),
            ({"pre_tokenizer": byte_level(True)}, {}),
            ({}, {"add_prefix_space": True}),
            ({"normalizer": {"type": "Lowercase"}}, {"do_lower_case": False}),
            ({}, {"do_lower_case": True}),
            ({}, {"split_special_tokens": True}),
        ]
    ]
    gpt2_cases += [(None, {}), (None, {"add_bos_token": True}), (None, {"add_eos_token": True}), (None, {"add_prefix_space": True})]
    bert_cases = [
        (parts, settings | kind)
        for kind in ({}, {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "DistilBertTokenizer"}, general)
        for parts, settings in [
            ({}, {}),
            ({}, {"do_lower_case": False}),
            ({"normalizer": cased}, {}),
            ({"normalizer": cased}, {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}),
            ({"normalizer": {"type": "Lowercase"}}, {"strip_accents": True}),
            ({"post_processor": MASK_ENDS}, {}),
            ({"post_processor": None}, {"cls_token": "[MASK]"}),
        ]
    ]
    bert_cases += [(None, {}), (None, {"do_lower_case": False}), (None, {"strip_accents": False}), (None, {"sep_token": "[MASK]"})]
    results = [tokenize("bpe", directory / "bpe.json", OUT / "tokenizer-bpe", *case) for case in gpt2_cases]
    results += [tokenize("bert", OUT / "st-mean" / "tokenizer.json", OUT / "st-mean", *case) for case in bert_cases]
    write_list(directory, results)


def tokenize(kind: str, tokenizer_json: Path, vocabulary: Path, parts: dict | None, settings: dict) -> dict:
    """`parts` of tokenizer.json are replaced; `None` leaves the older vocabulary files alone."""
    with tempfile.TemporaryDirectory() as name:
        model_dir = Path(name)
        (model_dir / "config.json").write_text(json.dumps({"model_type": "gpt2" if kind == "bpe" else "bert"}))
        (model_dir / "tokenizer_config.json").write_text(json.dumps(settings))
        if parts is None:
            for file in ("vocab.json", "merges.txt", "vocab.txt"):
                if (vocabulary / file).exists():
                    shutil.copy(vocabulary / file, model_dir)
        else:
            (model_dir / "tokenizer.json").write_text(json.dumps(read_json(tokenizer_json) | parts))
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        ids = [tokenizer(text)["input_ids"] for text in TOKENIZER_TEXTS]
    return {"kind": kind, "parts": parts, "settings": settings, "ids": ids}


SENTENCES = ["hello world", "The [MASK] RIVER", "don't " * 30]
PROMPT = "search the model: "


def sentences(directory: Path) -> None:
    """Embeddings by `st-mean` under the files of sentence-transformers; `null` stands for a file that is not there."""
    bert, pooling = "sentence_bert_config.json", "1_Pooling/config.json"
    config, tokenizer = "config_sentence_transformers.json", "tokenizer_config.json"

    def pooled(mode: str, include_prompt: bool = True) -> dict:
        return {"embedding_dimension": 36, "pooling_mode": mode, "include_prompt": include_prompt}

    saved_again = {
        "transformer_task": "feature-extraction",
        "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        "module_output_name": "token_embeddings",
    }
    limited = {"tokenizer_class": "BertTokenizer", "model_max_length": 20}
    with_prompt = {"prompts": {"query": PROMPT}}
    by_default = with_prompt | {"default_prompt_name": "query"}
    lowered = {bert: {"max_seq_length": 24, "do_lower_case": True}, tokenizer: {"do_lower_case": False}}
    cases = [
        ({}, {}),
        ({bert: saved_again, tokenizer: limited}, {}),
        ({bert: saved_again, tokenizer: limited | {"model_max_length": int(1e30)}}, {}),
        ({bert: None}, {}),
        ({bert: None, tokenizer: None}, {}),
        ({bert: {"max_seq_length": None}, tokenizer: {"max_len": 9}}, {}),
        ({bert: {"max_seq_length": 24, "tokenizer_args": {"model_max_length": 10}}}, {}),
        ({bert: {"max_seq_length": 24, "processing_kwargs": {"text": {"max_length": 7}}}}, {}),
        ({tokenizer: limited | {"truncation_side": "left"}}, {}),
        (lowered, {}),
        ({config: by_default}, {}),
        ({config: with_prompt}, {}),
        ({config: with_prompt}, {"prompt_name": "query"}),
        ({config: by_default}, {"prompt_name": "document"}),
        ({config: by_default}, {"prompt": "the "}),
        ({config: by_default}, {"prompt": ""}),
        ({config: {"truncate_dim": 7, "prompts": {"query": None}}}, {"prompt_name": "query"}),
        ({config: {"truncate_dim": 100}}, {}),
        ({config: {"truncate_dim": 7}}, {"truncate_dim": 5}),
    ]
    for mode in ("mean", "cls", "lasttoken", "mean_sqrt_len_tokens"):
        cases.append(({config: by_default, pooling: pooled(mode, include_prompt=False)}, {}))
    cases.append(({config: by_default, pooling: pooled("mean", False)}, {"prompt": "x " * 40}))
    results = []
    for files, options in cases:
        with tempfile.TemporaryDirectory() as name:
            model_dir = Path(name)
            shutil.copytree(OUT / "st-mean", model_dir, dirs_exist_ok=True)
            for file, content in files.items():
                if content is None:
                    (model_dir / file).unlink()
                else:
                    (model_dir / file).write_text(json.dumps(content))
            model = SentenceTransformer(str(model_dir), device="cpu")
            # One by one, so that padding plays no part.
            embeddings = [model.encode([text], **options)[0].tolist() for text in SENTENCES]
        rounded = [[float(f"{x:.7g}") for x in embedding] for embedding in embeddings]
        results.append({"files": files, "options": options, "texts": SENTENCES, "embeddings": rounded})
    write_list(directory, results)


def with_config(vocabulary: Path, model_type: str) -> Path:
    """A directory with the older vocabulary files of another, and a configuration for AutoTokenizer."""
    directory = Path(tempfile.mkdtemp())
    for file in ("vocab.json", "merges.txt"):
        shutil.copy(vocabulary / file, directory)
    (directory / "config.json").write_text(json.dumps({"model_type": model_type}))
    return directory


def copy_model(source: Path, target: Path) -> None:
    for file in ("config.json", "generation_config.json", "model.safetensors"):
        shutil.copy(source / file, target)


def compact(file: Path) -> None:
    file.write_text(json.dumps(read_json(file), ensure_ascii=True, separators=(",", ":")) + "\n")


def read_json(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def write_list(directory: Path, cases: list[dict]) -> None:
    lines = ",\n".join(" " + json.dumps(copy.deepcopy(case), separators=(",", ":")) for case in cases)
    (directory / "golden.json").write_text(f"[\n{lines}\n]\n")


CASES = {
    "settings-generation": generation,
    "settings-sampling": sampling,
    "settings-tokenizers": tokenizers,
    "settings-sentences": sentences,
}
