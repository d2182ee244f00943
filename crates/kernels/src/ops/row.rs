//! Reductions over one row. Their order depends on the row's length and the instruction set alone: never on the row's
//! address, on the rows around it or on threads.
//!
//! ```text
//! vector v of the row goes to accumulator v mod 4;   result = (a₀ ∘ a₁) ∘ (a₂ ∘ a₃), then across the lanes
//! ```

use crate::simd::Simd;

/// Accumulators of a reduction: enough to hide the latency of an addition, and to shorten its chain of roundings.
pub(super) const UNROLL: usize = 4;

/// Loads the first `LANES` elements of `part`; where it is shorter, `fill` takes the place of what is missing.
#[inline(always)]
pub(super) fn read_or<S: Simd<f32>>(s: S, part: &[f32], fill: S::Reg) -> S::Reg {
    const INDEX: [f32; 16] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];
    const { assert!(S::LANES <= INDEX.len()) };
    let x = s.read(part);
    if part.len() >= S::LANES {
        return x;
    }
    s.select(s.less(s.read(&INDEX), s.splat(part.len() as f32)), x, fill)
}

/// (a₀ + a₁) + (a₂ + a₃), and then the sum of its lanes.
#[inline(always)]
pub(super) fn total<S: Simd<f32>>(s: S, sums: [S::Reg; UNROLL]) -> f32 {
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// Σ x
#[inline(always)]
pub(super) fn sum<S: Simd<f32>>(s: S, row: &[f32]) -> f32 {
    let mut sums = [s.splat(0.0); UNROLL];
    let mut blocks = row.chunks_exact(UNROLL * S::LANES);
    for block in &mut blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *sum = s.add(*sum, s.read(part));
        }
    }
    for (sum, part) in sums.iter_mut().zip(blocks.remainder().chunks(S::LANES)) {
        *sum = s.add(*sum, s.read(part));
    }
    total(s, sums)
}

/// Σ x²
#[inline(always)]
pub(super) fn sum_of_squares<S: Simd<f32>>(s: S, row: &[f32]) -> f32 {
    let mut sums = [s.splat(0.0); UNROLL];
    let mut blocks = row.chunks_exact(UNROLL * S::LANES);
    for block in &mut blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            let x = s.read(part);
            *sum = s.mul_add(x, x, *sum);
        }
    }
    for (sum, part) in sums.iter_mut().zip(blocks.remainder().chunks(S::LANES)) {
        let x = s.read(part);
        *sum = s.mul_add(x, x, *sum);
    }
    total(s, sums)
}

/// The largest element, −∞ for none. A NaN among them may or may not show.
#[inline(always)]
pub(super) fn largest<S: Simd<f32>>(s: S, row: &[f32]) -> f32 {
    let lowest = s.splat(f32::NEG_INFINITY);
    let mut tops = [lowest; UNROLL];
    let mut blocks = row.chunks_exact(UNROLL * S::LANES);
    for block in &mut blocks {
        for (top, part) in tops.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *top = s.max(*top, s.read(part));
        }
    }
    for (top, part) in tops.iter_mut().zip(blocks.remainder().chunks(S::LANES)) {
        *top = s.max(*top, read_or(s, part, lowest));
    }
    s.largest(s.max(s.max(tops[0], tops[1]), s.max(tops[2], tops[3])))
}
