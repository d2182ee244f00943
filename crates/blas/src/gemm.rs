//! xGEMM: C (m, n) ← α · op(A) (m, k) · op(B) (k, n) + β · C.
//!
//! Source: Dongarra, Du Croz, Hammarling, Duff: *A Set of Level 3 Basic Linear Algebra Subprograms*, ACM TOMS 16 (1990).

use crate::arguments::{BadArgument, Caller, Layout, Operand, Trans, expect};
use crate::number::Number;
use crate::product::{RawProduct, Strided};
use crate::{calls, xerbla};

/// The arguments as passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GemmArguments<T> {
    pub(crate) caller: Caller,
    pub(crate) trans: [Option<Trans>; 2],
    pub(crate) size: [i64; 3],
    pub(crate) alpha: T,
    pub(crate) a: *const T,
    pub(crate) lda: i64,
    pub(crate) b: *const T,
    pub(crate) ldb: i64,
    pub(crate) beta: T,
    pub(crate) c: *mut T,
    pub(crate) ldc: i64,
}

/// Checks the arguments, then computes the product or reports the lowest bad one.
///
/// # Safety
/// If the arguments are valid, the matrices that they describe are valid: C for reads and writes, A and B for reads unless α = 0.
#[inline(always)] // in registers: a small product lasts no longer than storing its arguments and loading them again
pub(crate) unsafe fn gemm<T: Number>(arguments: GemmArguments<T>) {
    calls::count(T::GEMM);
    match arguments.check() {
        // SAFETY: passed on.
        Ok(product) => unsafe { product.run() },
        Err(bad) => xerbla::report(arguments.caller, T::GEMM, bad),
    }
}

impl<T: Number> GemmArguments<T> {
    /// The product in row-major terms.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<RawProduct<T>, BadArgument> {
        let layout = self.caller.layout().ok_or(BadArgument(0))?;
        let a = Operand { trans: self.trans[0].ok_or(BadArgument(1))?, data: self.a, ld: self.lda };
        let b = Operand { trans: self.trans[1].ok_or(BadArgument(2))?, data: self.b, ld: self.ldb };
        let [m, n, k] = self.size;
        // A row-major C is the column-major Cᵀ = op(B)ᵀ · op(A)ᵀ; the numbers of bad arguments are those of that call.
        let (a, b, m, n) = match layout {
            Layout::ColMajor => (a, b, m, n),
            Layout::RowMajor => (b, a, n, m),
        };
        expect(m >= 0, 3)?;
        expect(n >= 0, 4)?;
        expect(k >= 0, 5)?;
        expect(a.has_room(m, k), 8)?;
        expect(b.has_room(k, n), 10)?;
        expect(self.ldc >= m.max(1), 13)?;
        // And back: the kernels write C row by row.
        Ok(RawProduct {
            m: n as usize,
            n: m as usize,
            k: k as usize,
            alpha: self.alpha,
            a: transposed(b),
            b: transposed(a),
            beta: self.beta,
            c: Strided { data: self.c, row_stride: self.ldc as usize, col_stride: 1 },
        })
    }
}

/// op(X)ᵀ of a column-major X.
pub(crate) fn transposed<T>(x: Operand<T>) -> Strided<*const T> {
    let ld = x.ld as usize;
    match x.trans {
        Trans::No => Strided { data: x.data, row_stride: ld, col_stride: 1 },
        Trans::Yes => Strided { data: x.data, row_stride: 1, col_stride: ld },
    }
}
