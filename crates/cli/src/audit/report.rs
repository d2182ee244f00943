//! All that an audit found.

use super::cliffs::{Cliff, cliffs};
use super::counting::Counting;
use super::findings::{Finding, findings};
use super::machine::Machine;
use super::products::Row;
use super::standing::{Standing, standings};
use cke_perf::peers::Library;
use serde::Serialize;
use std::path::PathBuf;

/// The number of this layout of the JSON document; it grows when a field changes its meaning or goes away.
const FORMAT: u32 = 1;

/// The whole report, as it is written as JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) format: u32,
    pub(super) about: About,
    /// In plain words, the weightiest first.
    pub(super) findings: Vec<Finding>,
    pub(super) machine: Machine,
    pub(super) contestants: Vec<Contestant>,
    /// Files that look like matrix libraries but cannot be used.
    pub(super) unusable_libraries: Vec<UnusableLibrary>,
    pub(super) standings: Vec<Standing>,
    pub(super) cliffs: Vec<Cliff>,
    /// Number of threads after number of threads, each in the order of the suite.
    pub(super) products: Vec<Row>,
    pub(super) counters: Counting,
}

/// When, by what and how it was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct About {
    pub(super) cke_version: &'static str,
    /// Whether this program was built with optimisations that a release has.
    pub(super) release_build: bool,
    /// UTC.
    pub(super) date: String,
    /// How long it took.
    pub(super) seconds: f64,
    pub(super) is_quick: bool,
    /// Programs that ran or waited to run in the minute before, on average.
    pub(super) load_average: Option<f64>,
    /// Rounds for each product.
    pub(super) rounds: usize,
    /// Numbers of threads that products were measured with.
    pub(super) threads: Vec<usize>,
    /// Products for which there was no time, each with its number of threads.
    pub(super) skipped: Vec<Skipped>,
}

/// A product that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Skipped {
    pub(super) label: String,
    pub(super) threads: usize,
}

/// Who took part.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Contestant {
    pub(super) name: String,
    /// What a library says of itself; `None` for CKE.
    pub(super) library: Option<Library>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UnusableLibrary {
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// What was measured, before anything was concluded from it.
pub(super) struct Measured {
    pub(super) about: About,
    pub(super) machine: Machine,
    pub(super) contestants: Vec<Contestant>,
    pub(super) unusable_libraries: Vec<UnusableLibrary>,
    pub(super) products: Vec<Row>,
    pub(super) counters: Counting,
}

/// The name under which this project takes part.
pub(super) const OURS: &str = "CKE";

impl Report {
    /// Draws the conclusions.
    pub(super) fn new(measured: Measured) -> Report {
        let Measured { about, machine, contestants, unusable_libraries, products, counters } = measured;
        let cliffs = cliffs(&products);
        let standings = standings(&products, &cliffs);
        let mut report = Report {
            format: FORMAT,
            about,
            findings: Vec::new(),
            machine,
            contestants,
            unusable_libraries,
            standings,
            cliffs,
            products,
            counters,
        };
        report.findings = findings(&report);
        report
    }

    /// The rows with this number of threads.
    pub(super) fn rows(&self, threads: usize) -> impl Iterator<Item = &Row> {
        self.products.iter().filter(move |row| row.threads == threads)
    }

    /// The standings with this number of threads, the best first.
    pub(super) fn standings(&self, threads: usize) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(move |standing| standing.threads == threads)
    }

    /// Whether any library took part.
    pub(super) fn has_libraries(&self) -> bool {
        self.contestants.iter().any(|contestant| contestant.library.is_some())
    }
}
