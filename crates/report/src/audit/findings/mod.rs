//! What the numbers mean, in plain words.

mod libraries;
mod machine;

use super::report::Report;
use serde::Serialize;

/// One conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    /// One sentence.
    pub(crate) headline: String,
    /// What it rests on, and what it means.
    pub(crate) detail: String,
}

impl Finding {
    /// Mark, headline and detail.
    pub(crate) fn parts(&self) -> (&str, &str, &str) {
        (self.kind.label(), &self.headline, &self.detail)
    }
}

/// How good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingKind {
    /// Something is wrong, be it results or the measurement.
    Alarm,
    /// Speed is being left on the table.
    Loss,
    /// How things are.
    Fact,
    /// Something is as good as it can be.
    Strength,
    /// A difference that the measurement cannot tell from chance.
    NotConclusive,
}

impl FindingKind {
    /// As a mark beside the headline.
    pub(crate) fn label(self) -> &'static str {
        match self {
            FindingKind::Alarm => "alarm",
            FindingKind::Loss => "loss",
            FindingKind::Fact => "fact",
            FindingKind::Strength => "good",
            FindingKind::NotConclusive => "not conclusive",
        }
    }
}

/// All findings: what spoils the report, where everybody stands, what is lost, how the machine is.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let busy = machine::busy(report);
    let is_busy = busy.is_some();
    let compared = comparisons(report).into_iter();
    let compared = compared.map(|finding| if is_busy { finding.doubted() } else { finding });
    let mut findings = libraries::wrong_products(report);
    findings.extend(busy);
    findings.extend(compared);
    findings.extend(libraries::no_library(report));
    findings.extend(machine::machine_speed(report));
    findings.extend(machine::memory_speed(report));
    findings.extend(machine::narrow_formats(report));
    findings.extend(machine::page_walks(report));
    findings.extend(machine::no_counters(report));
    findings
}

/// Findings that set rates against each other, which a busy machine can turn around.
fn comparisons(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(libraries::our_standing(report));
    findings.extend(libraries::best_library(report));
    findings.extend(libraries::deepest_cliffs(report));
    findings.extend(libraries::narrow_vectors(report));
    findings.extend(libraries::slower_with_threads(report));
    findings.extend(machine::poor_scaling(report));
    findings
}

impl Finding {
    /// The same, as it stands when the machine was busy.
    fn doubted(self) -> Finding {
        let detail = format!("The machine was busy while this was measured. {}", self.detail);
        Finding { kind: FindingKind::NotConclusive, detail, ..self }
    }
}

fn finding(kind: FindingKind, headline: String, detail: String) -> Finding {
    Finding { kind, headline, detail }
}

#[cfg(test)]
mod tests;
