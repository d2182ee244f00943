//! What can go wrong while a model's files are opened and read.

use std::io;
use std::path::{Path, PathBuf};

use crate::dtype::Dtype;
use crate::fallible::check_available;
use crate::formats::disguise::recognise;
use crate::formats::gguf::GgufError;
use crate::formats::packed_file::PackedFileError;
use crate::formats::safetensors::HeaderError;
use crate::formats::shard_index::IndexError;
use crate::tokenizer::TokenizerFileError;
use crate::weight_format::WeightFormat;
use crate::weights::QuantizedError;

/// Memory that a parser that keeps no tree of values takes at most for each byte of text.
const BYTES_PER_JSON_BYTE: usize = 32;

/// Memory that a value of a list or an object takes at most, that of its text and of a list that grows included.
const BYTES_PER_VALUE: usize = 256;
/// Memory that the key of a value takes beside it.
const BYTES_PER_KEY: usize = 192;
/// Memory that a list or an object takes at least, which has room for several values from the first one on.
const BYTES_PER_LIST: usize = 320;
const BYTES_PER_OBJECT: usize = 512;

/// A model file that cannot be used: which file, which key or tensor, what was wanted and what was found.
///
/// The message is one line and names the file first.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The operating system could not open, read or map the file.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// There is no address space to map the file into.
    #[error("{}: wanted address space for the file's {bytes} bytes, found less: {source} (a larger `ulimit -v` gives more)", file.display())]
    NoAddressSpace {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A pipe, a device or a directory stands where a file is wanted.
    #[error("{}: wanted a regular file, found {found}", file.display())]
    NotAFile {
        /// The path.
        file: PathBuf,
        /// What stands there.
        found: &'static str,
    },
    /// A text file (configuration, tokenizer, shard index) is larger than any honest one.
    #[error("{}: wanted at most {limit} bytes, found {found}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Largest size read.
        limit: u64,
        /// Size found.
        found: u64,
    },
    /// The path that was given as a model is something else.
    #[error("{}: wanted a model directory with config.json, a GGUF file or a file of `cke quantize`, found {found}{hint}", path.display())]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: String,
        /// Which path may have been meant; may be empty.
        hint: String,
    },
    /// A file is not of the format that its name says.
    #[error("{}: wanted {wanted}, found {found}", file.display())]
    OtherFormat {
        /// The file.
        file: PathBuf,
        /// The format that its name says.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// A text file is not UTF-8.
    #[error("{}: not UTF-8 from byte {at} on", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Offset of the first malformed byte.
        at: usize,
    },
    /// A text file is not the JSON it should be.
    #[error("{}: {source}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Where and why parsing ended.
        source: serde_json::Error,
    },
    /// A JSON file is not a saved conversation.
    #[error(
        "{}: wanted a conversation, {{\"messages\": [{{\"role\": \"user\", \"content\": \"…\"}}, …]}}, found something else: {source}",
        file.display()
    )]
    NoConversation {
        /// The file.
        file: PathBuf,
        /// The place and the reason.
        source: serde_json::Error,
    },
    /// The directory has no weights in a supported format.
    #[error("{}: wanted model.safetensors, model.safetensors.index.json or one GGUF file, found {found}", dir.display())]
    NoWeights {
        /// The directory.
        dir: PathBuf,
        /// Weights in other formats, if any.
        found: String,
    },
    /// The directory has no tokenizer in a supported format.
    #[error("{}: wanted tokenizer.json, vocab.json with merges.txt, or vocab.txt (in a GGUF file, keys tokenizer.ggml.*); found none of them", dir.display())]
    NoTokenizer {
        /// The directory.
        dir: PathBuf,
    },
    /// The header of a safetensors file is malformed.
    #[error("{}: {problem}", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: HeaderError,
    },
    /// The header of a GGUF file is malformed, or its parts do not match.
    #[error("{}: GGUF: {problem}", file.display())]
    Gguf {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: GgufError,
    },
    /// A packed file is malformed, damaged or of another version.
    #[error("{}: {problem} (`cke quantize MODEL -o FILE` rewrites it; if `--cache` made it, remove it)", file.display())]
    Packed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: PackedFileError,
    },
    /// The weights of a packed file are wanted in another format.
    #[error("{}: wanted weights as {wanted}, found a file packed as {found} (leave out `--dtype`, or give the model's directory)", file.display())]
    PackedAs {
        /// The file.
        file: PathBuf,
        /// The format that was asked for.
        wanted: WeightFormat,
        /// The file's format.
        found: WeightFormat,
    },
    /// A packed file was given where a model directory is needed.
    #[error("{}: it is a packed file already (for another `--dtype`, quantize the model that it was made of)", file.display())]
    PackedAlready {
        /// The file.
        file: PathBuf,
    },
    /// The index of a sharded checkpoint is malformed or disagrees with its shards.
    #[error("{}: {problem}", file.display())]
    Index {
        /// The index.
        file: PathBuf,
        /// What is wrong with it.
        problem: IndexError,
    },
    /// The tokenizer's file is malformed or does not fit the model.
    #[error("{}: {problem}", file.display())]
    Tokenizer {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: TokenizerFileError,
    },
    /// Somebody wrote to the file after it was opened.
    #[error("{}: changed while it was read: it had {opened} bytes when opened, now {found}{}", file.display(), if opened == found { " and a new modification time" } else { "" })]
    Changed {
        /// The file.
        file: PathBuf,
        /// Length when the file was opened.
        opened: u64,
        /// Length now.
        found: u64,
    },
    /// A tensor the model needs is not there.
    #[error("{}: wanted tensor {}, found no such name among {present} tensors", file.display(), quoted(wanted))]
    MissingTensor {
        /// The checkpoint.
        file: PathBuf,
        /// Names that were tried, in order.
        wanted: Vec<String>,
        /// How many tensors the checkpoint has.
        present: usize,
    },
    /// A tensor's shape is not the one that the configuration asks for.
    #[error("{}: tensor `{tensor}`: wanted shape {wanted:?}, found {found:?}", file.display())]
    Shape {
        /// The file that holds the tensor.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Shape that the model needs.
        wanted: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor that is asked for as weights has another type.
    #[error("{}: tensor `{tensor}`: wanted weights as F32, F16, BF16 or blocks of GGUF, found {dtype}", file.display())]
    NotFloat {
        /// The file that holds the tensor.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: Dtype,
    },
    /// The tensors of a quantised layer do not match.
    #[error("{}: tensor `{tensor}`: {problem}", file.display())]
    Quantized {
        /// The file that holds the tensor.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        problem: QuantizedError,
    },
    /// The machine has not enough memory for a tensor.
    #[error("{}: tensor `{tensor}`: no memory for {bytes} bytes", file.display())]
    OutOfMemory {
        /// The file that holds the tensor.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Size asked of the allocator.
        bytes: usize,
    },
    /// The machine has not enough memory for what a file says.
    #[error("{}: cannot allocate the {bytes} bytes that reading it may take", file.display())]
    NoMemory {
        /// The file.
        file: PathBuf,
        /// Size asked of the allocator.
        bytes: usize,
    },
    /// A configuration value is missing, has the wrong type, or makes no model.
    #[error("{}: `{key}`: wanted {wanted}, found {found}", file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// The key, dotted where nested.
        key: String,
        /// The values that would do.
        wanted: String,
        /// The value found, shortened.
        found: String,
    },
}

