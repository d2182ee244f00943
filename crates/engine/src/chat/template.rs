//! A model's chat template: Jinja, in the environment that transformers gives it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minijinja::{Environment, Error, ErrorKind, Value};

use super::Message;
use super::environment::{self, NAME, NOW, Raised};
use super::isolation::{self, Interrupted};
use super::template_source::prepare;
use crate::tokenizer::Tokenizer;

/// Largest template.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// Steps that a template may take whatever the conversation, each an instruction or 64 bytes of a text.
const BASE_STEPS: u64 = 1 << 19;
/// Steps that it may take beside them for each message and each byte of the conversation.
const STEPS_PER_MESSAGE: u64 = 4096;
const STEPS_PER_BYTE: u64 = 2;
/// Length of its text, whatever the conversation, and for each byte of that.
const BASE_OUTPUT: usize = 1 << 20;
const OUTPUT_PER_BYTE: usize = 8;
/// Most time that compiling or rendering may take. Steps bound the work of templates that mean well.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// What marks the end of a message that is to be continued.
const CONTINUATION: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// The tokens that a template can name; a variable is undefined if its token is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateTokens {
    /// Begins a text.
    pub bos_token: Option<String>,
    /// Ends a text.
    pub eos_token: Option<String>,
    /// Stands for what has no token.
    pub unk_token: Option<String>,
    /// Fills short inputs.
    pub pad_token: Option<String>,
}

/// How a conversation is rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Ends the text with what comes before an answer.
    pub add_generation_prompt: bool,
    /// Ends the text inside the last message, so that the model goes on with it.
    pub continue_final: bool,
    /// Whether the model thinks before it answers, for templates that ask: the variables `enable_thinking` and `thinking`.
    pub thinking: Option<bool>,
    /// Seconds since the Unix epoch of the date that templates may show. `None` is today in UTC.
    pub now: Option<u64>,
}

/// A compiled chat template. Rendering runs on a thread of its own; steps and output are limited in proportion to the conversation,
/// and after five seconds [`TemplateError::TooSlow`] is returned.
///
/// Variables: `messages` (mappings with `role` and `content`), `add_generation_prompt`, the tokens of [`TemplateTokens`], `tools` and
/// `documents` (none), `enable_thinking` and `thinking` if [`RenderOptions::thinking`] says so. Functions and filters are those of
/// transformers 5; Jinja's `batch`, `slice`, `groupby` and `pprint` are not there.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    tokens: TemplateTokens,
    /// Whether the text names `content`, without which no message can be continued.
    names_content: bool,
    file: PathBuf,
}

