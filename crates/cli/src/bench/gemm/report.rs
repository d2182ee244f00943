//! What `cke bench gemm` found, and how it is written.

use super::table;
use crate::date;
use crate::error::CliError;
use cke_kernels::Cpu;
use cke_kernels::cpu::CoreFamily;
use cke_perf::peers::result::geometric_mean;
use cke_perf::peers::{Dtype, Entrant, Entry, Library, Product, Settings, ShapeResult, Subject, Verdict, Weights};
use cke_perf::report::{Format, csv};
use serde::Serialize;

/// All results, and what they are from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// When the contest began.
    date: String,
    cpu: String,
    /// The family of its cores, if it is known: in virtual machines `cpu` leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    core_family: Option<&'static str>,
    /// Instruction set that our own kernels use.
    isa: &'static str,
    pub(super) dtype: Dtype,
    /// From where they are read.
    pub(super) weights: Weights,
    rounds: usize,
    seconds_per_round: f64,
    /// Why nothing was counted, if nothing was.
    pub(super) no_counters: Option<String>,
    pub(super) contestants: Vec<Contestant>,
    /// Every number of threads, and for each every product.
    pub(super) rows: Vec<ProductRow>,
    /// One for each number of threads.
    pub(super) summaries: Vec<ThreadsSummary>,
}

/// A contestant.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) role: Role,
    /// The library's description of itself.
    pub(super) library: Option<Library>,
}

/// The part of a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Our own product, with the kernel that dispatch chooses.
    Own,
    /// The same with rows prepared ahead.
    Prepared,
    Library,
    /// One of our kernels.
    Kernel,
}

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProductRow {
    #[serde(flatten)]
    pub(super) result: ShapeResult,
    /// Our best rate over the measured peak.
    pub(super) share_of_peak: Option<f64>,
    /// The best of the libraries, and our best rate over its.
    pub(super) fastest_library: Option<String>,
    pub(super) ratio: Option<f64>,
    /// A, B and C moved once in our best time, GB/s, and over the measured read bandwidth.
    pub(super) gb_per_s: Option<f64>,
    pub(super) share_of_bandwidth: Option<f64>,
    /// Our best rate over what peak and read bandwidth allow, whichever allows less.
    pub(super) share_of_limit: Option<f64>,
    /// Preparing the rows of A as a share of our best time.
    pub(super) share_of_rows: Option<f64>,
    /// With rows prepared ahead: our best rate over the measured peak, and over that of the best library.
    pub(super) prepared_share_of_peak: Option<f64>,
    pub(super) prepared_ratio: Option<f64>,
}

/// All products with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ThreadsSummary {
    pub(super) threads: usize,
    /// Geometric mean of the best rates of each contestant, GFLOP/s, over its right products.
    pub(super) gflops: Vec<Option<f64>>,
    /// Geometric means of ours.
    pub(super) share_of_peak: Option<f64>,
    pub(super) ratio: Option<f64>,
    /// The product on which we do worst against the libraries, or without them against the peak.
    pub(super) worst: Option<WorstRow>,
}

/// The row on which we do worst, in short.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WorstRow {
    pub(super) product: Product,
    pub(super) share_of_peak: Option<f64>,
    pub(super) ratio: Option<f64>,
}

/// A line of the CSV file: one contestant on one product.
#[derive(Debug, Serialize)]
pub(super) struct GemmLine<'a> {
    threads: usize,
    m: usize,
    n: usize,
    k: usize,
    transpose_a: bool,
    transpose_b: bool,
    lda: usize,
    ldb: usize,
    ldc: usize,
    dtype: Dtype,
    weights: Weights,
    contestant: &'a str,
    role: Role,
    version: Option<&'a str>,
    kernel: Option<&'a str>,
    path: Option<&'a str>,
    verdict: &'static str,
    best_gflops: Option<f64>,
    median_gflops: Option<f64>,
    spread: Option<f64>,
    peak_gflops: f64,
    share_of_peak: Option<f64>,
    gb_per_s: Option<f64>,
    read_gb_per_s: Option<f64>,
    rows_seconds: Option<f64>,
}

impl Contestant {
    /// What this entrant is, before its process has described the library.
    pub(super) fn new(entrant: &Entrant) -> Contestant {
        let role = match entrant.subject {
            Subject::Gemm | Subject::Plan | Subject::Batch | Subject::BatchReduce => Role::Own,
            Subject::Prepared => Role::Prepared,
            Subject::Library(_) => Role::Library,
            Subject::Kernel(_) => Role::Kernel,
        };
        Contestant { name: entrant.name.clone(), role, library: None }
    }
}

impl ProductRow {
    /// Compares our first entry with the machine and with the fastest library.
    pub(super) fn new(contestants: &[Contestant], result: ShapeResult) -> ProductRow {
        let rates = |role: Role| {
            let entries =
                contestants.iter().zip(&result.entries).filter(move |(contestant, _)| contestant.role == role);
            entries.filter_map(|(_, entry)| Some((entry.name.as_str(), entry.valid_rate()?)))
        };
        let own = result.entries.first().and_then(Entry::valid_rate);
        let prepared = rates(Role::Prepared).next().map(|(_, rate)| rate);
        let rows = result.entries.iter().find_map(|entry| entry.rows_seconds);
        let flops = result.product.work(result.dtype).flops as f64;
        let library = rates(Role::Library).max_by(|x, y| x.1.total_cmp(&y.1));
        let bandwidth = result.read_gb_per_s;
        let gb_per_s = own.filter(|_| bandwidth.is_some()).map(|rate| result.gb_per_s(rate));
        ProductRow {
            share_of_peak: own.map(|rate| result.share_of_peak(rate)),
            fastest_library: library.map(|(name, _)| name.to_owned()),
            ratio: own.zip(library).map(|(own, (_, library))| own / library),
            gb_per_s,
            share_of_bandwidth: gb_per_s.zip(bandwidth).map(|(rate, most)| rate / most),
            share_of_limit: own.and_then(|rate| result.share_of_limit(rate)),
            share_of_rows: own.zip(rows).map(|(rate, seconds)| seconds / (flops / rate / 1e9)),
            prepared_share_of_peak: prepared.map(|rate| result.share_of_peak(rate)),
            prepared_ratio: prepared.zip(library).map(|(rate, (_, library))| rate / library),
            result,
        }
    }

