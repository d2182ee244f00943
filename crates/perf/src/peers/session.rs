//! What a contestant's process keeps: a subject, and the product that it computes.

use super::accuracy::{Sample, Sums};
use super::attention::{Attention, Head, by_products};
use super::check::Check;
use super::dtype::Dtype;
use super::foreign::Opened;
use super::library::{Library, Subject};
use super::matmul::ByMatmul;
use super::native::{BatchReduced, Batched, Unpacked};
use super::operands::{Element, Operands};
use super::packed::{self, Packed};
use super::product::Product;
use super::protocol::{Answer, Prepared, Timed};
use super::sample::Data;
use super::weights::Weights;
use super::worker::WorkerError;
use crate::counters::Counters;
use crate::stats::Summary;
use cke_kernels::gemm::grouped::{FormatVisitor, GroupFormat};
use cke_kernels::scheme::{Bf16, F16, Grouped, Int8, Int8PerChannel, Scheme};
use cke_kernels::scratch::AlignedBuf;
use std::time::{Duration, Instant};

/// A way to compute products.
pub(super) trait Multiply<T: Element> {
    /// Does what can be done once B is known.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    fn prepare(&mut self, _operands: &mut Operands<T>) -> Result<(), WorkerError> {
        Ok(())
    }

    /// What the product prepared last runs on, if known.
    fn route(&self) -> Route {
        Route::default()
    }

    /// C = op(A)·op(B), `count` times.
    ///
    /// # Errors
    /// If the library refuses.
    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError>;

    /// Prepares the rows of A `times` times, if the product reads rows that were prepared ahead; says whether it does.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    fn prepare_rows(&mut self, _operands: &mut Operands<T>, _times: usize) -> Result<bool, WorkerError> {
        Ok(false)
    }

    /// Attention, (queries, head size): by two products, unless there is a better way.
    ///
    /// # Errors
    /// If memory cannot be allocated or the library refuses.
    fn attend(&mut self, operands: &Attention<T>) -> Result<AlignedBuf<T>, WorkerError> {
        by_products(self, operands)
    }
}

/// What a product runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// The kernel.
    pub(super) kernel: Option<String>,
    /// The path of a one-off product to the kernel.
    pub(super) path: Option<String>,
}

/// A subject with numbers of some format.
pub(super) trait TimedSubject {
    /// Makes operands, computes the product and checks it.
    ///
    /// # Errors
    /// If memory cannot be allocated or the library refuses.
    fn prepare(&mut self, product: Product) -> Result<Answer, WorkerError>;

    /// Computes the product again and again for about this time.
    ///
    /// # Errors
    /// If the library refuses, or there is no product yet.
    fn time(&mut self, seconds: f64) -> Result<Answer, WorkerError>;

    /// As [`TimedSubject::time`], with counters.
    ///
    /// # Errors
    /// As there.
    fn count(&mut self, seconds: f64, counters: &mut Counters) -> Result<Answer, WorkerError>;

    /// Checks what the timing left.
    ///
    /// # Errors
    /// If there is no product yet.
    fn check(&mut self) -> Result<Answer, WorkerError>;

    /// Computes a sample; the operands of a product before are given up.
    ///
    /// # Errors
    /// If memory cannot be allocated or the library refuses.
    fn compute(&mut self, sample: Sample) -> Result<Answer, WorkerError>;
}

/// A subject, and the product that it computes.
struct Contender<T: Element> {
    multiply: Box<dyn Multiply<T>>,
    dtype: Dtype,
    /// What a sample of the time lasts at least.
    sample: Duration,
    operands: Option<(Operands<T>, Check)>,
    /// Calls between two looks at the clock.
    calls_per_sample: usize,
}

/// Opens a subject for products of this format; says what it is if it is a library.
///
/// # Errors
/// If it cannot be opened or does not have the format.
pub(super) fn open(
    subject: Subject,
    dtype: Dtype,
    threads: usize,
    weights: Weights,
) -> Result<(Box<dyn TimedSubject>, Option<Library>), WorkerError> {
    let opening = Opening { subject, dtype, threads, weights };
    match dtype {
        Dtype::F32 => open_as::<f32>(opening),
        Dtype::F64 => open_as::<f64>(opening),
        Dtype::Bf16 => open_packed::<Bf16>(opening),
        Dtype::F16 => open_packed::<F16>(opening),
        Dtype::Int8 => open_packed::<Int8>(opening),
        Dtype::Int8PerChannel => open_packed::<Int8PerChannel>(opening),
        Dtype::Grouped(format) => format.visit(opening),
    }
}