/// A chat template that cannot be used, or cannot render a conversation. The message names the file and, if there is one, the line.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The template is larger than any honest one.
    #[error("{}: wanted a chat template of at most {limit} bytes, found {found}", file.display())]
    TooLarge {
        /// The file that has the template.
        file: PathBuf,
        /// Largest size.
        limit: usize,
        /// Size found.
        found: usize,
    },
    /// The template cannot be compiled.
    #[error("{}: line {line} of the chat template: {problem}", file.display())]
    Syntax {
        /// The file that has the template.
        file: PathBuf,
        /// Line of the template, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The template asks for something that there is not, or that cannot be done.
    #[error("{}: line {line} of the chat template: {problem}", file.display())]
    Failed {
        /// The file that has the template.
        file: PathBuf,
        /// Line of the template, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The template refuses the conversation, by `raise_exception`.
    #[error("{}: line {line} of the chat template refuses this conversation: {message}", file.display())]
    Raised {
        /// The file that has the template.
        file: PathBuf,
        /// Line of the template, from 1.
        line: usize,
        /// Why, in the template's words.
        message: String,
    },
    /// The template takes more work than any honest one.
    #[error("{}: the chat template takes more than {limit} steps for this conversation", file.display())]
    TooManySteps {
        /// The file that has the template.
        file: PathBuf,
        /// Steps allowed.
        limit: u64,
    },
    /// The template makes more text than any honest one.
    #[error("{}: the chat template makes more than {limit} bytes of this conversation", file.display())]
    TooMuchText {
        /// The file that has the template.
        file: PathBuf,
        /// Bytes allowed.
        limit: usize,
    },
    /// Compiling or rendering takes too long.
    #[error("{}: the chat template takes more than {} s", file.display(), limit.as_secs())]
    TooSlow {
        /// The file that has the template.
        file: PathBuf,
        /// Time allowed.
        limit: Duration,
    },
    /// The last message cannot be continued.
    #[error("{}: cannot continue the last message: {problem}", file.display())]
    Continue {
        /// The file that has the template.
        file: PathBuf,
        /// Why.
        problem: &'static str,
    },
    /// The thread that works on the template could not be started or panicked.
    #[error("{}: the chat template cannot be worked on: {problem}", file.display())]
    Thread {
        /// The file that has the template.
        file: PathBuf,
        /// Why.
        problem: String,
    },
}

cke_kernels::debug_as_display!(TemplateError);

impl ChatTemplate {
    /// Compiles the text of a template; `file` is the file that has it, for messages.
    ///
    /// # Errors
    /// Fails if the text is longer than 1 MiB, has a syntax error, or nests too deeply.
    pub fn new(text: &str, tokens: TemplateTokens, file: &Path) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLarge {
                file: file.to_owned(),
                limit: MAX_TEMPLATE_BYTES,
                found: text.len(),
            });
        }
        let syntax = |line, problem| TemplateError::Syntax { file: file.to_owned(), line, problem };
        let prepared = prepare(text).map_err(|refused| syntax(refused.line, refused.problem))?;
        let environment = isolation::run(TIME_LIMIT, move || environment::compile(prepared))
            .map_err(|interrupted| interrupted_error(file, interrupted))?
            .map_err(|error| syntax(error.line().unwrap_or(1), problem(&error)))?;
        Ok(Self {
            environment: Arc::new(environment),
            tokens,
            names_content: text.contains("content"),
            file: file.to_owned(),
        })
    }

    /// Compiles the template of a model's tokenizer; `None` if it has none.
    ///
    /// # Errors
    /// As [`ChatTemplate::new`].
    pub fn of(tokenizer: &Tokenizer) -> Result<Option<Self>, TemplateError> {
        let Some(text) = tokenizer.chat_template() else { return Ok(None) };
        let texts = tokenizer.special_texts();
        let tokens = TemplateTokens {
            bos_token: texts.bos.clone(),
            eos_token: texts.eos.clone(),
            unk_token: texts.unk.clone(),
            pad_token: texts.pad.clone(),
        };
        Self::new(text, tokens, tokenizer.chat_template_file()).map(Some)
    }

    /// The file that has the template.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text of a conversation, which has all special tokens that the model wants: it is to be tokenized without adding more.
    ///
    /// # Errors
    /// Fails if the template refuses the conversation, calls an unknown function, filter or method, reads an attribute of an
    /// undefined value, or exceeds the limits of time, steps or text.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String, TemplateError> {
        if !options.continue_final {
            return self.render_all(messages, options);
        }
        let refused = |problem| TemplateError::Continue { file: self.file.clone(), problem };
        let Some((last, earlier)) = messages.split_last() else { return Err(refused("there is none")) };
        if options.add_generation_prompt {
            return Err(refused("an answer is to begin after it"));
        }
        if !self.names_content {
            return Err(refused("the template does not read it"));
        }
        let marked = Message::new(last.role.clone(), format!("{}{CONTINUATION}", last.content));
        let text = self.render_all(&[earlier, &[marked]].concat(), options)?;
        cut_at_continuation(text, &last.content).ok_or_else(|| refused("the template leaves it out or changes it"))
    }

    fn render_all(&self, messages: &[Message], options: &RenderOptions) -> Result<String, TemplateError> {
        let size: usize = messages.iter().map(|message| message.role.len() + message.content.len()).sum();
        let steps = BASE_STEPS
            + STEPS_PER_MESSAGE.saturating_mul(messages.len() as u64)
            + STEPS_PER_BYTE.saturating_mul(size as u64);
        let limit = size.saturating_mul(OUTPUT_PER_BYTE).saturating_add(BASE_OUTPUT);
        let mut environment = (*self.environment).clone();
        environment.set_fuel(Some(steps));
        let variables = self.variables(messages, options);
        let (result, text) = isolation::run(TIME_LIMIT, move || {
            let mut text = BoundedText { bytes: Vec::new(), limit, full: false };
            let result = environment
                .get_template(NAME)
                .and_then(|template| template.render_captured_to(variables, &mut text).map(drop));
            (result, text)
        })
        .map_err(|interrupted| interrupted_error(&self.file, interrupted))?;
        match result {
            _ if text.full => Err(TemplateError::TooMuchText { file: self.file.clone(), limit }),
            Ok(()) => Ok(String::from_utf8_lossy(&text.bytes).into_owned()),
            Err(error) => Err(self.render_error(&error, steps)),
        }
    }

    fn variables(&self, messages: &[Message], options: &RenderOptions) -> Value {
        let message = |message: &Message| Value::from_pairs([("role", &*message.role), ("content", &*message.content)]);
        let now =
            options.now.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        let mut variables = BTreeMap::from([
            ("messages", messages.iter().map(message).collect()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(options.add_generation_prompt)),
            (NOW, Value::from(now)),
        ]);
        let tokens = [
            ("bos_token", &self.tokens.bos_token),
            ("eos_token", &self.tokens.eos_token),
            ("unk_token", &self.tokens.unk_token),
            ("pad_token", &self.tokens.pad_token),
        ];
        variables.extend(tokens.iter().filter_map(|(name, token)| Some((*name, Value::from(token.as_deref()?)))));
        if let Some(thinking) = options.thinking {
            variables.extend([("enable_thinking", Value::from(thinking)), ("thinking", Value::from(thinking))]);
        }
        Value::from_pairs(variables)
    }

    fn render_error(&self, error: &Error, limit: u64) -> TemplateError {
        let (file, line) = (self.file.clone(), error.line().unwrap_or(1));
        let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        if let Some(Raised(message)) = causes.find_map(|cause| cause.downcast_ref()) {
            return TemplateError::Raised { file, line, message: message.clone() };
        }
        match error.kind() {
            ErrorKind::OutOfFuel => TemplateError::TooManySteps { file, limit },
            _ => TemplateError::Failed { file, line, problem: problem(error) },
        }
    }
}

