//! The steps in turns, each checked before it is timed, the machine's peak beside them.

use crate::failure::Failure;
use crate::product::{Product, Reference};
use crate::steps::Step;
use cke_kernels::scratch::AlignedBuf;
use cke_perf::clock;
use cke_perf::peak::measure_peak;
use cke_perf::report::{Align, Column, Table};

/// Rounds, of which the best of each step counts: other users of the machine can only slow one down.
const ROUNDS: usize = 6;
/// Seconds that a step is repeated for in a round.
const WINDOW: f64 = 0.04;
/// Seconds after which a slow step takes part in no further round.
const LIMIT: f64 = 1.0;

/// The best of all rounds.
pub(crate) struct Outcome {
    /// Seconds of each step.
    seconds: Vec<f64>,
    /// GFLOP/s of one thread, and of all.
    peaks: [f64; 2],
}

pub(crate) fn race(product: &Product<'_>, steps: &mut [Step<'_>], threads: usize) -> Result<Outcome, Failure> {
    let reference = Reference::of(product);
    let mut c = AlignedBuf::zeroed(product.n * product.n)?;
    let mut outcome = Outcome { seconds: Vec::new(), peaks: [0.0; 2] };
    for step in &mut *steps {
        c.fill(f32::NAN);
        let seconds = time(step, &mut c)?;
        reference.check(&c).map_err(|source| Failure::Wrong { product: step.name.clone(), source })?;
        outcome.seconds.push(seconds);
    }
    let measure_peaks = || {
        for (best, threads) in outcome.peaks.iter_mut().zip([1, threads]) {
            *best = best.max(measure_peak(product.cpu.isa(), threads)?.gflops);
        }
        Ok(())
    };
    in_turns(steps, &mut outcome.seconds, measure_peaks, |step| time(step, &mut c))?;
    Ok(outcome)
}

/// Times all steps in turns; `seconds` has the first time of each, and gets the best of all rounds.
pub(crate) fn in_turns<S>(
    steps: &mut [S],
    seconds: &mut [f64],
    mut measure_peaks: impl FnMut() -> Result<(), Failure>,
    mut time: impl FnMut(&mut S) -> Result<f64, Failure>,
) -> Result<(), Failure> {
    let mut spent = seconds.to_vec();
    for _ in 0..ROUNDS {
        measure_peaks()?;
        for ((step, best), spent) in steps.iter_mut().zip(&mut *seconds).zip(&mut spent) {
            let mut left = if *spent < LIMIT { WINDOW } else { 0.0 };
            while left > 0.0 {
                let seconds = time(step)?;
                *best = best.min(seconds);
                *spent += seconds;
                left -= seconds;
            }
        }
    }
    Ok(())
}

fn time(step: &mut Step<'_>, c: &mut [f32]) -> Result<f64, Failure> {
    let mut result = Ok(());
    let seconds = clock::time(|| result = (step.multiply)(c));
    result?;
    Ok(seconds)
}

impl Outcome {
    /// The peaks in a line.
    pub(crate) fn peaks(&self, threads: usize) -> String {
        let [one, all] = self.peaks;
        let all = if threads > 1 { format!(", {all:.0} GFLOP/s with {threads} threads") } else { String::new() };
        format!("multiply-add peak {one:.0} GFLOP/s with one thread{all}")
    }

    pub(crate) fn table(&self, product: &Product<'_>, steps: &[Step<'_>]) -> Table {
        let head = [
            ("step", Align::Right),
            ("", Align::Left),
            ("threads", Align::Right),
            ("GFLOP/s", Align::Right),
            ("of peak", Align::Right),
            ("× before", Align::Right),
            ("because", Align::Left),
        ];
        let mut table = Table::new(head.map(|(title, align)| Column::new(title, align)).into());
        for (index, step) in steps.iter().enumerate() {
            let gflops = product.flops() / self.seconds[index] / 1e9;
            let peak = self.peaks[usize::from(step.threads > 1)];
            // Threads are compared with threads.
            let before = steps[..index].iter().rposition(|other| other.threads == step.threads);
            let gain = before.map(|before| self.seconds[before] / self.seconds[index]);
            table.push(vec![
                step.number.map(|number| number.to_string()).unwrap_or_default(),
                step.name.clone(),
                step.threads.to_string(),
                if gflops < 10.0 { format!("{gflops:.2}") } else { format!("{gflops:.0}") },
                format!("{:.1}%", 100.0 * gflops / peak),
                gain.map(|gain| format!("{gain:.2}")).unwrap_or_default(),
                step.why.to_owned(),
            ]);
        }
        table
    }
}
