//! Numbers of 16 bits on NEON, which converts f16 on every 64-bit ARM.

use super::{F16Loads, Halves};
use crate::simd::Neon;
use std::arch::aarch64::*;

impl Halves for Neon {
    #[inline(always)]
    fn first_halves(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(pairs))) }
    }

    #[inline(always)]
    fn second_halves(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(!0xffff))) }
    }
}

impl F16Loads for Neon {
    type Floats = Neon;

    #[inline(always)]
    unsafe fn load(self, p: *const u16) -> float32x4_t {
        // SAFETY: four numbers, promised by the caller; `self` proves NEON.
        unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))) }
    }

    #[inline(always)]
    unsafe fn load_first_filled(self, p: *const u16, first: usize) -> float32x4_t {
        // SAFETY: a whole vector, promised by the caller; `self` proves NEON; the lanes are 16 bytes.
        unsafe {
            let numbers = self.load(p);
            let is_first = vcltq_u32(vld1q_u32(LANES.as_ptr()), vdupq_n_u32(first as u32));
            vbslq_f32(is_first, numbers, vdupq_laneq_f32::<0>(numbers))
        }
    }
}

/// The numbers of the lanes.
static LANES: [u32; 4] = [0, 1, 2, 3];