fn interrupted_error(file: &Path, interrupted: Interrupted) -> TemplateError {
    let file = file.to_owned();
    match interrupted {
        Interrupted::TooLong => TemplateError::TooSlow { file, limit: TIME_LIMIT },
        Interrupted::NoThread(error) => TemplateError::Thread { file, problem: error.to_string() },
        Interrupted::Panicked(problem) => TemplateError::Thread { file, problem },
    }
}

/// What the engine says is wrong, without the place.
fn problem(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The text up to the mark at the end of the message that is to be continued. If the template takes away the white space that ends
/// a message, it is taken away here, too. `None` if message or mark are not in the text.
fn cut_at_continuation(mut text: String, content: &str) -> Option<String> {
    let space = super::methods::is_python_space;
    let mark = CONTINUATION.trim_end();
    if !text.contains(content.trim_matches(space)) {
        return None;
    }
    let at = text.rfind(mark)?;
    let kept = match text[at..].starts_with(CONTINUATION) {
        true => at,
        false => text[..at].trim_end_matches(space).len(),
    };
    text.truncate(kept);
    Some(text)
}

/// Text that grows up to a limit.
#[derive(Debug)]
struct BoundedText {
    bytes: Vec<u8>,
    limit: usize,
    /// Whether more was to be written.
    full: bool,
}

impl Write for BoundedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.try_reserve(bytes.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
