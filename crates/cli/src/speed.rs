//! How fast texts were read and generated.

use crate::language_model::LanguageModel;
use crate::output::note;
use cke_report::words::counted;
use serde::Serialize;
use std::time::Duration;

/// What was computed, and how long that took. The picking of tokens counts, the writing of text does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GenerateTimes {
    pub(crate) prompt_tokens: usize,
    pub(crate) prompt_time: Duration,
    /// Tokens in the results.
    pub(crate) generated: usize,
    /// Tokens that the model read one at a time: of each result all but the last.
    pub(crate) decoded: usize,
    pub(crate) decode_time: Duration,
}

impl GenerateTimes {
    /// Adds other work.
    pub(crate) fn add(&mut self, other: &GenerateTimes) {
        self.prompt_tokens += other.prompt_tokens;
        self.prompt_time += other.prompt_time;
        self.generated += other.generated;
        self.decoded += other.decoded;
        self.decode_time += other.decode_time;
    }

    /// Prompt tokens a second, if there were any.
    pub(crate) fn prompt_rate(&self) -> Option<f64> {
        rate(self.prompt_tokens, self.prompt_time)
    }

    /// Generated tokens a second, if there were any after the first.
    pub(crate) fn decode_rate(&self) -> Option<f64> {
        rate(self.decoded, self.decode_time)
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

/// How long it took, as `--json` prints it, for all prompts that were decoded together; `null` if nothing was done.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Timings {
    load_seconds: f64,
    prompt_seconds: f64,
    prompt_tokens_per_second: Option<f64>,
    generation_seconds: f64,
    generation_tokens_per_second: Option<f64>,
}

impl Timings {
    pub(crate) fn new(model: &LanguageModel, work: &GenerateTimes) -> Timings {
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
pub(crate) fn print_summary(model: &LanguageModel, work: &GenerateTimes, seed: u64) {
    note(&format!("{}; seed {seed}", rates(work)));
    note(&model.summary());
}

/// What was computed, and how fast.
pub(crate) fn rates(work: &GenerateTimes) -> String {
    let rate = |rate: Option<f64>| rate.map_or(String::new(), |rate| format!(", {rate:.1} tokens/s"));
    let (read, wrote) = (rate(work.prompt_rate()), rate(work.decode_rate()));
    format!(
        "prompt: {} in {:.3} s{read}; generation: {} in {:.3} s{wrote}",
        counted(work.prompt_tokens, "token"),
        work.prompt_time.as_secs_f64(),
        counted(work.generated, "token"),
        work.decode_time.as_secs_f64(),
    )
}
