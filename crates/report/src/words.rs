//! Numbers in words.

use cke_chart::NumberFormat;
use cke_perf::busy::Busy;

/// `1 thing`, `2 things`.
pub fn counted(number: usize, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    NumberFormat::Plain.text(value)
}

/// Whole percent; with a decimal below 10%.
pub fn percent(share: f64) -> String {
    let decimals = if share < 0.0995 { 1 } else { 0 };
    format!("{:.decimals$}%", 100.0 * share)
}

/// What others took, and what follows from it, if results suffer from it.
pub fn busy(others: Option<Busy>) -> Option<String> {
    let Busy { share, cpus } = others.filter(Busy::is_disturbing)?;
    let taken = share * cpus as f64;
    let cpus = counted(cpus, "CPU");
    Some(format!(
        "other programs used {taken:.1} of {cpus}, so rates are too low and noisy; stop them and measure again"
    ))
}
