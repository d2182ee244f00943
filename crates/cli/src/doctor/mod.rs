//! `cke doctor`.

mod advice;
mod kernels;

use self::advice::advice;
use self::kernels::{Family, KernelChoice, choices, families};
use crate::environment::command_help;
use crate::error::CliError;
use crate::output::Output;
use crate::threads::ThreadArgs;
use cke_engine::error::Error;
use cke_kernels::Cpu;
use cke_kernels::cores::{THREAD_VARIABLES, threads_from_environment};
use cke_kernels::scheme::{Bf16, F16, F32, Int4, Int8};
use cke_perf::bandwidth::{buffer_bytes, measure_read_bandwidth};
use cke_perf::counters::{Counters, Event};
use cke_perf::host::Host;
use cke_perf::peak::measure_peak;
use cke_perf::report::{Align, Column, Table, format_bytes};
use cke_perf::throughput::MeasureError;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shows what this machine can do, and what keeps it from full speed
///
/// "Tokens per second, at most" follows from the read bandwidth: text generation reads all weights once per token. `cke bench model`
/// measures a model, `cke inspect` shows the memory that it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct DoctorArgs {
    /// Show everything known about the machine, and which kernels run on it
    #[arg(long)]
    all: bool,
    /// Skip measuring the multiply-add peak and the read bandwidth (about a second)
    #[arg(long)]
    no_measure: bool,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print one JSON object, with everything that --all shows
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke doctor
  cke doctor --all
  CKE_ISA=avx2 cke doctor --no-measure
  cke doctor --json | jq .advice";

/// Smallest buffer to read, bytes: systems do not always tell of every cache.
const LEAST_BUFFER: usize = 64 << 20;

/// Environment variables that change how models run, besides [`THREAD_VARIABLES`].
const VARIABLES: [&str; 3] = ["CKE_ISA", "CKE_REQUIRE_ISA", "CKE_MODEL"];

pub(crate) fn run(args: DoctorArgs) -> Result<(), CliError> {
    let report = Report::new(&args.threads, !args.no_measure)?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.tables(&if args.all { report.everything() } else { report.essentials() })?;
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
    threads: UsedThreads,
    machine: Host,
    counters: HardwareCounters,
    kernels: Vec<KernelChoice>,
    families: Vec<Family>,
    /// `None` if it was not wanted.
    measured: Option<Vec<Measurement>>,
    advice: Vec<String>,
}

/// The number of threads that commands use with these flags and in this environment.
#[derive(Debug, Serialize)]
struct UsedThreads {
    count: usize,
    /// The variable that says so; `None` if the flag does, or if it is one for each core that the process may use.
    variable: Option<&'static str>,
    #[serde(skip)]
    is_given: bool,
}

impl UsedThreads {
    fn new(args: &ThreadArgs) -> Result<UsedThreads, CliError> {
        let (count, is_given) = (args.count()?, args.is_given());
        let variable = threads_from_environment().map(|limit| limit.variable).filter(|_| !is_given);
        Ok(UsedThreads { count, variable, is_given })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(vec![left("threads of a command"), left("from")]);
        table.push(vec![self.count.to_string(), self.source().to_owned()]);
        table
    }

    fn source(&self) -> &'static str {
        match self.variable {
            Some(variable) => variable,
            None if self.is_given => "--threads",
            None => "the cores available to the process",
        }
    }
}

/// What `cke profile` and `cke bench` can count.
#[derive(Debug, Serialize)]
struct HardwareCounters {
    events: Vec<Event>,
    /// Why there are none.
    reason: Option<String>,
}

impl HardwareCounters {
    fn of_system() -> HardwareCounters {
        match Counters::open(&Event::HARDWARE) {
            Ok(counters) => HardwareCounters { events: counters.events().collect(), reason: None },
            Err(error) => HardwareCounters { events: Vec::new(), reason: Some(error.to_string()) },
        }
    }

