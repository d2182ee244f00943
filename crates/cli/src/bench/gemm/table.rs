//! The report as Markdown.

use super::report::{Contestant, ProductRow, Report, Role, ThreadsSummary};
use cke_perf::counters::Ratios;
use cke_perf::peers::{Entry, ShapeResult, Verdict, Weights};
use cke_perf::report::{Align, Column, Table};

/// A table of the products, then one of the libraries and one of what was counted, if any.
pub(super) fn markdown(report: &Report) -> String {
    let columns = Columns {
        has_libraries: report.contestants.iter().any(|contestant| contestant.role == Role::Library),
        has_prepared: report.contestants.iter().any(|contestant| contestant.role == Role::Prepared),
        has_limits: report.weights == Weights::FromMemory,
        has_kernels: report.contestants.iter().any(|contestant| contestant.role == Role::Kernel),
        has_choices: report.rows.iter().any(|row| row.result.entries[0].kernel.is_some()),
        has_vectors: report.rows.iter().any(|row| row.result.read_gb_per_s.is_some()),
        contestants: &report.contestants,
    };
    let mut table = Table::new(columns.heads());
    for summary in &report.summaries {
        let rows = report.rows.iter().filter(|row| row.result.threads == summary.threads);
        rows.for_each(|row| table.push(columns.product(row)));
        table.push(columns.means(summary));
        table.push(columns.worst(summary));
    }
    let libraries = libraries(&report.contestants).map(|table| table.to_markdown());
    [Some(columns.legend()), Some(table.to_markdown()), libraries, counters(report)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

/// What hardware counters said of each contestant; `None` if there are none.
fn counters(report: &Report) -> Option<String> {
    let results = report.rows.iter().map(|row| &row.result);
    let counted = results.flat_map(|result| result.entries.iter().map(move |entry| (result, entry)));
    let names = |result: &ShapeResult, entry: &Entry| {
        vec![result.product.to_string(), result.threads.to_string(), entry.name.clone()]
    };
    let rows: Vec<_> =
        counted.filter_map(|(result, entry)| Some((names(result, entry), &entry.counted.as_ref()?.ratios))).collect();
    Ratios::text(&["M×N×K", "threads", "contestant"], &rows)
}

/// How the libraries describe themselves, if there are any.
pub(super) fn libraries(contestants: &[Contestant]) -> Option<Table> {
    let left = |title| Column::new(title, Align::Left);
    let mut table = Table::new(vec![left("name"), left("library"), left("version"), left("file")]);
    let known = contestants.iter().filter_map(|contestant| Some((&contestant.name, contestant.library.as_ref()?)));
    let mut is_empty = true;
    for (name, library) in known {
        is_empty = false;
        let version = library.version.clone().unwrap_or_default();
        table.push(vec![name.clone(), library.name.clone(), version, library.path.display().to_string()]);
    }
    (!is_empty).then_some(table)
}

/// Which columns there are. Kernels share one.
struct Columns<'a> {
    contestants: &'a [Contestant],
    has_libraries: bool,
    /// Whether our own product is there with rows prepared ahead too.
    has_prepared: bool,
    /// Whether products read memory, so that peak or bandwidth limits them.
    has_limits: bool,
    has_kernels: bool,
    /// Whether our own product tells its kernel.
    has_choices: bool,
    has_vectors: bool,
}

impl Columns<'_> {
    fn heads(&self) -> Vec<Column> {
        let (left, right) = (|title| Column::new(title, Align::Left), |title| Column::new(title, Align::Right));
        let mut heads = vec![left("M×N×K"), right("threads")];
        heads.extend(self.rated().map(|(_, contestant)| right(&contestant.name)));
        heads.extend([right("peak"), right("of peak")]);
        heads.extend(self.has_libraries.then(|| right("ratio")));
        heads.extend(self.has_prepared.then(|| right("rows")));
        heads.extend((self.has_prepared && self.has_libraries).then(|| right("like")));
        heads.extend(self.has_vectors.then(|| [right("GB/s"), right("of bandwidth")]).into_iter().flatten());
        heads.extend(self.has_limits.then(|| right("of limit")));
        heads.extend(self.has_choices.then(|| left("kernel")));
        heads.extend(self.has_kernels.then(|| left("kernels")));
        heads
    }

    /// What the numbers are, above the table.
    fn legend(&self) -> String {
        let mut text = "Rates and peak in GFLOP/s, 2·M·N·K operations for each product".to_owned();
        if self.has_libraries {
            text += "; ratio: CKE divided by the fastest library";
        }
        if self.has_prepared {
            text += "; rows: the share of CKE's time in which A is prepared";
        }
        if self.has_prepared && self.has_libraries {
            text += "; like: the ratio with A prepared ahead";
        }
        text + ".\n"
    }

    /// Those with a column of their own, with their place.
    fn rated(&self) -> impl Iterator<Item = (usize, &Contestant)> {
        self.contestants.iter().enumerate().filter(|(_, contestant)| contestant.role != Role::Kernel)
    }

    fn product(&self, row: &ProductRow) -> Vec<String> {
        let entries = &row.result.entries;
        let mut cells = vec![row.result.product.to_string(), row.result.threads.to_string()];
        cells.extend(self.rated().map(|(i, _)| rate_cell(&entries[i])));
        cells.extend([format!("{:.1}", row.result.peak_gflops), percent(row.share_of_peak)]);
        cells.extend(self.has_libraries.then(|| ratio_cell(row.ratio)));
        cells.extend(self.has_prepared.then(|| percent(row.share_of_rows)));
        cells.extend((self.has_prepared && self.has_libraries).then(|| ratio_cell(row.prepared_ratio)));
        let vectors =
            || [row.gb_per_s.map(|rate| format!("{rate:.1}")).unwrap_or_default(), percent(row.share_of_bandwidth)];
        cells.extend(self.has_vectors.then(vectors).into_iter().flatten());
        cells.extend(self.has_limits.then(|| percent(row.share_of_limit)));
        cells.extend(self.has_choices.then(|| entries[0].kernel.clone().unwrap_or_default()));
        cells.extend(self.has_kernels.then(|| self.kernels(entries)));
        cells
    }

    /// Our kernels, the fastest first, each compared with the one that dispatch chooses.
    fn kernels(&self, entries: &[Entry]) -> String {
        let of_kernels = self.contestants.iter().zip(entries).filter(|(contestant, _)| contestant.role == Role::Kernel);
        let mut rates: Vec<(&str, f64)> =
            of_kernels.filter_map(|(_, entry)| Some((entry.name.as_str(), entry.valid_rate()?))).collect();
        rates.sort_by(|x, y| y.1.total_cmp(&x.1));
        let chosen = entries[0].kernel.as_deref();
        let base =
            rates.iter().find(|(name, _)| Some(*name) == chosen).or(rates.first()).map_or(1.0, |(_, rate)| *rate);
        let text = |&(name, rate): &(&str, f64)| match Some(name) == chosen {
            true => format!("**{name}** {rate:.1}"),
            false => format!("{name} {:+.0}%", 100.0 * (rate / base - 1.0)),
        };
        rates.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    fn means(&self, summary: &ThreadsSummary) -> Vec<String> {
        let rate = |i: usize| summary.gflops[i].map(|rate| format!("{rate:.1}")).unwrap_or_default();
        let rates = self.rated().map(|(i, _)| rate(i)).collect();
        self.summary("geometric mean", summary.threads, rates, summary.share_of_peak, summary.ratio)
    }

    fn worst(&self, summary: &ThreadsSummary) -> Vec<String> {
        let Some(worst) = &summary.worst else { return Vec::new() };
        let rates = self.rated().map(|_| String::new()).collect();
        let title = format!("worst: {}", worst.product);
        self.summary(&title, summary.threads, rates, worst.share_of_peak, worst.ratio)
    }

    fn summary(
        &self,
        title: &str,
        threads: usize,
        rates: Vec<String>,
        share: Option<f64>,
        ratio: Option<f64>,
    ) -> Vec<String> {
        let mut cells = vec![title.to_owned(), threads.to_string()];
        cells.extend(rates);
        cells.extend([String::new(), percent(share)]);
        cells.extend(self.has_libraries.then(|| ratio_cell(ratio)));
        cells
    }
}

fn rate_cell(entry: &Entry) -> String {
    match (&entry.verdict, entry.rate) {
        (Verdict::Right, Some(rate)) => format!("{:.1}", rate.best),
        (Verdict::Wrong { .. }, _) => "WRONG".to_owned(),
        _ => "failed".to_owned(),
    }
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map(|share| format!("{:.1}%", 100.0 * share)).unwrap_or_default()
}

pub(super) fn ratio_cell(ratio: Option<f64>) -> String {
    ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default()
}
