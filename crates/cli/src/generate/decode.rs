//! Running a batch of prompts to its end.

use super::continuation::Continuation;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::speed::GenerateTimes;
use cke_engine::error::Error;
use cke_engine::generate::Batch;
use std::time::Instant;

/// What shows how far the work is.
pub(super) enum Shown<'p> {
    /// The text itself, as it grows; before it a bar, unless it would take the line of an echo.
    Text(Option<Progress>),
    /// A bar that counts tokens, those of the prompts too.
    Tokens(&'p Progress),
}

impl Shown<'_> {
    fn add(&self, tokens: usize) {
        match self {
            Shown::Text(bar) => bar.iter().for_each(|bar| bar.add(tokens as u64)),
            Shown::Tokens(bar) => bar.add(tokens as u64),
        }
    }

    /// What shows the generation, after the prompts are read.
    fn after_reading(self) -> Self {
        match self {
            Shown::Text(_) => Shown::Text(None),
            shown => shown,
        }
    }
}

/// Reads the prompts and continues them to their ends, or until the user interrupts. `show` gets each piece of text that the first
/// continuation grows by.
///
/// # Errors
/// If the model or `show` fails.
pub(super) fn decode(
    batch: &mut Batch<'_>,
    continuations: &mut [Continuation<'_>],
    shown: Shown<'_>,
    interrupt: &Interrupt,
    show: &mut dyn FnMut(&str) -> Result<(), CliError>,
) -> Result<GenerateTimes, CliError> {
    let mut work = GenerateTimes::default();
    let watch = interrupt.watch();
    batch.cancel_by(interrupt.cancellation());
    let started = Instant::now();
    or_cancelled(batch.prefill(&mut |tokens| {
        work.prompt_tokens += tokens;
        shown.add(tokens);
    }))?;
    work.prompt_time = started.elapsed();
    let shown = shown.after_reading();

    let mut picked = Vec::with_capacity(continuations.len());
    while unfinished(batch, continuations.len()) > 0 && !watch.is_requested() {
        let started = Instant::now();
        or_cancelled(batch.step(&mut |sequence, token| picked.push((sequence, token))).map(drop))?;
        work.decode_time += started.elapsed();
        work.generated += picked.len();
        shown.add(picked.len());
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

/// The outcome of a pass; cancellation by the user is not an error.
fn or_cancelled(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Cancelled) => Ok(()),
        outcome => outcome,
    }
}

fn unfinished(batch: &Batch<'_>, sequences: usize) -> usize {
    (0..sequences).filter(|&sequence| batch.finish(sequence).is_none()).count()
}
