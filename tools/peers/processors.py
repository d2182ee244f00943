"""The same tests on several processors, below each other."""

import conditions
import model_tables

# For each mark `<!-- processors: NAME -->`: what a row is called, and the file, suite and label of its test on each processor.
GPT2_ALL = ("GPT-2 124M, prompt of 512, all logits", [("models.json", "gpt2-prompt", "512 tokens, logits of every position")])
GPT2_LAST = (
    "GPT-2 124M, prompt of 512, last logits",
    [("models.json", "gpt2-prompt", "512 tokens, last logits"), ("dtypes.json", "gpt2-prompt-dtypes", "f32")],
)
GPT2_GENERATION = (
    "GPT-2 124M, one token at a time",
    [("models.json", "gpt2-generation", "one sequence"), ("dtypes.json", "gpt2-generation-dtypes", "f32")],
)
BERT = ("BERT-base, 8 × 128", [("models.json", "bert", "8 × 128 tokens"), ("dtypes.json", "bert-dtypes", "f32")])
MINILM = ("all-MiniLM-L6-v2, sentences/s", [("models.json", "minilm", "1000 sentences of 5 to 60 words")])


def _gguf(files, model):
    """The formats of two suites of gguf_speed.py."""
    suites = (("prompt", "prompt of 512"), ("generation", "64 tokens one at a time"))
    formats = ("Q8_0", "Q4_K_M", "Q4_0")
    return [(f"{form}, {what}", [(file, f"{model}-{suite}", form) for file in files]) for suite, what in suites for form in formats]


TABLES = {
    "f32": ("models in f32, tokens/s", [GPT2_ALL, GPT2_LAST, GPT2_GENERATION, BERT, MINILM]),
    "gguf": ("SmolLM2 135M, tokens/s", _gguf(("gguf-zen5.json", "gguf.json", "gguf-xeon.json", "gguf-zen3.json"), "smollm2")),
    "gguf-1b": ("Llama 3.2 1B (random weights), tokens/s", _gguf(("gguf-1b-zen5.json", "gguf-1b.json", "gguf-1b-xeon.json", "gguf-1b-zen3.json"), "llama-1b")),
}


def tables(name, read):
    """The tables of these names; `read` gives the results of a file."""
    return "\n".join(line for one in name.split(", ") for line in table(*TABLES[one], read))


def table(title, rows, read):
    files = {file: read(file) for _, sources in rows for file, _, _ in sources}
    found = [(what, list(measured(sources, files))) for what, sources in rows]
    tests = [test for _, runs in found for _, test in runs]
    names = model_tables.taking_part(tests)
    lines = ["", about(files, tests), "", *model_tables.head([title, "threads", "processor"], names)]
    lines[-1] = lines[-1].replace("|---|---:|---:|", "|---|---:|---|", 1)
    for what, runs in found:
        for core, test in sorted(runs, key=lambda run: run[1]["threads"]):
            lines.append(f"| {what} | {test['threads']} | {core} | {model_tables.cells(test, names, [])} |")
            what = ""
    return lines


def measured(sources, files):
    """Each test with the processor that ran it."""
    for file, suite, label in sources:
        for test in files[file]["tests"]:
            if (test["suite"], test["label"]) == (suite, label):
                machine = files[file]["machine"]
                yield machine.get("core_family", machine["cpu"]), test


def about(files, tests):
    machines = [f"{conditions.machine(results)}, {results['rounds']} rounds" for results in files.values()]
    how = f"Median of interleaved rounds, with [the range] if it is wider than {conditions.WIDE:.0%}; (how many times as fast CKE is)"
    return ". ".join(["; ".join(machines), how, *conditions.held_back(tests)]) + "."
