//! All that an audit found.

use super::cliffs::{Cliff, cliffs};
use super::counting::Counting;
use super::findings::{Finding, findings};
use super::machine::Machine;
use super::rows::Row;
use super::standing::{Standing, left_out, standings};
use super::units::UnitRow;
use cke_perf::peers::Library;
use serde::Serialize;
use std::path::PathBuf;

/// The number of this layout of the JSON document; it grows when a field changes its meaning or goes away.
const FORMAT: u32 = 2;

/// The whole report, as it is written as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub(crate) format: u32,
    pub(crate) about: About,
    /// In plain words, the weightiest first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) machine: Machine,
    pub(crate) contestants: Vec<Contestant>,
    /// Files that look like matrix libraries but cannot be used.
    pub(crate) unusable_libraries: Vec<UnusableLibrary>,
    pub(crate) standings: Vec<Standing>,
    /// Products that standings leave out, so that all are over the same ones.
    pub(crate) left_out: Vec<String>,
    pub(crate) cliffs: Vec<Cliff>,
    /// Number of threads after number of threads, each in the order of the suite.
    pub(crate) products: Vec<Row>,
    /// Number of threads after number of threads, format by format.
    pub(crate) units: Vec<UnitRow>,
    pub(crate) counters: Counting,
}

/// When, by what and how it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Version of this program.
    pub cke_version: &'static str,
    /// Whether this program was built with optimisations that a release has.
    pub release_build: bool,
    /// UTC.
    pub date: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether fewer products and rounds were wanted.
    pub is_quick: bool,
    /// The products are the draw of this seed.
    pub seed: u64,
    /// Programs that ran or waited to run in the minute before, on average.
    pub load_average: Option<f64>,
    /// Rounds for each product.
    pub rounds: usize,
    /// Numbers of threads that products were measured with.
    pub threads: Vec<usize>,
    /// Products for which there was no time, each with its number of threads.
    pub skipped: Vec<Skipped>,
}

/// A product that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The product.
    pub label: String,
    /// The number of threads.
    pub threads: usize,
}

/// A contestant.
#[derive(Clone, Debug, Serialize)]
pub struct Contestant {
    /// Its name in every table.
    pub name: String,
    /// The library's description of itself; `None` for CKE.
    pub library: Option<Library>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, Serialize)]
pub struct UnusableLibrary {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub reason: String,
}

/// What was measured, before anything was concluded from it.
pub struct Measured {
    /// When and how.
    pub about: About,
    /// The machine.
    pub machine: Machine,
    /// CKE first.
    pub contestants: Vec<Contestant>,
    /// Files that look like matrix libraries but cannot be used.
    pub unusable_libraries: Vec<UnusableLibrary>,
    /// Number of threads after number of threads, each in the order of the suite.
    pub products: Vec<Row>,
    /// Number of threads after number of threads, format by format.
    pub units: Vec<UnitRow>,
    /// Hardware counters over CKE's products.
    pub counters: Counting,
}

/// The name under which this project takes part.
pub const OURS: &str = "CKE";

impl Report {
    /// Draws the conclusions.
    pub fn new(measured: Measured) -> Report {
        let Measured { about, machine, contestants, unusable_libraries, products, units, counters } = measured;
        let cliffs = cliffs(&products);
        let standings = standings(&products, &cliffs);
        let left_out = left_out(&products);
        let mut report = Report {
            format: FORMAT,
            about,
            findings: Vec::new(),
            machine,
            contestants,
            unusable_libraries,
            standings,
            left_out,
            cliffs,
            products,
            units,
            counters,
        };
        report.findings = findings(&report);
        report
    }

    /// The rows with this number of threads.
    pub(crate) fn rows(&self, threads: usize) -> impl Iterator<Item = &Row> {
        self.products.iter().filter(move |row| row.threads == threads)
    }

    /// The standings with this number of threads, the best first.
    pub(crate) fn standings(&self, threads: usize) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(move |standing| standing.threads == threads)
    }

    /// Whether any library took part.
    pub(crate) fn has_libraries(&self) -> bool {
        self.contestants.iter().any(|contestant| contestant.library.is_some())
    }
}
