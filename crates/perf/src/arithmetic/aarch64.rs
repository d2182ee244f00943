//! Loops of multiply-adds for 64-bit ARM.
//!
//! Source of the instructions: Arm Architecture Reference Manual for A-profile, FMLA, SDOT, SMMLA, SMULL, SADALP, SMLAL.

use super::{Arithmetic, MultiplyAdds, STEPS};
use std::arch::aarch64::{
    int32x4_t, vdup_n_s8, vdupq_n_f64, vdupq_n_s8, vdupq_n_s16, vdupq_n_s32, vfmaq_f64, vget_low_s8, vmlal_s8,
    vmull_s8, vpadalq_s16, vreinterpretq_s8_s16, vreinterpretq_s8_s32,
};
use std::arch::{asm, is_aarch64_feature_detected};
use std::hint::black_box;

/// Accumulators, which leave eight registers for operands.
const SUMS: usize = 24;

/// The fastest loop of a format, f32 excepted.
pub(super) fn multiply_adds(arithmetic: Arithmetic) -> Option<MultiplyAdds> {
    let has_sdot = is_aarch64_feature_detected!("dotprod");
    let has_smmla = is_aarch64_feature_detected!("i8mm");
    match arithmetic {
        Arithmetic::F32 | Arithmetic::Bf16 => None,
        // SAFETY: every 64-bit ARM of Linux has NEON.
        Arithmetic::F64 => Some(MultiplyAdds { instruction: "fmla, 128-bit", chunk: || unsafe { f64_fmla() } }),
        // SAFETY: the CPU has smmla.
        _ if has_smmla => Some(MultiplyAdds { instruction: "smmla, 128-bit", chunk: || unsafe { smmla() } }),
        // SAFETY: the CPU has sdot.
        _ if has_sdot => Some(MultiplyAdds { instruction: "sdot, 128-bit", chunk: || unsafe { sdot() } }),
        Arithmetic::Int8 => {
            // SAFETY: as above.
            Some(MultiplyAdds { instruction: "smull and sadalp, 128-bit", chunk: || unsafe { int8_widened() } })
        }
        // SAFETY: as above.
        Arithmetic::Int4 => Some(MultiplyAdds { instruction: "smlal, 128-bit", chunk: || unsafe { int4_narrow() } }),
    }
}

#[target_feature(enable = "neon")]
fn f64_fmla() -> u64 {
    let (half, one) = (vdupq_n_f64(black_box(0.5)), vdupq_n_f64(black_box(1.0)));
    let mut sums = [one; SUMS];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = vdupq_n_f64(black_box(1.0 + i as f64));
    }
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = vfmaq_f64(one, *sum, half);
        }
    }
    black_box(sums);
    STEPS * SUMS as u64 * 4
}

/// Sums of four lanes that differ: equal ones would be computed once.
#[target_feature(enable = "neon")]
fn seeds() -> [int32x4_t; SUMS] {
    let mut sums = [vdupq_n_s32(0); SUMS];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = vdupq_n_s32(black_box(i as i32));
    }
    sums
}

/// A loop of an instruction on bytes that Rust has no stable intrinsic of, and its operations.
macro_rules! sums_of_bytes {
    ($name:ident, $features:literal, $instruction:literal, $operations:literal) => {
        #[target_feature(enable = $features)]
        fn $name() -> u64 {
            let (a, b) = (vdupq_n_s8(black_box(3)), vdupq_n_s8(black_box(-1)));
            let mut sums = seeds();
            for _ in 0..STEPS {
                for sum in &mut sums {
                    // SAFETY: touches registers only; the function is for CPUs that have the instruction.
                    unsafe {
                        asm!(concat!($instruction, " {0:v}.4s, {1:v}.16b, {2:v}.16b"), inout(vreg) *sum, in(vreg) a, in(vreg) b,
                            options(pure, nomem, nostack, preserves_flags));
                    }
                }
            }
            black_box(sums);
            STEPS * SUMS as u64 * $operations
        }
    };
}

sums_of_bytes!(sdot, "neon,dotprod", "sdot", 32);
sums_of_bytes!(smmla, "neon,i8mm", "smmla", 64);

/// The sums themselves are multiplied: a product of constants would be computed once.
#[target_feature(enable = "neon")]
fn int8_widened() -> u64 {
    let b = vdup_n_s8(black_box(3));
    let mut sums = seeds();
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = vpadalq_s16(*sum, vmull_s8(vget_low_s8(vreinterpretq_s8_s32(*sum)), b));
        }
    }
    black_box(sums);
    STEPS * SUMS as u64 * 16
}

#[target_feature(enable = "neon")]
fn int4_narrow() -> u64 {
    let b = vdup_n_s8(black_box(3));
    let mut sums = [vdupq_n_s16(0); SUMS];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = vdupq_n_s16(black_box(i as i16));
    }
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = vmlal_s8(*sum, vget_low_s8(vreinterpretq_s8_s16(*sum)), b);
        }
    }
    black_box(sums);
    STEPS * SUMS as u64 * 16
}
