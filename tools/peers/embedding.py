"""Sentences to vectors with a framework, batched sensibly."""

import time

BATCH_SIZES = (8, 16, 32, 64)
LONGEST = 256  # tokens; the model's limit for sentences


class Embedder:
    """Tokenizes, sorts by length, and runs batches that are padded to their longest sentence."""

    def __init__(self, forward, directory, sentences):
        from tokenizers import Tokenizer

        self.forward, self.sentences = forward, sentences
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.no_padding()
        self.batch = self._best_batch()

    def vectors(self, sentences, batch):
        """(sentences, width), in the order of the sentences."""
        import numpy as np

        ids = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(sentences)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        vectors = [None] * len(ids)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            shape = (len(chosen), len(ids[chosen[-1]]))
            padded, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
            for row, i in enumerate(chosen):
                padded[row, : len(ids[i])] = ids[i]
                mask[row, : len(ids[i])] = 1
            for i, vector in zip(chosen, self.forward(padded, mask), strict=True):
                vectors[i] = vector
        return np.stack(vectors)

    def run(self):
        """All sentences once, with the best size of batches."""
        self.vectors(self.sentences, self.batch)

    def _best_batch(self):
        """The fastest size on a quarter of the sentences, after a run that does not count."""
        sample = self.sentences[::4]
        self.vectors(sample, BATCH_SIZES[0])

        def seconds(batch):
            start = time.perf_counter()
            self.vectors(sample, batch)
            return time.perf_counter() - start

        return min(BATCH_SIZES, key=seconds)
