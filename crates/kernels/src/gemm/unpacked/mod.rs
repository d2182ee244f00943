//! One-off products: nothing is planned or packed ahead.

mod explain;
mod gathered;
mod long_rows;
mod pack_on_the_fly;
mod select;
mod small;

pub use self::explain::{Explanation, Path};
use self::pack_on_the_fly::OneOff;
use self::small::Small;
use super::plan::Ctx;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::scheme::{Output, Real, Scheme, Uniform};
use crate::scratch::Zeroable;
use crate::view::{MatMut, MatRef};

/// C (m, n) ← α · A (m, k) · B (k, n) + β · C, with any strides.
///
/// Results have the same bits for any number of threads and any alignment: the form of the computation, and with it the order of
/// summation, follows from the shape and from which dimension of each operand is contiguous.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, S: Scheme> {
    /// Factor on the product; if it is 0, A and B are not read.
    pub alpha: <S::C as Output>::Sum,
    /// (m, k).
    pub a: MatRef<'a, S::A>,
    /// (k, n).
    pub b: MatRef<'a, S::B>,
    /// Factor on what C holds; if it is 0, C is not read.
    pub beta: <S::C as Output>::Sum,
}

impl<'a, S: Uniform> Gemm<'a, S> {
    /// A · B, with α = 1 and β = 0.
    pub fn new(a: MatRef<'a, S::E>, b: MatRef<'a, S::E>) -> Self {
        Gemm { alpha: S::E::one(), a, b, beta: S::E::zero() }
    }

    /// C ← α · A · B + β · C.
    ///
    /// If memory for packing cannot be allocated, the product is computed without it, more slowly.
    ///
    /// # Errors
    /// If the sizes do not match. C is then untouched.
    pub fn run(&self, cpu: &Cpu, mut c: MatMut<'_, S::E>, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        if !self.run_up_to_apart(largest_small(ctx.pool.threads()), cpu, c.reborrow())? {
            // SAFETY: the sizes match, as was checked, and the views vouch for their elements.
            unsafe { OneOff::new(cpu, self, &mut c).run(ctx) };
        }
        Ok(())
    }

    /// As [`Gemm::run`], but only where the product is so small that it needs neither threads nor memory; says whether it did.
    ///
    /// # Errors
    /// As [`Gemm::run`].
    #[inline]
    pub fn run_if_small(&self, cpu: &Cpu, c: MatMut<'_, S::E>) -> Result<bool, Error> {
        self.run_up_to(SMALL, cpu, c)
    }

    /// [`Gemm::run_up_to`] in a frame of its own, which is gone from the stack when a larger product goes deeper.
    #[inline(never)]
    fn run_up_to_apart(&self, largest: usize, cpu: &Cpu, c: MatMut<'_, S::E>) -> Result<bool, Error> {
        self.run_up_to(largest, cpu, c)
    }

    #[inline]
    fn run_up_to(&self, largest: usize, cpu: &Cpu, mut c: MatMut<'_, S::E>) -> Result<bool, Error> {
        let (m, n, k) = (self.a.rows(), self.b.cols(), self.a.cols());
        expect_size("rows of B", k, self.b.rows())?;
        expect_size("rows of C", m, c.rows())?;
        expect_size("columns of C", n, c.cols())?;
        if m == 0 || n == 0 {
            return Ok(true);
        }
        if k == 0 || self.alpha == S::E::zero() {
            scale(self.beta, &mut c);
            return Ok(true);
        }
        // SAFETY: the sizes match, and the views vouch for their elements.
        Ok(Small::new(cpu, self, &mut c, largest).is_some_and(|small| unsafe { small.run() }))
    }
}

/// Multiply-adds up to which a product is not worth sharing: some two microseconds.
const SMALL: usize = 1 << 18;
/// Multiply-adds up to which one thread has no use for blocks.
const SMALL_FOR_ONE_THREAD: usize = 1 << 20;

/// Multiply-adds up to which a product is not cut into blocks by a pool of `threads` threads.
#[inline(always)]
fn largest_small(threads: usize) -> usize {
    if threads == 1 { SMALL_FOR_ONE_THREAD } else { SMALL }
}

/// C ← β · C.
fn scale<E: Real>(beta: E, c: &mut MatMut<'_, E>) {
    if beta == E::one() {
        return;
    }
    for i in 0..c.rows() {
        for j in 0..c.cols() {
            let place = c.as_mut_ptr().wrapping_add(i * c.row_stride() + j * c.col_stride());
            // SAFETY: an element of the view.
            unsafe { *place = if beta == E::zero() { beta } else { beta * *place } };
        }
    }
}
