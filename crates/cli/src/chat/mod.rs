//! `cke chat`: talks with a model.

mod advice;
mod command;
mod dialogue;
mod display;
mod lines;
mod report;
mod saved;

use self::advice::Advice;
use self::dialogue::{Dialogue, Manner};
use self::display::Style;
use self::lines::Lines;
use crate::environment::command_help;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::language_model::{ModelInfo, OpenedModel};
use crate::limits::{self, Limits};
use crate::memory::Texts;
use crate::model::{ModelArgs, NumberArgs, Opening};
use crate::numbers;
use crate::output::note;
use crate::sampling::SamplingArgs;
use crate::threads::ThreadArgs;
use cke_engine::chat::conversation::Conversation;
use cke_engine::chat::session::{ChatModel, ChatOptions, ChatSession};
use cke_engine::chat::template::ChatTemplate;
use cke_engine::error::Error;
use cke_perf::report::format_bytes;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

/// Tokens of an answer if neither the user nor the model says.
const MAX_TOKENS: usize = 1024;

/// Positions of the cache if the user does not say, and the model has more.
const CONTEXT: usize = 4096;

/// Talks with a model
///
/// In a terminal, lines can be edited as in a shell, Ctrl-C stops an answer, and Ctrl-D ends the program; /help lists the commands.
/// Otherwise each line of standard input is a question or a command, and answers go to standard output; the first line that fails ends the
/// program with an error, while in a terminal the chat continues. A backslash at the end of a line continues it on the next line. An empty
/// line separates answers; for several questions, --json keeps them apart whatever they contain.
#[derive(Debug, clap::Args)]
#[command(after_long_help = command_help(EXAMPLES))]
pub(crate) struct ChatArgs {
    /// Model directory, GGUF file or packed file; it must have a chat template
    ///
    /// A directory holds config.json, model.safetensors or its shards, and tokenizer.json or older tokenizer files. `cke quantize`
    /// makes packed files.
    #[arg(short, long, value_name = "MODEL", env = "CKE_MODEL", hide_env_values = true)]
    model: Option<PathBuf>,
    #[command(flatten)]
    numbers: NumberArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Ask this question only, then exit
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// System prompt: instructions before the conversation
    #[arg(long, alias = "system-prompt", value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Maximum number of tokens of the whole conversation; memory grows with it [default: the model's context, but at most 4096]
    #[arg(short = 'c', long, alias = "ctx-size", value_name = "N", value_parser = numbers::tokens, allow_negative_numbers = true)]
    ctx: Option<usize>,
    /// Maximum number of tokens of an answer [default: the model's max_new_tokens or max_length, else 1024]
    #[arg(short = 'n', long, aliases = ["predict", "n-predict"], value_name = "N", value_parser = numbers::tokens)]
    #[arg(allow_negative_numbers = true)]
    max_tokens: Option<usize>,
    /// If the context is full, drop the oldest questions with their answers
    ///
    /// The system prompt and the last question are kept. /save writes the dropped turns too.
    #[arg(long)]
    drop_oldest: bool,
    /// Ask the model to think before it answers, if its chat template supports it
    #[arg(long, conflicts_with = "no_thinking")]
    thinking: bool,
    /// Ask the model to answer without thinking, if its chat template supports it
    #[arg(long)]
    no_thinking: bool,
    /// Read lines without a prompt, and print a JSON object on one line for each answer
    #[arg(long)]
    json: bool,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const EXAMPLES: &str = "\
The keys of --json: role, content, thinking, finish (end, stop, length, context, time or interrupted), tokens (ids), prompt_tokens
and reused_tokens (how many), dropped_turns, seed, timings. What a model thinks is dimmed in a terminal, or printed between <think>
and </think> if NO_COLOR is set; it is left out if output is not a terminal.

Examples:
  cke chat --model model.gguf
  cke chat -m model.gguf --system \"Answer in one sentence.\" --ctx 8192 --drop-oldest
  cke chat -m model.gguf --greedy --prompt \"What is the capital of France?\"
  cke chat -m model.gguf --json < questions.txt | jq -r .content";

pub(crate) fn run(args: ChatArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let opening = Opening { threads: args.threads.count_to_run(args.quiet)?, is_quiet: args.quiet, interrupt };
    let model = ModelArgs { model: Some(args.model.clone().ok_or_else(no_model)?) };
    let opened = OpenedModel::open(&model, args.numbers, opening)?;
    let template = chat_template(&opened.info)?;
    let options = args.options(&opened.info)?;
    let model = opened.load(&Texts {
        lengths: vec![options.context],
        logits: 1,
        is_shown: true,
        remedy: Some("a smaller --ctx"),
    })?;
    let tokenizer = model.info.tokenizer.as_ref().ok_or_else(|| no_tokenizer(&model.info.name))?;
    if !args.quiet {
        model.info.print_notices(true);
    }
    let parts = ChatModel { model: &*model.causal, runtime: &model.runtime, tokenizer, template: &template };
    let session = session(parts, options, Conversation::new(args.system.clone()))?;

    let is_interactive = args.prompt.is_none() && !args.json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let style = if args.json { Style::Json } else { Style::of_stdout() };
    let advice = Advice { is_interactive, drops_oldest: args.drop_oldest, model_context: model.info.context };
    let manner = Manner { style, is_quiet: args.quiet, advice, seed: args.sampling.seed };
    let mut dialogue = Dialogue::new(&model, session, interrupt, manner);
    if is_interactive {
        if !args.quiet {
            note(&model.summary());
            note("/help lists the commands, Ctrl-D exits");
        }
        interrupt.restore_terminal_at_end();
        return dialogue.converse(Lines::of_terminal()?);
    }
    let outcome = match args.prompt {
        Some(question) => dialogue.ask(question).map(|()| true),
        None => dialogue.obey_lines(Lines::of_stdin()),
    };
    if !args.quiet {
        match outcome {
            Ok(false) => note("no questions on standard input"),
            Ok(true) | Err(CliError::Interrupted(_)) => dialogue.print_summary(),
            Err(_) => {}
        }
    }
    outcome.map(|_| ())
}

fn no_model() -> CliError {
    let demo = if cfg!(feature = "demo-model") {
        "; the demo model only continues texts: cke generate \"The iterator\""
    } else {
        ""
    };
    CliError::Misuse(format!("chat needs a model: cke chat --model model.gguf (or set CKE_MODEL){demo}"))
}

impl ChatArgs {
    /// How to chat: the flags, then what the model wishes, then a default.
    fn options(&self, model: &ModelInfo) -> Result<ChatOptions, CliError> {
        let generation = &model.generation;
        let context = limits::context(self.ctx, CONTEXT, &model.name, model.context)?;
        let Limits { max_tokens, max_length } = Limits::new(self.max_tokens, generation, MAX_TOKENS);
        Ok(ChatOptions {
            context,
            max_tokens,
            max_length,
            max_time: generation.max_time,
            sampler: self.sampling.config(generation),
            end_tokens: generation.eos_token_ids.clone(),
            stop_strings: generation.stop_strings.clone(),
            thinking: (self.thinking || self.no_thinking).then_some(self.thinking),
            now: None,
            drops_oldest: self.drop_oldest,
        })
    }
}

/// The chat template of a model.
///
/// # Errors
/// If there is none, or it cannot be compiled.
fn chat_template(model: &ModelInfo) -> Result<ChatTemplate, CliError> {
    let ModelInfo { name: model, tokenizer, .. } = model;
    let tokenizer = tokenizer.as_ref().ok_or_else(|| no_tokenizer(model))?;
    let template = ChatTemplate::of(tokenizer).map_err(Error::from)?;
    template.ok_or_else(|| {
        CliError::Misuse(format!(
            "{model}: wanted a chat template (chat_template.jinja, or chat_template of tokenizer_config.json or of GGUF), found none: \
             the model was not made for conversations; `cke generate` continues texts with it"
        ))
    })
}

fn no_tokenizer(model: &str) -> CliError {
    CliError::NoTokenizer { model: model.to_owned(), hint: "a chat needs text" }
}

/// Begins a chat, and says what to do if there is no memory for it.
fn session<'m>(
    parts: ChatModel<'m>,
    options: ChatOptions,
    conversation: Conversation,
) -> Result<ChatSession<'m>, CliError> {
    let context = options.context;
    ChatSession::new(parts, options, conversation).map_err(|error| match error {
        Error::Kernel(cke_kernels::Error::OutOfMemory { bytes }) => CliError::Failed(format!(
            "cannot allocate {bytes} bytes for the cache of {context} tokens, which takes {} in all: choose a smaller --ctx",
            format_bytes(parts.model.cache_bytes(context) as u64)
        )),
        error => error.into(),
    })
}
