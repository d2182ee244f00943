//! Numbers in eight bits.

use super::LARGEST;
use crate::view::MatRef;

/// Largest magnitudes below which a group counts as zeros: their scale would not be a normal number.
const NEGLIGIBLE: f32 = 1e-35;

/// Bits of a magnitude from which on a number is infinite or none.
const INFINITY: u32 = f32::INFINITY.to_bits();

/// 1.5 · 2²³: to add it to a smaller number rounds that to a whole one, in the lowest bits of the sum.
const ROUNDING: f32 = 12_582_912.0;

/// N elements of a row from `start` on, filled up with zeros.
#[inline(always)]
pub(in crate::gemm) fn group_of<const N: usize>(x: MatRef<'_, f32>, row: usize, start: usize) -> [f32; N] {
    let mut group = [0.0; N];
    copy_group(x, row, start, &mut group);
    group
}

/// out ← the elements of a row from `start` on, as far as there are any.
#[inline(always)]
pub(in crate::gemm) fn copy_group(x: MatRef<'_, f32>, row: usize, start: usize, out: &mut [f32]) {
    assert!(row < x.rows() && start <= x.cols(), "wanted a group inside the matrix");
    let (first, stride) = (x.as_ptr().wrapping_add(row * x.row_stride() + start * x.col_stride()), x.col_stride());
    let len = out.len().min(x.cols() - start);
    for (p, out) in out[..len].iter_mut().enumerate() {
        // SAFETY: element (row, start + p) of the view, as was checked.
        *out = unsafe { *first.wrapping_add(p * stride) };
    }
}

/// The scale of a group and the factor that numbers are quantised by: NaN and 0 if one of the numbers is not finite, so that every
/// product with the group is NaN, too.
#[inline(always)]
pub(super) fn scale_of(group: &[f32]) -> (f32, f32) {
    // Magnitudes as integers: they have the same order, and NaN comes last.
    let largest = group.iter().map(|x| x.to_bits() & !(1 << 31)).max().unwrap_or(0);
    if largest >= INFINITY {
        return (f32::NAN, 0.0);
    }
    let largest = f32::from_bits(largest);
    if largest < NEGLIGIBLE { (0.0, 0.0) } else { (largest / LARGEST, LARGEST / largest) }
}

/// The whole number nearest to factor · x, the even one of two. 0 if the factor is.
#[inline(always)]
pub(super) fn quantized(x: f32, factor: f32) -> i8 {
    let scaled = if factor == 0.0 { 0.0 } else { x * factor };
    // Above by less than a rounding at most, which a caller's rounding mode could make a whole one.
    let scaled = if scaled > LARGEST { LARGEST } else { scaled };
    let scaled = if scaled < -LARGEST { -LARGEST } else { scaled };
    (scaled + ROUNDING).to_bits() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_even() {
        for (x, wanted) in
            [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (126.5, 126), (127.4, 127), (-300.0, -127)]
        {
            assert_eq!(quantized(x, 1.0), wanted, "{x}");
        }
        for whole in -127..=127i8 {
            assert_eq!(quantized(f32::from(whole), 1.0), whole);
        }
    }

    #[test]
    fn every_number_is_within_half_a_step() {
        let group: Vec<f32> = (0..256).map(|i| ((i * 37 % 256) as f32 - 128.0) * 0.013).collect();
        let (scale, factor) = scale_of(&group);
        for &x in &group {
            let back = scale * f32::from(quantized(x, factor));
            assert!((x - back).abs() <= scale * 0.5001, "{x}: {back}");
        }
    }

    #[test]
    fn groups_without_a_scale_are_zeros_or_nan() {
        assert_eq!(scale_of(&[0.0, -0.0]), (0.0, 0.0));
        assert_eq!(scale_of(&[1e-40, -1e-36]), (0.0, 0.0));
        assert_eq!(scale_of(&[]), (0.0, 0.0));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (scale, factor) = scale_of(&[1.0, bad, 2.0]);
            assert!(scale.is_nan() && factor == 0.0);
            assert_eq!(quantized(bad, factor), 0);
        }
        let (scale, factor) = scale_of(&[f32::MAX, 1.0]);
        assert_eq!((quantized(f32::MAX, factor), quantized(1.0, factor)), (127, 0));
        assert!(scale.is_finite() && factor > 0.0);
    }
}
