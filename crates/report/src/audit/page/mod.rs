//! The report as one HTML page that needs nothing else.

mod figures;
mod method;
mod tables;

use super::findings::Finding;
use super::report::{OURS, Report};
use crate::page::{self, document, markup, section, tile};
use crate::words::{counted, number, percent};
use maud::{Markup, html};

/// The whole page.
pub fn html(report: &Report) -> String {
    let title = format!("CPU audit: {}", report.machine.name());
    let content = html! {
        (header(report))
        (tiles(report))
        (section("findings", "Findings", &markup::findings(report.findings.iter().map(Finding::parts))))
        (section("products", "Matrix products and the hardware limit", &figures::products(report)))
        (section("machine", "The machine", &figures::machine(report)))
        (section("numbers", "All numbers", &tables::all(report)))
        (section("method", "How it was measured", &method::paragraphs(report)))
    };
    document(&title, &content)
}

fn header(report: &Report) -> Markup {
    let about = &report.about;
    let threads = report.machine.host.usable_threads;
    let line = format!(
        "{} · {} · cke {} · seed {}{}",
        about.date,
        counted(threads, "usable thread"),
        about.cke_version,
        about.seed,
        if about.is_quick { " · quick audit" } else { "" }
    );
    page::header("CPU audit: matrix products", report.machine.name(), &line)
}

/// The figures that a hurried reader takes away.
fn tiles(report: &Report) -> Markup {
    let mut tiles = Vec::new();
    if let (Some(one), Some(all)) = (report.machine.scaling.first(), report.machine.scaling.last()) {
        let together = |value: f64, unit: &str| match all.threads {
            1 => "one thread".to_owned(),
            threads => format!("{} {unit} with {threads} threads", number(value)),
        };
        if let Some(ghz) = one.clock_ghz {
            tiles.push(tile(&number(ghz), "GHz", "clock of a core under load", "measured"));
        }
        tiles.push(tile(
            &number(one.peak_gflops),
            "GFLOP/s",
            "f32 peak of one core",
            &together(all.peak_gflops, "GFLOP/s"),
        ));
        tiles.push(tile(
            &number(one.memory_gb_per_s),
            "GB/s",
            "read from memory",
            &together(all.memory_gb_per_s, "GB/s"),
        ));
    }
    if let Some(threads) = report.about.threads.first() {
        let best = report.standings(*threads).find(|standing| standing.name != OURS);
        let ours = report.standings(*threads).find(|standing| standing.name == OURS);
        for (standing, role) in [(best, "fastest installed library"), (ours, "this project")] {
            if let Some(standing) = standing {
                let share = percent(standing.share_of_ceiling);
                let share = share.trim_end_matches('%');
                tiles.push(tile(share, "%", &format!("of the hardware limit: {}", standing.name), role));
            }
        }
    }
    page::tiles(&tiles)
}

#[cfg(test)]
mod tests;
