//! The f32 multiply-add peak of this machine, measured.
//!
//! A loop of independent multiply-adds on registers, with no memory access, keeps every multiply-add unit busy in every
//! cycle. It needs at least latency × units accumulators (4 × 2 on current x86-64 cores); more do no harm as long as
//! they fit the register file.
//!
//! Each accumulator runs `acc ← acc·½ + 1`, which converges to 2 from any start, so that operands are never zero,
//! denormal or infinite, however long it runs.

#![allow(unsafe_code, reason = "multiply-adds by intrinsics")]

use std::hint::black_box;
use std::time::Duration;

use cke_kernels::Isa;
use serde::{Serialize, Serializer};

use crate::throughput::{Effort, MeasureError, best_rate, check_threads};

/// A measured f32 multiply-add peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// GFLOP/s of all threads together; a multiply-add counts as two.
    pub gflops: f64,
    /// The instructions it was measured with.
    #[serde(serialize_with = "isa_name")]
    pub isa: Isa,
    /// The number of threads that ran at once.
    pub threads: usize,
}

fn isa_name<S: Serializer>(isa: &Isa, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(isa.name())
}

/// Rounds of the measurement: long against a chunk, short enough to fall between disturbances of a shared machine.
const EFFORT: Effort = Effort { rounds: 20, window: Duration::from_millis(2) };

/// Steps of all accumulators in one chunk: about 50 µs, against which reading the clock costs nothing.
const STEPS: u64 = 16_384;

/// Measures the f32 multiply-add peak of `threads` threads that run at once: the best of 20 rounds of 2 ms.
///
/// `isa` is [`Cpu::detected_isa`](cke_kernels::Cpu::detected_isa) for the machine's peak; [`Isa::Scalar`] means what
/// the build's target guarantees (on x86-64 SSE2, multiply and add apart; on 64-bit ARM NEON).
///
/// # Errors
///
/// Returns [`MeasureError::Unsupported`] if the CPU does not have `isa`; also the errors of [`best_rate`].
pub fn measure_peak(isa: Isa, threads: usize) -> Result<Peak, MeasureError> {
    if !is_supported(isa) {
        return Err(MeasureError::Unsupported { wanted: isa.name() });
    }
    check_threads(threads)?;
    let chunk = move || match isa {
        Isa::Scalar => scalar_chunk(),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => scalar_chunk(),
        // SAFETY: `is_supported` found AVX2 and FMA above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::avx2_chunk() },
        // SAFETY: `is_supported` found AVX-512F above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::avx512_chunk() },
        _ => 0,
    };
    let rate = best_rate(vec![chunk; threads], EFFORT)?;
    Ok(Peak { gflops: rate / 1e9, isa, threads })
}

/// Whether this CPU, its operating system and this build have what the loop for `isa` needs.
fn is_supported(isa: Isa) -> bool {
    match isa {
        Isa::Scalar => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => is_x86_feature_detected!("avx512f"),
        Isa::Neon => cfg!(target_arch = "aarch64"),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => false,
    }
}

/// Flops of a chunk with this many accumulators of this many lanes.
const fn chunk_flops(accumulators: usize, lanes: usize) -> u64 {
    2 * STEPS * (accumulators * lanes) as u64
}

/// Different for each accumulator: equal ones would be computed once.
fn seed(accumulator: usize) -> f32 {
    black_box(1.0 + accumulator as f32)
}

/// One chunk in plain Rust: 12 accumulators of 4 lanes, which the compiler keeps in 128-bit registers. Returns its
/// flops.
fn scalar_chunk() -> u64 {
    const LANES: usize = 4;
    const ACCUMULATORS: usize = 12;
    let (half, one) = (black_box(0.5f32), black_box(1.0f32));
    let mut acc: [f32; ACCUMULATORS * LANES] = std::array::from_fn(seed);
    for _ in 0..STEPS {
        for a in &mut acc {
            // `mul_add` is one instruction only where the target guarantees it, otherwise a slow call of the C library.
            *a = if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                a.mul_add(half, one)
            } else {
                *a * half + one
            };
        }
    }
    black_box(acc);
    chunk_flops(ACCUMULATORS, LANES)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{STEPS, black_box, chunk_flops, seed};
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};

    /// 12 accumulators and 2 operands of the 16 registers. Returns the chunk's flops.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2_chunk() -> u64 {
        const ACCUMULATORS: usize = 12;
        let (half, one) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
        let mut acc = [one; ACCUMULATORS];
        for (i, a) in acc.iter_mut().enumerate() {
            *a = _mm256_set1_ps(seed(i));
        }
        for _ in 0..STEPS {
            for a in &mut acc {
                *a = _mm256_fmadd_ps(*a, half, one);
            }
        }
        black_box(acc);
        chunk_flops(ACCUMULATORS, 8)
    }

    /// 24 accumulators and 2 operands of the 32 registers. Returns the chunk's flops.
    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512_chunk() -> u64 {
        const ACCUMULATORS: usize = 24;
        let (half, one) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut acc = [one; ACCUMULATORS];
        for (i, a) in acc.iter_mut().enumerate() {
            *a = _mm512_set1_ps(seed(i));
        }
        for _ in 0..STEPS {
            for a in &mut acc {
                *a = _mm512_fmadd_ps(*a, half, one);
            }
        }
        black_box(acc);
        chunk_flops(ACCUMULATORS, 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure_peak_every_supported_isa_is_positive() {
        for isa in Isa::ALL.into_iter().filter(|&isa| is_supported(isa)) {
            let peak = measure_peak(isa, 1).expect("a supported instruction set");
            assert!(peak.gflops.is_finite() && peak.gflops > 0.0, "{isa}: {} GFLOP/s", peak.gflops);
            assert_eq!((peak.isa, peak.threads), (isa, 1));
        }
    }

    #[test]
    fn measure_peak_two_threads_is_positive() {
        let peak = measure_peak(Isa::Scalar, 2).expect("two threads");
        assert!(peak.gflops.is_finite() && peak.gflops > 0.0);
    }

    #[test]
    fn measure_peak_no_threads_is_refused() {
        assert!(matches!(measure_peak(Isa::Scalar, 0), Err(MeasureError::Threads { found: 0 })));
    }

    #[test]
    fn measure_peak_absurd_threads_is_refused() {
        assert!(matches!(measure_peak(Isa::Scalar, usize::MAX), Err(MeasureError::Threads { found: usize::MAX })));
    }
}
