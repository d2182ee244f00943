//! Number schemes: the types of a product's matrices, as one word: [`F32`] and [`F64`]; [`Bf16`], [`F16`], [`Int8`] and [`Int4`] for
//! weights with fewer bits. The traits are for authors of kernels.

use crate::gemm::grouped::{GroupFormat, Q4_0};
use crate::gemm::{F32Epilogue, Microkernel, NoEpilogue, TileEpilogue, registry};
use crate::scratch::Zeroable;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Add, Mul};

/// One choice of types for the matrices of a product. What kernels read of A and B need not have these types: rows of A may be prepared
/// for them, and panels of B are packed, both in a format of bytes that the kernel names.
pub trait Scheme: Copy + Send + Sync + 'static {
    /// Elements of A.
    type A: Zeroable;
    /// Elements of B before it is packed.
    type B: Zeroable;
    /// Elements of C.
    type C: Output;
    /// The name used in kernel names and reports.
    const NAME: &'static str;

    /// The scheme's part of the registry: groups of kernels that need the same of the CPU, the most capable first.
    fn kernels() -> &'static [&'static [Microkernel<Self>]];

    /// All of its kernels, in that order.
    fn records() -> impl Iterator<Item = &'static Microkernel<Self>> {
        Self::kernels().iter().copied().flatten()
    }
}

/// Elements of C, with the type of the sums that become them.
pub trait Output: Zeroable {
    /// Sums when they reach C, and the factors α and β on them.
    type Sum: Real;
    /// What an epilogue becomes when it is cut to a tile.
    type Epilogue: TileEpilogue<Self>;

    /// factor · self
    fn scaled(self, factor: Self::Sum) -> Self;
}

/// Numbers that sums, α and β are made of.
pub trait Real: Zeroable + PartialEq + Add<Output = Self> + Mul<Output = Self> + fmt::Debug {
    /// 1.
    fn one() -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn one() -> f32 {
        1.0
    }
}

impl Real for f64 {
    #[inline(always)]
    fn one() -> f64 {
        1.0
    }
}

impl Output for f32 {
    type Sum = f32;
    type Epilogue = F32Epilogue;

    fn scaled(self, factor: f32) -> f32 {
        factor * self
    }
}

impl Output for f64 {
    type Sum = f64;
    type Epilogue = NoEpilogue;

    fn scaled(self, factor: f64) -> f64 {
        factor * self
    }
}

/// A type that serves for A, B, sums and C alike.
pub trait Element: Real + Output<Sum = Self> {
    /// The scheme of which it does.
    type Scheme: Uniform<E = Self>;
}

impl Element for f32 {
    type Scheme = F32;
}

impl Element for f64 {
    type Scheme = F64;
}

/// A scheme with one type for all.
pub trait Uniform: Scheme<A = Self::E, B = Self::E, C = Self::E> {
    /// That type.
    type E: Element;
}

/// f32 · f32 summed in f32.
#[derive(Clone, Copy, Debug)]
pub struct F32;

impl Scheme for F32 {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = "f32";

    fn kernels() -> &'static [&'static [Microkernel<F32>]] {
        registry::F32
    }
}

impl Uniform for F32 {
    type E = f32;
}

/// f32 · f32 in eight bits, quantised in groups: [`gemm::int8`](crate::gemm::int8).
#[derive(Clone, Copy, Debug)]
pub struct Int8;

impl Scheme for Int8 {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = "int8";

    fn kernels() -> &'static [&'static [Microkernel<Int8>]] {
        registry::INT8
    }
}

/// f32 · f32, the rows in eight bits and the weights in the format F of few bits in groups: [`gemm::grouped`](crate::gemm::grouped).
#[derive(Clone, Copy, Debug)]
pub struct Grouped<F>(PhantomData<F>);

/// Weights in four bits in groups of 32: rows of 4.5 bits a weight.
pub type Int4 = Grouped<Q4_0>;

impl<F: GroupFormat> Scheme for Grouped<F> {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = F::NAME;

    fn kernels() -> &'static [&'static [Microkernel<Self>]] {
        F::kernels()
    }
}

/// f32 · f32 with B rounded to bf16, summed in f32: [`gemm::bf16`](crate::gemm::bf16).
#[derive(Clone, Copy, Debug)]
pub struct Bf16;

impl Scheme for Bf16 {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = "bf16";

    fn kernels() -> &'static [&'static [Microkernel<Bf16>]] {
        registry::BF16
    }
}

/// f32 · f32 with B rounded to f16, summed in f32: [`gemm::f16`](crate::gemm::f16).
#[derive(Clone, Copy, Debug)]
pub struct F16;

impl Scheme for F16 {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = "f16";

    fn kernels() -> &'static [&'static [Microkernel<F16>]] {
        registry::F16
    }
}

/// f64 · f64 summed in f64.
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl Scheme for F64 {
    type A = f64;
    type B = f64;
    type C = f64;
    const NAME: &'static str = "f64";

    fn kernels() -> &'static [&'static [Microkernel<F64>]] {
        registry::F64
    }
}

impl Uniform for F64 {
    type E = f64;
}
