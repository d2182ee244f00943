//! Conversions between f16 and f32 by F16C where the CPU has it, with the bits of plain Rust.

use crate::cpu::Cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Features;
use crate::numbers::f16::{f16_to_f32, f32_to_f16};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// What the functions below are compiled for.
#[cfg(target_arch = "x86_64")]
const NEEDS: Features = Features::AVX2.union(Features::F16C);

/// out ← x; the lengths are equal.
pub(crate) fn widen(cpu: &Cpu, x: &[u16], out: &mut [f32]) {
    debug_assert_eq!(x.len(), out.len());
    #[cfg(target_arch = "x86_64")]
    if cpu.has(NEEDS) {
        // SAFETY: the CPU has AVX2 and F16C.
        return unsafe { widen_f16c(x, out) };
    }
    let _ = cpu;
    widen_plain(x, out);
}

/// out ← x to nearest, ties to even; the lengths are equal. F16C raises the floating-point flags of a rounding, plain Rust none.
pub(crate) fn narrow(cpu: &Cpu, x: &[f32], out: &mut [u16]) {
    debug_assert_eq!(x.len(), out.len());
    #[cfg(target_arch = "x86_64")]
    if cpu.has(NEEDS) {
        // SAFETY: the CPU has AVX2 and F16C.
        return unsafe { narrow_f16c(x, out) };
    }
    let _ = cpu;
    narrow_plain(x, out);
}

/// As [`narrow`], for callers that know of no CPU: the bits do not depend on it.
pub(crate) fn narrow_on_host(x: &[f32], out: &mut [u16]) {
    match Cpu::host() {
        Ok(cpu) => narrow(cpu, x, out),
        Err(_) => narrow_plain(x, out),
    }
}

fn widen_plain(x: &[u16], out: &mut [f32]) {
    for (&x, out) in x.iter().zip(out) {
        *out = f16_to_f32(x);
    }
}

fn narrow_plain(x: &[f32], out: &mut [u16]) {
    for (&x, out) in x.iter().zip(out) {
        *out = f32_to_f16(x);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn widen_f16c(x: &[u16], out: &mut [f32]) {
    let ((x, x_rest), (out, out_rest)) = (x.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (x, out) in x.iter().zip(out) {
        // SAFETY: eight elements of each.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast()))) };
    }
    widen_plain(x_rest, out_rest);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn narrow_f16c(x: &[f32], out: &mut [u16]) {
    let ((x, x_rest), (out, out_rest)) = (x.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (x, out) in x.iter().zip(out) {
        // SAFETY: eight elements of each.
        unsafe {
            let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(x.as_ptr()));
            _mm_storeu_si128(out.as_mut_ptr().cast(), halves);
        }
    }
    narrow_plain(x_rest, out_rest);
}
