//! What the numbers mean, in plain words.

mod libraries;
mod machine;

use super::report::Report;
use serde::Serialize;

/// One conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// One sentence.
    pub(crate) headline: String,
    /// What it rests on, and what it means.
    pub(crate) detail: String,
}

/// How good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Something is wrong, be it results or the measurement.
    Alarm,
    /// Speed is being left on the table.
    Loss,
    /// How things are.
    Fact,
    /// Something is as good as it can be.
    Strength,
}

impl Kind {
    /// As a mark beside the headline.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Kind::Alarm => "alarm",
            Kind::Loss => "loss",
            Kind::Fact => "fact",
            Kind::Strength => "good",
        }
    }
}

/// All findings: what spoils the report, where everybody stands, what is lost, how the machine is.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let mut findings = libraries::wrong_products(report);
    findings.extend(machine::busy(report));
    findings.extend(libraries::our_standing(report));
    findings.extend(libraries::best_library(report));
    findings.extend(libraries::deepest_cliffs(report));
    findings.extend(libraries::narrow_vectors(report));
    findings.extend(libraries::slower_with_threads(report));
    findings.extend(machine::poor_scaling(report));
    findings.extend(machine::machine_speed(report));
    findings.extend(machine::memory_speed(report));
    findings.extend(machine::narrow_formats(report));
    findings.extend(machine::page_walks(report));
    findings.extend(machine::no_counters(report));
    findings
}

fn finding(kind: Kind, headline: String, detail: String) -> Finding {
    Finding { kind, headline, detail }
}

#[cfg(test)]
mod tests;
