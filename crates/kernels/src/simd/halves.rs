//! Vectors of f32 out of numbers of 16 bits: lanes that hold two in bf16 each, and loads of f16.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::{Lanewise, Simd};

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::Avx512Bf16;

/// Takes bf16 out of lanes, as f32: exact, and without a floating-point flag.
pub(crate) trait Halves: Simd<f32> {
    /// The lower half of each lane.
    fn first_halves(self, pairs: Self::Reg) -> Self::Reg;

    /// The upper half of each lane.
    fn second_halves(self, pairs: Self::Reg) -> Self::Reg;
}

/// Loads f16 as f32: exact, and without a floating-point flag, if no NaN is a signalling one. A value proves that the CPU has the instruction.
pub(crate) trait F16Loads: Copy {
    /// The vectors of f32.
    type Floats: Simd<f32>;

    /// A vector.
    ///
    /// # Safety
    /// `p` is valid for reads of as many numbers as a vector has lanes; no alignment is needed.
    unsafe fn load(self, p: *const u16) -> <Self::Floats as Lanewise<f32>>::Reg;

    /// The lanes of `first`, and the first number once more in each of the others.
    ///
    /// # Safety
    /// As [`F16Loads::load`].
    unsafe fn load_first_filled(
        self,
        p: *const u16,
        first: <Self::Floats as Simd<f32>>::First,
    ) -> <Self::Floats as Lanewise<f32>>::Reg;
}
