//! What was found on drawn products, and how it is written.

use super::Drawn;
use super::measure::RandomResults;
use super::resume::{FinishedProduct, Header};
use super::table;
use crate::bench::gemm::report::{Contestant, GemmLine, ProductRow};
use crate::date;
use crate::error::CliError;
use cke_perf::peers::result::geometric_mean;
use cke_perf::peers::{Class, Entry, Weights};
use cke_perf::report::{Format, csv};
use cke_perf::stats::quantile;
use serde::Serialize;

/// The low quantile that is reported beside the geometric mean.
const LOW: f64 = 0.05;
/// Products that are listed as the worst.
const WORST: usize = 10;

/// All points, and what they are from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// When the measurement ended.
    date: String,
    #[serde(flatten)]
    settings: Header,
    pub(super) contestants: Vec<Contestant>,
    pub(super) points: Vec<RandomPoint>,
    /// For each number of threads each class, then all together.
    pub(super) summaries: Vec<ClassSummary>,
}

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RandomPoint {
    class: Class,
    /// Whether it was timed a second time, with more rounds, since the first one was below the fastest library.
    timed_again: bool,
    /// Our rate over that of our second entry: the noise.
    own_ratio: Option<f64>,
    #[serde(flatten)]
    pub(super) row: ProductRow,
}

/// The points of one class, or of all, with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClassSummary {
    pub(super) threads: usize,
    /// `None` for all classes together.
    pub(super) class: Option<Class>,
    pub(super) drawn: usize,
    pub(super) measured: usize,
    pub(super) timed_again: usize,
    /// Of the ratios to the fastest library.
    pub(super) ratio: RatioSpread,
    /// Of the ratios to our second entry.
    pub(super) own_ratio: RatioSpread,
    /// Geometric mean.
    pub(super) share_of_peak: Option<f64>,
    pub(super) worst: Vec<WorstProduct>,
}

/// The distribution of ratios.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct RatioSpread {
    pub(super) geometric_mean: Option<f64>,
    pub(super) fifth_percentile: Option<f64>,
}

/// A product on which we do badly against the libraries, or without them against the peak.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WorstProduct {
    pub(super) class: Class,
    /// As `--shapes` takes it.
    pub(super) product: String,
    pub(super) ratio: Option<f64>,
    pub(super) own_ratio: Option<f64>,
    pub(super) share_of_peak: Option<f64>,
    pub(super) fastest_library: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) path: Option<String>,
}

/// A line of the CSV file: one contestant on one product.
#[derive(Debug, Serialize)]
struct RandomLine<'a> {
    class: Class,
    timed_again: bool,
    #[serde(flatten)]
    line: GemmLine<'a>,
}

impl RatioSpread {
    fn of(ratios: impl Iterator<Item = f64>) -> RatioSpread {
        let ratios: Vec<f64> = ratios.collect();
        RatioSpread { geometric_mean: geometric_mean(ratios.iter().copied()), fifth_percentile: quantile(&ratios, LOW) }
    }
}

impl RandomPoint {
    fn new(contestants: &[Contestant], FinishedProduct { class, timed_again, result }: FinishedProduct) -> RandomPoint {
        let own = |i: usize| result.entries.get(i).and_then(Entry::valid_rate);
        let own_ratio = own(0).zip(own(1)).map(|(first, second)| first / second);
        RandomPoint { class, timed_again, own_ratio, row: ProductRow::new(contestants, result) }
    }

    /// The lower, the worse.
    fn score(&self) -> Option<f64> {
        self.row.ratio.or(self.row.share_of_peak)
    }
}

impl From<&RandomPoint> for WorstProduct {
    fn from(RandomPoint { class, own_ratio, row, .. }: &RandomPoint) -> WorstProduct {
        let own = row.result.entries.first();
        WorstProduct {
            class: *class,
            product: row.result.product.to_string(),
            ratio: row.ratio,
            own_ratio: *own_ratio,
            share_of_peak: row.share_of_peak,
            fastest_library: row.fastest_library.clone(),
            kernel: own.and_then(|own| own.kernel.clone()),
            path: own.and_then(|own| own.path.clone()),
        }
    }
}

impl Report {
    /// The report of what was measured.
    pub(super) fn new(
        header: &Header,
        classes: &[Class],
        drawn: &[Drawn],
        thread_counts: &[usize],
        RandomResults { contestants, records }: RandomResults,
    ) -> Report {
        let points: Vec<RandomPoint> =
            records.into_iter().map(|record| RandomPoint::new(&contestants, record)).collect();
        let mut groups: Vec<Option<Class>> = classes.iter().copied().map(Some).collect();
        groups.extend((classes.len() > 1).then_some(None));
        let all = thread_counts.iter().flat_map(|&threads| groups.iter().map(move |&class| (threads, class)));
        let summaries = all.map(|(threads, class)| summary(threads, class, drawn, &points)).collect();
        Report { date: date::now(), settings: header.clone(), contestants, points, summaries }
    }

    /// What was wrong or not computed, a text for each.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.points.iter().flat_map(|point| point.row.failures())
    }

    /// The report in this format.
    ///
    /// # Errors
    /// If the report cannot be serialised, which is a bug.
    pub(super) fn render(&self, format: Format) -> Result<String, CliError> {
        let failed = |error: &dyn std::error::Error| CliError::Failed(error.to_string());
        match format {
            Format::Markdown => Ok(table::markdown(self)),
            Format::Csv => csv(&self.lines()).map_err(|error| failed(&error)),
            Format::Json => serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| failed(&error)),
        }
    }

    fn lines(&self) -> Vec<RandomLine<'_>> {
        let of_point = |point| {
            let &RandomPoint { class, timed_again, ref row, .. } = point;
            row.lines(&self.contestants, Weights::AsLeft).map(move |line| RandomLine { class, timed_again, line })
        };
        self.points.iter().flat_map(of_point).collect()
    }
}

fn summary(threads: usize, class: Option<Class>, drawn: &[Drawn], points: &[RandomPoint]) -> ClassSummary {
    let is_of = |found: Class| class.is_none_or(|class| class == found);
    let mut points: Vec<&RandomPoint> =
        points.iter().filter(|point| point.row.result.threads == threads && is_of(point.class)).collect();
    points.sort_by(|x, y| x.score().unwrap_or(f64::INFINITY).total_cmp(&y.score().unwrap_or(f64::INFINITY)));
    let scored = points.iter().filter(|point| point.score().is_some());
    ClassSummary {
        threads,
        class,
        drawn: drawn.iter().filter(|drawn| is_of(drawn.class)).count(),
        measured: points.len(),
        timed_again: points.iter().filter(|point| point.timed_again).count(),
        ratio: RatioSpread::of(points.iter().filter_map(|point| point.row.ratio)),
        own_ratio: RatioSpread::of(points.iter().filter_map(|point| point.own_ratio)),
        share_of_peak: geometric_mean(points.iter().filter_map(|point| point.row.share_of_peak)),
        worst: scored.take(WORST).map(|&point| WorstProduct::from(point)).collect(),
    }
}