cke_kernels::debug_as_display!(LoadError);

impl LoadError {
    /// Wraps an operating-system error with the file it is about.
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    /// Checks that there is memory for what a parser makes of `len` bytes of JSON: it would abort the process without.
    pub(crate) fn check_memory(file: &Path, len: usize) -> Result<(), LoadError> {
        let bytes = len.saturating_mul(BYTES_PER_JSON_BYTE);
        check_available(bytes).map_err(|_| Self::NoMemory { file: file.to_owned(), bytes })
    }

    /// Checks that there is memory for the tree of values that JSON text stands for: small lists in a list take a hundred times
    /// their text. Commas and brackets inside strings count, too, which errs on the safe side.
    pub(crate) fn check_tree_memory(file: &Path, json: &[u8]) -> Result<(), LoadError> {
        let cost = |byte: &u8| match byte {
            b',' => BYTES_PER_VALUE,
            b':' => BYTES_PER_KEY,
            b'[' => BYTES_PER_LIST,
            b'{' => BYTES_PER_OBJECT,
            _ => 1,
        };
        let bytes = json.iter().map(cost).fold(0, usize::saturating_add);
        check_available(bytes).map_err(|_| Self::NoMemory { file: file.to_owned(), bytes })
    }

    /// A file that should be JSON: what it is instead if that can be told, else where parsing ended.
    pub(crate) fn json(file: &Path, content: &[u8], source: serde_json::Error) -> Self {
        let file = file.to_owned();
        let as_text = |found: &str| Self::OtherFormat { file: file.clone(), wanted: "JSON", found: found.to_owned() };
        if content.trim_ascii().is_empty() {
            return as_text(if content.is_empty() { "an empty file" } else { "a file of white space alone" });
        }
        if content.starts_with(BYTE_ORDER_MARK) {
            return as_text("a byte order mark before the text (save the file as UTF-8 without one)");
        }
        match recognise(content) {
            Some(found) if !looks_like_json(content) => Self::OtherFormat { file, wanted: "JSON", found },
            _ => Self::Json { file, source },
        }
    }

    /// A configuration value that will not do.
    pub(crate) fn config(
        file: &Path,
        key: impl Into<String>,
        wanted: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Config { file: file.to_owned(), key: key.into(), wanted: wanted.into(), found: found.into() }
    }

    /// A GGUF file that will not do.
    pub(crate) fn gguf(file: &Path, problem: GgufError) -> Self {
        Self::Gguf { file: file.to_owned(), problem }
    }

    /// A packed file that will not do.
    pub(crate) fn packed(file: &Path, problem: PackedFileError) -> Self {
        Self::Packed { file: file.to_owned(), problem }
    }

    /// A tokenizer file that will not do.
    pub(crate) fn tokenizer(file: &Path, problem: TokenizerFileError) -> Self {
        Self::Tokenizer { file: file.to_owned(), problem }
    }
}

/// What some editors write before a text in UTF-8; JSON has none.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether JSON was meant, however malformed.
fn looks_like_json(content: &[u8]) -> bool {
    matches!(content.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b'}'))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
