//! What tests of the vectors need of their two element types.

use cke_kernels::Cpu;
use cke_kernels::simd::{Op, Simd, dispatch};
use cke_testkit::{Data, Element, Special};
use std::ops::{Add, Div, Mul, Sub};

/// Work over vectors of `E`; for those of `f32` it is an [`Op`].
pub(crate) trait Work<E: Copy> {
    type Output;

    /// Does the work; `#[inline(always)]` as for an [`Op`].
    fn run<S: Simd<E>>(self, s: S) -> Self::Output;
}

/// An element type of vectors.
pub(crate) trait Real:
    Element + Default + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    const NAN: Self;
    const NEG_INFINITY: Self;

    /// Does `work` with vectors of the instruction set of `cpu`.
    fn dispatch<W: Work<Self>>(cpu: &Cpu, work: W) -> W::Output;

    /// Ordinary values with every kind of special one among them.
    fn mixed(data: &mut Data, len: usize) -> Vec<Self>;

    fn from_f32(x: f32) -> Self;
    fn bits(self) -> u64;
    fn sqrt(self) -> Self;
    fn round(self) -> Self;
    fn fused(self, b: Self, c: Self) -> Self;

    /// The bits, alike for every NaN.
    fn canonical_bits(self) -> u64 {
        // The one number that is not equal to itself.
        if self.partial_cmp(&self).is_none() { Self::NAN.bits() } else { self.bits() }
    }
}

/// Work on vectors of f32 as the library takes it.
struct Operation<W>(W);

impl<W: Work<f32>> Op for Operation<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> W::Output {
        self.0.run(s)
    }
}

macro_rules! arithmetic {
    ($type:ident) => {
        const NAN: Self = $type::NAN;
        const NEG_INFINITY: Self = $type::NEG_INFINITY;

        fn from_f32(x: f32) -> Self {
            x.into()
        }

        fn bits(self) -> u64 {
            self.to_bits().into()
        }

        fn sqrt(self) -> Self {
            $type::sqrt(self)
        }

        fn round(self) -> Self {
            self.round_ties_even()
        }

        fn fused(self, b: Self, c: Self) -> Self {
            self.mul_add(b, c)
        }
    };
}

impl Real for f32 {
    arithmetic!(f32);

    fn dispatch<W: Work<f32>>(cpu: &Cpu, work: W) -> W::Output {
        dispatch(cpu, Operation(work))
    }

    fn mixed(data: &mut Data, len: usize) -> Vec<f32> {
        let mut values = data.normal(len, 0.0, 100.0);
        let kinds = [Special::Denormal, Special::Nan, Special::Infinity, Special::NegativeZero, Special::Huge];
        data.sprinkle(&mut values, 0.3, &kinds);
        values
    }
}

impl Real for f64 {
    arithmetic!(f64);

    fn dispatch<W: Work<f64>>(cpu: &Cpu, work: W) -> W::Output {
        match cpu.isa() {
            // SAFETY: a Cpu reports an ISA only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            cke_kernels::Isa::Avx512 => unsafe { entry::avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            cke_kernels::Isa::Avx2 => unsafe { entry::avx2(work) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            cke_kernels::Isa::Neon => work.run(unsafe { cke_kernels::simd::Neon::assume() }),
            _ => work.run(cke_kernels::simd::Scalar),
        }
    }

    fn mixed(data: &mut Data, len: usize) -> Vec<f64> {
        let (high, low) = (data.normal(len, 0.0, 100.0), data.normal(len, 0.0, 1e-6));
        let mut values: Vec<f64> = high.into_iter().zip(low).map(|(x, y)| f64::from(x) + f64::from(y)).collect();
        for value in &mut values {
            let fraction = data.bits() >> 12;
            let specials = [f64::from_bits(fraction), f64::NAN, f64::INFINITY, -0.0, f64::MAX];
            if data.below(4) == 0 {
                *value = data.choose(&specials).copysign(data.choose(&[1.0, -1.0]));
            }
        }
        values
    }
}

#[cfg(target_arch = "x86_64")]
mod entry {
    use super::Work;
    use cke_kernels::simd::{Avx2, Avx512};

    /// # Safety
    /// The CPU has AVX-512 F, VL, BW and DQ.
    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    pub(super) unsafe fn avx512<W: Work<f64>>(work: W) -> W::Output {
        // SAFETY: promised by the caller.
        work.run(unsafe { Avx512::assume() })
    }

    /// # Safety
    /// The CPU has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<W: Work<f64>>(work: W) -> W::Output {
        // SAFETY: promised by the caller.
        work.run(unsafe { Avx2::assume() })
    }
}
