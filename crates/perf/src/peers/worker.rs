//! The life of a contestant's process: requests in, answers out.

use super::dtype::{Dtype, bits};
use super::protocol::{Answer, Request};
use super::session::{TimedSubject, open};
use super::turn;
use crate::affinity;
use crate::arithmetic::Arithmetic;
use crate::bandwidth::{buffer_bytes, measure_read_bandwidth};
use crate::cache_bandwidth::BandwidthPoint;
use crate::counters::{CounterError, Counters, Event};
use crate::host::Host;
use crate::throughput::MeasureError;
use cke_kernels::Cpu;
use cke_kernels::cpu::CpuError;
use std::io::{self, BufRead, Write};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error("it cannot be loaded: {reason}")]
    Load { reason: String },
    #[error("wanted a library with cblas_sgemm, scipy_cblas_sgemm or dnnl_sgemm, found none of them")]
    NoProduct,
    #[error("it has no {symbol}")]
    NoRoutine { symbol: String },
    #[error("wanted oneDNN 3, whose matmul has products in bf16 and int8, found {library} for {dtype}")]
    NotInLibrary { library: String, dtype: Dtype },
    #[error("wanted oneDNN 3, found version {found}")]
    OnednnVersion { found: i32 },
    #[error(
        "wanted a oneDNN that computes in the calling process (built for OpenMP, TBB or one thread), found one built for SYCL, \
         which needs an OpenCL driver for the CPU"
    )]
    OnednnRuntime,
    #[error("this CPU has no kernel {name}")]
    NoKernel { name: String },
    #[error("wanted a format other than f64 for products with B packed ahead")]
    NotPacked,
    #[error("wanted a product with B packed ahead, the only one in {dtype}")]
    OnlyPacked { dtype: Dtype },
    #[error("wanted a format of packed weights, for which rows are prepared, found {dtype}")]
    NotPreparedAhead { dtype: Dtype },
    #[error("wanted a product of ours with B packed ahead, the only one with copies of it in memory")]
    OnlyPackedFromMemory,
    #[error("wanted f32, the only format of attention")]
    NoAttention,
    #[error("wanted at most as many queries as positions")]
    ManyQueries,
    #[error("wanted operands that are not transposed: blocks along k support no transposes")]
    Transposed,
    #[error("its integers cannot hold the size {found}")]
    Size { found: usize },
    #[error("its product function returned error {status}")]
    Status { status: i32 },
    #[error("no product was prepared yet")]
    NotPrepared,
    #[error("no library or kernel was opened yet")]
    NotOpened,
    #[error("no hardware counters were opened yet")]
    NoCounters,
    #[error(transparent)]
    Counters(#[from] CounterError),
    #[error(transparent)]
    Kernels(#[from] cke_kernels::Error),
    #[error(transparent)]
    Cpu(#[from] CpuError),
    #[error(transparent)]
    Measure(#[from] crate::throughput::MeasureError),
}

/// Answers the requests of standard input on standard output, to be the whole life of a process that a
/// [`Launcher`](super::Launcher) started. Whatever else the process prints goes to standard error, since libraries may print
/// what they like.
///
/// # Errors
/// If standard input cannot be read or standard output not be written.
pub fn serve_process() -> io::Result<()> {
    turn::end_with_parent();
    serve(io::stdin().lock(), turn::take_standard_output()?)
}

/// Answers requests, one on each line, until there are no more.
///
/// # Errors
/// If `requests` cannot be read or `answers` not be written.
fn serve(requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let mut worker = Worker::default();
    for line in requests.lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(request) => worker.answer(request).unwrap_or_else(|error| failed(&error)),
            Err(error) => failed(&error),
        };
        serde_json::to_writer(&mut answers, &answer)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

fn failed(error: &dyn std::error::Error) -> Answer {
    Answer::Failed { reason: error.to_string() }
}

/// What lasts from request to request.
#[derive(Default)]
struct Worker {
    session: Option<Box<dyn TimedSubject>>,
    counters: Option<Counters>,
}

impl Worker {
    fn answer(&mut self, request: Request) -> Result<Answer, WorkerError> {
        let opened = self.session.as_deref_mut().ok_or(WorkerError::NotOpened);
        match request {
            Request::Bind { cpu } => {
                // A refusal leaves a valid, if noisier, measurement.
                affinity::pin_to(cpu);
                Ok(Answer::Done)
            }
            Request::OpenCounters => {
                self.counters = Some(Counters::open_with_later_threads(&Event::HARDWARE)?);
                Ok(Answer::Done)
            }
            Request::Open { subject, dtype, threads, weights } => {
                let (made, library) = open(subject, dtype, threads, weights)?;
                self.session = Some(made);
                Ok(Answer::Opened(library))
            }
            Request::Prepare(product) => opened?.prepare(product),
            Request::Time { seconds } => opened?.time(seconds),
            Request::Count { seconds } => {
                opened?.count(seconds, self.counters.as_mut().ok_or(WorkerError::NoCounters)?)
            }
            Request::Check => opened?.check(),
            Request::Compute(sample) => opened?.compute(sample),
            Request::Peak { dtype, threads } => peak(dtype, threads),
            Request::Bandwidth { threads } => bandwidth(threads),
            Request::WorkingSet { threads, bytes_per_thread } => working_set(threads, bytes_per_thread),
        }
    }
}

fn peak(dtype: Dtype, threads: usize) -> Result<Answer, WorkerError> {
    let arithmetic = match dtype {
        Dtype::F32 | Dtype::F16 => Arithmetic::F32,
        Dtype::F64 => Arithmetic::F64,
        Dtype::Bf16 => Arithmetic::Bf16,
        Dtype::Int8 | Dtype::Int8PerChannel => Arithmetic::Int8,
        // Bytes with a sign do not fit the narrow sums of AVX2.
        Dtype::Grouped(format) if bits(format) == 8 => Arithmetic::Int8,
        Dtype::Grouped(_) => Arithmetic::Int4,
    };
    let peak = match arithmetic.measure_peak(threads) {
        // Kernels widen what the CPU does not multiply.
        Err(MeasureError::Unsupported { .. }) if dtype.is_of_weights() => Arithmetic::F32.measure_peak(threads),
        peak => peak,
    };
    Ok(Answer::Peak { gflops: peak?.gflops })
}

fn bandwidth(threads: usize) -> Result<Answer, WorkerError> {
    let host = Host::detect(Cpu::host()?);
    let bytes = buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes);
    Ok(Answer::Bandwidth { gb_per_s: measure_read_bandwidth(threads, bytes)?.gb_per_s })
}

fn working_set(threads: usize, bytes_per_thread: usize) -> Result<Answer, WorkerError> {
    // The first round fills the set, which takes longer than to read it, and so never counts.
    const ROUNDS: usize = 5;
    Ok(Answer::Bandwidth { gb_per_s: BandwidthPoint::measure(threads, bytes_per_thread, ROUNDS)?.gb_per_s })
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::super::protocol::{Prepared, Timed};
    use super::super::weights::Weights;
    use super::*;

    /// The answers to these requests.
    fn answers(requests: &[Request]) -> Vec<Answer> {
        let lines = requests.iter().map(|request| serde_json::to_string(request).expect("plain") + "\n");
        let mut output = Vec::new();
        serve(lines.collect::<String>().as_bytes(), &mut output).expect("memory does not fail");
        output.split_inclusive(|&byte| byte == b'\n').map(|line| serde_json::from_slice(line).expect("plain")).collect()
    }

    fn opening(subject: Subject, dtype: Dtype) -> Request {
        Request::Open { subject, dtype, threads: 1, weights: Weights::AsLeft }
    }

    #[test]
    fn worker_own_products_are_right_before_and_after_timing() {
        let subjects = || [Subject::Gemm, Subject::Plan, Subject::Batch, Subject::BatchReduce].into_iter();
        let all = Dtype::OF_MATRICES.into_iter().flat_map(|dtype| subjects().map(move |subject| (subject, dtype)));
        let all = all.filter(|case| *case != (Subject::Plan, Dtype::F64));
        let of_weights = Dtype::ALL.into_iter().filter(|dtype| dtype.is_of_weights());
        let of_weights = of_weights.flat_map(|dtype| [(Subject::Plan, dtype), (Subject::Prepared, dtype)]);
        for (subject, dtype) in all.chain(of_weights) {
            let product = if subject == Subject::BatchReduce { "9x8x130@131:9:1024" } else { "9x8x7tn@9:10:512" };
            let product = product.parse().expect("a product");
            let requests = [
                opening(subject.clone(), dtype),
                Request::Prepare(product),
                Request::Time { seconds: 1e-4 },
                Request::Check,
            ];
            let found = answers(&requests);
            let [
                Answer::Opened(None),
                Answer::Prepared(Prepared { error: first, .. }),
                Answer::Timed(Timed { best, median, rows }),
                last,
            ] = &found[..]
            else {
                panic!("{subject:?} {dtype}: {found:?}")
            };
            assert!(first.is_some_and(|error| error < 1.0), "{subject:?} {dtype}: {found:?}");
            assert!(*best > 0.0 && median >= best, "{found:?}");
            assert_eq!(rows.is_some_and(|seconds| seconds > 0.0), subject == Subject::Prepared, "{found:?}");
            assert!(matches!(last, Answer::Checked { error: Some(error) } if *error < 1.0), "{found:?}");
        }
    }

    #[test]
    fn worker_named_kernel_is_the_one_that_runs() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let name = cke_kernels::gemm::choose::<cke_kernels::scheme::F32>(cpu, shape(3, 4, 5)).record().name();
        let product = "3x4x5".parse().expect("a product");
        let found = answers(&[opening(Subject::Kernel(name.to_owned()), Dtype::F32), Request::Prepare(product)]);
        assert!(
            matches!(&found[1], Answer::Prepared(Prepared { kernel: Some(kernel), .. }) if kernel == name),
            "{found:?}"
        );
    }

    fn shape(m: usize, n: usize, k: usize) -> cke_kernels::gemm::Shape {
        cke_kernels::gemm::Shape { m, n, k }
    }

    #[test]
    fn worker_what_it_cannot_do_is_answered_with_the_reason() {
        let library = |path: &str| opening(Subject::Library(path.into()), Dtype::F32);
        for (request, part) in [
            (Request::Check, "no library or kernel was opened"),
            (Request::Count { seconds: 1.0 }, "no library or kernel was opened"),
            (library("/no/such/libblas.so"), "cannot be loaded"),
            (opening(Subject::Kernel("avx9_f32_6x64".to_owned()), Dtype::F32), "no kernel avx9_f32_6x64"),
            (opening(Subject::Plan, Dtype::F64), "wanted a format other than f64"),
            (opening(Subject::Prepared, Dtype::F32), "wanted a format of packed weights"),
            (opening(Subject::Gemm, Dtype::Int8), "wanted a product with B packed ahead, the only one in int8"),
        ] {
            let found = answers(std::slice::from_ref(&request));
            assert!(
                matches!(&found[..], [Answer::Failed { reason }] if reason.contains(part)),
                "{request:?}: {found:?}"
            );
        }
        let prepare = || Request::Prepare("3x4x5".parse().expect("a product"));
        let found = answers(&[opening(Subject::Gemm, Dtype::F32), prepare(), Request::Count { seconds: 1.0 }]);
        assert!(matches!(&found[2], Answer::Failed { reason } if reason.contains("no hardware counters")), "{found:?}");
        let found = answers(&[opening(Subject::Gemm, Dtype::F32), Request::Time { seconds: 1.0 }]);
        assert!(
            matches!(&found[1], Answer::Failed { reason } if reason.contains("no product was prepared")),
            "{found:?}"
        );
    }

    #[test]
    fn worker_counts_one_call_or_says_why_not() {
        let requests = [
            Request::OpenCounters,
            opening(Subject::Gemm, Dtype::F32),
            Request::Prepare("9x8x7".parse().expect("a product")),
            Request::Count { seconds: 1e-3 },
        ];
        let found = answers(&requests);
        match &found[..] {
            [Answer::Done, _, _, Answer::Counted(counts)] => {
                // A product of 1008 flops takes some dozens of instructions at least.
                assert!(counts.get(Event::Instructions).is_none_or(|count| (20.0..1e5).contains(&count)), "{counts:?}");
            }
            [Answer::Failed { .. }, _, _, Answer::Failed { reason }] => {
                assert!(reason.contains("no hardware counters"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn worker_line_that_is_no_request_is_answered() {
        let mut output = Vec::new();
        serve(&b"hello\n"[..], &mut output).expect("memory does not fail");
        assert!(String::from_utf8_lossy(&output).starts_with("{\"failed\""));
    }
}
