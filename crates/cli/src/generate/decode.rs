//! Running a batch of prompts to its end.

use super::continuation::Continuation;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use cke_engine::generate::Batch;
use std::time::{Duration, Instant};

/// What was computed, and how long that took. The picking of tokens counts, the writing of text does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GenerateTimes {
    pub(super) prompt_tokens: usize,
    pub(super) prompt_time: Duration,
    /// Tokens in the results.
    pub(super) generated: usize,
    /// Tokens that the model read one at a time: of each result all but the last.
    pub(super) decoded: usize,
    pub(super) decode_time: Duration,
}

impl GenerateTimes {
    /// Adds other work.
    pub(super) fn add(&mut self, other: &GenerateTimes) {
        self.prompt_tokens += other.prompt_tokens;
        self.prompt_time += other.prompt_time;
        self.generated += other.generated;
        self.decoded += other.decoded;
        self.decode_time += other.decode_time;
    }

    /// Prompt tokens a second, if there were any.
    pub(super) fn prompt_rate(&self) -> Option<f64> {
        rate(self.prompt_tokens, self.prompt_time)
    }

    /// Generated tokens a second, if there were any after the first.
    pub(super) fn decode_rate(&self) -> Option<f64> {
        rate(self.decoded, self.decode_time)
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

/// Reads the prompts and continues them to their ends, or until the user interrupts. `show` gets each piece of text that the
/// first continuation grows by.
///
/// # Errors
/// If the model or `show` fails.
pub(super) fn decode(
    batch: &mut Batch<'_>,
    continuations: &mut [Continuation<'_>],
    interrupt: &Interrupt,
    show: &mut dyn FnMut(&str) -> Result<(), CliError>,
) -> Result<GenerateTimes, CliError> {
    let mut work = GenerateTimes::default();
    let started = Instant::now();
    batch.prefill(&mut |tokens| work.prompt_tokens += tokens)?;
    work.prompt_time = started.elapsed();

    let watch = interrupt.watch();
    let mut picked = Vec::with_capacity(continuations.len());
    while unfinished(batch, continuations.len()) > 0 && !watch.is_requested() {
        let started = Instant::now();
        batch.step(&mut |sequence, token| picked.push((sequence, token)))?;
        work.decode_time += started.elapsed();
        work.generated += picked.len();
        work.decoded += unfinished(batch, continuations.len());
        for (sequence, token) in picked.drain(..) {
            continuations[sequence].push(token)?;
            if continuations[sequence].is_stopped() {
                batch.stop(sequence);
            }
        }
        show(continuations[0].news())?;
    }
    continuations.iter_mut().for_each(Continuation::finish);
    show(continuations[0].news())?;
    Ok(work)
}

fn unfinished(batch: &Batch<'_>, sequences: usize) -> usize {
    (0..sequences).filter(|&sequence| batch.finish(sequence).is_none()).count()
}
