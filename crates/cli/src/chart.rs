//! `cke chart`: pictures of committed results.

use crate::error::CliError;
use crate::input::Source;
use crate::numbers;
use crate::output::Output;
use crate::output_file::OutputFile;
use cke_report::results::{self, Choice};
use std::path::PathBuf;

/// Draws a chart of results as SVG: CKE beside other programs
///
/// RESULTS.json is the output of cke bench gemm -o json or of tools/peers/peers.py. Each group of bars is one product or one test of a model
/// at one thread count; the line across a bar marks the hardware limit. Colours follow the reader's light or dark colour scheme.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChartArgs {
    /// File with the results; - is standard input
    #[arg(value_name = "RESULTS.json")]
    results: PathBuf,
    /// Products to draw, or the test suite of models
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Option<Vec<String>>,
    /// Thread counts to draw [default: all that were measured]
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = numbers::threads,
    )]
    threads: Option<Vec<usize>>,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cke chart docs/results/gemm-1-threads.json --only 64x64x64,128x3072x768nt --out gemm.svg
  cke chart docs/results/models.json --only bert --threads 1,2 --out bert.svg";

/// Width of the picture, CSS pixels.
const WIDTH: f64 = 760.0;

pub(crate) fn run(args: ChartArgs) -> Result<(), CliError> {
    let source = Source::new(Some(&args.results));
    let choice = Choice { only: args.only, threads: args.threads };
    let chart = results::chart(&source.text()?, &choice).map_err(|error| CliError::of_results(error, source))?;
    let svg = chart.draw(WIDTH).standalone();
    match &args.out {
        Some(path) => OutputFile::new(path)?.write(&svg),
        None => {
            let mut output = Output::new();
            output.write(&svg)?;
            output.flush()
        }
    }
}
