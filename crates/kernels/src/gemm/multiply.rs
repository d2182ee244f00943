//! One-off products: nothing is planned or packed ahead.

use super::plan::Ctx;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::scheme::{Real, Scheme};
use crate::scratch::Zeroable;
use crate::view::{MatMut, MatRef};

/// C (m, n) ← α · A (m, k) · B (k, n) + β · C, with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, S: Scheme> {
    /// Factor on the product; where it is 0, A and B are not read.
    pub alpha: S::Acc,
    /// (m, k).
    pub a: MatRef<'a, S::A>,
    /// (k, n).
    pub b: MatRef<'a, S::B>,
    /// Factor on what C holds; where it is 0, C is not read.
    pub beta: S::Acc,
}

impl<'a, S: Scheme<A = <S as Scheme>::Acc, B = <S as Scheme>::Acc>> Gemm<'a, S> {
    /// A · B, with α = 1 and β = 0.
    pub fn new(a: MatRef<'a, S::A>, b: MatRef<'a, S::B>) -> Self {
        Gemm { alpha: S::Acc::one(), a, b, beta: S::Acc::zero() }
    }

    /// C ← α · A · B + β · C.
    ///
    /// # Errors
    /// Where the sizes do not belong together. C is then untouched.
    pub fn run(&self, _cpu: &Cpu, mut c: MatMut<'_, S::Acc>, _ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let (m, n, k) = (self.a.rows(), self.b.cols(), self.a.cols());
        expect_size("rows of B", k, self.b.rows())?;
        expect_size("rows of C", m, c.rows())?;
        expect_size("columns of C", n, c.cols())?;
        for i in 0..m {
            for j in 0..n {
                let mut sum = S::Acc::zero();
                if self.alpha != S::Acc::zero() {
                    for p in 0..k {
                        // SAFETY: inside the views.
                        let (a, b) = unsafe {
                            (
                                *self.a.as_ptr().add(i * self.a.row_stride() + p * self.a.col_stride()),
                                *self.b.as_ptr().add(p * self.b.row_stride() + j * self.b.col_stride()),
                            )
                        };
                        sum = sum + a * b;
                    }
                    sum = self.alpha * sum;
                }
                // SAFETY: inside the view.
                let place = unsafe { &mut *c.as_mut_ptr().add(i * c.row_stride() + j * c.col_stride()) };
                *place = if self.beta == S::Acc::zero() { sum } else { self.beta * *place + sum };
            }
        }
        Ok(())
    }
}
