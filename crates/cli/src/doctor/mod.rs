//! `cke doctor`.

mod advice;
mod kernels;

use self::advice::advice;
use self::kernels::{KernelChoice, choices};
use crate::environment::command_help;
use crate::error::CliError;
use crate::output::Output;
use crate::threads;
use cke_engine::error::Error;
use cke_kernels::Cpu;
use cke_kernels::cores::{THREAD_VARIABLES, threads_from_environment};
use cke_kernels::scheme::{Bf16, F16, F32, Int4, Int8};
use cke_perf::bandwidth::{buffer_bytes, measure_read_bandwidth};
use cke_perf::host::Host;
use cke_perf::peak::measure_peak;
use cke_perf::report::{Align, Column, Table};
use cke_perf::throughput::MeasureError;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shows what this machine can do, which kernels run on it, and what is missing
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct DoctorArgs {
    /// Do not measure the multiply-add peak and the read bandwidth, which takes a second or so
    #[arg(long)]
    no_measure: bool,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke doctor
  CKE_ISA=avx2 cke doctor --no-measure
  cke doctor --json | jq .advice";

/// Smallest buffer to read, bytes: systems do not always tell of every cache.
const LEAST_BUFFER: usize = 64 << 20;

/// Environment variables that change how models run, besides [`THREAD_VARIABLES`].
const VARIABLES: [&str; 3] = ["CKE_ISA", "CKE_REQUIRE_ISA", "CKE_MODEL"];

pub(crate) fn run(args: DoctorArgs) -> Result<(), CliError> {
    let report = Report::new(!args.no_measure)?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.write(&report.to_text())?;
    }
    output.flush()
}

/// All findings.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    /// Whether this program was built with optimisations that a release has.
    release_build: bool,
    /// Those of [`VARIABLES`] and [`THREAD_VARIABLES`] that are set.
    environment: BTreeMap<&'static str, String>,
    threads: DefaultThreads,
    machine: Host,
    kernels: Vec<KernelChoice>,
    /// `None` if it was not wanted.
    measured: Option<Vec<Measurement>>,
    advice: Vec<String>,
}

/// The number of threads that commands use without `--threads`.
#[derive(Debug, Serialize)]
struct DefaultThreads {
    count: usize,
    /// The variable that says so; `None` if it is one for each core that the process may use.
    variable: Option<&'static str>,
}

impl DefaultThreads {
    fn of_environment() -> Result<DefaultThreads, CliError> {
        let count = threads::default_count()?;
        Ok(DefaultThreads { count, variable: threads_from_environment().map(|limit| limit.variable) })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(vec![left("threads of a command"), left("by")]);
        let source = self.variable.unwrap_or("the cores that the process may use");
        table.push(vec![self.count.to_string(), source.to_owned()]);
        table
    }
}

/// What the machine does with a number of threads.
#[derive(Debug, Serialize)]
struct Measurement {
    threads: usize,
    isa: &'static str,
    peak_gflops: f64,
    read_gb_per_s: f64,
}

impl Report {
    fn new(has_measurements: bool) -> Result<Report, CliError> {
        let threads = DefaultThreads::of_environment()?;
        let cpu = Cpu::host().map_err(Error::from)?;
        let machine = Host::detect(cpu);
        let set = |name| Some((name, std::env::var_os(name)?.to_string_lossy().into_owned()));
        let release_build = !cfg!(debug_assertions);
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            release_build,
            environment: VARIABLES
                .into_iter()
                .chain(THREAD_VARIABLES)
                .filter_map(set)
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            kernels: [
                choices::<F32>(cpu),
                choices::<Bf16>(cpu),
                choices::<F16>(cpu),
                choices::<Int8>(cpu),
                choices::<Int4>(cpu),
            ]
            .into_iter()
            .flatten()
            .collect(),
            measured: has_measurements.then(|| measure(cpu, &machine, threads.count)).transpose()?,
            advice: advice(&machine, &threads, release_build),
            threads,
            machine,
        })
    }

    fn to_text(&self) -> String {
        let mut tables = vec![self.machine.table(), self.threads.table()];
        if !self.environment.is_empty() {
            let mut table = Table::new(vec![left("environment"), left("")]);
            let rows = self.environment.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
            rows.for_each(|row| table.push(row));
            tables.push(table);
        }
        tables.push(kernels::table(&self.kernels));
        tables.extend(self.measured.as_deref().map(measurement_table));
        let sections: String = tables.iter().map(|table| table.to_markdown() + "\n").collect();
        let advice = match &self.advice[..] {
            [] => "Nothing is missing.\n".to_owned(),
            lines => lines.iter().map(|line| format!("- {line}\n")).collect(),
        };
        sections + &advice
    }
}

/// The ceilings with one thread and with as many as commands use.
fn measure(cpu: &Cpu, machine: &Host, threads: usize) -> Result<Vec<Measurement>, CliError> {
    let mut counts = vec![1, threads];
    counts.dedup();
    let usual = buffer_bytes(machine.last_level_cache_bytes, machine.memory_available_bytes);
    // Filling the usual buffer would take longer than reading it; four times the caches is as much as is needed.
    let needed = machine.last_level_cache_bytes.map_or(usual, |caches| (4 * caches as usize).max(LEAST_BUFFER));
    let buffer_bytes = usual.min(needed);
    let measurement = |threads| -> Result<Measurement, MeasureError> {
        let peak = measure_peak(cpu.detected_isa(), threads)?;
        let bandwidth = measure_read_bandwidth(threads, buffer_bytes)?;
        let (peak_gflops, read_gb_per_s) = (peak.gflops, bandwidth.gb_per_s);
        Ok(Measurement { threads, isa: peak.isa.name(), peak_gflops, read_gb_per_s })
    };
    let measured: Result<_, MeasureError> = counts.into_iter().map(measurement).collect();
    measured.map_err(|error| CliError::Failed(error.to_string()))
}

fn measurement_table(measured: &[Measurement]) -> Table {
    let mut table =
        Table::new(vec![right("threads"), left("isa"), right("multiply-add peak"), right("read from memory")]);
    for Measurement { threads, isa, peak_gflops, read_gb_per_s } in measured {
        let (peak, read) = (format!("{peak_gflops:.1} GFLOP/s"), format!("{read_gb_per_s:.1} GB/s"));
        table.push(vec![threads.to_string(), (*isa).to_owned(), peak, read]);
    }
    table
}

fn left(title: &str) -> Column {
    Column::new(title, Align::Left)
}

fn right(title: &str) -> Column {
    Column::new(title, Align::Right)
}
