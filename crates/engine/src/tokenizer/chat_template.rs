//! The templates that turn messages into a text, as a model's files have them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::formats::bounded_file::{CONFIG_LIMIT, utf8};
use crate::formats::gguf::GgufFile;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// The key of `tokenizer_config.json`.
const KEY: &str = "chat_template";

/// The file that comes before the key.
const FILE: &str = "chat_template.jinja";

/// A further file, which counts beside [`FILE`] alone.
const TOOLS_FILE: &str = "additional_chat_templates/tool_use.jinja";

/// The name of a template that has none.
const DEFAULT: &str = "default";

/// The name of the template for a chat with tools.
const TOOLS: &str = "tool_use";

/// Templates by name.
#[derive(Debug, Default)]
pub(super) struct ChatTemplates {
    templates: Vec<(String, String)>,
    /// The file that has them; empty if there are none.
    file: PathBuf,
    /// The key that the file comes before.
    notice: Option<Notice>,
}

impl ChatTemplates {
    /// Those of `chat_template.jinja`, else those of the key `chat_template`: a text, or a list of objects with `name` and
    /// `template`.
    pub(super) fn read(files: &ModelFiles, config: &JsonObject) -> Result<Self, LoadError> {
        // A GGUF file has the key, but not the file that it stands in elsewhere.
        let file = files.gguf().map_or(config.file(), GgufFile::path).to_owned();
        let mut found = Self { templates: of_key(config)?, file, notice: None };
        if let Some(text) = read_text(files, FILE)? {
            let is_other = found.get(DEFAULT).is_some_and(|other| other != text);
            found.notice = is_other.then(|| config.overruled(KEY, FILE));
            found.templates = vec![(DEFAULT.to_owned(), text)];
            found.file = files.path(FILE);
            let tools = read_text(files, TOOLS_FILE)?;
            found.templates.extend(tools.map(|text| (TOOLS.to_owned(), text)));
        }
        Ok(found)
    }

    /// The template of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        // Of two with one name the library takes the last.
        let mut named = self.templates.iter().rev().filter(|(other, _)| other == name);
        named.next().map(|(_, text)| text.as_str())
    }

    /// The template for a chat without tools.
    pub(super) fn usual(&self) -> Option<&str> {
        self.get(DEFAULT)
    }

    /// The template for a chat with tools, which may be the other.
    pub(super) fn for_tools(&self) -> Option<&str> {
        self.get(TOOLS).or_else(|| self.usual())
    }

    /// The file that has the usual template.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What is not used.
    pub(super) fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }
}

fn of_key(config: &JsonObject) -> Result<Vec<(String, String)>, LoadError> {
    let wrong = || config.wrong(KEY, "a text, or a list of objects with `name` and `template`");
    match config.get(KEY) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![(DEFAULT.to_owned(), text.clone())]),
        Some(Value::Array(list)) => {
            let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            let entries = list.iter().map(|entry| Some((text(entry, "name")?, text(entry, "template")?)));
            entries.map(|entry| entry.ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn read_text(files: &ModelFiles, name: &str) -> Result<Option<String>, LoadError> {
    let Some(bytes) = files.read_if_present(name, CONFIG_LIMIT)? else { return Ok(None) };
    utf8(&bytes, &files.path(name)).map(|text| Some(text.to_owned()))
}
