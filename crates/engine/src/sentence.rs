//! The layout of sentence-embedding models: `modules.json` and what it names.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::formats::bounded_file::{CONFIG_LIMIT, read_if_present};
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;

/// Longest input that a configuration may ask for; the model's positions bound it further.
const MAX_SEQUENCE: usize = 1 << 20;

/// How the vectors of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The vector of the first token, `[CLS]`.
    Cls,
    /// Their maximum, element by element.
    Max,
    /// Their sum divided by the square root of their number.
    MeanSqrtLen,
    /// The vector of the last token.
    LastToken,
}

impl Pooling {
    /// Every pooling that the layout knows: its flag, its name in newer files, and what it is here.
    const KNOWN: [(&'static str, &'static str, Option<Self>); 6] = [
        ("pooling_mode_cls_token", "cls", Some(Self::Cls)),
        ("pooling_mode_mean_tokens", "mean", Some(Self::Mean)),
        ("pooling_mode_max_tokens", "max", Some(Self::Max)),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Some(Self::MeanSqrtLen)),
        ("pooling_mode_lasttoken", "lasttoken", Some(Self::LastToken)),
        ("pooling_mode_weightedmean_tokens", "weightedmean", None),
    ];

    /// Its name, as newer files of the layout have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::LastToken => "lasttoken",
        }
    }

    /// Reads a pooling module's `config.json`; its vectors must have the width of the model.
    fn read(json: &JsonObject, width: Option<usize>) -> Result<Self, LoadError> {
        let declared = json.size("word_embedding_dimension", usize::MAX)?;
        if let (Some(declared), Some(width)) = (declared, width)
            && declared != width
        {
            return Err(json.wrong("word_embedding_dimension", format!("the model's width {width}")));
        }
        if let Some(name) = json.text("pooling_mode")? {
            let known = Self::KNOWN.iter().find(|(_, known, _)| *known == name);
            return known
                .and_then(|(.., pooling)| *pooling)
                .ok_or_else(|| json.wrong("pooling_mode", "mean, cls, max, mean_sqrt_len_tokens or lasttoken"));
        }
        let mut chosen = None;
        for (flag, _, pooling) in Self::KNOWN {
            if json.flag(flag)?.unwrap_or(false) {
                let Some(pooling) = pooling else { return Err(json.wrong(flag, "false (not supported)")) };
                if chosen.replace(pooling).is_some() {
                    return Err(json.wrong(flag, "false, for another pooling is on (a concatenation is not supported)"));
                }
            }
        }
        // The library's default.
        Ok(chosen.unwrap_or(Self::Mean))
    }
}

/// How a sentence-embedding model is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceConfig {
    /// Where the transformer's configuration, weights and tokenizer lie.
    pub model_dir: PathBuf,
    /// How token vectors become a text's vector.
    pub pooling: Pooling,
    /// Whether the vector is divided by its length.
    pub normalize: bool,
    /// Longest input in tokens, special ones included; longer ones are cut.
    pub max_seq_length: Option<usize>,
    /// Whether texts are lowercased before the tokenizer sees them.
    pub do_lower_case: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    class: String,
}

impl SentenceConfig {
    /// Reads `modules.json` of a model directory and the files of its modules; `None` where there is no such file.
    /// `width` is that of the transformer's vectors, or `None` to leave it unchecked.
    ///
    /// # Errors
    ///
    /// A file is malformed, a module is not supported or lies outside the directory, or they stand in another order
    /// than transformer, pooling, normalize.
    pub fn load(dir: &Path, width: Option<usize>) -> Result<Option<Self>, LoadError> {
        let file = dir.join("modules.json");
        let Some(json) = read_if_present(&file, CONFIG_LIMIT)? else { return Ok(None) };
        let modules: Vec<Module> =
            serde_json::from_slice(&json).map_err(|source| LoadError::Json { file: file.clone(), source })?;
        let kinds: Vec<&str> =
            modules.iter().map(|module| module.class.rsplit('.').next().unwrap_or_default()).collect();
        if !matches!(kinds[..], ["Transformer", "Pooling"] | ["Transformer", "Pooling", "Normalize"]) {
            let found = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
            return Err(LoadError::config(&file, "type", "Transformer, Pooling and at most Normalize", found));
        }
        let model_dir = module_dir(dir, &modules[0], &file)?;
        let pooling = JsonObject::read(&module_dir(dir, &modules[1], &file)?.join("config.json"))?;
        let pooling = Pooling::read(&pooling, width)?;
        let (max_seq_length, do_lower_case) = input_settings(&model_dir)?;
        Ok(Some(Self { model_dir, pooling, normalize: kinds.len() == 3, max_seq_length, do_lower_case }))
    }
}

/// `max_seq_length` and `do_lower_case` of `sentence_bert_config.json`, where there is one.
fn input_settings(model_dir: &Path) -> Result<(Option<usize>, bool), LoadError> {
    let Some(json) = JsonObject::read_if_present(&model_dir.join("sentence_bert_config.json"))? else {
        return Ok((None, false));
    };
    Ok((json.size("max_seq_length", MAX_SEQUENCE)?, json.flag("do_lower_case")?.unwrap_or(false)))
}

/// The directory of a module: the model's own, or one inside it.
fn module_dir(dir: &Path, module: &Module, file: &Path) -> Result<PathBuf, LoadError> {
    let inside =
        Path::new(&module.path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside && !module.path.contains('\\') {
        return Ok(dir.join(&module.path));
    }
    Err(LoadError::config(file, "path", "a directory inside the model's", format!("{:?}", module.path)))
}
