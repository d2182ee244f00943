"""The sentences that are embedded: runs of words of one English text, the same on every machine."""

import math
import random
from pathlib import Path

TEXT = Path(__file__).resolve().parents[2] / "LICENSE-APACHE"
SEED = 1
SHORTEST, LONGEST = 5, 60  # words
MEDIAN, SIGMA = 18, 0.55  # of the log-normal distribution of lengths


def sentences(count):
    """`count` runs of words, log-normal in length as the sentences of English prose are, each from a place of its own."""
    words = TEXT.read_text(encoding="utf-8").split()
    generator = random.Random(SEED)

    def sentence():
        length = round(generator.lognormvariate(math.log(MEDIAN), SIGMA))
        length = min(max(length, SHORTEST), LONGEST)
        first = generator.randrange(len(words) - length)
        return " ".join(words[first : first + length])

    return [sentence() for _ in range(count)]
