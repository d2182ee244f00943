//! The multiply-add peak of each number format that this CPU multiplies in vectors.
//!
//! As in [`crate::peak`], loops of independent multiply-adds on registers keep every unit busy. The narrow formats sum
//! products of pairs (bf16) or quads (u8 · i8) in each lane, so that one instruction does two or four times the work. With AVX2 alone
//! bytes are widened to 16 bits and multiplied in pairs, the sums added by a second instruction; weights of four bits need no widening,
//! since sums of a few of their products fit 16 bits. AMX multiplies two tiles of 16 rows of 64 bytes at a time.
//!
//! Source of the instructions: Intel SDM volume 2, VFMADD231PS, VFMADD231PD, VDPBF16PS, VPDPBUSD, VPMADDWD, VPMADDUBSW, TDPBSSD, TDPBF16PS.

#![allow(unsafe_code, reason = "multiply-adds by intrinsics")]

use std::time::Duration;

use cke_kernels::Isa;
use serde::Serialize;

use crate::peak::measure_peak;
use crate::throughput::{Effort, MeasureError, best_rate};

/// What is multiplied and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// f32 · f32 summed in f32.
    F32,
    /// f64 · f64 summed in f64.
    F64,
    /// bf16 · bf16 summed in f32.
    Bf16,
    /// u8 · i8, or i8 · i8, summed in i32.
    Int8,
    /// u4 · i8, summed in i32, or in 16 bits as far as these go.
    Int4,
}

/// A measured multiply-add peak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArithmeticPeak {
    /// What was multiplied.
    pub arithmetic: Arithmetic,
    /// The instruction that did it.
    pub instruction: &'static str,
    /// The number of threads that ran at once.
    pub threads: usize,
    /// 10⁹ operations per second of all threads together; a multiply-add of two numbers counts as two.
    pub gflops: f64,
}

/// Rounds of the measurement, as those of [`crate::peak`].
const EFFORT: Effort = Effort { rounds: 20, window: Duration::from_millis(2) };
/// Steps of all accumulators between two looks at the clock: about 50 µs.
const STEPS: u64 = 16_384;

/// A loop of multiply-adds that this CPU can run.
#[derive(Clone, Copy)]
struct MultiplyAdds {
    instruction: &'static str,
    /// Runs [`STEPS`] steps and returns their operations.
    chunk: fn() -> u64,
}

impl Arithmetic {
    /// Every format, the most common first.
    pub const ALL: [Self; 5] = [Self::F32, Self::F64, Self::Bf16, Self::Int8, Self::Int4];

    /// A short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// Measures the peak of `threads` threads that run at once, in the widest vectors of this CPU (whatever `CKE_ISA` says),
    /// or in tiles if AMX is in use: the best of 20 rounds of 2 ms.
    ///
    /// # Errors
    ///
    /// Returns [`MeasureError::Unsupported`] if the CPU does not multiply this format in vectors; also the errors of
    /// [`best_rate`].
    pub fn measure_peak(self, threads: usize) -> Result<ArithmeticPeak, MeasureError> {
        if self == Self::F32 {
            let (isa, instruction) = widest_f32();
            let gflops = measure_peak(isa, threads)?.gflops;
            return Ok(ArithmeticPeak { arithmetic: self, instruction, threads, gflops });
        }
        let MultiplyAdds { instruction, chunk } = self.multiply_adds()?;
        let rate = best_rate(vec![chunk; threads], EFFORT)?;
        Ok(ArithmeticPeak { arithmetic: self, instruction, threads, gflops: rate / 1e9 })
    }

