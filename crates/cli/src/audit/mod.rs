//! `cke audit`.

mod counting;
mod entrants;
mod machine;
mod products;
mod units;

use self::entrants::Entrants;
use self::products::AuditRun;
use crate::bench::gemm::launcher;
use crate::date;
use crate::environment::command_help;
use crate::error::CliError;
use crate::named_library::NamedLibrary;
use crate::numbers;
use crate::output::{Output, note};
use crate::output_file::OutputFile;
use crate::status_line::StatusLine;
use crate::threads::ThreadCountsArgs;
use cke_engine::error::Error;
use cke_kernels::Cpu;
use cke_perf::clock::Stopwatch;
use cke_report::audit::{
    self as report, About, Contestant, Measured, Report, Row, Skipped, UnitRow, suite, unit_layers,
};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Measures this machine's limits, and how close its matrix libraries come to them
///
/// Measures clock, multiply-add peak, bandwidth and latency of every memory level. Then compares f32 products by CKE and by every library
/// found with the roofline, at sizes drawn at random; each library runs in its own process, in interleaved rounds. Products on which a
/// library falls off a cliff are listed. Layers in f32, bf16 and int8 are compared with the peak of each format. The report is one
/// self-contained HTML page; --json prints it as JSON. Run nothing else at the same time.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct AuditArgs {
    /// Fewer products and rounds: seconds instead of a minute or two
    #[arg(long)]
    quick: bool,
    /// Add a library by name and file to those in the usual places
    #[arg(short, long, value_name = "NAME=LIB", num_args = 1.., action = clap::ArgAction::Append)]
    against: Vec<NamedLibrary>,
    /// Do not look for libraries in the usual places, which `cke bench gemm --help` lists
    #[arg(long)]
    no_peers: bool,
    #[command(flatten)]
    threads: ThreadCountsArgs,
    /// Seed of the random sizes [default: a new one each time, shown in the report]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::seed)]
    seed: Option<u64>,
    /// Write the HTML page to FILE
    #[arg(long, value_name = "FILE", default_value = "cke-audit.html")]
    html: PathBuf,
    /// Print one JSON object instead of the summary, with the whole report
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke audit
  cke audit --quick --no-peers --json | jq .machine.peaks
  cke audit --against mkl=/opt/mkl/lib/libmkl_rt.so --html report.html";

/// Seconds for all products with one number of threads.
const SECONDS: f64 = 40.0;
const QUICK_SECONDS: f64 = 8.0;
const ROUNDS: usize = 3;

pub(crate) fn run(args: AuditArgs) -> Result<(), CliError> {
    // Before anything takes time: a report that cannot be written would waste it.
    let page = OutputFile::new(&args.html)?;
    let report = measure(&args)?;
    page.write(&report::page(&report))?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.tables(&report::summary(&report))?;
    }
    output.flush()?;
    note(&format!("{}: report as an HTML page", args.html.display()));
    Ok(())
}

fn measure(args: &AuditArgs) -> Result<Report, CliError> {
    let watch = Stopwatch::start();
    let load_average = machine::load_average();
    let (date, cpu, progress) = (date::now(), Cpu::host().map_err(Error::from)?, StatusLine::new());
    let seed = args.seed.unwrap_or_else(new_seed);
    let (launcher, cases, unit_layers) = (launcher()?, suite(args.quick, seed), unit_layers(args.quick));
    let threads = args.threads.counts()?;

    progress.show("looking for matrix libraries");
    let Entrants { entrants, unusable } = Entrants::find(&args.against, !args.no_peers, &launcher)?;
    let machine = machine::measure(cpu, &threads, args.quick, &progress)?;
    let session = AuditRun {
        launcher: &launcher,
        machine: &machine,
        entrants: &entrants,
        cases: &cases,
        unit_layers: &unit_layers,
        rounds: ROUNDS,
        seconds: if args.quick { QUICK_SECONDS } else { SECONDS } / threads.len() as f64 * 2.0,
    };
    let (products, skipped, contestants) = measure_products(&session, &threads, &progress)?;
    let units = measure_units(&session, &threads, &progress)?;
    let counters = counting::count(cpu, &cases, &progress)?;
    let about = About {
        cke_version: env!("CARGO_PKG_VERSION"),
        release_build: !cfg!(debug_assertions),
        date,
        seconds: watch.seconds(),
        is_quick: args.quick,
        seed,
        load_average,
        rounds: ROUNDS,
        threads,
        skipped,
    };
    Ok(Report::new(Measured { about, machine, contestants, unusable_libraries: unusable, products, units, counters }))
}

/// A short seed that cannot be predicted.
fn new_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since_epoch| u64::from(since_epoch.subsec_micros()))
}

type MeasuredProducts = (Vec<Row>, Vec<Skipped>, Vec<Contestant>);

fn measure_products(
    session: &AuditRun<'_>,
    threads: &[usize],
    progress: &StatusLine,
) -> Result<MeasuredProducts, CliError> {
    let (mut rows, mut skipped, mut contestants) = (Vec::new(), Vec::new(), Vec::new());
    for (i, &count) in threads.iter().enumerate() {
        let outcome = session.measure(count, threads.len() - 1 - i, progress)?;
        rows.extend(outcome.rows);
        skipped.extend(outcome.skipped.into_iter().map(|label| Skipped { label, threads: count }));
        let names = session.entrants.iter().map(|entrant| entrant.name.clone());
        contestants = names.zip(outcome.libraries).map(|(name, library)| Contestant { name, library }).collect();
    }
    Ok((rows, skipped, contestants))
}

fn measure_units(session: &AuditRun<'_>, threads: &[usize], progress: &StatusLine) -> Result<Vec<UnitRow>, CliError> {
    let rows = threads.iter().map(|&threads| session.measure_units(threads, progress));
    Ok(rows.collect::<Result<Vec<_>, _>>()?.concat())
}