    /// What was wrong or not computed, a text for each.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.result.entries.iter().filter_map(|entry| failure(&self.result, entry))
    }

    /// A line of the CSV file for each contestant.
    pub(super) fn lines<'a>(
        &'a self,
        contestants: &'a [Contestant],
        weights: Weights,
    ) -> impl Iterator<Item = GemmLine<'a>> {
        contestants.iter().enumerate().map(move |(i, contestant)| line(contestant, weights, self, i))
    }
}

impl Report {
    /// A report without results.
    pub(super) fn new(cpu: &Cpu, settings: Settings, entrants: &[Entrant]) -> Report {
        Report {
            date: date::now(),
            cpu: cpu.brand().to_owned(),
            core_family: Some(cpu.core_family()).filter(|&family| family != CoreFamily::Other).map(CoreFamily::name),
            isa: cpu.isa().name(),
            dtype: settings.dtype,
            weights: settings.weights,
            rounds: settings.rounds,
            seconds_per_round: settings.seconds,
            no_counters: None,
            contestants: entrants.iter().map(Contestant::new).collect(),
            rows: Vec::new(),
            summaries: Vec::new(),
        }
    }

    /// Adds the results with one number of threads.
    pub(super) fn add(&mut self, threads: usize, results: Vec<ShapeResult>) {
        let rows: Vec<ProductRow> =
            results.into_iter().map(|result| ProductRow::new(&self.contestants, result)).collect();
        self.summaries.push(self.summary(threads, &rows));
        self.rows.extend(rows);
    }

    fn summary(&self, threads: usize, rows: &[ProductRow]) -> ThreadsSummary {
        let entries = |i: usize| rows.iter().filter_map(move |row| row.result.entries[i].valid_rate());
        let score = |row: &ProductRow| row.ratio.or(row.share_of_peak);
        let worst = rows.iter().filter(|row| score(row).is_some()).min_by(|x, y| {
            let score = |row| score(row).unwrap_or(f64::INFINITY);
            score(x).total_cmp(&score(y))
        });
        ThreadsSummary {
            threads,
            gflops: (0..self.contestants.len()).map(|i| geometric_mean(entries(i))).collect(),
            share_of_peak: geometric_mean(rows.iter().filter_map(|row| row.share_of_peak)),
            ratio: geometric_mean(rows.iter().filter_map(|row| row.ratio)),
            worst: worst.map(|row| WorstRow {
                product: row.result.product,
                share_of_peak: row.share_of_peak,
                ratio: row.ratio,
            }),
        }
    }

    /// What was wrong or not computed, a text for each.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.rows.iter().flat_map(ProductRow::failures)
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

    fn lines(&self) -> Vec<GemmLine<'_>> {
        self.rows.iter().flat_map(|row| row.lines(&self.contestants, self.weights)).collect()
    }
}

fn line<'a>(contestant: &'a Contestant, weights: Weights, row: &'a ProductRow, i: usize) -> GemmLine<'a> {
    let ShapeResult { product, dtype, threads, peak_gflops, read_gb_per_s, ref entries } = row.result;
    let Entry { ref name, ref kernel, ref path, rate, rows_seconds, ref verdict, .. } = entries[i];
    let (Product { m, n, k, transpose_a, transpose_b, .. }, leading) = (product, product.leading_dimensions());
    GemmLine {
        threads,
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        lda: leading.a,
        ldb: leading.b,
        ldc: leading.c,
        dtype,
        weights,
        contestant: name,
        role: contestant.role,
        version: contestant.library.as_ref().and_then(|library| library.version.as_deref()),
        kernel: kernel.as_deref(),
        path: path.as_deref(),
        verdict: match verdict {
            Verdict::Right => "right",
            Verdict::Wrong { .. } => "wrong",
            Verdict::Failed { .. } => "failed",
        },
        best_gflops: rate.map(|rate| rate.best),
        median_gflops: rate.map(|rate| rate.median),
        spread: rate.map(|rate| rate.spread),
        peak_gflops,
        share_of_peak: rate.map(|rate| row.result.share_of_peak(rate.best)),
        gb_per_s: rate.filter(|_| read_gb_per_s.is_some()).map(|rate| row.result.gb_per_s(rate.best)),
        read_gb_per_s,
        rows_seconds,
    }
}

fn failure(result: &ShapeResult, entry: &Entry) -> Option<String> {
    let ShapeResult { product, threads, .. } = result;
    let Entry { name, verdict, .. } = entry;
    let what = match verdict {
        Verdict::Right => return None,
        Verdict::Wrong { error: Some(error) } => format!("WRONG, error is {error:.1} times what rounding explains"),
        Verdict::Wrong { error: None } => {
            let gaps = if product.leading.is_some() { ", or writes between the rows of C" } else { "" };
            format!("WRONG, with elements that are not finite or were not written{gaps}")
        }
        // It begins with the name.
        Verdict::Failed { reason } => return Some(format!("{reason} ({product}, threads: {threads})")),
    };
    Some(format!("{name}: {what} ({product}, threads: {threads})"))
}
