//! What the libraries make of the machine.

use super::super::cliffs::{Cliff, Reason};
use super::super::report::{OURS, Report};
use super::super::standing::Standing;
use super::{Finding, FindingKind, finding};
use crate::words::{counted, number, percent};
use cke_perf::peers::Verdict;

pub(crate) fn wrong_products(report: &Report) -> Vec<Finding> {
    let wrong = |name: &str| -> Vec<&str> {
        let is_wrong = |verdict: &Verdict| matches!(verdict, Verdict::Wrong { .. });
        let entries = report.products.iter().flat_map(|row| row.entries.iter().map(move |entry| (row, entry)));
        let of_name = entries.filter(|(_, entry)| entry.name == name && is_wrong(&entry.verdict));
        of_name.map(|(row, _)| row.label.as_str()).collect()
    };
    let of = |name: &str| {
        let wrong = wrong(name);
        let first = wrong.first()?;
        let headline = format!("{name} computes wrong results, for instance at {first}");
        let detail = format!(
            "{} differed from an independent computation by more than rounding explains. Such rates are not counted.",
            counted(wrong.len(), "product")
        );
        Some(finding(FindingKind::Alarm, headline, detail))
    };
    report.contestants.iter().filter_map(|contestant| of(&contestant.name)).collect()
}

/// For each contestant its deepest cliff with the fewest threads, those that somebody else proves avoidable first.
pub(crate) fn deepest_cliffs(report: &Report) -> Vec<Finding> {
    let Some(&threads) = report.about.threads.first() else { return Vec::new() };
    let of = |standing: &Standing| {
        let cliffs = report.cliffs.iter().filter(|cliff| cliff.name == standing.name && cliff.threads == threads);
        cliffs.max_by(|x, y| x.proven_factor().total_cmp(&y.proven_factor()))
    };
    let mut deepest: Vec<(&Cliff, &Standing)> =
        report.standings(threads).filter_map(|standing| Some((of(standing)?, standing))).collect();
    deepest.sort_by(|x, y| y.0.proven_factor().total_cmp(&x.0.proven_factor()));
    deepest.into_iter().map(|(cliff, standing)| cliff_finding(cliff, standing)).collect()
}

fn cliff_finding(cliff: &Cliff, standing: &Standing) -> Finding {
    let Cliff { name, label, threads, gflops, ceiling, .. } = cliff;
    let headline = format!(
        "{name} reaches {} GFLOP/s at {label}; the limit of {} is {}",
        number(*gflops),
        ceiling.limit.subject(),
        number(ceiling.gflops)
    );
    let proof = match &cliff.fastest_other {
        Some((other, rate)) if cliff.proven_factor() > 1.0 => {
            format!(
                "{other} reaches {} GFLOP/s on the same product, {} times as fast. ",
                number(*rate),
                number(cliff.proven_factor())
            )
        }
        _ => String::new(),
    };
    let reason = match cliff.reason {
        Reason::BelowCeiling => String::new(),
        Reason::BelowNeighbours { neighbours } => {
            format!("On the neighbouring sizes it reaches at least {} of the hardware limit. ", percent(neighbours))
        }
    };
    let detail = format!(
        "Measured with {}. {proof}{reason}{name} has such a cliff on {} of {} products.",
        counted(*threads, "thread"),
        standing.cliffs,
        standing.products
    );
    finding(FindingKind::Loss, headline, detail)
}

/// Libraries that never exceed what vectors of half the width give.
pub(crate) fn narrow_vectors(report: &Report) -> Vec<Finding> {
    const MOST: f64 = 0.54;
    let is_wide = report.machine.host.isa_detected == "avx512";
    let narrow = |standing: &&Standing| {
        let most = MOST / (1.0 + standing.spread);
        is_wide && standing.threads == 1 && standing.name != OURS && (0.3..most).contains(&standing.best_share_of_peak)
    };
    let of = |standing: &Standing| {
        let Standing { name, best_share_of_peak, .. } = standing;
        let headline = format!("{name} never exceeds {} of this CPU's multiply-add peak", percent(*best_share_of_peak));
        let detail =
            "A library that uses 256-bit vectors on a CPU with 512-bit vectors reaches about this share: it may have \
                      detected an older CPU. Check its settings for the instruction set, or use another library."
                .to_owned();
        finding(FindingKind::Loss, headline, detail)
    };
    report.standings.iter().filter(narrow).map(of).collect()
}

/// A contestant that is slower on one product with more threads.
struct Slower<'r> {
    name: &'r str,
    label: &'r str,
    before: f64,
    after: f64,
}

