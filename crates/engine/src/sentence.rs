//! The layout of sentence-embedding models: `modules.json` and what it names.

mod input;
mod pooling;
mod prompts;

use std::path::{Component, Path};

use serde::Deserialize;

pub use self::input::InputLimit;
pub use self::pooling::Pooling;
pub use self::prompts::TextSettings;

use self::input::{InputSettings, default_limit};
use crate::config;
use crate::formats::bounded_file::CONFIG_LIMIT;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// How a sentence-embedding model is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceConfig {
    /// The transformer's files: configuration, weights and tokenizer.
    pub transformer: ModelFiles,
    /// How token vectors become a text's vector.
    pub pooling: Pooling,
    /// Whether the vector is divided by its length.
    pub normalize: bool,
    /// Longest input that `sentence_bert_config.json` sets; longer ones are cut.
    pub limit: Option<InputLimit>,
    /// Whether texts are lowercased before the tokenizer sees them.
    pub do_lower_case: bool,
    /// Whether the tokens of a prompt count in the pooling.
    pub include_prompt: bool,
    /// Prompts, and how much of a vector is kept.
    pub texts: TextSettings,
    /// What the files say and is not followed.
    pub notices: Vec<Notice>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    class: String,
}

impl SentenceConfig {
    /// Reads `modules.json` of a model's files (a path is a directory) and the files of its modules; `None` if there is no such file.
    /// `width` is that of the transformer's vectors, or `None` to leave it unchecked.
    ///
    /// # Errors
    ///
    /// Fails if a file is malformed, a module is not supported or lies outside of the directory, or the order is not
    /// transformer, pooling, normalize.
    pub fn load(files: impl Into<ModelFiles>, width: Option<usize>) -> Result<Option<Self>, LoadError> {
        const FILE: &str = "modules.json";
        let files = &files.into();
        let Some(json) = files.read_if_present(FILE, CONFIG_LIMIT)? else { return Ok(None) };
        let file = files.path(FILE);
        LoadError::check_tree_memory(&file, &json)?;
        let modules: Vec<Module> =
            serde_json::from_slice(&json).map_err(|source| LoadError::json(&file, &json, source))?;
        let kinds: Vec<&str> = modules.iter().map(|module| module.kind(&file)).collect::<Result<_, _>>()?;
        if !matches!(kinds[..], ["Transformer", "Pooling"] | ["Transformer", "Pooling", "Normalize"]) {
            let found = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
            return Err(LoadError::config(&file, "type", "Transformer, Pooling and at most Normalize", found));
        }
        let mut notices = Vec::new();
        let transformer = module_files(files, &modules[0], &file)?;
        let json = JsonObject::read(&module_files(files, &modules[1], &file)?, config::FILE)?;
        let pooling = Pooling::read(&json, width)?;
        notices.extend(pooling::notices(&json));
        if let Some(module) = modules.get(2) {
            let json = JsonObject::read_if_present(&module_files(files, module, &file)?, config::FILE)?;
            notices.extend(json.map(|json| pooling::check_normalize(&json)).transpose()?.unwrap_or_default());
        }
        let InputSettings { limit, do_lower_case } = InputSettings::load(&transformer, &mut notices)?;
        Ok(Some(Self {
            transformer,
            pooling,
            normalize: kinds.len() == 3,
            limit,
            do_lower_case,
            include_prompt: json.flag("include_prompt")?.unwrap_or(true),
            texts: TextSettings::load(files, &mut notices)?,
            notices,
        }))
    }
}

impl SentenceConfig {
    /// What holds for a transformer without that layout: the mean of all tokens, normalized.
    pub fn of_plain_model(files: &ModelFiles) -> Self {
        Self {
            transformer: files.clone(),
            pooling: Pooling::Mean,
            normalize: true,
            limit: None,
            do_lower_case: false,
            include_prompt: true,
            texts: TextSettings::default(),
            notices: unread_files(files),
        }
    }

    /// The longest input of a transformer with this number of positions: what `sentence_bert_config.json` sets, else the smaller of the
    /// tokenizer's `model_max_length` and the positions. With a notice if the files ask for more than those.
    ///
    /// # Errors
    ///
    /// Fails if `tokenizer_config.json` is malformed.
    pub fn input_limit(&self, positions: usize) -> Result<(InputLimit, Option<Notice>), LoadError> {
        let limit = match &self.limit {
            Some(limit) => limit.clone(),
            None => default_limit(&self.transformer, positions)?,
        };
        if limit.tokens <= positions {
            return Ok((limit, None));
        }
        let InputLimit { tokens, file, key } = limit;
        let notice = Notice::NotFollowed {
            file: self.transformer.path(&file),
            key: key.clone(),
            value: tokens.to_string(),
            instead: format!("texts are cut at the model's {positions} positions"),
        };
        Ok((InputLimit { tokens: positions, file, key }, Some(notice)))
    }
}

impl Module {
    /// Its kind, the last part of its class: one of the library's own.
    fn kind(&self, file: &Path) -> Result<&str, LoadError> {
        if !self.class.starts_with("sentence_transformers.") {
            return Err(LoadError::config(
                file,
                "type",
                "a module of sentence_transformers",
                format!("{:?}", self.class),
            ));
        }
        Ok(self.class.rsplit('.').next().unwrap_or_default())
    }
}

/// The notices of the layout's files in a directory that has no `modules.json`: the library does not read them then.
fn unread_files(files: &ModelFiles) -> Vec<Notice> {
    let settings = files.has(prompts::FILE).then(|| files.path(prompts::FILE));
    let files = InputSettings::unread(files).into_iter().chain(settings);
    let reason = "the directory has no modules.json".to_owned();
    files.map(|file| Notice::UnreadFile { file, reason: reason.clone() }).collect()
}

/// The files of a module: in the model's own directory, or in one inside it.
fn module_files(files: &ModelFiles, module: &Module, file: &Path) -> Result<ModelFiles, LoadError> {
    let inside =
        Path::new(&module.path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside && !module.path.contains('\\') {
        return Ok(files.below(&module.path));
    }
    Err(LoadError::config(file, "path", "a directory inside the model's", format!("{:?}", module.path)))
}
