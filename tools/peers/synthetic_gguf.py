"""Llamas with random weights in the sizes of well-known models, as GGUF files in f16: their speed is that of trained ones."""

from dataclasses import dataclass

SEED = 7


@dataclass(frozen=True)
class Sizes:
    """Of a Llama; its vocabulary is that of the tokenizer."""

    title: str
    width: int
    layers: int
    heads: int
    key_heads: int
    inner: int
    context: int = 32768


MODELS = {
    "llama-1b": Sizes("Llama 3.2 1B (random weights)", 2048, 16, 32, 8, 8192),
    "qwen-0.6b": Sizes("Qwen3 0.6B (random weights)", 1024, 28, 16, 8, 3072),
}


def write(sizes, tokenizer, out):
    """Writes a model with the tokenizer of another GGUF file."""
    from gguf import GGUFReader, GGUFWriter

    writer = GGUFWriter(out, "llama")
    writer.add_name(sizes.title)
    writer.add_file_type(1)  # mostly f16
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.width)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.inner)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.key_heads)
    writer.add_rope_dimension_count(sizes.width // sizes.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    vocabulary = _copy_tokenizer(GGUFReader(tokenizer), writer)
    for name, tensor in _tensors(sizes, vocabulary):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_tokenizer(reader, writer):
    """Copies the keys of a tokenizer; returns how many tokens it has."""
    from gguf import GGUFValueType

    for key, field in reader.fields.items():
        if key.startswith("tokenizer."):
            if field.types[0] == GGUFValueType.ARRAY:
                writer.add_array(key, field.contents())
            else:
                writer.add_key_value(key, field.contents(), field.types[0])
    vocabulary = len(reader.fields["tokenizer.ggml.tokens"].contents())
    writer.add_vocab_size(vocabulary)
    return vocabulary


def _tensors(sizes, vocabulary):
    import numpy as np

    random = np.random.default_rng(SEED)

    def matrix(outputs, inputs):
        # Sums of as many products as there are inputs keep the size of what is summed.
        numbers = random.standard_normal((outputs, inputs), dtype=np.float32)
        return (numbers * np.float32(inputs**-0.5)).astype(np.float16)

    width, gains = sizes.width, np.ones(sizes.width, np.float32)
    keys = width // sizes.heads * sizes.key_heads
    yield "token_embd.weight", matrix(vocabulary, width)
    yield "output_norm.weight", gains
    for layer in range(sizes.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", gains
        yield f"{block}.ffn_norm.weight", gains
        shapes = {
            "attn_q": (width, width),
            "attn_k": (keys, width),
            "attn_v": (keys, width),
            "attn_output": (width, width),
            "ffn_gate": (sizes.inner, width),
            "ffn_up": (sizes.inner, width),
            "ffn_down": (width, sizes.inner),
        }
        for name, shape in shapes.items():
            yield f"{block}.{name}.weight", matrix(*shape)