    fn table(&self) -> Table {
        let names = |counted: bool| {
            let events = Event::HARDWARE.into_iter().filter(|event| self.events.contains(event) == counted);
            events.map(Event::name).collect::<Vec<_>>().join(", ")
        };
        let rows = match &self.reason {
            Some(reason) => vec![("none", reason.clone())],
            None => vec![("available", names(true)), ("not available", names(false))],
        };
        let mut table = Table::new(vec![left("hardware counters"), left("")]);
        for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
            table.push(vec![name.to_owned(), value]);
        }
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
    fn new(threads: &ThreadArgs, has_measurements: bool) -> Result<Report, CliError> {
        let threads = UsedThreads::new(threads)?;
        let cpu = Cpu::host().map_err(Error::from)?;
        let machine = Host::detect(cpu);
        let set = |name| Some((name, std::env::var_os(name)?.to_string_lossy().into_owned()));
        let release_build = !cfg!(debug_assertions);
        let variables = VARIABLES.into_iter().chain(THREAD_VARIABLES).filter_map(set);
        let environment: BTreeMap<_, _> = variables.filter(|(_, value)| !value.is_empty()).collect();
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            release_build,
            counters: HardwareCounters::of_system(),
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
            families: families(cpu).map_err(Error::from)?,
            measured: has_measurements.then(|| measure(cpu, &machine, threads.count)).transpose()?,
            advice: advice(&machine, &threads, environment.get("CKE_ISA").map(String::as_str), release_build),
            environment,
            threads,
            machine,
        })
    }

    /// The summary without `--all`.
    fn essentials(&self) -> String {
        let Report { machine, threads, .. } = self;
        let mut facts = vec![
            ("CPU", machine.cpu.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("instruction set", instruction_set(machine)),
            ("threads", format!("{}, from {}", threads.count, threads.source())),
        ];
        let memory = machine.memory_available_bytes.zip(machine.memory_total_bytes);
        facts.extend(memory.map(|(available, total)| {
            ("memory", format!("{} available of {}", format_bytes(available), format_bytes(total)))
        }));
        if let Some(Measurement { peak_gflops, read_gb_per_s, .. }) = self.measured.as_deref().and_then(<[_]>::last) {
            let tokens = read_gb_per_s * 1e9 / (1u64 << 30) as f64;
            facts.push(("multiply-add peak", format!("{peak_gflops:.0} GFLOP/s in f32")));
            facts.push(("memory read bandwidth", format!("{read_gb_per_s:.1} GB/s")));
            facts.push((
                "tokens per second, at most",
                format!("{tokens:.0} with 1 GiB of weights, {:.0} with 4 GiB", tokens / 4.0),
            ));
        }
        let mut table = Table::new(vec![left("this machine"), left("")]);
        facts.into_iter().for_each(|(name, value)| table.push(vec![name.to_owned(), value]));
        format!(
            "{}\n{}\n{}More about the machine and its kernels: cke doctor --all\n",
            table.to_markdown(),
            kernels::family_table(&self.families).to_markdown(),
            self.advice_text()
        )
    }

    fn advice_text(&self) -> String {
        match &self.advice[..] {
            [] => "No problems found.\n".to_owned(),
            lines => lines.iter().map(|line| format!("- {line}\n")).collect(),
        }
    }

    /// All that is known.
    fn everything(&self) -> String {
        let mut tables = vec![self.machine.table(), self.threads.table(), self.counters.table()];
        if !self.environment.is_empty() {
            let mut table = Table::new(vec![left("environment"), left("")]);
            let rows = self.environment.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
            rows.for_each(|row| table.push(row));
            tables.push(table);
        }
        tables.push(kernels::family_table(&self.families));
        tables.push(kernels::table(&self.kernels));
        tables.extend(self.measured.as_deref().map(measurement_table));
        let sections: String = tables.iter().map(|table| table.to_markdown() + "\n").collect();
        sections + &self.advice_text()
    }
}

/// What is used, and what the CPU has besides.
fn instruction_set(machine: &Host) -> String {
    let Host { isa_used, isa_detected, .. } = machine;
    if isa_used == isa_detected { (*isa_used).to_owned() } else { format!("{isa_used}; the CPU has {isa_detected}") }
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
        Table::new(vec![right("threads"), left("isa"), right("multiply-add peak"), right("memory read bandwidth")]);
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
