//! cblas_xGEMM_batch_strided: Cᵢ ← α · op(Aᵢ) · op(Bᵢ) + β · Cᵢ for i in 0..batch_size, where Aᵢ, Bᵢ and Cᵢ stand i strides after
//! the first.
//!
//! The interface is MKL's. A stride of 0 lets all products share one A or B. The Cᵢ may lie one after the other or be interleaved,
//! but not overlap. Source: Intel oneMKL Developer Reference for C, cblas_?gemm_batch_strided.

use crate::arguments::{BadArgument, Layout, Trans, expect};
use crate::gemm::GemmArguments;
use crate::number::Number;
use crate::product::{RawProduct, attempt, cpu};
use crate::{calls, xerbla};
use cke_kernels::Error;
use cke_kernels::gemm::{BatchCtx, GemmBatch, Matrices, MatricesMut};

/// The arguments as passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchArguments<T> {
    pub(crate) gemm: GemmArguments<T>,
    pub(crate) stride_a: i64,
    pub(crate) stride_b: i64,
    pub(crate) stride_c: i64,
    pub(crate) batch_size: i64,
}

/// Checks the arguments, then computes the products or reports the lowest bad one.
///
/// # Safety
/// If the arguments are valid, the matrices that they describe are valid: the Cᵢ for reads and writes, the Aᵢ and Bᵢ for reads
/// unless α = 0.
pub(crate) unsafe fn gemm_batch_strided<T: Number>(arguments: BatchArguments<T>) {
    calls::count(T::GEMM_BATCH_STRIDED);
    match arguments.check() {
        // SAFETY: passed on.
        Ok(batch) => unsafe { batch.run() },
        Err(bad) => xerbla::report(arguments.gemm.caller, T::GEMM_BATCH_STRIDED, bad),
    }
}

impl<T: Number> BatchArguments<T> {
    /// In a frame of its own, since the products need the stack after it.
    ///
    /// Unlike those of xGEMM, the numbers of bad arguments are the caller's own in either layout, as in MKL.
    #[inline(never)]
    fn check(&self) -> Result<StridedBatch<T>, BadArgument> {
        let GemmArguments { caller, trans, size: [m, n, k], lda, ldb, ldc, .. } = self.gemm;
        let layout = caller.layout().ok_or(BadArgument(0))?;
        let trans_a = trans[0].ok_or(BadArgument(1))?;
        let trans_b = trans[1].ok_or(BadArgument(2))?;
        let has_room = |ld: i64, trans: Trans, rows: i64, cols: i64| {
            let adjacent = if (layout == Layout::ColMajor) == (trans == Trans::No) { rows } else { cols };
            ld >= adjacent.max(1)
        };
        expect(m >= 0, 3)?;
        expect(n >= 0, 4)?;
        expect(k >= 0, 5)?;
        expect(has_room(lda, trans_a, m, k), 8)?;
        expect(self.stride_a >= 0, 9)?;
        expect(has_room(ldb, trans_b, k, n), 11)?;
        expect(self.stride_b >= 0, 12)?;
        expect(has_room(ldc, Trans::No, m, n), 15)?;
        let product = self.gemm.check()?;
        expect(self.stride_c >= 0 && self.is_disjoint(&product), 16)?;
        expect(self.batch_size >= 0, 17)?;
        // A column-major product is computed mirrored.
        let (stride_a, stride_b) = match layout {
            Layout::RowMajor => (self.stride_a, self.stride_b),
            Layout::ColMajor => (self.stride_b, self.stride_a),
        };
        Ok(StridedBatch {
            first: product,
            strides: [stride_a, stride_b, self.stride_c].map(|stride| stride as usize),
            len: self.batch_size as usize,
        })
    }

    /// Whether no element belongs to two of the Cᵢ.
    fn is_disjoint(&self, first: &RawProduct<T>) -> bool {
        if self.batch_size <= 1 || first.m == 0 || first.n == 0 {
            return true;
        }
        let (rows, cols) = (first.m as i128, first.n as i128);
        let [ld, stride, last] = [self.gemm.ldc, self.stride_c, self.batch_size - 1].map(i128::from);
        let one_after_the_other = stride >= (rows - 1) * ld + cols;
        let interleaved = stride >= cols && last * stride + cols <= ld;
        one_after_the_other || interleaved
    }
}

/// Products of one shape.
#[derive(Clone, Copy, Debug)]
struct StridedBatch<T> {
    first: RawProduct<T>,
    /// From one A, B and C of `first` to the next.
    strides: [usize; 3],
    len: usize,
}

impl<T: Number> StridedBatch<T> {
    /// # Safety
    /// As [`gemm_batch_strided`].
    unsafe fn run(&self) {
        if self.first.leaves_c() {
            return;
        }
        let work = self.first.work().saturating_mul(self.len);
        // SAFETY: passed on.
        let outcome = attempt(work, |pool, scratch| unsafe { self.multiply(BatchCtx { pool, scratch }) });
        if let Err(reason) = outcome {
            // SAFETY: passed on; the kernels are done with every C.
            unsafe { self.fail(&reason) }
        }
    }

    /// [`RawProduct::fail`] for each.
    ///
    /// # Safety
    /// As there, for every C.
    #[cold]
    #[inline(never)]
    unsafe fn fail(&self, reason: &str) {
        // SAFETY: passed on.
        (0..self.len).for_each(|i| unsafe { self.product(i).fail(reason) });
    }

    /// # Safety
    /// As [`gemm_batch_strided`].
    unsafe fn multiply(&self, mut ctx: BatchCtx<'_>) -> Result<(), Error> {
        let RawProduct { m, n, k, alpha, a, b, beta, c } = self.first.without_unread();
        let [stride_a, stride_b, stride_c] = self.strides;
        // SAFETY: passed on.
        let (a, b, c) = unsafe {
            (
                Matrices::from_stride(a.data, a.layout(m, k), stride_a, self.len),
                Matrices::from_stride(b.data, b.layout(k, n), stride_b, self.len),
                MatricesMut::from_stride(c.data, c.layout(m, n), stride_c, self.len),
            )
        };
        GemmBatch::<T::Scheme> { alpha, a, b, beta }.run(cpu(), c, &mut ctx)
    }

    fn product(&self, i: usize) -> RawProduct<T> {
        let mut product = self.first;
        product.c.data = product.c.data.wrapping_add(i * self.strides[2]);
        product
    }
}
