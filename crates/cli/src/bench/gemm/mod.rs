//! `cke bench gemm`.

pub(super) mod against;
mod measure;
mod prediction;
mod random;
mod report;
mod shapes;
mod table;

use super::format::FormatArgs;
use super::rounds::RoundArgs;
use crate::environment::command_help;
use crate::error::CliError;
use crate::output::{Output, note};
use crate::threads::ThreadCountsArgs;
use against::PeerArgs;
use cke_kernels::Cpu;
use cke_perf::counters::refusal;
use cke_perf::host::Host;
use cke_perf::peers::dtype::INT4_IN_FILES;
use cke_perf::peers::worker::serve_process;
use cke_perf::peers::{Dtype, Entrant, Launcher, Product, Settings, Weights};
use cke_perf::report::format_bytes;
use cke_report::words::counted;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use measure::GemmRun;
use prediction::PredictionArgs;
use random::RandomArgs;

/// Measures matrix products, compared with other libraries and the machine's limits
///
/// Computes row-major C (M, N) = op(A) (M, K) · op(B) (K, N). Every contestant runs in its own process. Each round measures the machine's
/// multiply-add peak, then runs every contestant briefly while the others are idle. Rates are those of the fastest call. Every product is
/// checked; a wrong one is marked WRONG and makes the exit status 1. Libraries get the number of threads through their own variables, and
/// the rest of the environment unchanged; but if CKE_ISA is avx2 on a machine with AVX-512, they are limited to AVX2 too, by
/// OPENBLAS_CORETYPE=Haswell, MKL_ENABLE_INSTRUCTIONS=AVX2, BLIS_ARCH_TYPE=zen3 and ONEDNN_MAX_CPU_ISA=AVX2. A single thread is bound to one
/// CPU. bf16 and int8 are compared with oneDNN only: its matmul, with A and B converted to its own format and layout before the measured
/// time. Products with a vector are also compared with the memory read bandwidth; operands that stay in a cache exceed 100% of it.
/// With packed weights of few bits, cke-packed prepares (rounds) the rows of A within the measured time, cke-prepared before it, as the
/// libraries do: "rows" is the share of cke-packed's time spent preparing them, "like" the rate of cke-prepared over the best library's.
/// After the rounds, every contestant runs once more in another process with hardware counters, if the system allows it.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct GemmBenchArgs {
    /// Products: MxNxK, with nn, nt, tn or tt for transposes and @LDA:LDB:LDC for leading dimensions in elements (without it, rows
    /// have no gaps), or a file with lines "M N K [ta tb]" [default: a suite of products]
    #[arg(short, long, value_name = "FILE|MxNxK[tn][@LDA:LDB:LDC],…")]
    shapes: Option<String>,
    #[command(flatten)]
    random: RandomArgs,
    /// Number format; with --packed, a format of weights: bf16 or f16, or one of few bits with scales (int8, int4, those of GGUF files; q4_0
    /// is int4), for which rows are rounded to eight bits
    #[arg(long, value_name = "DTYPE", default_value = "f32", ignore_case = true, value_parser = dtype(Dtype::ALL))]
    dtype: Dtype,
    #[command(flatten)]
    threads: ThreadCountsArgs,
    #[command(flatten)]
    peers: PeerArgs,
    /// Pack B before the measured time, as models do with their weights
    #[arg(long)]
    packed: bool,
    /// Read packed weights from memory, as text generation does: calls alternate between copies of B that together are four times as large as
    /// the caches. Rates are compared with the limits of peak and read bandwidth, not with libraries
    #[arg(long, requires = "packed", conflicts_with = "against")]
    cold: bool,
    /// Also time every kernel that dispatch can choose, with B packed ahead
    #[arg(long)]
    kernels: bool,
    #[command(flatten)]
    rounds: RoundArgs,
    #[command(flatten)]
    prediction: PredictionArgs,
    #[command(flatten)]
    format: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  cke bench gemm
  cke bench gemm --shapes 64x64x64,128x3072x768nt --against auto -t 1,2
  cke bench gemm --against openblas=/usr/lib/libopenblas.so.0 mkl=/opt/mkl/lib/libmkl_rt.so -o csv > gemm.csv
  cke bench gemm --shapes layers.txt --packed --kernels
  cke bench gemm --shapes 128x3072x768nt,1x3072x768nt --packed --dtype int8
  cke bench gemm --shapes 128x3072x768nt,1x3072x768nt --packed --dtype q4_k
  cke bench gemm --shapes 1x3072x768nt,4x3072x768nt --packed --dtype int8 --cold
  cke bench gemm --shapes 128x3072x768nt --packed --dtype bf16 --against onednn=/opt/onednn/lib/libdnnl.so.3
  cke bench gemm --shapes 8x3072x768nt@1024:768:4096 --against auto
  cke bench gemm --random 40 --seed 7 --class small,skinny,attention --against auto --minutes 30 --resume finished.jsonl
  cke bench gemm --compare-model docs/results/arm-model.json --board pi5 --dtype int8
  CKE_ISA=avx2 cke bench gemm --random 20 --against auto
  cke bench gemm --shapes 256x256x256,1024x1024x1024 --against auto -o json > gemm.json";

