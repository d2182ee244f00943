//! Scales for few bits.

use crate::numbers::f16::{f16_to_f32, f32_to_f16};

/// Largest magnitudes below which a group counts as zeros: the inverse of their scale would not be finite.
const NEGLIGIBLE: f32 = 1e-30;

/// 1.5 · 2²³: to add it to a smaller number rounds that to a whole one.
pub(super) const ROUNDING: f32 = 12_582_912.0;

/// Largest finite f16.
const LARGEST_HALF: f32 = 65504.0;

/// Sums are made in as many lanes, which vectors of any instruction set divide evenly.
const LANES: usize = 8;

/// Candidates for a scale: the number of largest magnitude comes to LOW times 1.25 − 1/32 · c.
const CANDIDATES: usize = 16;

/// Candidates for either end of a range of levels, all pairs of which are [`CANDIDATES`]; each cuts this part of the range more off.
const END_CANDIDATES: usize = 4;
const END_STEP: f32 = 1.0 / 24.0;

/// Levels from LOW to HIGH for weights, and their scale, which is an f16: that of the candidates which leaves the least squared error,
/// its scale being the best for its levels.
///
/// ```text
/// error of levels q and scale d:  Σ (w − d · q)²,  least for  d = Σ w·q / Σ q·q,  where it is  Σ w² − (Σ w·q)² / Σ q·q
/// ```
///
/// The scale is NaN if a weight is not finite, and the levels are zeros then.
#[inline(always)]
pub(super) fn symmetric<const LOW: i32, const HIGH: i32>(weights: &[f32], levels: &mut [i8]) -> f32 {
    levels.fill(0);
    let Some(largest) = largest(weights) else { return f32::NAN };
    if largest.abs() < NEGLIGIBLE {
        return 0.0;
    }
    let (mut best, mut scale) = (0.0, 0.0);
    for candidate in 0..CANDIDATES {
        let at_largest = LOW as f32 * (1.25 - candidate as f32 / 32.0);
        let (products, squares) = sums::<LOW, HIGH>(weights, at_largest / largest);
        let explained = products * products / squares;
        if explained > best {
            (best, scale) = (explained, products / squares);
        }
    }
    let scale = as_half(scale);
    for (level, &w) in levels.iter_mut().zip(weights) {
        *level = nearest::<LOW, HIGH>(w, scale);
    }
    scale
}

/// Levels from 0 to HIGH above a minimum for weights, with the scale and the minimum, both of which are f16: of the candidates for the ends
/// those which leave the least squared error, scale and minimum being the best for their levels.
///
/// ```text
/// error of levels q, scale d and minimum m:  Σ (w − d · q − m)²,  least for  d = cov(w, q) / var(q),  m = mean(w) − d · mean(q),
/// where it is smaller the larger  cov(w, q)² / var(q)  is
/// ```
///
/// The scale is NaN if a weight is not finite, and all else zero then.
#[inline(always)]
pub(super) fn above_minimum<const HIGH: i32>(weights: &[f32], levels: &mut [u8]) -> (f32, f32) {
    levels.fill(0);
    if largest(weights).is_none() {
        return (f32::NAN, 0.0);
    }
    let (lowest, highest) = weights.iter().fold((f32::MAX, f32::MIN), |(low, high), &w| (low.min(w), high.max(w)));
    let range = highest - lowest;
    if range < NEGLIGIBLE || range == f32::INFINITY {
        return (0.0, as_half(lowest));
    }
    let count = weights.len() as f32;
    let sum = weights.iter().map(|w| w - lowest).sum::<f32>();
    let (mut best, mut scale, mut minimum) = (0.0, 0.0, lowest);
    for candidate in 0..CANDIDATES {
        let [below, above] = [candidate / END_CANDIDATES, candidate % END_CANDIDATES].map(|cut| cut as f32 * END_STEP);
        let (low, inverse) = (lowest + below * range, HIGH as f32 / (range * (1.0 - below - above)));
        let Moments { levels, squares, products } = moments::<HIGH>(weights, lowest, (low, inverse));
        let (variance, covariance) = (squares - levels * levels / count, products - levels * sum / count);
        let explained = covariance * covariance / variance;
        if explained > best {
            (best, scale) = (explained, covariance / variance);
            minimum = lowest + (sum - scale * levels) / count;
        }
    }
    let (scale, minimum) = (as_half(scale), as_half(minimum));
    for (level, &w) in levels.iter_mut().zip(weights) {
        *level = nearest::<0, HIGH>(w - minimum, scale) as u8;
    }
    (scale, minimum)
}

/// Sums over the levels of weights.
struct Moments {
    levels: f32,
    squares: f32,
    products: f32,
}

/// Σ q, Σ q·q and Σ (w − origin)·q with q the level nearest to (w − low) · inverse.
#[inline(always)]
fn moments<const HIGH: i32>(weights: &[f32], origin: f32, (low, inverse): (f32, f32)) -> Moments {
    let (mut levels, mut squares, mut products) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for weights in weights.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let q = rounded::<0, HIGH>((weights[lane] - low) * inverse);
            levels[lane] += q;
            squares[lane] += q * q;
            products[lane] += (weights[lane] - origin) * q;
        }
    }
    let total = |lanes: [f32; LANES]| lanes.iter().sum();
    Moments { levels: total(levels), squares: total(squares), products: total(products) }
}

