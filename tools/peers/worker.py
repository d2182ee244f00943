"""One framework in a process of its own, started by peers.py; it does nothing between the lines that it is sent.

It first writes a line of JSON with its version, then answers each line on standard input with one on standard output:
`{"run": name, "seconds": s}` with the seconds of each run, `{"sample": dtype}` with numbers from the model's output.
"""

import json
import os
import sys
import time
from pathlib import Path

import frameworks
import sample
import workloads
from embedding import Embedder


def token_ids(shape, limit=30000):
    """Seeded ids below the vocabularies of GPT-2 and BERT."""
    import numpy as np

    return np.random.default_rng(1).integers(1000, limit, shape, dtype=np.int64)


class Worker:
    """A model, and a function for each of its tests."""

    def __init__(self, contestant, suite, models, threads):
        self.suite, self.models = suite, models
        mine = [test for test in suite.tests if contestant in test.contestants]
        variants = dict.fromkeys(test.variant for test in mine)
        self.forwards = {variant: frameworks.load(contestant, suite.model, models, threads, variant) for variant in variants}
        self.embedder = self._embedder(*self.forwards.values()) if suite.model == "minilm" else None
        self.runs = {test.name: self._run_of(test, self.forwards[test.variant]) for test in mine}

    def _embedder(self, forward):
        sentences = (self.models / "sentences.txt").read_text(encoding="utf-8").splitlines()
        return Embedder(forward, self.models / "minilm", sentences)

    def _run_of(self, test, forward):
        if test.kind == "sentences":
            return self.embedder.run
        if test.kind == "generation":
            return frameworks.pytorch_generation(forward.network, 1000, test.tokens)
        ids = token_ids((test.batch, test.tokens))
        return lambda: forward(ids)

    def answer(self, request):
        """The answer to one line."""
        if "sample" in request:
            variant, forward = next(item for item in self.forwards.items() if item[0].dtype == request["sample"])
            return {"sample": sample.of_framework(self.suite.model, forward, self.embedder, variant.last_logits)}
        return {"seconds": timed(self.runs[request["run"]], request["seconds"])}

    def settings(self):
        """What was chosen by measurement."""
        return {"batch": self.embedder.batch} if self.embedder else {}


def timed(run, seconds):
    """The times of as many runs as begin within `seconds`, one at least."""
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def main():
    contestant, suite, models, threads = sys.argv[1:]
    # Libraries that print shall not disturb the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(contestant, workloads.suite(suite), Path(models), int(threads))

    def send(answer):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    send({"version": frameworks.version(contestant), "settings": worker.settings()})
    for line in sys.stdin:
        send(worker.answer(json.loads(line)))


if __name__ == "__main__":
    main()
