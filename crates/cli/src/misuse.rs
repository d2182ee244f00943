//! Tips for arguments that are refused: what other programs call them, and models in the place of something else.

use crate::Cli;
use crate::model::is_model_file;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _, Error};
use std::ffi::OsString;
use std::path::Path;

/// An error of the command line `args`, with a tip if the argument is known from elsewhere.
pub(crate) fn explained(mut error: Error, args: impl IntoIterator<Item = OsString>) -> Error {
    let args: Vec<String> = args.into_iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let tip = match refused(&error) {
        Some(refused) => tip(&args, refused),
        None if lacks_model(&error) => args.iter().find(|arg| names_model(arg)).map(|model| by_flag(model)),
        None => None,
    };
    if let Some(tip) = tip {
        // Similar names do not help then.
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// The argument that is one too many or no subcommand.
fn refused(error: &Error) -> Option<&str> {
    [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(refused)) => Some(refused.as_str()),
        _ => None,
    })
}

/// Whether a required `--model` is missing.
fn lacks_model(error: &Error) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.iter().any(|arg| arg.starts_with("--model")),
        _ => false,
    }
}

/// What to do instead of passing `refused`, one of the arguments.
fn tip(args: &[&str], refused: &str) -> Option<String> {
    match *args {
        ["generate", ..] if is_context(refused) => {
            Some("generate takes no --ctx: its context is as long as the prompt and the tokens of -n need".to_owned())
        }
        // The model was taken for the prompt or the file.
        ["generate" | "eval", model, ..] if names_model(model) => Some(by_flag(model)),
        _ if !names_model(refused) => None,
        [command, ..] if command == refused => Some(format!("did you mean cke chat --model {refused}?")),
        _ => tip_for_model(args, refused),
    }
}

/// Where a model belongs that the command has no place for.
fn tip_for_model(args: &[&str], model: &str) -> Option<String> {
    let command = command_of(args);
    // That of `ModelOperand`.
    let takes_operand = command.get_positionals().any(|operand| operand.get_id() == "operand");
    let has_flag = command.get_arguments().any(|arg| arg.get_long() == Some("model"));
    match args.first() {
        // The command has its model.
        _ if takes_operand => None,
        _ if has_flag => Some(by_flag(model)),
        Some(&"bench") => Some(format!("did you mean cke bench model --model {model}?")),
        Some(command) => Some(format!("{command} takes no model; cke inspect {model} describes it")),
        None => None,
    }
}

/// The command that the first arguments name.
fn command_of(args: &[&str]) -> Command {
    let mut command = Cli::command();
    for arg in args {
        match command.find_subcommand(arg).cloned() {
            Some(found) => command = found,
            None => break,
        }
    }
    command
}

fn by_flag(model: &str) -> String {
    format!("did you mean --model {model}?")
}

fn is_context(flag: &str) -> bool {
    ["-c", "--ctx", "--ctx-size"].contains(&flag)
}

/// Whether this word is probably meant as a model.
fn names_model(word: &str) -> bool {
    let path = Path::new(word);
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("gguf" | "cke")) || is_model_file(path) || path.join("config.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_in_a_wrong_place_is_recognised() {
        for (args, refused, wanted) in [
            (&["chat", "a.gguf"][..], "a.gguf", Some("did you mean --model a.gguf?")),
            (&["profile", "-t", "1", "a.cke"], "a.cke", Some("did you mean --model a.cke?")),
            (&["generate", "a.gguf", "Hi"], "Hi", Some("did you mean --model a.gguf?")),
            (&["bench", "a.gguf"], "a.gguf", Some("did you mean cke bench model --model a.gguf?")),
            (&["bench", "model", "a.gguf"], "a.gguf", Some("did you mean --model a.gguf?")),
            (&["bench", "gemm", "a.gguf"], "a.gguf", Some("did you mean cke bench model --model a.gguf?")),
            (&["deploy", "board", "a.gguf"], "a.gguf", Some("did you mean --model a.gguf?")),
            (&["doctor", "a.gguf"], "a.gguf", Some("doctor takes no model; cke inspect a.gguf describes it")),
            (&["audit", "--quick", "a.cke"], "a.cke", Some("audit takes no model; cke inspect a.cke describes it")),
            (&["inspect", "a.gguf", "b.gguf"], "b.gguf", None),
            (&["a.gguf"], "a.gguf", Some("did you mean cke chat --model a.gguf?")),
            (&["chat", "Hi"], "Hi", None),
            (&["generate", "two", "prompts"], "prompts", None),
            (&["doctor", "Hi"], "Hi", None),
        ] {
            assert_eq!(tip(args, refused).as_deref(), wanted, "{args:?}");
        }
    }
}
