//! The tokenizer of a GGUF file.

/// What a GGUF file says of its tokenizer; keys of `tokenizer.ggml.` unless said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GgufTokenizer {
    /// `model`: the algorithm, `gpt2` for byte-level BPE, `llama` for SentencePiece.
    pub model: String,
    /// `pre`: how texts are split before.
    pub pre: Option<String>,
    /// `tokens`: every token; its place is its id.
    pub tokens: Vec<String>,
    /// `scores`: a score for each token.
    pub scores: Option<Vec<f32>>,
    /// `token_type`: 1 normal, 2 unknown, 3 control, 4 of the user, 5 unused, 6 a byte; one for each token.
    pub token_types: Option<Vec<i32>>,
    /// `merges`: pairs of tokens with a space between them, the most important first.
    pub merges: Vec<String>,
    /// `bos_token_id`: begins a text.
    pub bos: Option<u32>,
    /// `eos_token_id`: ends a text.
    pub eos: Option<u32>,
    /// `unknown_token_id`: stands for what has no token.
    pub unk: Option<u32>,
    /// `padding_token_id`: fills short inputs.
    pub pad: Option<u32>,
    /// `eot_token_id`: ends a turn.
    pub eot: Option<u32>,
    /// `add_bos_token`
    pub add_bos: Option<bool>,
    /// `add_eos_token`
    pub add_eos: Option<bool>,
    /// `add_space_prefix`
    pub add_space_prefix: Option<bool>,
    /// `remove_extra_whitespaces`
    pub remove_extra_whitespaces: Option<bool>,
    /// `tokenizer.chat_template`
    pub chat_template: Option<String>,
}
