//! Independent products in one call, many heads at once, spread over the threads.
//!
//! Each product runs as if it were alone, on one worker or, where there are too few products to go round, on all of them: its
//! bits are those of [`Gemm::run`].

use super::matrices::{Layout, Matrices, MatricesMut};
use super::parts::part_of;
use super::plan::Ctx;
use super::unpacked::Gemm;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::scheme::{Output, Real, Scheme, Uniform};
use crate::scratch::{Scratch, Zeroable};
use crate::threads::{Parallel, Serial, run_tasks};
use crate::view::MatMut;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

/// What a batch works with: the threads, and memory for each of them that is reused from call to call.
#[allow(missing_debug_implementations, reason = "a caller's pool need not implement Debug")]
pub struct BatchCtx<'a> {
    /// Threads to spread the products over.
    pub pool: &'a dyn Parallel,
    /// Working memory, one for each thread of the pool.
    pub scratch: &'a mut [Scratch],
}

/// Cᵢ (m, n) ← α · Aᵢ (m, k) · Bᵢ (k, n) + β · Cᵢ for each i, all of one shape.
///
/// A stride of 0 lets all products share one A or one B. A sum over the products instead is
/// [`BrgemmPlan`](super::BrgemmPlan)'s.
#[derive(Clone, Copy, Debug)]
pub struct GemmBatch<'a, S: Scheme> {
    /// Factor on the products; if it is 0, no A and no B is read.
    pub alpha: <S::C as Output>::Sum,
    /// Each (m, k).
    pub a: Matrices<'a, S::A>,
    /// Each (k, n).
    pub b: Matrices<'a, S::B>,
    /// Factor on what each C holds; if it is 0, no C is read.
    pub beta: <S::C as Output>::Sum,
}

impl<'a, S: Uniform> GemmBatch<'a, S> {
    /// Aᵢ · Bᵢ, with α = 1 and β = 0.
    pub fn new(a: Matrices<'a, S::E>, b: Matrices<'a, S::E>) -> Self {
        GemmBatch { alpha: S::E::one(), a, b, beta: S::E::zero() }
    }

    /// Cᵢ ← α · Aᵢ · Bᵢ + β · Cᵢ.
    ///
    /// # Errors
    /// If sizes or counts do not match, or there is less scratch than threads. No C is then touched.
    pub fn run(&self, cpu: &Cpu, c: MatricesMut<'_, S::E>, ctx: &mut BatchCtx<'_>) -> Result<(), Error> {
        let count = c.count();
        expect_size("matrices A of the batch", count, self.a.count())?;
        expect_size("matrices B of the batch", count, self.b.count())?;
        if count == 0 {
            return Ok(());
        }
        let (a, b) = (self.a.layout(), self.b.layout());
        check_shapes((a.rows, a.cols), (b.rows, b.cols), (c.layout().rows, c.layout().cols))?;
        let Layout { rows: m, cols: k, .. } = a;
        spread(count, multiply_adds(m, b.cols, k), ctx, |index, ctx| {
            let (Some(a), Some(b)) = (self.a.get(index), self.b.get(index)) else { return Ok(()) };
            // SAFETY: `spread` calls this once for each index below `count`, which is C's.
            let c = unsafe { c.get_unchecked(index) };
            Gemm::<S> { alpha: self.alpha, a, b, beta: self.beta }.run(cpu, c, ctx)
        })
    }
}

