//! Which of the library's classes builds a tokenizer, and so which of two files decides.
//!
//! It follows `AutoTokenizer` of transformers 5: the name in `tokenizer_config.json`, else that in `config.json`, against the class
//! that is registered for the `model_type` of `config.json`.

use super::settings::Settings;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// Which of the library's classes builds the tokenizer, and so which files decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// GPT-2's: vocabulary, merges and frame of `tokenizer.json`, all else from the settings.
    Gpt2,
    /// Qwen2's: as GPT-2's, with NFC and a regular expression of its own.
    Qwen2,
    /// Llama's: as GPT-2's, of the SentencePiece kind with a space before a text.
    Llama,
    /// Gemma's: as Llama's, without that space.
    Gemma,
    /// BERT's: the vocabulary of `tokenizer.json`, all else from the settings.
    Bert,
    /// The general one: `tokenizer.json` decides alone.
    General,
}

/// The class of a tokenizer that was a GGUF file's: `tokenizer.json` decides alone, whatever the model is.
pub(super) const GGUF: &str = "GgufTokenizer";

/// The classes that are BERT's under other names.
const BERT_LIKE: [&str; 9] = [
    "BertTokenizer",
    "DistilBertTokenizer",
    "DPRContextEncoderTokenizer",
    "DPRQuestionEncoderTokenizer",
    "ElectraTokenizer",
    "LayoutLMTokenizer",
    "LxmertTokenizer",
    "MobileBertTokenizer",
    "SqueezeBertTokenizer",
];

/// The names of the general class.
const GENERAL: [&str; 5] = ["ConvBertTokenizer", "PreTrainedTokenizer", "PythonBackend", "TokenizersBackend", GGUF];

/// The key that names the tokenizer's class.
pub(super) const KEY: &str = "tokenizer_class";

/// The classes that are built here, for a BPE vocabulary.
const OF_BPE: [Class; 4] = [Class::Gpt2, Class::Qwen2, Class::Llama, Class::Gemma];

/// The model type for which the library trusts its own class more than the one that the files name.
const CLASS_IS_FORCED: &str = "qwen2";

/// The class that is registered for a model type; `None` for types that do not matter here.
fn registered(model_type: &str) -> Option<Class> {
    match model_type {
        "codegen" | "dbrx" | "gpt2" | "gpt_neo" | "gptj" | "opt" | "phi" | "starcoder2" => Some(Class::Gpt2),
        "qwen2" | "qwen2_5_vl" | "qwen2_audio" | "qwen2_moe" | "qwen2_vl" | "qwen3" | "qwen3_moe" | "qwen3_next"
        | "qwen3_vl" | "qwen3_vl_moe" => Some(Class::Qwen2),
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" | "gemma3n" | "gemma3n_text" | "recurrent_gemma"
        | "shieldgemma2" | "t5gemma" => Some(Class::Gemma),
        "ernie4_5" | "ernie4_5_moe" | "glm" | "glm4" | "glm4_moe" | "gpt_bigcode" | "granite" | "granitemoe"
        | "granitemoehybrid" | "granitemoeshared" | "internlm2" | "internlm3" | "jamba" | "minicpm3" | "minimax_m2"
        | "ministral" | "ministral3" | "mistral" | "mistral3" | "mixtral" | "modernbert" | "nemotron" | "olmo2"
        | "olmo3" | "persimmon" | "phi3" | "phimoe" | "pixtral" | "stablelm" => Some(Class::General),
        _ => None,
    }
}

/// What of a `tokenizer.json` its class depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// Whether its model is BPE; if not, it is WordPiece.
    pub(super) is_bpe: bool,
    /// Whether a part of it is `ByteLevel`.
    pub(super) has_byte_level: bool,
}

impl Class {
    /// The names of the class; none for the general one.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Class::Gpt2 => &["GPT2Tokenizer"],
            Class::Qwen2 => &["Qwen2Tokenizer"],
            Class::Llama => &["LlamaTokenizer"],
            Class::Gemma => &["GemmaTokenizer"],
            Class::Bert => &BERT_LIKE,
            Class::General => &[],
        }
    }

    /// The class for a `tokenizer.json`; `notices` gets a class whose own rules are not known here.
    pub(super) fn choose(settings: &Settings, content: Content, notices: &mut Vec<Notice>) -> Class {
        let model_type = settings.model_type();
        let registered = model_type.and_then(registered);
        let Some((name, file)) = class_name(settings) else {
            return match registered {
                Some(class) if content.is_bpe => class,
                _ if !content.is_bpe => Class::Bert,
                _ if model_type.is_none() => Class::Gpt2,
                _ => Class::General,
            };
        };
        match registered {
            _ if name == GGUF => Class::General,
            Some(Class::General) => Class::General,
            Some(class) if model_type == Some(CLASS_IS_FORCED) && content.is_bpe => class,
            _ if Class::Llama.names().contains(&name) && content.has_byte_level => Class::General,
            _ => Class::named(name, content.is_bpe).unwrap_or_else(|| {
                if !GENERAL.contains(&name) {
                    let instead = "tokenizer.json is followed as it is, without rules of that class";
                    notices.push(file.not_followed(KEY, instead));
                }
                Class::General
            }),
        }
    }

    /// The class of a name, if it is one for such a vocabulary.
    fn named(name: &str, is_bpe: bool) -> Option<Class> {
        let classes: &[Class] = if is_bpe { &OF_BPE } else { &[Class::Bert] };
        classes.iter().copied().find(|class| class.names().contains(&name))
    }

    /// Checks that the class is this one, which reads the older files of a vocabulary, which `files` names: another class would
    /// make other tokens of them, or does not read them.
    pub(super) fn check(self, settings: &Settings, files: &str) -> Result<(), LoadError> {
        match class_name(settings) {
            Some((name, file)) if !self.names().contains(&name) => {
                let wanted =
                    format!("\"{}\", whose files {files} are, or a tokenizer.json beside them", self.names()[0]);
                Err(file.wrong(KEY, wanted))
            }
            _ => Ok(()),
        }
    }
}

/// `tokenizer_class` without the ending `Fast`, and the file that names it.
fn class_name(settings: &Settings) -> Option<(&str, &JsonObject)> {
    let mut files = [Some(&settings.config), settings.model_config.as_ref()].into_iter().flatten();
    let (name, file) = files.find_map(|file| Some((file.text(KEY).ok().flatten()?, file)))?;
    Some((name.strip_suffix("Fast").unwrap_or(name), file))
}
