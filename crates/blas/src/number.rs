//! The two number types, and the routines of each.

use crate::calls::Routine;
use cke_kernels::scheme::Element;

/// `f32` or `f64`.
pub(crate) trait Number: Element {
    const GEMM: Routine;
    const GEMV: Routine;
    const GEMM_BATCH_STRIDED: Routine;
    /// What a failed product leaves in C.
    const NAN: Self;
}

impl Number for f32 {
    const GEMM: Routine = Routine::Sgemm;
    const GEMV: Routine = Routine::Sgemv;
    const GEMM_BATCH_STRIDED: Routine = Routine::SgemmBatchStrided;
    const NAN: f32 = f32::NAN;
}

impl Number for f64 {
    const GEMM: Routine = Routine::Dgemm;
    const GEMV: Routine = Routine::Dgemv;
    const GEMM_BATCH_STRIDED: Routine = Routine::DgemmBatchStrided;
    const NAN: f64 = f64::NAN;
}