/// What a contestant is to be.
struct Opening {
    subject: Subject,
    dtype: Dtype,
    threads: usize,
    weights: Weights,
}

impl Opening {
    /// # Errors
    /// If weights are to be read from memory by what packs none ahead.
    fn check_weights(&self) -> Result<(), WorkerError> {
        let packs_ahead = matches!(self.subject, Subject::Plan | Subject::Prepared | Subject::Kernel(_));
        if self.weights == Weights::AsLeft || packs_ahead { Ok(()) } else { Err(WorkerError::OnlyPackedFromMemory) }
    }
}

/// Weights in groups.
impl FormatVisitor for Opening {
    type Output = Result<(Box<dyn TimedSubject>, Option<Library>), WorkerError>;

    fn visit<F: GroupFormat>(self) -> Self::Output {
        open_packed::<Grouped<F>>(self)
    }
}

/// A subject of a format of weights.
fn open_packed<S: Scheme<A = f32, B = f32, C = f32>>(
    opening: Opening,
) -> Result<(Box<dyn TimedSubject>, Option<Library>), WorkerError> {
    opening.check_weights()?;
    let Opening { subject, dtype, threads, weights } = opening;
    let mut library = None;
    let multiply: Box<dyn Multiply<f32>> = match subject {
        Subject::Library(path) => {
            let opened = Opened::open(&path)?;
            library = Some(opened.description().clone());
            Box::new(ByMatmul::new(&opened, dtype)?)
        }
        Subject::Plan => Box::new(Packed::<S>::new(threads, None, weights)?),
        Subject::Prepared => Box::new(packed::Prepared::<S>::new(threads, weights)?),
        Subject::Kernel(name) => Box::new(Packed::<S>::new(threads, Some(&name), weights)?),
        Subject::Gemm | Subject::Batch | Subject::BatchReduce => return Err(WorkerError::OnlyPacked { dtype }),
    };
    Ok((Contender::boxed(multiply, dtype, weights), library))
}

fn open_as<T: Element>(opening: Opening) -> Result<(Box<dyn TimedSubject>, Option<Library>), WorkerError> {
    opening.check_weights()?;
    let Opening { subject, dtype, threads, weights } = opening;
    let mut library = None;
    let multiply: Box<dyn Multiply<T>> = match subject {
        Subject::Library(path) => {
            let opened = Opened::open(&path)?;
            library = Some(opened.description().clone());
            opened.product()?
        }
        Subject::Gemm => Box::new(Unpacked::new(threads)?),
        Subject::Plan => T::packed(threads, None, weights)?,
        Subject::Kernel(name) => T::packed(threads, Some(&name), weights)?,
        Subject::Prepared => return Err(WorkerError::NotPreparedAhead { dtype }),
        Subject::Batch => Box::new(Batched::new(threads)?),
        Subject::BatchReduce => Box::new(BatchReduced::new(threads)?),
    };
    Ok((Contender::boxed(multiply, dtype, weights), library))
}

impl<T: Element> Contender<T> {
    fn boxed(multiply: Box<dyn Multiply<T>>, dtype: Dtype, weights: Weights) -> Box<dyn TimedSubject> {
        let sample = match weights {
            Weights::AsLeft => SAMPLE,
            Weights::FromMemory => SAMPLE_FROM_MEMORY,
        };
        Box::new(Contender { multiply, dtype, sample, operands: None, calls_per_sample: 1 })
    }
}

/// What operands of products that are timed are drawn from.
const TIMED_SEED: u64 = 0x5EED;
/// A sample of the time lasts at least this long: reading the clock then costs less than 1%.
const SAMPLE: Duration = Duration::from_micros(10);
/// As long as windows of the read bandwidth, more or less: the fastest of many short samples would find its copy in a cache.
const SAMPLE_FROM_MEMORY: Duration = Duration::from_millis(3);
const MAX_SAMPLES: usize = 1 << 16;

impl<T: Element> TimedSubject for Contender<T> {
    fn prepare(&mut self, product: Product) -> Result<Answer, WorkerError> {
        // The operands of the product before go first: both together may not fit.
        self.operands = None;
        let operands = Operands::new(product, Data::Uniform, TIMED_SEED)?;
        let check = Check::new(&operands, self.dtype.rounding());
        let (operands, check) = self.operands.insert((operands, check));
        self.multiply.prepare(operands)?;
        self.multiply.repeat(operands, 1)?;
        let error = check.error(operands);
        self.calls_per_sample = calls_per_sample(self.sample, |times| self.multiply.repeat(operands, times))?;
        let Route { kernel, path } = self.multiply.route();
        Ok(Answer::Prepared(Prepared { error, kernel, path }))
    }

