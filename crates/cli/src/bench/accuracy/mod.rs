//! `cke bench accuracy`.

mod report;

use super::format::FormatArgs;
use super::gemm::against::PeerArgs;
use super::gemm::{dtype, launcher};
use super::progress::ProgressLine;
use crate::environment::command_help;
use crate::error::CliError;
use crate::output::Output;
use crate::threads::ThreadArgs;
use cke_kernels::Cpu;
use cke_perf::host::Host;
use cke_perf::peers::{Data, Dtype, Entrant, Extent, Study, Subject, Sums};
use cke_perf::report::format_bytes;
use clap::builder::RangedU64ValueParser;
use report::Report;

/// Measures the rounding error of long sums, compared with other libraries
///
/// Measures sums of K products in every way that CKE computes them: products with B packed ahead or not, batches, blocks along K, single
/// rows, attention over K positions. An element's error is |found − exact| divided by the sum of its products' absolute values. Libraries
/// get the same numbers: the same products and rows, and for attention two products with a softmax between them, each step of which rounds
/// once. Tables show the ratio to a library's errors, of the root mean square and, in brackets, of the largest error; without a library,
/// they show the errors. All lengths in f64 take half an hour.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct AccuracyArgs {
    /// Lengths of the sums, 1 to 4000000
    #[arg(
        short,
        long = "lengths",
        value_name = "K,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "64,128,256,512,1024,2048,4096,16384,65536,262144,1000000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=4_000_000),
    )]
    k: Vec<usize>,
    /// Number format
    #[arg(long, value_name = "DTYPE", default_value = "f32", ignore_case = true, value_parser = dtype(Dtype::OF_MATRICES))]
    dtype: Dtype,
    #[command(flatten)]
    peers: PeerArgs,
    /// Minimum number of elements for each length, over all seeds, 1 to 1000000000
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "100000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000_000),
    )]
    elements: usize,
    /// Minimum number of samples for each length, each with its own random numbers, 1 to 1000
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "3",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000),
    )]
    seeds: usize,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    format: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  cke bench accuracy --lengths 64,4096 --against auto
  cke bench accuracy --dtype f64 --against openblas=/usr/lib/libopenblas.so.0 -o json > f64.json
  cke bench accuracy --lengths 1000000 --elements 2000 --seeds 1";

/// Distributions whose sums behave in different ways.
const DATA: [Data; 2] = [Data::Normal, Data::Positive];

pub(crate) fn run(args: AccuracyArgs) -> Result<(), CliError> {
    let threads = args.threads.count_to_run(false)?;
    let extent = Extent { dtype: args.dtype, elements: args.elements, seeds: args.seeds, threads };
    let cpu = Cpu::host().map_err(|error| CliError::Failed(error.to_string()))?;
    check_memory(&args, &Host::detect(cpu))?;
    let launcher = launcher()?;
    let libraries = args.peers.libraries(&[Entrant::new("cke", Subject::Gemm)], args.dtype, &launcher)?;
    let mut study = Study::start(&launcher, &libraries, extent)?;
    let mut report = Report::new(cpu, extent, &libraries, study.libraries());

    let cases: Vec<(Data, usize, Sums)> = cases(&args).collect();
    let progress = ProgressLine::new(cases.len());
    for (data, k, sums) in cases {
        progress.show(format!("{}, {}, K = {k}", sums.name(), data.name()));
        report.add(study.measure(sums, data, k)?);
        progress.advance();
    }
    drop(progress);
    let mut output = Output::new();
    output.tables(&report.render(args.format.format())?)?;
    output.flush()
}

/// Everything to measure, in the order of the tables.
fn cases(args: &AccuracyArgs) -> impl Iterator<Item = (Data, usize, Sums)> {
    let lengths = DATA.into_iter().flat_map(|data| args.k.iter().map(move |&k| (data, k)));
    lengths
        .flat_map(|(data, k)| Sums::ALL.into_iter().map(move |sums| (data, k, sums)))
        .filter(|&(_, k, sums)| sums.knows(args.dtype) && k <= sums.longest())
}

/// Refuses sums whose operands would drive the machine out of memory: systems promise more of it than they have.
fn check_memory(args: &AccuracyArgs, host: &Host) -> Result<(), CliError> {
    let Some(available) = host.memory_available_bytes else { return Ok(()) };
    let per_seed = args.elements.div_ceil(args.seeds);
    let elements = cases(args).map(|(_, k, sums)| sums.elements_in_memory(per_seed, k)).max().unwrap_or(0);
    // They are here and with one contestant, where B may be there a second time, packed or transposed.
    let wanted = (elements as u64).saturating_mul(3 * args.dtype.bytes() as u64);
    if wanted > available {
        let (wanted, available) = (format_bytes(wanted), format_bytes(available));
        return Err(CliError::Failed(format!(
            "these sums need about {wanted} of memory, found {available} available: use fewer --elements, more --seeds or \
             shorter --lengths"
        )));
    }
    Ok(())
}
