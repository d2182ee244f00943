//! The profile as one HTML page that needs nothing else.

mod figures;
mod tables;
mod timelines;

use super::meanings::meanings;
use super::report::{Phase, Report};
use super::table::{recording_cost, summary};
use crate::page::markup::{Cell, table};
use crate::page::{document, header, markup, section, tile, tiles};
use crate::words::{busy, counted, number, percent};
use cke_perf::report::format_bytes;
use maud::{Markup, html};

/// The whole page.
pub fn html(report: &Report) -> String {
    let name = report.about.subject.title();
    let content = html! {
        (header("Profile: where the time goes", &name, &line(report)))
        @if let Some(text) = busy(report.about.others) { (markup::findings([("alarm", "The machine was busy", text.as_str())])) }
        @for phase in &report.phases { (section(phase.name, &phase.title(), &phase_content(report, phase))) }
        (section("operations", "Operations", &operations(report)))
        (counters(report))
        (section("method", "How it was measured", &method(report)))
    };
    document(&format!("Profile: {name}"), &content)
}

/// What each operation is.
fn operations(report: &Report) -> Markup {
    let row = |(name, meaning)| vec![Cell::text(name), Cell::marked(meaning, "prose")];
    let rows: Vec<Vec<Cell>> = meanings(&report.phases).into_iter().map(row).collect();
    table("What they do", &["operation", "meaning"], &rows)
}

/// What hardware counters said, or why they did not.
fn counters(report: &Report) -> Markup {
    let rows: Vec<_> = report.phases.iter().filter_map(Phase::ratios).collect();
    let content = match report.refusal_of_counters() {
        Some(refusal) => markup::paragraphs(&[format!("There are {refusal}.")]),
        None => markup::counter_table("all threads", "phase", &rows),
    };
    section("counters", "Hardware counters", &content)
}

fn phase_content(report: &Report, phase: &Phase) -> Markup {
    html! {
        (tiles(&phase_tiles(report, phase)))
        p { (summary(phase)) }
        (figures::all(report, phase))
        (tables::all(phase))
    }
}

fn line(report: &Report) -> String {
    let about = &report.about;
    let subject = &about.subject;
    let parts = [
        Some(about.date.clone()),
        about.cpu.clone(),
        Some(counted(about.threads, "thread")),
        Some(format!("{} of weights in {}", format_bytes(subject.weight_bytes as u64), subject.numbers())),
        Some(subject.isa.to_owned()),
        Some(format!("cke {}", about.cke_version)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The figures that a hurried reader takes away.
fn phase_tiles(report: &Report, phase: &Phase) -> [Markup; 4] {
    let (total, shares) = (&phase.total, phase.shares);
    let of_peak = percent(total.gflops / report.roofline.peak_gflops);
    let rates = format!("{} GFLOP/s, {of_peak} of the peak in {}", number(total.gflops), report.about.peak_numbers);
    let products = format!("products {}, attention {}", percent(shares.products), percent(shares.attention));
    let of_time = |share: f64, what: &str, note: &str| tile(percent(share).trim_end_matches('%'), "%", what, note);
    [
        tile(&number(phase.tokens_per_second), "tokens/s", "without recording", &rates),
        of_time(total.share_of_roofline, "of the roofline", "all operations together"),
        of_time(shares.everything_else, "of the time in everything else", &products),
        of_time(
            total.waiting,
            "of the threads' time spent waiting",
            &format!("recording overhead {}", recording_cost(phase)),
        ),
    ]
}

fn method(report: &Report) -> Markup {
    let costs = report.phases.iter().map(|phase| format!("{} {}", phase.name, recording_cost(phase)));
    let mut texts = vec![
        format!(
            "Each phase ran {} after a warm-up, interleaved with the same work unrecorded and with measurements of the \
             machine's multiply-add peak and read bandwidth on the same number of threads. The page shows the fastest \
             repetition; tokens per second come from the fastest repetition without recording. Recording overhead: {}.",
            counted(report.about.repetitions, "time"),
            costs.collect::<Vec<_>>().join(", ")
        ),
        "The roofline allows an operation the time that its floating-point operations take at the peak, or that its bytes take \
         at the read bandwidth, whichever is longer; operands count once (Williams, Waterman and Patterson, 2009). Operands \
         that another operation has just left in a cache arrive faster than from memory, so an operation can exceed 100% of \
         the roofline."
            .to_owned(),
        "A thread waits while it runs no task of an operation and another thread does. While no thread runs a task, and \
         between operations, the caller (thread 0) works alone and the others wait."
            .to_owned(),
    ];
    if !report.about.release_build {
        texts.push("This is a debug build: it is slower than a release build.".to_owned());
    }
    markup::paragraphs(&texts)
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::super::report::About;
    use super::*;
    use cke_perf::busy::Busy;
    use cke_perf::counters::Counting;

    #[test]
    fn page_needs_nothing_from_outside() {
        let page = html(&example::report()).replace("http://www.w3.org/2000/svg", "");
        for forbidden in ["http", "src=", "href=", "url(", "@import", "<script", "<link", "<img", "NaN", "inf\""] {
            assert!(!page.contains(forbidden), "{forbidden} in the page");
        }
    }

    #[test]
    fn page_has_every_phase_and_no_raw_names() {
        let page = html(&example::report());
        for expected in
            ["<section id=\"prefill\">", "<section id=\"decode\">", "tiny &lt;3&gt;", "Example CPU &lt;9000&gt;"]
        {
            assert!(page.contains(expected), "no {expected} in the page");
        }
        for part in ["Time by operation", "Thread by thread", "One layer", "Roofline", "Layer by layer"] {
            assert_eq!(page.matches(&format!("<h3>{part}")).count(), 2, "{part}");
        }
        assert!(!page.contains("<3>") && !page.contains("<9000>"));
    }

    #[test]
    fn page_says_what_was_counted_or_why_nothing_was() {
        let mut report = example::report();
        assert!(html(&report).contains("<th class=\"number\">flops/cycle</th>"));
        for phase in &mut report.phases {
            phase.counters = Counting::Unavailable { reason: "this kernel <6> has none".to_owned() };
        }
        let page = html(&report);
        assert!(page.contains("There are no hardware counters: this kernel &lt;6&gt; has none."), "{page}");
        assert!(!page.contains("flops/cycle"));
    }

    #[test]
    fn page_warns_of_a_busy_machine() {
        let mut report = example::report();
        let page_of = |report: &Report, share| {
            let others = Some(Busy { share, cpus: 4 });
            html(&Report { about: About { others, ..report.about.clone() }, ..report.clone() })
        };
        assert!(!html(&report).contains("busy") && !page_of(&report, 0.01).contains("busy"));
        assert!(page_of(&report, 0.5).contains("other programs used 2.0 of 4 CPUs"));
        report.about.others = Some(Busy { share: 0.25, cpus: 4 });
        assert_eq!(serde_json::to_value(&report).unwrap()["about"]["busy_others"], 0.25);
    }

    #[test]
    fn page_elements_are_closed() {
        let page = html(&example::report());
        for name in ["section", "figure", "table", "tr", "td", "th", "div", "p", "h2", "h3", "svg", "text", "title"] {
            let opened = page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "<{name}>");
        }
    }

    #[test]
    fn page_of_nothing_recorded_is_still_a_page() {
        let mut report = example::report();
        for phase in &mut report.phases {
            phase.operations.clear();
            phase.by_name.clear();
        }
        assert!(!html(&report).contains("NaN"));
    }
}