    fn time(&mut self, seconds: f64) -> Result<Answer, WorkerError> {
        let (operands, _) = self.operands.as_mut().ok_or(WorkerError::NotPrepared)?;
        let multiply = self.multiply.as_mut();
        let Summary { min, median, .. } =
            samples(seconds, self.calls_per_sample, |times| multiply.repeat(operands, times))?;
        let rows = match multiply.prepare_rows(operands, 1)? {
            true => Some(time_of_rows(multiply, operands, seconds / 4.0)?),
            false => None,
        };
        Ok(Answer::Timed(Timed { best: min, median, rows }))
    }

    fn count(&mut self, seconds: f64, counters: &mut Counters) -> Result<Answer, WorkerError> {
        let (operands, _) = self.operands.as_mut().ok_or(WorkerError::NotPrepared)?;
        let mut calls = 0;
        let repeat = |times: usize| {
            calls += times as u64;
            self.multiply.repeat(operands, times)
        };
        let (outcome, counts) = counters.count(|| samples(seconds, self.calls_per_sample, repeat));
        outcome?;
        Ok(Answer::Counted(counts.per(calls)))
    }

    fn check(&mut self) -> Result<Answer, WorkerError> {
        let (operands, check) = self.operands.as_ref().ok_or(WorkerError::NotPrepared)?;
        Ok(Answer::Checked { error: check.error(operands) })
    }

    fn compute(&mut self, Sample { sums, product, data, seed }: Sample) -> Result<Answer, WorkerError> {
        self.operands = None;
        let multiply = self.multiply.as_mut();
        let c = match sums {
            Sums::Product => whole(multiply, Operands::new(product, data, seed)?)?,
            Sums::Rows => row_by_row(multiply, Operands::new(product, data, seed)?)?,
            Sums::Attention => multiply.attend(&Attention::new(Head::of(product), data, seed)?)?,
        };
        Ok(Answer::Computed { bits: c.iter().map(|&x| x.into().to_bits()).collect() })
    }
}

fn whole<T: Element>(multiply: &mut dyn Multiply<T>, mut operands: Operands<T>) -> Result<AlignedBuf<T>, WorkerError> {
    multiply.prepare(&mut operands)?;
    multiply.repeat(&mut operands, 1)?;
    Ok(operands.into_parts().2)
}

/// Each row of C in a call of its own.
fn row_by_row<T: Element>(multiply: &mut dyn Multiply<T>, operands: Operands<T>) -> Result<AlignedBuf<T>, WorkerError> {
    let product = operands.product();
    let (a, b, mut c) = operands.into_parts();
    let mut one = Operands::of(Product { m: 1, ..product }, AlignedBuf::zeroed(product.k)?, b)?;
    for (a, c) in a.chunks_exact(product.k).zip(c.chunks_exact_mut(product.n)) {
        one.matrices().a.copy_from_slice(a);
        multiply.repeat(&mut one, 1)?;
        c.copy_from_slice(one.c());
    }
    Ok(c)
}

/// Seconds of a call of `work`, which is repeated for about `seconds`, `calls` of it between two looks at the clock.
fn samples(
    seconds: f64,
    calls: usize,
    mut work: impl FnMut(usize) -> Result<(), WorkerError>,
) -> Result<Summary, WorkerError> {
    let mut samples = Vec::new();
    let start = Instant::now();
    let mut sample_start = start;
    while samples.is_empty() || (samples.len() < MAX_SAMPLES && (sample_start - start).as_secs_f64() < seconds) {
        work(calls)?;
        let now = Instant::now();
        samples.push((now - sample_start).as_secs_f64() / calls as f64);
        sample_start = now;
    }
    Summary::from_samples(&samples).ok_or(WorkerError::NotPrepared)
}

/// Seconds in which the rows of A are prepared, at best.
fn time_of_rows<T: Element>(
    multiply: &mut dyn Multiply<T>,
    operands: &mut Operands<T>,
    seconds: f64,
) -> Result<f64, WorkerError> {
    let mut prepare = |times| multiply.prepare_rows(operands, times).map(|_| ());
    let calls = calls_per_sample(SAMPLE, &mut prepare)?;
    Ok(samples(seconds, calls, prepare)?.min)
}

/// Doubles the number of calls until they last for a sample; this also warms up.
fn calls_per_sample(
    sample: Duration,
    mut work: impl FnMut(usize) -> Result<(), WorkerError>,
) -> Result<usize, WorkerError> {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        work(calls)?;
        if start.elapsed() >= sample {
            return Ok(calls);
        }
        calls *= 2;
    }
}
