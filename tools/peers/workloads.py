"""What is timed, and who takes part in it."""

from dataclasses import dataclass

CKE, PYTORCH, ONNXRUNTIME, OPENVINO = "cke", "pytorch", "onnxruntime", "openvino"
LLAMA, IK_LLAMA, MISTRAL_RS = "llama.cpp", "ik_llama.cpp", "mistral.rs"
TITLES = {
    CKE: "CKE",
    PYTORCH: "PyTorch",
    ONNXRUNTIME: "ONNX Runtime",
    OPENVINO: "OpenVINO",
    LLAMA: "llama.cpp",
    IK_LLAMA: "ik_llama.cpp",
    MISTRAL_RS: "mistral.rs",
}
ALL = tuple(TITLES)
FRAMEWORKS = (PYTORCH, ONNXRUNTIME, OPENVINO)

# GPT-2 for llama.cpp, below --models.
GPT2_GGUF = {"f32": "gpt2-f32.gguf", "int8": "gpt2-Q8_0.gguf", "int4": "gpt2-Q4_0.gguf"}

SENTENCES = 1000


@dataclass(frozen=True)
class Variant:
    """A form of a model that a framework runs."""

    dtype: str = "f32"
    last_logits: bool = False  # those of the last position alone

    @property
    def suffix(self):
        """Of the names of its files."""
        return ("-last" if self.last_logits else "") + ("" if self.dtype == "f32" else f"-{self.dtype}")


@dataclass(frozen=True)
class Test:
    """One thing to time; a run of it handles `units` tokens or sentences."""

    name: str
    label: str
    kind: str  # "prompt", "generation" or "sentences"
    contestants: tuple
    tokens: int = 0  # of each sequence
    batch: int = 1
    logits: str | None = None  # "all" or "last"
    file: str = ""  # in the model's directory, where that holds several models
    depth: int = 0  # tokens of each sequence that were read before
    dtype: str = "f32"  # of the weights, or of weights and activations: what each contestant makes of it, README.md says

    @property
    def variant(self):
        """What a framework needs a model of its own for."""
        return Variant(self.dtype, self.logits == "last")

    @property
    def units(self):
        return SENTENCES if self.kind == "sentences" else self.tokens * self.batch


@dataclass(frozen=True)
class Suite:
    """Tests of one model that belong into one chart."""

    name: str
    title: str
    model: str  # directory below --models
    unit: str
    tests: tuple

    @property
    def compares_last_logits(self):
        """Whether frameworks compute the logits of the last position alone."""
        return any(test.variant.last_logits and set(test.contestants) & set(FRAMEWORKS) for test in self.tests)


def _prompt(tokens, logits, contestants):
    which = "logits of every position" if logits == "all" else "last logits"
    label = f"{tokens} tokens, {which}"
    return Test(f"{tokens}-{logits}", label, "prompt", contestants, tokens, logits=logits)


def _encode(batch, tokens):
    return Test(f"{batch}x{tokens}", f"{batch} × {tokens} tokens", "prompt", (CKE, *FRAMEWORKS), tokens, batch)


SUITES = (
    Suite(
        "gpt2-prompt",
        "GPT-2 124M reads a prompt, f32",
        "gpt2",
        "tokens/s",
        tuple(_prompt(tokens, "all", (CKE, *FRAMEWORKS)) for tokens in (128, 512))
        + tuple(_prompt(tokens, "last", (CKE, LLAMA)) for tokens in (128, 512)),
    ),
    Suite(
        "gpt2-generation",
        "GPT-2 124M generates 64 tokens, f32",
        "gpt2",
        "tokens/s",
        (Test("64", "one sequence", "generation", (CKE, PYTORCH, LLAMA), 64),),
    ),
    Suite(
        "gpt2-batch",
        "GPT-2 124M generates 64 tokens of one and of several sequences, f32",
        "gpt2",
        "tokens/s",
        (
            Test("64x1", "one sequence", "generation", (CKE,), 64),
            Test("64x8", "8 sequences together", "generation", (CKE,), 64, 8),
        ),
    ),
    Suite("bert", "BERT-base, f32", "bert", "tokens/s", (_encode(1, 128), _encode(8, 128), _encode(1, 512))),
    Suite(
        "minilm",
        "all-MiniLM-L6-v2 embeds sentences, f32",
        "minilm",
        "sentences/s",
        (Test("mixed", f"{SENTENCES} sentences of 5 to 60 words", "sentences", (CKE, *FRAMEWORKS)),),
    ),
)


# The contestants of each dtype, each in its own best way; those without such products, or without them for whole models, are left out.
IN_DTYPES = {
    "f32": (CKE, *FRAMEWORKS, LLAMA),
    "bf16": (CKE, PYTORCH, OPENVINO),
    "int8": (CKE, PYTORCH, ONNXRUNTIME, LLAMA),
    "int4": (CKE, LLAMA),
}
LLAMA_LABELS = {"int8": "int8 (llama.cpp: Q8_0)", "int4": "int4 (llama.cpp: Q4_0)"}


def _in_dtypes(name, title, model, kind, tokens, batch=1, logits=None, without=()):
    """A suite whose tests are the dtypes."""

    def test(dtype, contestants):
        taking_part = tuple(one for one in contestants if one not in without)
        label = LLAMA_LABELS.get(dtype, dtype) if LLAMA in taking_part else dtype
        return Test(dtype, label, kind, taking_part, tokens, batch, logits, dtype=dtype)

    return Suite(name, title, model, "tokens/s", tuple(test(*item) for item in IN_DTYPES.items()))


DTYPE_SUITES = (
    _in_dtypes("gpt2-prompt-dtypes", "GPT-2 124M reads a prompt of 512 tokens, last logits", "gpt2", "prompt", 512, logits="last"),
    _in_dtypes(
        "gpt2-generation-dtypes", "GPT-2 124M generates 64 tokens", "gpt2", "generation", 64, without=(ONNXRUNTIME, OPENVINO)
    ),
    _in_dtypes("bert-dtypes", "BERT-base, 8 × 128 tokens", "bert", "prompt", 128, batch=8, without=(LLAMA,)),
)


def taking_part(suites):
    """The contestants of these suites, in the order of the charts' colours."""
    entered = {name for suite in suites for test in suite.tests for name in test.contestants}
    return tuple(name for name in ALL if name in entered)


def suite(name):
    """The suite of this name."""
    return next(suite for suite in SUITES + DTYPE_SUITES if suite.name == name)
