"""Numbers from a model's output by which contestants are compared before anything is timed.

GPT-2: the negative log-likelihoods of 127 tokens, or where only the last logits are computed those behind some beginnings. BERT: some
hidden states. MiniLM: the vectors of 20 sentences.
"""

GPT2_IDS = [(7919 * i) % 50257 for i in range(1, 129)]
BERT_IDS = [(7919 * i) % 30000 for i in range(1, 65)]
BEGINNINGS = (16, 48, 80, 127)
SENTENCES = 20

# About ten times what the orders of summation of PyTorch, ONNX Runtime, OpenVINO and CKE in f32 were seen to make.
TOLERANCE = {"gpt2": 3e-5, "bert": 4e-5, "minilm": 2e-6}
# Rounding weights and activations is all that makes these; a few times what was seen.
TOLERANCE_IN = {"bf16": 0.1, "int8": 0.4, "int4": 1.0}


def tolerance(model, dtype):
    """How far the samples of two contestants may lie apart."""
    return TOLERANCE[model] if dtype == "f32" else TOLERANCE_IN[dtype]


def of_framework(model, forward, embedder, last_logits):
    """The numbers of a framework's forward pass, as a list."""
    import numpy as np

    if model == "minilm":
        return embedder.vectors(embedder.sentences[:SENTENCES], 8).ravel().tolist()
    if model == "bert":
        return forward(np.array([BERT_IDS]))[0, ::4, ::16].ravel().tolist()
    if last_logits:
        return [_unlikelihoods(forward(np.array([GPT2_IDS[:end]]))[0, -1:], GPT2_IDS[end:])[0] for end in BEGINNINGS]
    return _unlikelihoods(forward(np.array([GPT2_IDS]))[0], GPT2_IDS[1:])


def _unlikelihoods(logits, following):
    """The negative log-likelihood of each following token by the logits of its row."""
    import numpy as np

    logits = logits.astype(np.float64)
    log_sums = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)) + logits.max(-1)
    return [float(log_sums[i] - logits[i, token]) for i, token in enumerate(following[: len(logits)])]


def largest_difference(numbers, others):
    """Between two samples; infinite where their lengths differ or a number is not finite."""
    if len(numbers) != len(others):
        return float("inf")
    differences = [abs(x - y) for x, y in zip(numbers, others, strict=True)]
    return max(differences) if all(difference < float("inf") for difference in differences) else float("inf")