/// A choice of number types; its argument ignores case, as GGUF writes them in capitals.
pub(super) fn dtype<const N: usize>(known: [Dtype; N]) -> impl TypedValueParser<Value = Dtype> {
    let possible = |dtype: Dtype| match dtype {
        Dtype::INT4 => PossibleValue::new(dtype.name()).alias(INT4_IN_FILES),
        _ => PossibleValue::new(dtype.name()),
    };
    PossibleValuesParser::new(known.map(possible)).try_map(|name| name.to_ascii_lowercase().parse::<Dtype>())
}

/// How this program starts the processes of a contest: as the hidden subcommand [`run_worker`].
///
/// # Errors
/// If the path of this program cannot be found.
pub(crate) fn launcher() -> Result<Launcher, CliError> {
    let program = std::env::current_exe().map_err(|error| CliError::Failed(format!("the path of cke: {error}")))?;
    Ok(Launcher::new(program, ["bench", super::GEMM_WORKER]))
}

/// The whole life of such a process.
pub(crate) fn run_worker() -> Result<(), CliError> {
    serve_process().map_err(|error| CliError::Failed(error.to_string()))
}

pub(crate) fn run(args: GemmBenchArgs) -> Result<(), CliError> {
    let prediction = args.prediction.read(args.dtype)?;
    let packed = args.packed || prediction.is_some();
    for (flag, is_set) in [("--packed", packed), ("--kernels", args.kernels)] {
        if is_set && args.dtype == Dtype::F64 {
            return Err(CliError::Misuse(format!("{flag}: wanted a --dtype other than f64")));
        }
    }
    if args.dtype.is_of_weights() && !packed {
        return Err(CliError::Misuse(format!(
            "--dtype {0}: wanted --packed, since {0} is a format of packed weights only",
            args.dtype
        )));
    }
    let thread_counts = match &prediction {
        Some(prediction) => vec![prediction.threads],
        None => args.threads.counts()?,
    };
    let cpu = Cpu::host().map_err(|error| CliError::Failed(error.to_string()))?;
    let launcher = launcher()?.with_library_variables(against::library_variables(cpu));
    let own = against::own(packed);
    let prepared = if packed { against::prepared(cpu, args.dtype) } else { None };
    let ours: Vec<Entrant> = [own.clone()].into_iter().chain(prepared).collect();
    let libraries = args.peers.libraries(&ours, args.dtype, &launcher)?;
    if !libraries.is_empty() {
        against::note_instruction_sets(cpu);
    }
    let RoundArgs { rounds, secs } = args.rounds;
    let weights = if args.cold { Weights::FromMemory } else { Weights::AsLeft };
    let settings = Settings { dtype: args.dtype, threads: 1, rounds, seconds: secs, weights };
    if let Some(wanted) = args.random.wanted() {
        let contest = random::RandomBench { launcher: &launcher, cpu, own, libraries, settings };
        return contest.run(wanted, &thread_counts, args.format.format());
    }
    let kernels = if args.kernels { against::kernels(cpu, args.dtype) } else { Vec::new() };
    let products = match &prediction {
        Some(prediction) => prediction.products(),
        None => shapes::products(args.shapes.as_deref())?,
    };
    let entrants: Vec<Entrant> = ours.into_iter().chain(libraries).chain(kernels).collect();
    let copies = weights.memory(cpu);
    check_memory(&products, args.dtype, entrants.len(), copies, &Host::detect(cpu))?;

    let session = GemmRun { launcher: &launcher, cpu, products: &products, entrants: &entrants };
    let report = session.measure(&thread_counts, settings)?;
    if let Some(reason) = &report.no_counters {
        note(&refusal(reason));
    }
    let format = args.format.format();
    let text = match &prediction {
        Some(prediction) => prediction.render(&report, format)?,
        None => report.render(format)?,
    };
    finish(&text, report.failures())
}

/// Writes a report, and fails if a product was wrong or not computed.
fn finish(report: &str, failures: impl Iterator<Item = String>) -> Result<(), CliError> {
    let mut output = Output::new();
    output.tables(report)?;
    output.flush()?;
    match failures.inspect(|failure| note(failure)).count() {
        0 => Ok(()),
        count => Err(CliError::Failed(format!("{} wrong or not computed", counted(count, "product")))),
    }
}

/// Refuses products that would drive the machine out of memory: systems promise more of it than they have. `copies` are the bytes that
/// each contestant needs besides.
fn check_memory(products: &[Product], dtype: Dtype, entrants: usize, copies: u64, host: &Host) -> Result<(), CliError> {
    let Some(available) = host.memory_available_bytes else { return Ok(()) };
    for product in products {
        // B may be there twice, the second time packed.
        let each = product.memory(dtype).saturating_mul(2).saturating_add(copies);
        let wanted = each.saturating_mul(entrants as u64);
        if wanted > available {
            let (wanted, available) = (format_bytes(wanted), format_bytes(available));
            return Err(CliError::Failed(format!(
                "{product} needs about {wanted} of memory for {}, found {available} available: choose smaller products, or fewer \
                 libraries and kernels",
                counted(entrants, "contestant")
            )));
        }
    }
    Ok(())
}
