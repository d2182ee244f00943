//! Tips for arguments that are refused: what other programs call them, and models in the place of something else.

use crate::model::is_model_file;
use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;
use std::path::Path;

/// An error of the command line `args`, with a tip if the argument is known from elsewhere.
pub(crate) fn explained(mut error: Error, args: impl IntoIterator<Item = OsString>) -> Error {
    let refused =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter().find_map(|kind| error.get(kind));
    if let Some(ContextValue::String(refused)) = refused {
        let args: Vec<String> = args.into_iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if let Some(tip) = tip(&args, refused) {
            // Similar names do not help then.
            error.remove(ContextKind::SuggestedArg);
            error.remove(ContextKind::SuggestedSubcommand);
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
        }
    }
    error
}

/// What to do instead of passing `refused`, one of the arguments.
fn tip(args: &[&str], refused: &str) -> Option<String> {
    match *args {
        ["generate", ..] if is_context(refused) => {
            Some("generate takes no --ctx: its context is as long as the prompt and the tokens of -n need".to_owned())
        }
        // The model was taken for the prompt or the file.
        ["generate" | "eval", model, ..] if names_model(model) => Some(format!("did you mean --model {model}?")),
        _ if !names_model(refused) => None,
        ["generate" | "eval" | "chat" | "profile", ..] | ["bench", "model", ..] => {
            Some(format!("did you mean --model {refused}?"))
        }
        ["bench", subject, ..] if subject == refused => {
            Some(format!("did you mean cke bench model --model {refused}?"))
        }
        [command, ..] if command == refused => Some(format!("did you mean cke chat --model {refused}?")),
        _ => None,
    }
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
            (&["bench", "gemm", "a.gguf"], "a.gguf", None),
            (&["a.gguf"], "a.gguf", Some("did you mean cke chat --model a.gguf?")),
            (&["chat", "Hi"], "Hi", None),
            (&["generate", "two", "prompts"], "prompts", None),
            (&["doctor", "a.gguf"], "a.gguf", None),
        ] {
            assert_eq!(tip(args, refused).as_deref(), wanted, "{args:?}");
        }
    }
}
