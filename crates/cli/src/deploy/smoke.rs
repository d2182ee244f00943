//! Whether the program runs on the other machine: what it finds there, and a few tokens.

use super::model_copy::ModelCopy;
use super::remote::{Failure, Remote, quoted};
use crate::error::CliError;
use serde::Serialize;
use serde_json::Value;

/// What was tried, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Smoke {
    /// What `cke doctor --json` printed there.
    doctor: Value,
    /// What `cke generate --json` or `cke embed --json` printed there.
    trial: Value,
    #[serde(skip)]
    is_encoder: bool,
}

const TOKENS: usize = 8;

impl Smoke {
    /// Runs the program: first without a model, then with it.
    ///
    /// # Errors
    /// If it does not run, or does not answer as it should.
    pub(super) fn test(remote: &Remote, directory: &str, model: Option<&ModelCopy>) -> Result<Smoke, CliError> {
        let is_encoder = model.is_some_and(|model| model.is_encoder);
        let flag = model.map(|model| format!(" --model {}", quoted(&model.name))).unwrap_or_default();
        let trial = match is_encoder {
            true => format!("embed{flag} --json 'The iterator'"),
            false => format!("generate{flag} 'The iterator' --max-tokens {TOKENS} --temperature 0 --json"),
        };
        Ok(Smoke {
            doctor: answer(remote, directory, "doctor --no-measure --json")?,
            trial: answer(remote, directory, &trial)?,
            is_encoder,
        })
    }

    /// The processor and what is used of it.
    pub(super) fn cpu_line(&self) -> String {
        let machine = &self.doctor["machine"];
        let (cpu, isa) =
            (machine["cpu"].as_str().unwrap_or("unknown CPU"), machine["isa_used"].as_str().unwrap_or("?"));
        format!("cke runs there: {cpu}, {isa}, {} threads", self.doctor["threads"]["count"])
    }

    /// What to call next, and a line about what was tried.
    pub(super) fn command(&self) -> (&'static str, String) {
        if self.is_encoder {
            return ("embed \"a text\"", "A text was embedded.".to_owned());
        }
        let text = self.trial["text"].as_str().unwrap_or_default();
        let speed = self.trial["timings"]["generation_tokens_per_second"].as_f64().unwrap_or_default();
        ("generate \"A vector is\"", format!("The iterator{text} ({speed:.1} tokens/s over a few tokens)"))
    }
}

/// What `cke` prints there as JSON.
fn answer(remote: &Remote, directory: &str, arguments: &str) -> Result<Value, CliError> {
    let failed = |why: String| CliError::Failed(format!("{}: ./cke {arguments}: {why}", remote.host()));
    let said = remote
        .run(&format!("cd {} && ./cke {arguments}", quoted(directory)))
        .map_err(|failure| failed(format!("{failure}{}", hint(&failure))))?;
    serde_json::from_str(&said).map_err(|error| failed(format!("wanted JSON, found something else ({error})")))
}

/// What the status of a shell says of a program that did not run.
fn hint(failure: &Failure) -> &'static str {
    match failure.status {
        Some(126) => " (is the directory mounted with noexec? choose another one with --dir)",
        Some(127) => " (is it linked dynamically? a static program is required)",
        Some(132) => " (illegal instruction on this CPU: please report this)",
        Some(137) => " (killed, perhaps because memory ran out: try a smaller model)",
        _ => "",
    }
}
