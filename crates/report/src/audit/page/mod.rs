//! The report as one HTML page that needs nothing else.

mod figures;
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
        (section("findings", "Findings", &findings(&report.findings)))
        (section("products", "Matrix products against what the machine allows", &figures::products(report)))
        (section("machine", "The machine", &figures::machine(report)))
        (section("numbers", "All numbers", &tables::all(report)))
        (section("method", "How it was measured", &method(report)))
    };
    document(&title, &content)
}

fn header(report: &Report) -> Markup {
    let about = &report.about;
    let threads = report.machine.host.usable_threads;
    let line = format!(
        "{} · {} · cke {}{}",
        about.date,
        counted(threads, "usable thread"),
        about.cke_version,
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
            tiles.push(tile(&number(ghz), "GHz", "clock of a busy core", "measured"));
        }
        tiles.push(tile(
            &number(one.peak_gflops),
            "GFLOP/s",
            "f32 peak of a core",
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
        for (standing, role) in [(best, "best installed library"), (ours, "this project")] {
            if let Some(standing) = standing {
                let share = percent(standing.share_of_ceiling);
                let share = share.trim_end_matches('%');
                tiles.push(tile(share, "%", &format!("of what is possible: {}", standing.name), role));
            }
        }
    }
    page::tiles(&tiles)
}

fn findings(findings: &[Finding]) -> Markup {
    html! {
        ul.findings {
            @for Finding { kind, headline, detail } in findings {
                li class=(kind.label()) {
                    span.tag { (kind.label()) }
                    div { h3 { (headline) } p { (detail) } }
                }
            }
        }
    }
}

fn method(report: &Report) -> Markup {
    let about = &report.about;
    let mut texts = vec![
        format!(
            "All rates were measured on this machine within {:.0} seconds. Rates of a shared machine change from minute to minute: \
             the best of several short rounds counts, and only figures of one report may be compared.",
            about.seconds
        ),
        "Products are C = op(A) · op(B) in f32, row-major, M×N×K; the letters say which operand is stored transposed (nt: B is \
         stored N×K, as most models store their weights). Every contestant runs in a process of its own. In each round the \
         multiply-add peak is measured, then every contestant runs for a moment while the others stand still. Results are \
         checked against an independent computation, before and after the timing. Operands were used a moment before, so small \
         ones lie in a cache."
            .to_owned(),
        "What the machine allows for a product is the smaller of the multiply-add peak and of the read bandwidth for a working \
         set of its size times its flops per byte, with A, B and C counted once (the roofline model of Williams, Waterman and \
         Patterson, 2009). Several threads need 5 µs to share work; what one thread does sooner is held against one thread. Tiny products \
         cannot come near their ceiling: a call takes time too. A cliff is a product on which a \
         library stays below half of that, or below half of its share on the products beside it."
            .to_owned(),
        "The clock is that of a chain of dependent additions. Peaks are those of independent multiply-adds on registers. \
         Bandwidth is that of reading in order, latency that of a chain of loads in random order. One thread is bound to one CPU."
            .to_owned(),
    ];
    if !about.release_build {
        texts.push("This program was built for debugging: CKE's own rates are lower than they could be.".to_owned());
    }
    if !about.skipped.is_empty() {
        let skipped: Vec<String> = about
            .skipped
            .iter()
            .map(|skipped| format!("{} ({})", skipped.label, counted(skipped.threads, "thread")))
            .collect();
        texts.push(format!("There was no time for {}.", skipped.join(", ")));
    }
    markup::paragraphs(&texts)
}

#[cfg(test)]
mod tests;
