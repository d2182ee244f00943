//! xGEMV: y ← α · op(A) · x + β · y, with A (m, n).
//!
//! Source: Dongarra, Du Croz, Hammarling, Hanson: *An Extended Set of Fortran Basic Linear Algebra Subprograms*, ACM TOMS 14 (1988).

use crate::arguments::{BadArgument, Caller, Layout, Operand, Trans, expect};
use crate::gemm::transposed;
use crate::number::Number;
use crate::product::{RawProduct, Strided};
use crate::{calls, xerbla};
use cke_kernels::Error;
use cke_kernels::scratch::AlignedBuf;

/// The arguments as passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GemvArguments<T> {
    pub(crate) caller: Caller,
    pub(crate) trans: Option<Trans>,
    pub(crate) size: [i64; 2],
    pub(crate) alpha: T,
    pub(crate) a: *const T,
    pub(crate) lda: i64,
    pub(crate) x: *const T,
    pub(crate) incx: i64,
    pub(crate) beta: T,
    pub(crate) y: *mut T,
    pub(crate) incy: i64,
}

/// Checks the arguments, then computes y or reports the lowest bad one.
///
/// # Safety
/// If the arguments are valid, what they describe is valid: y for reads and writes, A and x for reads unless α = 0.
pub(crate) unsafe fn gemv<T: Number>(arguments: GemvArguments<T>) {
    calls::count(T::GEMV);
    match arguments.check() {
        // SAFETY: passed on.
        Ok(checked) => unsafe { checked.run() },
        Err(bad) => xerbla::report(arguments.caller, T::GEMV, bad),
    }
}

impl<T: Number> GemvArguments<T> {
    fn check(&self) -> Result<Gemv<T>, BadArgument> {
        let layout = self.caller.layout().ok_or(BadArgument(0))?;
        let trans = self.trans.ok_or(BadArgument(1))?;
        // A row-major A is the column-major Aᵀ; the numbers of bad arguments are those of that call.
        let (trans, [m, n]) = match layout {
            Layout::ColMajor => (trans, self.size),
            Layout::RowMajor => (trans.flipped(), [self.size[1], self.size[0]]),
        };
        expect(m >= 0, 2)?;
        expect(n >= 0, 3)?;
        expect(self.lda >= m.max(1), 6)?;
        expect(self.incx != 0, 8)?;
        expect(self.incy != 0, 11)?;
        let (y_len, x_len) = match trans {
            Trans::No => (m as usize, n as usize),
            Trans::Yes => (n as usize, m as usize),
        };
        Ok(Gemv {
            alpha: self.alpha,
            a: transposed(Operand { trans, data: self.a, ld: self.lda }),
            x: Vector { data: self.x, len: x_len, increment: self.incx as isize },
            beta: self.beta,
            y: Vector { data: self.y, len: y_len, increment: self.incy as isize },
        })
    }
}

/// Elements at a fixed distance; with a negative one the first stands at the highest address and `data` is still the lowest.
#[derive(Clone, Copy, Debug)]
struct Vector<P> {
    data: P,
    len: usize,
    increment: isize,
}

impl<P> Vector<P> {
    /// How far from `data` element `i` stands.
    fn offset(&self, i: usize) -> usize {
        let place = if self.increment < 0 { self.len - 1 - i } else { i };
        place * self.increment.unsigned_abs()
    }
}

/// y (1, y.len) ← α · x (1, x.len) · A (x.len, y.len) + β · y.
#[derive(Clone, Copy, Debug)]
struct Gemv<T> {
    alpha: T,
    a: Strided<*const T>,
    x: Vector<*const T>,
    beta: T,
    y: Vector<*mut T>,
}

impl<T: Number> Gemv<T> {
    /// # Safety
    /// As [`gemv`].
    unsafe fn run(&self) {
        let product = self.product();
        // Without x, not even β · y is computed, unlike a product with K = 0.
        if self.x.len == 0 || product.leaves_c() {
            return;
        }
        // SAFETY: passed on.
        unsafe {
            if self.x.increment > 0 && self.y.increment > 0 {
                product.run();
            } else if let Err(error) = self.run_on_copies(product) {
                product.fail(&error.to_string());
            }
        }
    }

    /// As if both increments were positive.
    fn product(&self) -> RawProduct<T> {
        let (x_step, y_step) = (self.x.increment.unsigned_abs(), self.y.increment.unsigned_abs());
        RawProduct {
            m: 1,
            n: self.y.len,
            k: self.x.len,
            alpha: self.alpha,
            a: Strided { data: self.x.data, row_stride: self.x.len * x_step, col_stride: x_step },
            b: self.a,
            beta: self.beta,
            c: Strided { data: self.y.data, row_stride: self.y.len * y_step, col_stride: y_step },
        }
    }

    /// Computes on copies in ascending order, because views have no negative strides.
    ///
    /// # Safety
    /// As [`gemv`].
    unsafe fn run_on_copies(&self, product: RawProduct<T>) -> Result<(), Error> {
        let mut x = AlignedBuf::<T>::zeroed(if self.alpha == T::zero() { 0 } else { self.x.len })?;
        let mut y = AlignedBuf::<T>::zeroed(self.y.len)?;
        for i in 0..x.len() {
            // SAFETY: an element of x, which is valid since α is not 0.
            x[i] = unsafe { *self.x.data.add(self.x.offset(i)) };
        }
        if self.beta != T::zero() {
            for i in 0..y.len() {
                // SAFETY: an element of y.
                y[i] = unsafe { *self.y.data.add(self.y.offset(i)) };
            }
        }
        let adjacent_x = Strided { data: x.as_ptr(), row_stride: self.x.len, col_stride: 1 };
        let adjacent_y = Strided { data: y.as_mut_ptr(), row_stride: self.y.len, col_stride: 1 };
        // SAFETY: A is passed on, the copies are ours; x has its elements unless α = 0.
        unsafe { RawProduct { a: adjacent_x, c: adjacent_y, ..product }.run() };
        for i in 0..y.len() {
            // SAFETY: an element of y.
            unsafe { *self.y.data.add(self.y.offset(i)) = y[i] };
        }
        Ok(())
    }
}
