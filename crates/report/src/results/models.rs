//! Results of `tools/peers/peers.py`, as far as they are drawn.

use super::ResultsError;
use super::figure::{Choice, Figure, Group, distinct};
use super::gemm::{day, processor};
use crate::words::counted;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct ModelResults {
    machine: Machine,
    date: String,
    rounds: usize,
    contestants: Vec<Contestant>,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    cpu: String,
    core_family: Option<String>,
    cpus: usize,
}

#[derive(Debug, Deserialize)]
struct Contestant {
    name: String,
    title: String,
    version: String,
}

/// One test with one number of threads.
#[derive(Debug, Deserialize)]
struct Test {
    /// The group of tests that this one is in, and its title.
    suite: String,
    title: String,
    label: String,
    unit: String,
    threads: usize,
    /// What the machine could do at most, in the same unit.
    limit: Option<f64>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    contestant: String,
    median: f64,
    /// (best − worst) / median of the rounds.
    spread: f64,
}

impl ModelResults {
    /// The chosen suite, or the only one.
    ///
    /// # Errors
    /// If what is chosen was not measured, or not exactly one suite is chosen: each has its own scale.
    pub(crate) fn figure(&self, choice: &Choice) -> Result<Figure, ResultsError> {
        let suites = distinct(self.tests.iter().map(|test| test.suite.clone()));
        choice.check(&suites, &distinct(self.tests.iter().map(|test| test.threads)))?;
        let wanted = choice.only.as_ref().unwrap_or(&suites);
        let [suite] = &wanted[..] else {
            return Err(ResultsError::Choice(format!("--only: wanted one of {}", suites.join(", "))));
        };
        let is_chosen = |test: &&Test| test.suite == *suite && choice.has_threads(test.threads);
        let chosen: Vec<&Test> = self.tests.iter().filter(is_chosen).collect();
        let Some(first) = chosen.first() else {
            return Err(ResultsError::Choice(format!(
                "--threads: wanted a thread count that {suite} was measured with"
            )));
        };
        let Machine { cpu, core_family, cpus } = &self.machine;
        let spreads = chosen.iter().flat_map(|test| &test.entries).map(|entry| entry.spread);
        Ok(Figure {
            title: first.title.clone(),
            conditions: format!(
                "{}, median of {} (spread up to {:.0}%); {} with {}, {}",
                first.unit,
                counted(self.rounds, "interleaved round"),
                100.0 * spreads.fold(0.0, f64::max),
                processor(cpu, core_family.as_deref()),
                counted(*cpus, "CPU"),
                day(&self.date)
            ),
            limit: "The line marks the hardware limit measured in the same rounds.",
            contestants: self.contestants.iter().map(Contestant::label).collect(),
            groups: chosen.into_iter().map(|test| self.group(test)).collect(),
        })
    }

    fn group(&self, test: &Test) -> Group {
        let rate = |contestant: &Contestant| {
            test.entries.iter().find(|entry| entry.contestant == contestant.name).map(|entry| entry.median)
        };
        Group {
            label: test.label.clone(),
            threads: test.threads,
            rates: self.contestants.iter().map(rate).collect(),
            limit: test.limit,
        }
    }
}

impl Contestant {
    fn label(&self) -> String {
        format!("{} {}", self.title, self.version).trim_end().to_owned()
    }
}
