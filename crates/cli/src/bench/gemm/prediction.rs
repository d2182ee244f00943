//! `--compare-model`: what was predicted for a board beside what it does.

use super::report::Report;
use crate::error::CliError;
use crate::input::Source;
use crate::output::note;
use cke_perf::counters::Counted;
use cke_perf::peers::{Dtype, Product};
use cke_perf::report::{Align, Column, Format, Record, render};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which prediction to compare with.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PredictionArgs {
    /// Compare with predictions: time the products that FILE predicts for a board, with one thread per core of the board. FILE is
    /// docs/results/arm-model.json, the output of tools/arm/model.sh
    #[arg(
        long,
        value_name = "FILE",
        requires = "board",
        conflicts_with_all = ["shapes", "random", "against", "kernels", "cold", "threads"],
    )]
    compare_model: Option<PathBuf>,
    /// Board in FILE, such as tda4vm, pi4, pi5 or n1
    #[arg(long, value_name = "NAME", requires = "compare_model")]
    board: Option<String>,
}

/// What is taken of the file; the rest is for tables.
#[derive(Debug, Deserialize)]
struct Model {
    kind: String,
    boards: BTreeMap<String, Board>,
}

#[derive(Debug, Deserialize)]
struct Board {
    title: String,
    cores: usize,
    products: Vec<Predicted>,
}

#[derive(Debug, Deserialize)]
struct Predicted {
    scheme: String,
    m: usize,
    n: usize,
    k: usize,
    gflops: f64,
}

/// The prediction of one board in one dtype.
#[derive(Debug)]
pub(super) struct Prediction {
    title: String,
    pub(super) threads: usize,
    /// With GFLOP/s.
    products: Vec<(Product, f64)>,
}

impl PredictionArgs {
    /// The prediction that was asked for, if any.
    ///
    /// # Errors
    /// If the file is not one of predictions, or has none for the board and dtype.
    pub(super) fn read(&self, dtype: Dtype) -> Result<Option<Prediction>, CliError> {
        let (Some(path), Some(name)) = (&self.compare_model, &self.board) else { return Ok(None) };
        let source = Source::new(Some(path));
        let unfit =
            |wanted: &str, found: String| CliError::Content { input: source.name(), wanted: wanted.to_owned(), found };
        let model: Model = serde_json::from_str(&source.text()?)
            .map_err(|error| unfit("predictions of tools/arm/model.sh", error.to_string()))?;
        if model.kind != "arm-model" {
            return Err(unfit("the kind \"arm-model\"", format!("{:?}", model.kind)));
        }
        let names = model.boards.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let board = model.boards.get(name).ok_or_else(|| unfit(&format!("the board {name}"), names))?;
        let of_dtype = board.products.iter().filter(|predicted| predicted.scheme == dtype.name());
        let products = of_dtype.map(Predicted::product).collect::<Option<Vec<_>>>();
        let products = products.ok_or_else(|| unfit("sizes of products and rates above 0", "others".to_owned()))?;
        if products.is_empty() {
            return Err(unfit(&format!("products in {dtype}"), "none".to_owned()));
        }
        if !(1..=MOST_CORES).contains(&board.cores) {
            return Err(unfit("1 to 1024 cores", board.cores.to_string()));
        }
        Ok(Some(Prediction { title: board.title.clone(), threads: board.cores, products }))
    }
}

const MOST_CORES: usize = 1024;

impl Predicted {
    fn product(&self) -> Option<(Product, f64)> {
        let product = format!("{}x{}x{}nt", self.m, self.n, self.k).parse().ok()?;
        (self.gflops.is_finite() && self.gflops > 0.0).then_some((product, self.gflops))
    }
}

impl Prediction {
    /// What is to be timed.
    pub(super) fn products(&self) -> Vec<Product> {
        self.products.iter().map(|(product, _)| *product).collect()
    }

    /// Our own rates of a report beside those that were predicted.
    ///
    /// # Errors
    /// If they cannot be written in that format.
    pub(super) fn render(&self, report: &Report, format: Format) -> Result<String, CliError> {
        let rows: Vec<ComparedRow> = report
            .rows
            .iter()
            .zip(&self.products)
            .map(|(row, &(product, predicted_gflops))| {
                let measured_gflops = row.result.entries.first().and_then(|entry| entry.valid_rate());
                ComparedRow {
                    board: self.title.clone(),
                    dtype: report.dtype,
                    threads: self.threads,
                    m: product.m,
                    n: product.n,
                    k: product.k,
                    measured_gflops,
                    predicted_gflops,
                    share: measured_gflops.map(|measured| measured / predicted_gflops),
                    counted: row.result.entries.first().and_then(|entry| entry.counted.clone()),
                }
            })
            .collect();
        note("predictions are modelled, not measured: please report this output with the board's name and cooling");
        render(&rows, format).map_err(|error| CliError::Failed(error.to_string()))
    }
}

/// A product, measured and predicted.
#[derive(Debug, Serialize)]
struct ComparedRow {
    board: String,
    dtype: Dtype,
    threads: usize,
    m: usize,
    n: usize,
    k: usize,
    /// `None` if the product failed or was wrong.
    measured_gflops: Option<f64>,
    predicted_gflops: f64,
    /// Measured over predicted.
    share: Option<f64>,
    /// What hardware counters said of one call.
    counted: Option<Counted>,
}

impl Record for ComparedRow {
    fn columns() -> Vec<Column> {
        let right =
            ["measured GFLOP/s", "modelled", "measured ÷ modelled"].map(|title| Column::new(title, Align::Right));
        [Column::new("product", Align::Left)].into_iter().chain(right).collect()
    }

    fn cells(&self) -> Vec<String> {
        let number = |x: Option<f64>, digits| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.digits$}"));
        vec![
            format!("{} {}×{}×{}", self.dtype, self.m, self.n, self.k),
            number(self.measured_gflops, 1),
            number(Some(self.predicted_gflops), 1),
            number(self.share, 2),
        ]
    }
}
