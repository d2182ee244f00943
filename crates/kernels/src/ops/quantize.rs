//! Numbers of fewer bits: bf16, f16, and int8 in groups with a scale each.
//!
//! All round to nearest, ties to even, and give the same bits on every instruction set. If the calling thread rounds in another way, int8
//! is rounded in that way. The conversions are those that matrix products pack weights and prepare rows by.

mod reference;

pub use reference::{
    from_bf16_reference, from_f16_reference, to_bf16_reference, to_f16_reference, to_int8_asymmetric_reference,
    to_int8_symmetric_reference,
};

use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::numbers::bf16::{bf16_to_f32, round_to_bf16};
use crate::numbers::int8::{Affine, affine, affine_of, quantized, scale_of};
use crate::simd::{Op, Simd, dispatch, f16};

/// out ← x as bf16: sign, exponent and the upper seven bits of the significand of an f32.
///
/// Finite numbers from 2¹²⁸ − 2¹¹⁹ on become infinite; denormal numbers are rounded like others. A NaN keeps its sign and the upper
/// bits of its payload and becomes quiet. No floating-point mode matters and no flag is raised.
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ. Nothing is written then.
pub fn to_bf16(cpu: &Cpu, x: &[f32], out: &mut [u16]) -> Result<(), Error> {
    expect_size("elements of the bf16 output", x.len(), out.len())?;
    dispatch(cpu, ToBf16(x, out));
    Ok(())
}

struct ToBf16<'a>(&'a [f32], &'a mut [u16]);

impl Op for ToBf16<'_> {
    type Output = ();

    /// Plain arithmetic on integers, which the compiler turns into vectors of the instruction set.
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        round_to_bf16(self.0, self.1);
    }
}

/// out ← x as f32, which is exact; a NaN keeps its bits.
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ. Nothing is written then.
pub fn from_bf16(cpu: &Cpu, x: &[u16], out: &mut [f32]) -> Result<(), Error> {
    expect_size("elements of the f32 output", x.len(), out.len())?;
    dispatch(cpu, FromBf16(x, out));
    Ok(())
}

struct FromBf16<'a>(&'a [u16], &'a mut [f32]);

impl Op for FromBf16<'_> {
    type Output = ();

    /// As that of [`ToBf16`].
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        for (&x, out) in self.0.iter().zip(self.1) {
            *out = bf16_to_f32(x);
        }
    }
}

/// out ← x as f16 (IEEE 754 binary16).
///
/// Finite numbers from 65520 on become infinite, denormal results are rounded like others, and what lies within ±2⁻²⁵ becomes a zero of
/// its sign. A NaN keeps its sign and the upper bits of its payload and becomes quiet. No rounding mode matters.
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ. Nothing is written then.
pub fn to_f16(cpu: &Cpu, x: &[f32], out: &mut [u16]) -> Result<(), Error> {
    expect_size("elements of the f16 output", x.len(), out.len())?;
    f16::narrow(cpu, x, out);
    Ok(())
}

/// out ← x as f32, which is exact; a NaN keeps its sign and payload and becomes quiet.
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ. Nothing is written then.
pub fn from_f16(cpu: &Cpu, x: &[u16], out: &mut [f32]) -> Result<(), Error> {
    expect_size("elements of the f32 output", x.len(), out.len())?;
    f16::widen(cpu, x, out);
    Ok(())
}

/// Groups of `group` elements of x as whole numbers from −127 to 127 with a scale each; the last group may be shorter.
///
/// ```text
/// scale = max |x| / 127      q = round(x · (127 / max |x|))      x ≈ scale · q, off by scale / 2 at most
/// ```
///
/// A group whose largest magnitude is below 1e-35 is zeros with a scale of 0. A group with a NaN or an infinity has zeros and a scale of
/// NaN, so that every product with it is NaN. The same as [`gemm::int8`](crate::gemm::int8) makes of rows and columns once it has spread them.
///
/// # Errors
/// Returns [`Error::Size`] if `group` is 0, `out` is not as long as x, or there is not one scale for each group.
/// Nothing is written then.
pub fn to_int8_symmetric(cpu: &Cpu, x: &[f32], group: usize, out: &mut [i8], scales: &mut [f32]) -> Result<(), Error> {
    expect_groups(x, group, out)?;
    expect_size("scales of the groups", x.len().div_ceil(group), scales.len())?;
    dispatch(cpu, Symmetric { x, group, out, scales });
    Ok(())
}

struct Symmetric<'a> {
    x: &'a [f32],
    group: usize,
    out: &'a mut [i8],
    scales: &'a mut [f32],
}

impl Op for Symmetric<'_> {
    type Output = ();

    /// As that of [`ToBf16`].
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let groups = self.x.chunks(self.group).zip(self.out.chunks_mut(self.group));
        for ((x, out), scale) in groups.zip(self.scales) {
            let factor;
            (*scale, factor) = scale_of(x);
            for (&x, q) in x.iter().zip(out) {
                *q = quantized(x, factor);
            }
        }
    }
}

/// Groups of `group` elements of x as whole numbers from −128 to 127 with a scale and a zero point each; the last group may be shorter.
///
/// ```text
/// low = min(x, 0), high = max(x, 0)       over the group: 0 has a number of its own
/// scale = high / 255 − low / 255
/// zero  = round(−128 − low · (1 / scale))
/// q     = clamp(round(x · (1 / scale)) + zero, −128, 127)       x ≈ scale · (q − zero), off by scale / 2 at most
/// ```
///
/// A group whose magnitudes are below 1e-35 has numbers, scale and zero point 0. A group with a NaN or an infinity has a scale of NaN, and
/// numbers and zero point 0.
///
/// Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 2.1;
/// ONNX operator DynamicQuantizeLinear, whose numbers are 128 more.
///
/// # Errors
/// Returns [`Error::Size`] if `group` is 0, `out` is not as long as x, or there is not one scale and one zero point for
/// each group. Nothing is written then.
pub fn to_int8_asymmetric(
    cpu: &Cpu,
    x: &[f32],
    group: usize,
    out: &mut [i8],
    scales: &mut [f32],
    zeros: &mut [i8],
) -> Result<(), Error> {
    expect_groups(x, group, out)?;
    expect_size("scales of the groups", x.len().div_ceil(group), scales.len())?;
    expect_size("zero points of the groups", scales.len(), zeros.len())?;
    dispatch(cpu, Asymmetric { x, group, out, scales, zeros });
    Ok(())
}

struct Asymmetric<'a> {
    x: &'a [f32],
    group: usize,
    out: &'a mut [i8],
    scales: &'a mut [f32],
    zeros: &'a mut [i8],
}

impl Op for Asymmetric<'_> {
    type Output = ();

    /// As that of [`ToBf16`].
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let groups = self.x.chunks(self.group).zip(self.out.chunks_mut(self.group));
        for ((x, out), (scale, zero)) in groups.zip(self.scales.iter_mut().zip(self.zeros)) {
            let Affine { scale: step, factor, zero: offset } = affine_of(x);
            for (&x, q) in x.iter().zip(out) {
                *q = affine(x, factor, offset.into());
            }
            (*scale, *zero) = (step, offset);
        }
    }
}

fn expect_groups(x: &[f32], group: usize, out: &[i8]) -> Result<(), Error> {
    expect_size("elements of a group", group.max(1), group)?;
    expect_size("elements of the int8 output", x.len(), out.len())
}
