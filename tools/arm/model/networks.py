"""The products of a pass through models, and what a pass takes on a board.

Everything that is not a product is taken from what `cke profile` measured on x86-64: attention reaches 37% of the peak in f32, the rest takes 2% of the
time of the products in f32. Rows are quantised beside; that is in neither.
"""

from dataclasses import dataclass

import blocking
import replay

SHARE_OF_PEAK_OF_ATTENTION = 0.37
SHARE_OF_THE_REST = 0.02
# For which the kernels of weights are chosen (`linear/layer.rs`).
TYPICAL_ROWS = 128


@dataclass(frozen=True)
class Network:
    """A transformer: `keys` are the elements of a token's keys, `gates` the products from the width to `inner` in a layer."""

    title: str
    layers: int
    width: int
    keys: int
    inner: int
    gates: int
    # 0 for an encoder.
    vocabulary: int

    def products(self, dtype, tokens):
        """How often, schemes, rows, columns and depth of the products for as many tokens."""
        usual, sensitive = DTYPES.get(dtype, (dtype, dtype))
        layer = [
            (usual, self.width + self.keys, self.width),
            (sensitive, self.keys, self.width),
            (usual, self.width, self.width),
            (usual, self.gates * self.inner, self.width),
            (usual, self.width, self.inner),
        ]
        products = [(self.layers, scheme, tokens, n, k) for scheme, n, k in layer]
        return products + ([(1, sensitive, 1, self.vocabulary, self.width)] if self.vocabulary else [])

    def attention_operations(self, tokens, before=0):
        """Of the scores and the weighted sums; a decoder's tokens see those before them only."""
        seen = before + (tokens / 2 if self.vocabulary else tokens)
        return 4 * self.layers * self.width * tokens * seen


NETWORKS = {
    "gpt2": Network("GPT-2 124M", 12, 768, 768, 3072, 1, 50257),
    "bert": Network("BERT-base", 12, 768, 768, 3072, 1, 0),
    "minilm": Network("MiniLM-L6", 6, 384, 384, 1536, 1, 0),
    "smollm2": Network("SmolLM2-135M", 30, 576, 192, 1536, 2, 49152),
    "tinyllama": Network("TinyLlama-1.1B", 22, 2048, 256, 5632, 2, 32000),
}
# A dtype of models that has two schemes: the usual one, and that of the head and of the values of attention (`linear/mixed.rs`).
DTYPES = {"int4": ("q4_1", "q8_0")}
# Network, tokens of a pass, tokens before, and dtypes or schemes of files.
TESTS = [
    ("gpt2", 128, 0, ("f32", "int8", "int4")),
    ("gpt2", 1, 128, ("f32", "int8", "int4")),
    ("bert", 128, 0, ("f32", "int8", "int4")),
    ("minilm", 32, 0, ("f32", "int8", "int4")),
    ("smollm2", 128, 0, ("f32", "int8", "int4")),
    ("smollm2", 1, 128, ("f32", "int8", "int4")),
    ("tinyllama", 128, 0, ("q8_0",)),
    ("tinyllama", 1, 128, ("q8_0",)),
]


class Passes:
    """Times of passes on one board with one instruction set's code; products of a size are replayed once."""

    def __init__(self, code, kernels, board):
        self.code, self.kernels, self.board = code, kernels, board
        self.known = {}

    def product(self, scheme, m, n, k):
        """A product with weights that were packed for any number of rows."""
        key = (scheme, m, n, k)
        if key not in self.known:
            kernel = blocking.choose_kernel(self.kernels, self.board.core, scheme, TYPICAL_ROWS, n, k)
            self.known[key] = replay.product(self.code, kernel, self.board, self.board.count, m, n, k)
        return self.known[key]

    def seconds(self, name, dtype, tokens, before):
        """The seconds of a pass, all of it."""
        network = NETWORKS[name]
        products = self._of_products(network, dtype, tokens)
        kernel = blocking.choose_kernel(self.kernels, self.board.core, "f32", TYPICAL_ROWS, 1024, 1024)
        cycles = self.code.cycles_per_step(kernel, self.board.core.mca, kernel.rows, kernel.cols // kernel.lanes)
        peak = 2 * kernel.rows * kernel.cols / cycles * self.board.ghz * 1e9 * self.board.count
        attention = network.attention_operations(tokens, before) / (SHARE_OF_PEAK_OF_ATTENTION * peak)
        return products + attention + SHARE_OF_THE_REST * self._of_products(network, "f32", tokens)

    def _of_products(self, network, dtype, tokens):
        return sum(times * self.product(*product).seconds for times, *product in network.products(dtype, tokens))
