//! One checked product on the caller's memory: runs it on the kernels, and fills C with NaN if it fails.

use crate::messages::{say, say_once};
use crate::number::Number;
use crate::threads;
use cke_kernels::gemm::{Ctx, Gemm, Layout};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

/// Where a matrix lies: element (i, j) stands `i · row_stride + j · col_stride` elements after the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided<P> {
    pub(crate) data: P,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<P> Strided<P> {
    pub(crate) fn layout(&self, rows: usize, cols: usize) -> Layout {
        Layout { rows, cols, row_stride: self.row_stride, col_stride: self.col_stride }
    }
}

/// C (m, n) ← α · A (m, k) · B (k, n) + β · C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawProduct<T> {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) alpha: T,
    pub(crate) a: Strided<*const T>,
    pub(crate) b: Strided<*const T>,
    pub(crate) beta: T,
    pub(crate) c: Strided<*mut T>,
}

/// Multiply-adds in the time that an element takes from a cache beyond the first.
const MULTIPLY_ADDS_PER_ELEMENT: usize = 4;

impl<T: Number> RawProduct<T> {
    /// Multiply-adds, m · n · k, and for each element of the operands the time of some more: of a product with a vector they are all.
    pub(crate) fn work(&self) -> usize {
        let product = |a: usize, b: usize| a.saturating_mul(b);
        let elements =
            product(self.m, self.k).saturating_add(product(self.k, self.n)).saturating_add(product(self.m, self.n));
        product(product(self.m, self.n), self.k).saturating_add(elements.saturating_mul(MULTIPLY_ADDS_PER_ELEMENT))
    }

    /// Whether C stays as it is.
    pub(crate) fn leaves_c(&self) -> bool {
        self.m == 0 || self.n == 0 || (self.only_scales() && self.beta == T::one())
    }

    fn only_scales(&self) -> bool {
        self.alpha == T::zero() || self.k == 0
    }

    /// The same with empty A and B if they are not to be read, and with α = 0, which may be NaN if K = 0.
    pub(crate) fn without_unread(&self) -> Self {
        if self.only_scales() { RawProduct { alpha: T::zero(), k: 0, ..*self } } else { *self }
    }

    /// Computes it, on all threads if it is large and they are free.
    ///
    /// # Safety
    /// Every element of C is valid for reads and writes, and not accessed by anything else during the call. Unless α = 0, every
    /// element of A and B is valid for reads and not written during the call.
    #[inline(always)]
    pub(crate) unsafe fn run(&self) {
        if self.leaves_c() {
            return;
        }
        let RawProduct { m, n, k, alpha, a, b, beta, c } = self.without_unread();
        // SAFETY: passed on; A and B are empty if they are not valid.
        let (a, b, mut c) = unsafe {
            (
                MatRef::from_raw(a.data, m, k, a.row_stride, a.col_stride),
                MatRef::from_raw(b.data, k, n, b.row_stride, b.col_stride),
                MatMut::from_raw(c.data, m, n, c.row_stride, c.col_stride),
            )
        };
        let gemm = Gemm::<T::Scheme> { alpha, a, b, beta };
        if let Ok(Ok(true)) = catch_unwind(AssertUnwindSafe(|| gemm.run_if_small(cpu(), c.reborrow()))) {
            return;
        }
        let outcome = attempt(self.work(), |pool, scratch| {
            gemm.run(cpu(), c.reborrow(), &mut Ctx { pool, scratch: &mut scratch[0] })
        });
        if let Err(reason) = outcome {
            // SAFETY: passed on; the kernels are done with C.
            unsafe { self.fail(&reason) }
        }
    }

    /// Says once why a product failed, and fills C with NaN.
    ///
    /// # Safety
    /// Every element of C is valid for writes and not accessed by anything else during the call.
    #[cold]
    pub(crate) unsafe fn fail(&self, reason: &str) {
        static SAID: AtomicBool = AtomicBool::new(false);
        say_once(&SAID, &format!("a product failed and its result is NaN: {reason}"));
        for i in 0..self.m {
            for j in 0..self.n {
                // SAFETY: an element of C.
                unsafe { self.c.data.add(i * self.c.row_stride + j * self.c.col_stride).write(T::NAN) };
            }
        }
    }
}

/// Runs a product of `work` multiply-adds with threads and as many scratch buffers. Returns the reason of a failure and catches
/// panics.
#[inline]
pub(crate) fn attempt(
    work: usize,
    multiply: impl FnOnce(&dyn Parallel, &mut [Scratch]) -> Result<(), Error>,
) -> Result<(), String> {
    let mut outcome = Ok(());
    let run = AssertUnwindSafe(|| threads::run(work, |pool, scratch| outcome = multiply(pool, scratch)));
    let panic = catch_unwind(run).err();
    match (panic, outcome) {
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(error.to_string()),
        (Some(_), _) => Err(String::from("a bug in the library, described above")),
    }
}

/// The CPU. Ends the process if the environment demands an instruction set that the CPU does not have: a slower one would hide the
/// mistake.
pub(crate) fn cpu() -> &'static Cpu {
    Cpu::host().unwrap_or_else(|error| {
        say(&error.to_string());
        std::process::exit(1)
    })
}
