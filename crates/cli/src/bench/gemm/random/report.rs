//! What was found on drawn products, and how it is written.

use super::Drawn;
use super::measure::Measured;
use super::resume::{Header, Record};
use super::table;
use crate::bench::gemm::report::{Contestant, Line, Row};
use crate::date;
use crate::error::CliError;
use cke_perf::peers::result::geometric_mean;
use cke_perf::peers::{Class, Entry};
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
    pub(super) points: Vec<Point>,
    /// For each number of threads each class, then all together.
    pub(super) summaries: Vec<Summary>,
}

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    class: Class,
    /// Whether it was timed a second time, with more rounds, since the first one was below the fastest library.
    timed_again: bool,
    /// Our rate over that of our second entry: the noise.
    own_ratio: Option<f64>,
    #[serde(flatten)]
    pub(super) row: Row,
}

/// The points of one class, or of all, with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) threads: usize,
    /// `None` for all classes together.
    pub(super) class: Option<Class>,
    pub(super) drawn: usize,
    pub(super) measured: usize,
    pub(super) timed_again: usize,
    /// Of the ratios to the fastest library.
    pub(super) ratio: Spread,
    /// Of the ratios to our second entry.
    pub(super) own_ratio: Spread,
    /// Geometric mean.
    pub(super) share_of_peak: Option<f64>,
    pub(super) worst: Vec<Worst>,
}

/// Where ratios lie.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Spread {
    pub(super) geometric_mean: Option<f64>,
    pub(super) fifth_percentile: Option<f64>,
}

/// A product on which we do badly against the libraries, or without them against the peak.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Worst {
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
struct PointLine<'a> {
    class: Class,
    timed_again: bool,
    #[serde(flatten)]
    line: Line<'a>,
}

impl Spread {
    fn of(ratios: impl Iterator<Item = f64>) -> Spread {
        let ratios: Vec<f64> = ratios.collect();
        Spread { geometric_mean: geometric_mean(ratios.iter().copied()), fifth_percentile: quantile(&ratios, LOW) }
    }
}

impl Point {
    fn new(contestants: &[Contestant], Record { class, timed_again, result }: Record) -> Point {
        let own = |i: usize| result.entries.get(i).and_then(Entry::valid_rate);
        let own_ratio = own(0).zip(own(1)).map(|(first, second)| first / second);
        Point { class, timed_again, own_ratio, row: Row::new(contestants, result) }
    }

    /// What is worst where it is least.
    fn score(&self) -> Option<f64> {
        self.row.ratio.or(self.row.share_of_peak)
    }
}

impl From<&Point> for Worst {
    fn from(Point { class, own_ratio, row, .. }: &Point) -> Worst {
        let own = row.result.entries.first();
        Worst {
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
        Measured { contestants, records }: Measured,
    ) -> Report {
        let points: Vec<Point> = records.into_iter().map(|record| Point::new(&contestants, record)).collect();
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
    /// None but for errors of ours.
    pub(super) fn render(&self, format: Format) -> Result<String, CliError> {
        let failed = |error: &dyn std::error::Error| CliError::Failed(error.to_string());
        match format {
            Format::Markdown => Ok(table::markdown(self)),
            Format::Csv => csv(&self.lines()).map_err(|error| failed(&error)),
            Format::Json => serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| failed(&error)),
        }
    }

    fn lines(&self) -> Vec<PointLine<'_>> {
        let of_point = |point| {
            let &Point { class, timed_again, ref row, .. } = point;
            row.lines(&self.contestants).map(move |line| PointLine { class, timed_again, line })
        };
        self.points.iter().flat_map(of_point).collect()
    }
}

fn summary(threads: usize, class: Option<Class>, drawn: &[Drawn], points: &[Point]) -> Summary {
    let is_of = |found: Class| class.is_none_or(|class| class == found);
    let mut points: Vec<&Point> =
        points.iter().filter(|point| point.row.result.threads == threads && is_of(point.class)).collect();
    points.sort_by(|x, y| x.score().unwrap_or(f64::INFINITY).total_cmp(&y.score().unwrap_or(f64::INFINITY)));
    let scored = points.iter().filter(|point| point.score().is_some());
    Summary {
        threads,
        class,
        drawn: drawn.iter().filter(|drawn| is_of(drawn.class)).count(),
        measured: points.len(),
        timed_again: points.iter().filter(|point| point.timed_again).count(),
        ratio: Spread::of(points.iter().filter_map(|point| point.row.ratio)),
        own_ratio: Spread::of(points.iter().filter_map(|point| point.own_ratio)),
        share_of_peak: geometric_mean(points.iter().filter_map(|point| point.row.share_of_peak)),
        worst: scored.take(WORST).map(|&point| Worst::from(point)).collect(),
    }
}
