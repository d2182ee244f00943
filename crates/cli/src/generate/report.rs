//! What `cke generate` says of its results.

use super::decode::GenerateTimes;
use crate::model::LanguageModel;
use crate::output::note;
use cke_report::words::counted;
use serde::Serialize;

/// One continuation, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    /// `null` if the prompt was given as tokens.
    pub(super) prompt: Option<&'a str>,
    /// `null` if the model has no tokenizer.
    pub(super) text: Option<&'a str>,
    /// The generated ids; those of a stop string are among them, an end-of-text token is not.
    pub(super) tokens: &'a [u32],
    /// Number of tokens of the prompt.
    pub(super) prompt_tokens: usize,
    /// Why it ended: `end`, `stop`, `length`, `context` or `interrupted`.
    pub(super) finish: &'static str,
    pub(super) seed: u64,
    pub(super) timings: Timings,
}

/// How long it took, for all prompts that were decoded together; `null` if nothing was done.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Timings {
    load_seconds: f64,
    prompt_seconds: f64,
    prompt_tokens_per_second: Option<f64>,
    generation_seconds: f64,
    generation_tokens_per_second: Option<f64>,
}

impl Timings {
    pub(super) fn new(model: &LanguageModel, work: &GenerateTimes) -> Timings {
        Timings {
            load_seconds: model.load_seconds,
            prompt_seconds: work.prompt_time.as_secs_f64(),
            prompt_tokens_per_second: work.prompt_rate(),
            generation_seconds: work.decode_time.as_secs_f64(),
            generation_tokens_per_second: work.decode_rate(),
        }
    }
}

/// Says on standard error how fast it was, in two lines.
pub(super) fn print_summary(model: &LanguageModel, work: &GenerateTimes, seed: u64) {
    let rate = |rate: Option<f64>| rate.map_or(String::new(), |rate| format!(", {rate:.1} tokens/s"));
    let (read, wrote) = (rate(work.prompt_rate()), rate(work.decode_rate()));
    note(&format!(
        "prompt: {} in {:.3} s{read}; generation: {} in {:.3} s{wrote}; seed {seed}",
        counted(work.prompt_tokens, "token"),
        work.prompt_time.as_secs_f64(),
        counted(work.generated, "token"),
        work.decode_time.as_secs_f64(),
    ));
    note(&model.summary());
}
