//! A contest: every contestant runs once in each round.
//!
//! In each round the machine's multiply-add peak is measured, then every contestant runs for a moment while the others stand
//! still. Rates of one contest may be compared with each other, and with its peak; rates of two contests may not.

use super::contestant::{Chatter, ContestantProcess, Launcher, PeerError};
use super::dtype::Dtype;
use super::library::{Library, Subject};
use super::product::Product;
use super::protocol::{Prepared, Timed};
use super::result::{Entry, Rate, ShapeResult, Verdict};
use super::roofs::{self, Roofs};
use super::weights::Weights;
use crate::affinity;
use crate::roofline::{Roofline, Work};
use crate::stats::Summary;

/// A participant: its name and what it computes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrant {
    /// A name for tables.
    pub name: String,
    /// What runs.
    pub subject: Subject,
}

impl Entrant {
    /// An entrant of this name.
    pub fn new(name: impl Into<String>, subject: Subject) -> Entrant {
        Entrant { name: name.into(), subject }
    }
}

impl From<&Library> for Entrant {
    fn from(library: &Library) -> Entrant {
        Entrant::new(library.short_name(), Subject::Library(library.path.clone()))
    }
}

/// What holds for all contestants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The numbers.
    pub dtype: Dtype,
    /// Threads of each contestant; a single one is bound to one CPU, the same for all.
    pub threads: usize,
    /// Rounds for each product, at least 1.
    pub rounds: usize,
    /// How long a contestant runs in a round, seconds; it finishes at least one product.
    pub seconds: f64,
    /// From where B is read.
    pub weights: Weights,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { dtype: Dtype::F32, threads: 1, rounds: 5, seconds: 0.03, weights: Weights::AsLeft }
    }
}

/// Contestants that are ready.
#[derive(Debug)]
pub struct Contest {
    settings: Settings,
    /// Measures the peak.
    machine: ContestantProcess,
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    contestant: ContestantProcess,
    library: Option<Library>,
    /// Why it has no result for the present product. If its process is gone, the reason holds for all later products.
    failure: Option<PeerError>,
}

impl Contest {
    /// Starts a process for each entrant, and one for the machine. To be called from the thread that stays until the contest
    /// is over: the processes end with the thread that started them.
    ///
    /// # Errors
    /// If a process cannot be started, or an entrant cannot be opened or does not know the dtype.
    pub fn start(launcher: &Launcher, entrants: &[Entrant], settings: Settings) -> Result<Contest, PeerError> {
        let Settings { threads, .. } = settings;
        let cpu = affinity::last_allowed_cpu().filter(|_| threads == 1);
        let mut machine = ContestantProcess::spawn(launcher, "the machine", threads, None, Chatter::Shown)?;
        machine.bind(cpu)?;
        let seat = |entrant| {
            let (contestant, library) = ContestantProcess::open(launcher, entrant, settings, cpu, Chatter::Shown)?;
            Ok(Seat { contestant, library, failure: None })
        };
        let seats = entrants.iter().map(seat).collect::<Result<_, PeerError>>()?;
        Ok(Contest { settings, machine, seats })
    }

    /// How the entrants' libraries describe themselves, in the order of the entrants; `None` for our own products.
    pub fn libraries(&self) -> impl Iterator<Item = Option<&Library>> {
        self.seats.iter().map(|seat| seat.library.as_ref())
    }

    /// Has every contestant compute, check and time one product.
    ///
    /// # Errors
    /// If the peak cannot be measured. A contestant that fails is reported in the result.
    pub fn measure(&mut self, product: Product) -> Result<ShapeResult, PeerError> {
        self.measure_rounds(product, self.settings.rounds)
    }

    /// As [`Contest::measure`], with another number of rounds, at least 1.
    ///
    /// # Errors
    /// As there.
    pub fn measure_rounds(&mut self, product: Product, rounds: usize) -> Result<ShapeResult, PeerError> {
        self.in_rounds(product, rounds, |_, _| Ok(()))
    }

    /// As [`Contest::measure`]; in each round the bandwidth of a working set of the product's size is measured as well, and
    /// for short products the roofline of one thread.
    ///
    /// # Errors
    /// If peak or bandwidth cannot be measured.
    pub fn measure_with_roofs(&mut self, product: Product) -> Result<(ShapeResult, Roofs), PeerError> {
        let Settings { dtype, threads, .. } = self.settings;
        let work = product.work(dtype);
        let mut measured: Option<Roofs> = None;
        let result = self.in_rounds(product, self.settings.rounds, |machine, peak_gflops| {
            let mut found = Roofs { together: roof(machine, work, threads, peak_gflops)?, alone: None };
            found.together = measured.map_or(found.together, |before| roofs::best(before.together, found.together));
            found.alone = measured.and_then(|before| before.alone);
            if threads > 1 && found.is_short(work) {
                let peak_gflops = machine.peak(dtype, 1)?;
                let alone = roof(machine, work, 1, peak_gflops)?;
                found.alone = Some(found.alone.map_or(alone, |before| roofs::best(before, alone)));
            }
            measured = Some(found);
            Ok(())
        })?;
        let unmeasured = Roofline { peak_gflops: result.peak_gflops, bandwidth_gb_s: f64::INFINITY };
        Ok((result, measured.unwrap_or(Roofs { together: unmeasured, alone: None })))
    }