/// For each weight the index of the nearest level of a table, and the scale, which is an f16: the best for the levels that come of bringing
/// the weight of largest magnitude to one of the ends of the table. The scale is NaN if a weight is not finite.
#[inline(always)]
pub(super) fn from_table(table: &[i8; 16], weights: &[f32], indices: &mut [u8]) -> f32 {
    indices.fill(0);
    let Some(largest) = largest(weights) else { return f32::NAN };
    if largest.abs() < NEGLIGIBLE {
        return 0.0;
    }
    let (mut best, mut scale) = (0.0, 0.0);
    for end in [table[0], table[15]] {
        let inverse = f32::from(end) / largest;
        let (mut products, mut squares) = (0.0, 0.0);
        for &w in weights {
            let level = f32::from(table[usize::from(nearest_of_table(table, w * inverse))]);
            products += w * level;
            squares += level * level;
        }
        let explained = products * products / squares;
        if explained > best {
            (best, scale) = (explained, products / squares);
        }
    }
    let scale = as_half(scale);
    if scale != 0.0 {
        indices.iter_mut().zip(weights).for_each(|(i, w)| *i = nearest_of_table(table, w / scale));
    }
    scale
}

/// The index of the level of a table that is nearest to x.
#[inline(always)]
pub(super) fn nearest_of_table(table: &[i8; 16], x: f32) -> u8 {
    let distance = |&i: &u8| (x - f32::from(table[usize::from(i)])).abs();
    (0..16).min_by(|i, j| distance(i).total_cmp(&distance(j))).unwrap_or(0)
}

/// A scale that is an f16, and the level from 0 to HIGH of zero, for weights on both sides of it. The scale is NaN if a weight is not finite.
#[inline(always)]
pub(super) fn above_zero_point<const HIGH: i32>(weights: &[f32]) -> (f32, i32) {
    if largest(weights).is_none() {
        return (f32::NAN, 0);
    }
    let (lowest, highest) = weights.iter().fold((0.0f32, 0.0f32), |(low, high), &w| (low.min(w), high.max(w)));
    let scale = as_half((highest - lowest) / HIGH as f32);
    (scale, i32::from(nearest::<0, HIGH>(-lowest, scale)))
}

/// One scale that is an f16 for many, each of which is a whole number of it from LOW to HIGH. NaN if one of them is, and the whole numbers
/// are zeros then.
#[inline(always)]
pub(super) fn coarse_scales<const LOW: i32, const HIGH: i32>(scales: &[f32]) -> (f32, [i8; 16]) {
    let mut fine = [0; 16];
    if scales.iter().any(|scale| scale.is_nan()) {
        return (f32::NAN, fine);
    }
    let largest = scales.iter().fold(0f32, |largest, scale| largest.max(scale.abs()));
    let coarse = as_half(largest / HIGH as f32);
    for (fine, &scale) in fine.iter_mut().zip(scales) {
        *fine = nearest::<LOW, HIGH>(scale, coarse);
    }
    (coarse, fine)
}

/// The number from LOW to HIGH of steps that comes nearest to x; 0 if the step is 0 or NaN.
#[inline(always)]
pub(super) fn nearest<const LOW: i32, const HIGH: i32>(x: f32, step: f32) -> i8 {
    if step == 0.0 || step.is_nan() { 0 } else { rounded::<LOW, HIGH>(x / step) as i8 }
}

/// The nearest f16 that is finite.
#[inline(always)]
fn as_half(x: f32) -> f32 {
    f16_to_f32(f32_to_f16(x.clamp(-LARGEST_HALF, LARGEST_HALF)))
}

/// The weight of largest magnitude; `None` if one is not finite.
#[inline(always)]
fn largest(weights: &[f32]) -> Option<f32> {
    let larger = |largest: f32, &w: &f32| if w.abs() > largest.abs() { w } else { largest };
    weights.iter().all(|w| w.is_finite()).then(|| weights.iter().fold(0.0, larger))
}

/// Σ w·q and Σ q·q with q the level nearest to `inverse` · w.
#[inline(always)]
fn sums<const LOW: i32, const HIGH: i32>(weights: &[f32], inverse: f32) -> (f32, f32) {
    let (mut products, mut squares) = ([0.0; LANES], [0.0; LANES]);
    for weights in weights.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let q = rounded::<LOW, HIGH>(weights[lane] * inverse);
            products[lane] += weights[lane] * q;
            squares[lane] += q * q;
        }
    }
    (products.iter().sum(), squares.iter().sum())
}

/// The whole number from LOW to HIGH nearest to x, the even one of two.
#[inline(always)]
fn rounded<const LOW: i32, const HIGH: i32>(x: f32) -> f32 {
    let x = if x > HIGH as f32 { HIGH as f32 } else { x };
    let x = if x < LOW as f32 { LOW as f32 } else { x };
    x + ROUNDING - ROUNDING
}