impl<S: Uniform> Gemm<'_, S> {
    /// Runs each product into the matrix beside it. The products may differ in everything.
    ///
    /// # Errors
    /// As [`GemmBatch::run`].
    pub fn run_each(products: &mut [(Self, MatMut<'_, S::E>)], cpu: &Cpu, ctx: &mut BatchCtx<'_>) -> Result<(), Error> {
        let mut work = 0usize;
        for (Gemm { a, b, .. }, c) in products.iter() {
            check_shapes((a.rows(), a.cols()), (b.rows(), b.cols()), (c.rows(), c.cols()))?;
            work = work.saturating_add(multiply_adds(a.rows(), b.cols(), a.cols()));
        }
        let count = products.len();
        let products = Apart::new(products);
        spread(count, work / count.max(1), ctx, |index, ctx| {
            // SAFETY: `spread` calls this once for each index below `count`.
            let (product, c) = unsafe { products.get(index) };
            product.run(cpu, c.reborrow(), ctx)
        })
    }
}

fn check_shapes(a: (usize, usize), b: (usize, usize), c: (usize, usize)) -> Result<(), Error> {
    expect_size("rows of B", a.1, b.0)?;
    expect_size("rows of C", a.0, c.0)?;
    expect_size("columns of C", b.1, c.1)
}

fn multiply_adds(m: usize, n: usize, k: usize) -> usize {
    m.saturating_mul(n).saturating_mul(k)
}

/// Multiply-adds of a product from which those left over, if the batch does not divide evenly among the threads, are each split over all
/// threads: on one worker they would take so long that the others wait.
const LARGE: usize = 1 << 24;
/// Below this many multiply-adds, the products that are not split all run on the calling thread: they are done before another thread has
/// woken.
const SMALL: usize = 1 << 16;
/// Tasks per thread that even out products which take longer than others.
const TASKS_PER_THREAD: usize = 8;

/// Calls `product` exactly once for each index below `count`, where one takes about `work` multiply-adds: on one worker each, or
/// one after the other on all threads. All are tried; the first error is returned.
fn spread(
    count: usize,
    work: usize,
    ctx: &mut BatchCtx<'_>,
    product: impl Fn(usize, &mut Ctx<'_>) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let threads = ctx.pool.threads().max(1);
    if ctx.scratch.len() < threads {
        let what = "scratch for a batch, one per thread";
        return Err(Error::Size { what, wanted: threads, found: ctx.scratch.len() });
    }
    let failure = Mutex::new(None);
    let attempt = |index: usize, ctx: &mut Ctx<'_>| {
        if let Err(error) = product(index, ctx) {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    };
    // What does not go round is shared by all threads where that pays, and where there is less than one for each.
    let shared = if count < threads || work >= LARGE { count % threads } else { 0 };
    let alone = count - shared;
    if work.saturating_mul(alone) < SMALL {
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut ctx.scratch[0] };
        (0..alone).for_each(|index| attempt(index, ctx));
    } else {
        let tasks = alone.min(threads.saturating_mul(TASKS_PER_THREAD));
        let scratch = Apart::new(ctx.scratch);
        run_tasks(ctx.pool, tasks, &|task, worker| {
            // SAFETY: worker < threads, and no two tasks that run at once have the same one, as Parallel promises.
            let ctx = &mut Ctx { pool: &Serial, scratch: unsafe { scratch.get(worker) } };
            part_of(alone, tasks, task).for_each(|index| attempt(index, ctx));
        });
    }
    let ctx = &mut Ctx { pool: ctx.pool, scratch: &mut ctx.scratch[0] };
    (alone..count).for_each(|index| attempt(index, ctx));
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// A slice whose elements are handed to different threads.
struct Apart<'a, T> {
    data: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: an exclusive borrow of T, whose parts are handed out under the contract of `get`.
unsafe impl<T: Send> Sync for Apart<'_, T> {}

impl<'a, T> Apart<'a, T> {
    fn new(data: &'a mut [T]) -> Self {
        Apart { data: data.as_mut_ptr(), len: data.len(), borrow: PhantomData }
    }

    /// Element `index`.
    ///
    /// # Safety
    /// It is in use nowhere else.
    ///
    /// # Panics
    /// If there is no such element.
    #[allow(clippy::mut_from_ref, reason = "each element is used by one thread, as the contract says")]
    unsafe fn get(&self, index: usize) -> &mut T {
        assert!(index < self.len, "element {index} of {}", self.len);
        // SAFETY: inside the slice, which is borrowed exclusively; unshared by the caller's promise.
        unsafe { &mut *self.data.add(index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::ThreadPool;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_product_runs_once_for_any_count_size_and_pool() {
        for threads in 1..=4 {
            let pool = ThreadPool::new(threads).unwrap();
            let mut scratch: Vec<_> = (0..threads).map(|_| Scratch::new()).collect();
            for (count, work) in (0..70).flat_map(|count| [1, SMALL, LARGE].map(|work| (count, work))) {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                let ctx = &mut BatchCtx { pool: &pool, scratch: &mut scratch };
                let outcome = spread(count, work, ctx, |index, _ctx| {
                    done[index].fetch_add(1, Ordering::Relaxed);
                    Ok(())
                });
                assert_eq!(outcome, Ok(()));
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{count} of {work} on {threads} threads");
            }
        }
    }

    #[test]
    fn error_of_one_product_is_returned_and_the_others_run() {
        let pool = ThreadPool::new(2).unwrap();
        let mut scratch = [Scratch::new(), Scratch::new()];
        for work in [1, SMALL, LARGE] {
            let done = AtomicUsize::new(0);
            let ctx = &mut BatchCtx { pool: &pool, scratch: &mut scratch };
            let outcome = spread(9, work, ctx, |index, _ctx| {
                done.fetch_add(1, Ordering::Relaxed);
                if index == 7 { Err(Error::OutOfMemory { bytes: index }) } else { Ok(()) }
            });
            assert_eq!((outcome, done.into_inner()), (Err(Error::OutOfMemory { bytes: 7 }), 9));
        }
    }
}
