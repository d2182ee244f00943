//! Number schemes: the types of the operands and of the sums, as one word.

use crate::gemm::Microkernel;
use crate::scratch::Zeroable;

/// One choice of types for A, B and the accumulator of a matrix product.
pub trait Scheme: Copy + Sync + 'static {
    /// Elements of A.
    type A: Zeroable;
    /// Elements of B.
    type B: Zeroable;
    /// Elements of the sums and of C.
    type Acc: Zeroable;
    /// The name used in kernel names and reports.
    const NAME: &'static str;

    /// The scheme's part of the registry.
    fn kernels() -> &'static [Microkernel<Self>];
}

/// f32 · f32 summed in f32.
#[derive(Clone, Copy, Debug)]
pub struct F32;

impl Scheme for F32 {
    type A = f32;
    type B = f32;
    type Acc = f32;
    const NAME: &'static str = "f32";

    fn kernels() -> &'static [Microkernel<F32>] {
        crate::gemm::registry::F32_KERNELS
    }
}
