//! What can go wrong with a tokenizer, when it is loaded and when it is used.

/// A tokenizer's file is malformed or does not fit the model.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum TokenizerFileError {
    #[error("wanted a BPE or WordPiece model, found `{found}`")]
    UnsupportedModel { found: String },
    #[error("wanted a BPE model with a ByteLevel decoder or SentencePiece's, found decoder `{found}`")]
    NotByteLevel { found: String },
    #[error(
        "decoder: wanted SentencePiece's sequence (Replace of U+2581 by a space, ByteFallback, Fuse, and perhaps Strip of one first space), found another"
    )]
    UnknownDecoder,
    #[error("wanted the decoder of {class}, found {decoder}, which is of another kind")]
    DecoderOfOtherClass { class: &'static str, decoder: String },
    #[error("{section}: wanted one of {}; found {found}", known.join(", "))]
    UnsupportedPart { section: &'static str, known: &'static [&'static str], found: String },
    #[error("post_processor: {reason}")]
    PostProcessor { reason: String },
    #[error("token {token:?}: listed twice")]
    DuplicateToken { token: String },
    #[error("token id {id}: belongs to both {first:?} and {second:?}")]
    DuplicateId { id: u32, first: String, second: String },
    #[error("token {token:?}: wanted an id below the model's vocabulary of {vocabulary}, found {id}")]
    IdOutsideVocabulary { token: String, id: u64, vocabulary: usize },
    #[error("added token {token:?}: wanted id {wanted}, but its place in the vocabulary gives {}", found.map_or("none".to_owned(), |id| id.to_string()))]
    AddedTokenId { token: String, wanted: u32, found: Option<u32> },
    #[error("merge {number}: wanted two tokens with one space between them, found {found:?}")]
    MalformedMerge { number: usize, found: String },
    #[error("merge {number}, {left:?} with {right:?}: the vocabulary has no token {missing:?}")]
    UnknownMerge { number: usize, left: String, right: String, missing: String },
    #[error("merge {number}: {right:?} does not begin with the prefix {prefix:?} of continuing parts")]
    MergeWithoutPrefix { number: usize, right: String, prefix: String },
    #[error("the vocabulary has no token {token:?}, which stands for {purpose}")]
    MissingSpecial { token: String, purpose: &'static str },
    #[error("model.dropout: wanted null or 0, found random merges (not supported)")]
    Dropout,
    #[error("wanted at most {limit} entries, found more")]
    TooManyEntries { limit: usize },
    #[error("`tokenizer.ggml.{key}`: wanted {wanted}, found {found}")]
    Gguf { key: &'static str, wanted: String, found: String },
    #[error("cannot allocate the {bytes} bytes that a tokenizer of this size takes")]
    OutOfMemory { bytes: usize },
    #[error("the packed vocabulary is malformed: {reason}")]
    PackedVocabulary { reason: String },
    #[error("not a tokenizer: {reason}")]
    Rejected { reason: String },
}

cke_kernels::debug_as_display!(TokenizerFileError);

/// A text or token ids that a tokenizer cannot convert.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TokenizeError {
    /// No model output and no token has this id.
    #[error("token id {id}: wanted one below the vocabulary of {vocabulary}")]
    UnknownId {
        /// The id.
        id: u32,
        /// Size of the model's vocabulary.
        vocabulary: usize,
    },
    /// The special tokens alone take more room than there is.
    #[error("wanted room for at least the {special} special tokens, found a length of {max_len}")]
    NoRoom {
        /// Number of special tokens added to each text.
        special: usize,
        /// Longest sequence allowed.
        max_len: usize,
    },
    /// The machine has not enough memory for the text.
    #[error("cannot allocate the {bytes} bytes that a text of this size takes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The tokenizer's own rules fail on the text, as with a character that is not in a vocabulary without an unknown
    /// token.
    #[error("text cannot be converted: {reason}")]
    Failed {
        /// The tokenizer's message.
        reason: String,
    },
}

cke_kernels::debug_as_display!(TokenizeError);
