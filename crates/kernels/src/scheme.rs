//! Number schemes: the types of the operands and of the sums, as one word.

use crate::gemm::{Microkernel, NoFinish, TileEpilogue, TileFinish};
use crate::scratch::Zeroable;
use std::fmt;
use std::ops::{Add, Mul};

/// One choice of types for A, B and the accumulator of a matrix product.
pub trait Scheme: Copy + Sync + 'static {
    /// Elements of A.
    type A: Zeroable;
    /// Elements of B.
    type B: Zeroable;
    /// Elements of the sums and of C.
    type Acc: Real;
    /// What an epilogue becomes when it is cut to a tile.
    type Finish: TileEpilogue<Self::Acc>;
    /// The name used in kernel names and reports.
    const NAME: &'static str;

    /// The scheme's part of the registry.
    fn kernels() -> &'static [Microkernel<Self>];
}

/// Numbers that sums, α and β are made of.
pub trait Real: Zeroable + PartialEq + From<f32> + Add<Output = Self> + Mul<Output = Self> + fmt::Debug {
    /// 1.
    fn one() -> Self {
        Self::from(1.0)
    }
}
impl Real for f32 {}
impl Real for f64 {}

/// A scheme with one type for all.
pub trait Uniform: Scheme<A = Self::E, B = Self::E, Acc = Self::E> {
    /// That type.
    type E: Real;
}

/// f32 · f32 summed in f32.
#[derive(Clone, Copy, Debug)]
pub struct F32;

impl Scheme for F32 {
    type A = f32;
    type B = f32;
    type Acc = f32;
    type Finish = TileFinish;
    const NAME: &'static str = "f32";

    fn kernels() -> &'static [Microkernel<F32>] {
        crate::gemm::registry::F32_KERNELS
    }
}

impl Uniform for F32 {
    type E = f32;
}

/// f64 · f64 summed in f64.
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl Scheme for F64 {
    type A = f64;
    type B = f64;
    type Acc = f64;
    type Finish = NoFinish;
    const NAME: &'static str = "f64";

    fn kernels() -> &'static [Microkernel<F64>] {
        crate::gemm::registry::F64_KERNELS
    }
}

impl Uniform for F64 {
    type E = f64;
}
