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
#[diagnostic::on_unimplemented(
    message = "`matmul` cannot multiply matrices of `{Self}`",
    label = "wanted `f32` or `f64`",
    note = "weights in bf16, f16, int8 and fewer bits are multiplied by a `GemmPlan` of their scheme"
)]
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

/// f32 · f32 in eight bits: [`gemm::int8`](crate::gemm::int8). GROUP elements of a row, and of a column, have one scale, or all have if
/// it is WHOLE, and GROUP of them make a block.
#[derive(Clone, Copy, Debug)]
pub struct Int8By<const GROUP: usize, const WHOLE: bool>;

/// Eight bits, with a scale for 128 elements: what models are quantised to.
pub type Int8 = Int8By<128, false>;

/// Eight bits, with a scale for GROUP elements: 16, 32, 64, 128 or 256.
pub type Int8Groups<const GROUP: usize> = Int8By<GROUP, false>;

/// Eight bits, with one scale for each row of A and each column of B.
pub type Int8PerChannel = Int8By<128, true>;

/// The kernels of a scheme of eight bits.
pub trait Int8Kernels: Sized + 'static {
    /// As [`Scheme::NAME`].
    const NAME: &'static str;

    /// As [`Scheme::kernels`].
    fn kernels() -> &'static [&'static [Microkernel<Self>]]
    where
        Self: Scheme;
}

impl<const GROUP: usize, const WHOLE: bool> Scheme for Int8By<GROUP, WHOLE>
where
    Self: Int8Kernels,
{
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = <Self as Int8Kernels>::NAME;

    fn kernels() -> &'static [&'static [Microkernel<Self>]] {
        <Self as Int8Kernels>::kernels()
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