/// Contestants that lose by having more threads.
pub(crate) fn slower_with_threads(report: &Report) -> Option<Finding> {
    let [few, .., many] = report.about.threads[..] else { return None };
    let slower = slower(report, few, many);
    let deepest = slower.iter().min_by(|x, y| (x.after / x.before).total_cmp(&(y.after / y.before)))?;
    let Slower { name, label, before, after } = deepest;
    let headline = format!(
        "More threads make some products slower: {name} at {label} falls from {} to {} GFLOP/s",
        number(*before),
        number(*after)
    );
    let detail = format!(
        "With {many} threads instead of {few}, {} lost more than a fifth of the speed: distributing the work costs more than it \
         saves, or threads wait for each other. Programs with many small products should run each on one thread.",
        counted(slower.len(), "measurement")
    );
    Some(finding(FindingKind::Loss, headline, detail))
}

/// Losses of more than a fifth, and of more than the rounds lay apart.
fn slower(report: &Report, few: usize, many: usize) -> Vec<Slower<'_>> {
    const MOST_KEPT: f64 = 0.8;
    let mut slower = Vec::new();
    for row in report.rows(few) {
        let Some(with_many) = report.rows(many).find(|other| other.product == row.product) else { continue };
        for entry in row.ranked() {
            let Some(later) = with_many.ranked().find(|later| later.name == entry.name) else { continue };
            let (Some(before), Some(after)) = (entry.gflops, later.gflops) else { continue };
            let spread = entry.spread().max(later.spread());
            if after * (1.0 + spread) < MOST_KEPT * before {
                slower.push(Slower { name: &entry.name, label: &row.label, before, after });
            }
        }
    }
    slower
}

pub(crate) fn best_library(report: &Report) -> Option<Finding> {
    let threads = *report.about.threads.first()?;
    let libraries: Vec<&Standing> = report.standings(threads).filter(|standing| standing.name != OURS).collect();
    let (best, others) = libraries.split_first()?;
    let share = percent(best.share_of_ceiling);
    let (kind, headline) = match others.first().filter(|second| !best.is_ahead_of(second)) {
        Some(second) => (
            FindingKind::NotConclusive,
            format!(
                "{} ({share}) and {} ({}) lead the installed libraries; they differ by less than the spread of the rounds ({})",
                best.name,
                second.name,
                percent(second.share_of_ceiling),
                percent(best.spread.max(second.spread))
            ),
        ),
        None => (
            FindingKind::Fact,
            format!("{} is the fastest installed library: {share} of the hardware limit", best.name),
        ),
    };
    let others: Vec<String> =
        others.iter().map(|standing| format!("{} {}", standing.name, percent(standing.share_of_ceiling))).collect();
    let rest = if others.is_empty() { String::new() } else { format!(" The others: {}.", others.join(", ")) };
    let detail =
        format!("Geometric mean over {} with {}.{rest}", counted(best.products, "product"), counted(threads, "thread"));
    Some(finding(kind, headline, detail))
}

pub(crate) fn no_library(report: &Report) -> Option<Finding> {
    (!report.has_libraries()).then(|| {
        let detail = "Only CKE was measured. Add a library with --against, or run without --no-peers.".to_owned();
        finding(FindingKind::Fact, "No other matrix library was measured".to_owned(), detail)
    })
}

pub(crate) fn our_standing(report: &Report) -> Option<Finding> {
    let threads = *report.about.threads.first()?;
    let ours = report.standings(threads).find(|standing| standing.name == OURS)?;
    let best_other = report.standings(threads).find(|standing| standing.name != OURS);
    let (kind, headline) = our_headline(ours, best_other);
    let fastest = match best_other {
        Some(_) => format!(" It is the fastest by more than the spread on {} of them.", ours.fastest),
        None => String::new(),
    };
    let detail = format!(
        "Geometric mean over {} with {}.{fastest}",
        counted(ours.products, "product"),
        counted(threads, "thread")
    );
    Some(finding(kind, headline, detail))
}

fn our_headline(ours: &Standing, best_other: Option<&Standing>) -> (FindingKind, String) {
    let share = percent(ours.share_of_ceiling);
    let Some(other) = best_other else {
        return (FindingKind::Fact, format!("CKE reaches {share} of the hardware limit"));
    };
    let both = format!(
        "CKE reaches {share} of the hardware limit, {} reaches {}",
        other.name,
        percent(other.share_of_ceiling)
    );
    if ours.is_ahead_of(other) {
        let headline = format!("CKE reaches {share} of the hardware limit, more than any installed library");
        (FindingKind::Strength, headline)
    } else if other.is_ahead_of(ours) {
        (FindingKind::Fact, both)
    } else {
        let spread = percent(ours.spread.max(other.spread));
        (FindingKind::NotConclusive, format!("{both}; they differ by less than the spread of the rounds ({spread})"))
    }
}