    fn multiply_adds(self) -> Result<MultiplyAdds, MeasureError> {
        #[cfg(target_arch = "x86_64")]
        let found = amx::multiply_adds(self).or_else(|| x86::multiply_adds(self));
        #[cfg(target_arch = "aarch64")]
        let found = aarch64::multiply_adds(self);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let found = None;
        let wanted = match self {
            Self::F32 => "f32 multiply-add",
            Self::F64 => "AVX2 and FMA, AVX-512 or NEON",
            Self::Bf16 => "AVX-512 BF16",
            Self::Int8 | Self::Int4 => "AVX-512 VNNI, AVX-VNNI, AVX2 or NEON",
        };
        found.ok_or(MeasureError::Unsupported { wanted })
    }
}

/// The widest f32 multiply-add of this CPU.
fn widest_f32() -> (Isa, &'static str) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return (Isa::Avx512, "vfmadd231ps zmm");
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return (Isa::Avx2, "vfmadd231ps ymm");
        }
    }
    if cfg!(target_arch = "aarch64") {
        (Isa::Neon, "fmla, 128-bit")
    } else {
        (Isa::Scalar, "multiply and add, 128-bit")
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod amx;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Arithmetic, MultiplyAdds, STEPS};
    use std::arch::x86_64::{
        __m256i, __m512bh, __m512i, _mm256_add_epi16, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_fmadd_pd,
        _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_set1_pd, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_fmadd_pd, _mm512_set1_epi8,
        _mm512_set1_pd, _mm512_set1_ps,
    };
    use std::hint::black_box;

    /// The widest loop of a format, f32 excepted.
    pub(super) fn multiply_adds(arithmetic: Arithmetic) -> Option<MultiplyAdds> {
        let has_avx512 = is_x86_feature_detected!("avx512f");
        match arithmetic {
            Arithmetic::F32 => None,
            Arithmetic::F64 if has_avx512 => {
                // SAFETY: the CPU has AVX-512F.
                Some(MultiplyAdds { instruction: "vfmadd231pd zmm", chunk: || unsafe { f64_avx512() } })
            }
            Arithmetic::F64 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
                // SAFETY: the CPU has AVX2 and FMA.
                Some(MultiplyAdds { instruction: "vfmadd231pd ymm", chunk: || unsafe { f64_avx2() } })
            }
            Arithmetic::Bf16 if has_avx512 && is_x86_feature_detected!("avx512bf16") => {
                // SAFETY: the CPU has AVX-512F and BF16.
                Some(MultiplyAdds { instruction: "vdpbf16ps zmm", chunk: || unsafe { bf16_avx512() } })
            }
            Arithmetic::Int8 | Arithmetic::Int4 if has_avx512 && is_x86_feature_detected!("avx512vnni") => {
                // SAFETY: the CPU has AVX-512F and VNNI.
                Some(MultiplyAdds { instruction: "vpdpbusd zmm", chunk: || unsafe { int8_avx512() } })
            }
            Arithmetic::Int8 | Arithmetic::Int4
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") =>
            {
                // SAFETY: the CPU has AVX2 and AVX-VNNI.
                Some(MultiplyAdds { instruction: "vpdpbusd ymm", chunk: || unsafe { int8_avx2() } })
            }
            Arithmetic::Int8 if is_x86_feature_detected!("avx2") => {
                // SAFETY: the CPU has AVX2.
                Some(MultiplyAdds { instruction: "vpmaddwd and vpaddd ymm", chunk: || unsafe { int8_widened() } })
            }
            Arithmetic::Int4 if is_x86_feature_detected!("avx2") => {
                // SAFETY: the CPU has AVX2.
                Some(MultiplyAdds { instruction: "vpmaddubsw and vpaddw ymm", chunk: || unsafe { int4_narrow() } })
            }
            _ => None,
        }
    }

    /// Declares a function that runs [`STEPS`] steps of `$accumulators` independent multiply-adds and returns their operations,
    /// `$operations` in each instruction. Accumulators start from different numbers: equal ones would be computed once.
    macro_rules! multiply_adds {
        ($name:ident, $features:literal, $accumulators:literal * $operations:literal,
         $start:expr, $operands:expr, $step:expr) => {
            #[target_feature(enable = $features)]
            fn $name() -> u64 {
                let operands = $operands;
                let start = $start;
                let mut sums = [start(0); $accumulators];
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = start(black_box(i as i8));
                }
                for _ in 0..STEPS {
                    for sum in &mut sums {
                        *sum = $step(*sum, operands);
                    }
                }
                black_box(sums);
                STEPS * $accumulators * $operations
            }
        };
    }

    multiply_adds!(
        f64_avx512,
        "avx512f",
        24 * 16,
        |i| _mm512_set1_pd(1.0 + f64::from(i)),
        (_mm512_set1_pd(black_box(0.5)), _mm512_set1_pd(black_box(1.0))),
        |sum, (half, one)| _mm512_fmadd_pd(sum, half, one)
    );
    multiply_adds!(
        f64_avx2,
        "avx2,fma",
        12 * 8,
        |i| _mm256_set1_pd(1.0 + f64::from(i)),
        (_mm256_set1_pd(black_box(0.5)), _mm256_set1_pd(black_box(1.0))),
        |sum, (half, one)| _mm256_fmadd_pd(sum, half, one)
    );
    multiply_adds!(
        bf16_avx512,
        "avx512f,avx512bf16",
        24 * 64,
        |i| _mm512_set1_ps(1.0 + f32::from(i)),
        // +½ and −½ in turns, so that sums stay where they are.
        (bf16_pairs(black_box(0.5), black_box(0.5)), bf16_pairs(black_box(0.5), black_box(-0.5))),
        |sum, (a, b)| _mm512_dpbf16_ps(sum, a, b)
    );
    multiply_adds!(
        int8_avx512,
        "avx512f,avx512bw,avx512vnni",
        24 * 128,
        |i| _mm512_set1_epi8(i),
        (_mm512_set1_epi8(black_box(3)), _mm512_set1_epi8(black_box(-1))),
        |sum: __m512i, (a, b)| _mm512_dpbusd_epi32(sum, a, b)
    );
    multiply_adds!(
        int8_avx2,
        "avx2,avxvnni",
        12 * 64,
        |i| _mm256_set1_epi8(i),
        (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi8(black_box(-1))),
        |sum: __m256i, (a, b)| _mm256_dpbusd_avx_epi32(sum, a, b)
    );

    multiply_adds!(
        int8_widened,
        "avx2",
        12 * 32,
        |i| _mm256_set1_epi8(i),
        // The sums themselves are multiplied: a product of constants would be computed once.
        (_mm256_set1_epi16(black_box(3)), _mm256_set1_epi32(black_box(1))),
        |sum: __m256i, (a, b)| _mm256_add_epi32(_mm256_madd_epi16(sum, a), b)
    );

    multiply_adds!(
        int4_narrow,
        "avx2",
        12 * 64,
        |i| _mm256_set1_epi8(i),
        (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi16(black_box(1))),
        |sum: __m256i, (a, b)| _mm256_add_epi16(_mm256_maddubs_epi16(sum, a), b)
    );

    /// Half of the numbers `low`, half of them `high`.
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn bf16_pairs(low: f32, high: f32) -> __m512bh {
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(high), _mm512_set1_ps(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure_peak_every_format_is_positive_or_unsupported() {
        for arithmetic in Arithmetic::ALL {
            match arithmetic.measure_peak(1) {
                Ok(peak) => {
                    assert!(peak.gflops.is_finite() && peak.gflops > 0.0, "{peak:?}");
                    assert_eq!((peak.arithmetic, peak.threads), (arithmetic, 1));
                }
                Err(error) => {
                    assert!(
                        matches!(error, MeasureError::Unsupported { .. }) && arithmetic != Arithmetic::F32,
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn measure_peak_no_threads_is_refused() {
        for arithmetic in Arithmetic::ALL {
            let error = arithmetic.measure_peak(0).expect_err("no threads");
            assert!(matches!(error, MeasureError::Threads { .. } | MeasureError::Unsupported { .. }), "{error}");
        }
    }
}
