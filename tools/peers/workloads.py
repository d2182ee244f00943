"""What is timed, and who takes part in it."""

from dataclasses import dataclass

CKE, PYTORCH, ONNXRUNTIME, OPENVINO, LLAMA, IK_LLAMA = "cke", "pytorch", "onnxruntime", "openvino", "llama.cpp", "ik_llama.cpp"
TITLES = {
    CKE: "CKE",
    PYTORCH: "PyTorch",
    ONNXRUNTIME: "ONNX Runtime",
    OPENVINO: "OpenVINO",
    LLAMA: "llama.cpp",
    IK_LLAMA: "ik_llama.cpp",
}
ALL = tuple(TITLES)
FRAMEWORKS = (PYTORCH, ONNXRUNTIME, OPENVINO)

SENTENCES = 1000


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


def taking_part(suites):
    """The contestants of these suites, in the order of the charts' colours."""
    entered = {name for suite in suites for test in suite.tests for name in test.contestants}
    return tuple(name for name in ALL if name in entered)


def suite(name):
    """The suite of this name."""
    return next(suite for suite in SUITES if suite.name == name)