    /// `each_round` gets the machine and the peak of the round.
    fn in_rounds(
        &mut self,
        product: Product,
        rounds: usize,
        mut each_round: impl FnMut(&mut ContestantProcess, f64) -> Result<(), PeerError>,
    ) -> Result<ShapeResult, PeerError> {
        let Settings { dtype, threads, seconds, weights, .. } = self.settings;
        let mut turns: Vec<Turns> = self.seats.iter_mut().map(|seat| Turns::prepare(seat, product)).collect();
        let reads_memory = product.has_vector() || weights == Weights::FromMemory;
        let before = reads_memory.then(|| self.machine.bandwidth(threads)).transpose()?;
        let mut peak_gflops: f64 = 0.0;
        for round in 0..rounds {
            let peak_of_round = self.machine.peak(dtype, threads)?;
            peak_gflops = peak_gflops.max(peak_of_round);
            each_round(&mut self.machine, peak_of_round)?;
            // Another one begins each time, so that no contestant always follows the same one.
            for i in 0..self.seats.len() {
                let i = (i + round) % self.seats.len();
                turns[i].run(&mut self.seats[i], seconds);
            }
        }
        // The better of both: a shared machine has slow moments.
        let after = reads_memory.then(|| self.machine.bandwidth(threads)).transpose()?;
        let read_gb_per_s = before.zip(after).map(|(before, after)| before.max(after));
        let flops = product.work(dtype).flops as f64;
        let entries = self.seats.iter_mut().zip(turns).map(|(seat, turns)| turns.entry(seat, flops)).collect();
        Ok(ShapeResult { product, dtype, threads, peak_gflops, read_gb_per_s, entries })
    }
}

/// The roofline of one round for `work`, whose operands are divided among the threads.
fn roof(machine: &mut ContestantProcess, work: Work, threads: usize, peak_gflops: f64) -> Result<Roofline, PeerError> {
    let bandwidth_gb_s = match roofs::needs_bandwidth(work) {
        true => machine.working_set(threads, work.bytes as usize / threads)?,
        false => f64::INFINITY,
    };
    Ok(Roofline { peak_gflops, bandwidth_gb_s })
}

impl Seat {
    /// The result of a request, or `None` and the reason kept.
    fn attempt<T>(&mut self, request: impl FnOnce(&mut ContestantProcess) -> Result<T, PeerError>) -> Option<T> {
        if self.failure.is_some() {
            return None;
        }
        request(&mut self.contestant).map_err(|error| self.failure = Some(error)).ok()
    }

    /// Forgets that it refused the product before; a process that is gone stays gone.
    fn forgive(&mut self) {
        self.failure.take_if(|failure| matches!(failure, PeerError::Refused { .. }));
    }
}

/// What one contestant did on one product.
struct Turns {
    /// What the first call showed.
    first: Prepared,
    /// What calls took in each round.
    rounds: Vec<Timed>,
}

impl Turns {
    fn prepare(seat: &mut Seat, product: Product) -> Turns {
        seat.forgive();
        let first = seat.attempt(|contestant| contestant.prepare(product)).unwrap_or_default();
        Turns { first, rounds: Vec::new() }
    }

    fn run(&mut self, seat: &mut Seat, seconds: f64) {
        self.rounds.extend(seat.attempt(|contestant| contestant.time(seconds)));
    }

    fn entry(self, seat: &mut Seat, flops: f64) -> Entry {
        let last_error = seat.attempt(ContestantProcess::check).flatten();
        let name = seat.contestant.name().to_owned();
        let Prepared { error: first_error, kernel, path } = self.first;
        if let Some(reason) = seat.failure.as_ref().map(PeerError::to_string) {
            let verdict = Verdict::Failed { reason };
            let rounds = Vec::new();
            return Entry { name, kernel, path, rate: None, rounds, rows_seconds: None, counted: None, verdict };
        }
        let error = first_error.zip(last_error).map(|(first, last)| first.max(last));
        let verdict = if error.is_some_and(|error| error <= 1.0) { Verdict::Right } else { Verdict::Wrong { error } };
        let rounds = self.rounds.iter().map(|timed| gflops(flops, timed.median)).collect();
        let rows_seconds = self.rounds.iter().filter_map(|timed| timed.rows).reduce(f64::min);
        Entry { name, kernel, path, rate: rate(&self.rounds, flops), rounds, rows_seconds, counted: None, verdict }
    }
}

fn gflops(flops: f64, seconds: f64) -> f64 {
    flops / seconds / 1e9
}

fn rate(rounds: &[Timed], flops: f64) -> Option<Rate> {
    let medians: Vec<f64> = rounds.iter().map(|timed| gflops(flops, timed.median)).collect();
    let summary = Summary::from_samples(&medians)?;
    let best = rounds.iter().map(|timed| gflops(flops, timed.best)).fold(0.0, f64::max);
    Some(Rate { best, median: summary.median, spread: (summary.max - summary.min) / summary.median })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_takes_the_best_call_and_the_median_round() {
        let rounds = [(1.0, 2.0), (0.5, 1.0), (1.0, 4.0)].map(|(best, median)| Timed { best, median, rows: None });
        let rate = rate(&rounds, 2e9).expect("three rounds");
        assert_eq!(rate, Rate { best: 4.0, median: 1.0, spread: 1.5 });
        assert_eq!(super::rate(&[], 2e9), None);
    }
}
