"""Runs a GGUF file on mistral.rs (Python package `mistralrs`): mistralrs_worker.py FILE PROMPT_TOKENS GENERATED_TOKENS RUNS

Prints, as JSON, the version and for each run the tokens a second of prompt and generation, as mistral.rs counts them: the prompt is made
of words until its own tokenizer takes it for about PROMPT_TOKENS, and all runs begin differently, so that nothing is remembered.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

from mistralrs import CompletionRequest, Runner, Which

WORDS = "the quick brown fox jumps over a lazy dog and "
TOKENS_OF_WORDS = 10


def main():
    file, prompt_tokens, generated, runs = Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:])
    which = Which.GGUF(tok_model_id=None, quantized_model_id=str(file.parent), quantized_filename=file.name)
    runner = Runner(which=which, prefix_cache_n=0)
    rates = []
    # The first run does not count.
    for run in range(runs + 1):
        prompt = f"{run} " + WORDS * (prompt_tokens // TOKENS_OF_WORDS)
        request = CompletionRequest(model="model", prompt=prompt, max_tokens=generated, temperature=0.0)
        usage = runner.send_completion_request(request).usage
        rates.append((usage.avg_prompt_tok_per_sec, usage.avg_compl_tok_per_sec, usage.prompt_tokens, usage.completion_tokens))
    json.dump({"version": importlib.metadata.version("mistralrs"), "rates": rates[1:]}, sys.stdout)


if __name__ == "__main__":
    main()
