//! Scores become weights: a softmax that is not yet divided by its sum.

use super::parts::Stats;
use super::rounded::store_halves;
use crate::simd::math::{exp, rounded_power_of_two, tanh};
use crate::simd::{Four, Op, Simd};
use std::ops::Range;

/// How scores are scaled before they are weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    /// What scores are multiplied by.
    pub(super) scale: f32,
    pub(super) soft_cap: Option<SoftCap>,
}

/// A score s becomes cap · tanh(factor · s).
#[derive(Clone, Copy, Debug)]
pub(super) struct SoftCap {
    cap: f32,
    /// scale / cap, divided here: beside the scores the compiler may divide where there is no cap, which raises flags.
    factor: f32,
}

impl SoftCap {
    pub(super) fn new(scale: f32, cap: f32) -> SoftCap {
        SoftCap { cap, factor: scale / cap }
    }
}

impl Scaling {
    /// What differences of scores, capped if there is a cap, are multiplied by before they are weighed.
    pub(super) fn of_differences(self) -> f32 {
        if self.soft_cap.is_some() { 1.0 } else { self.scale }
    }
}

/// Row i of the scores ← e^(scale · (score − max)) where its query sees the key, zero elsewhere; with max and sum of each row. With a
/// soft cap the score is c · tanh(scale · score / c), and the scale 1.
pub(super) struct Weights<'a, 's, I> {
    /// Rows of whole vectors.
    pub(super) scores: &'a mut [f32],
    pub(super) row_len: usize,
    /// Scores that each row sees, in order.
    pub(super) visible: I,
    pub(super) scaling: Scaling,
    /// Whether the weights are to be pairs of rounded numbers, at the start of their rows; the sums are theirs then.
    pub(super) rounds: bool,
    pub(super) stats: &'a mut Stats<'s>,
}

/// Rows that are weighed in step, so that none waits for its own chain of operations.
const ROWS_IN_STEP: usize = 4;

impl<I: Iterator<Item = Range<usize>>> Op for Weights<'_, '_, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(mut self, s: S) {
        self.stats.lost.fill(0.0);
        let scale = self.scaling.of_differences();
        let stats = self.stats.max.chunks_mut(ROWS_IN_STEP).zip(self.stats.sum.chunks_mut(ROWS_IN_STEP));
        for (rows, (max, sum)) in self.scores.chunks_mut(ROWS_IN_STEP * self.row_len).zip(stats) {
            let count = rows.len() / self.row_len;
            let (max, sum) = (&mut max[..count], &mut sum[..count]);
            for row in rows.chunks_exact_mut(self.row_len) {
                let visible = self.visible.next().unwrap_or(0..0);
                if let Some(cap) = self.scaling.soft_cap {
                    cap_scores(s, &mut row[visible.clone()], cap);
                }
                row[..visible.start].fill(f32::NEG_INFINITY);
                row[visible.end..].fill(f32::NEG_INFINITY);
            }
            // Twice the same, the first time with a number of rows that the compiler knows.
            let sums = match max.as_mut_array::<ROWS_IN_STEP>() {
                Some(max) => weigh_rows(s, rows, self.row_len, scale, self.rounds, max),
                None => weigh_rows(s, rows, self.row_len, scale, self.rounds, max),
            };
            sum.copy_from_slice(&s.sum_four(sums)[..count]);
        }
    }
}

/// x ← cap · tanh(factor · x), four vectors in step. Source: Gemma Team, "Gemma 2", 2024, section 2, "Logit soft-capping".
#[inline(always)]
fn cap_scores<S: Simd<f32>>(s: S, scores: &mut [f32], SoftCap { cap, factor }: SoftCap) {
    let (factor, cap) = (s.splat(factor), s.splat(cap));
    for scores in scores.chunks_mut(ROWS_IN_STEP * S::LANES) {
        let mut x = [s.splat(0.0); ROWS_IN_STEP];
        for (x, scores) in x.iter_mut().zip(scores.chunks(S::LANES)) {
            *x = s.mul(s.read(scores), factor);
        }
        let capped = tanh(Four(s), x);
        for (scores, capped) in scores.chunks_mut(S::LANES).zip(capped) {
            s.write(scores, s.mul(cap, capped));
        }
    }
}

/// Up to four rows of `row_len` scores ← e^(scale · (score − max)), with max and the sums in lanes of each. What is not there counts as −∞
/// and has no weight, so a row's bits do not depend on how many of those follow it.
#[inline(always)]
fn weigh_rows<S: Simd<f32>>(
    s: S,
    rows: &mut [f32],
    row_len: usize,
    scale: f32,
    rounds: bool,
    max: &mut [f32],
) -> [S::Reg; ROWS_IN_STEP] {
    let count = max.len();
    assert!(row_len.is_multiple_of(S::LANES) && rows.len() == count * row_len, "wanted rows of whole vectors");
    let rows = rows.as_mut_ptr();
    // SAFETY: all vectors of the rows, as was checked.
    unsafe {
        let mut tops = [s.splat(f32::NEG_INFINITY); ROWS_IN_STEP];
        for j in (0..row_len).step_by(S::LANES) {
            for i in 0..count {
                tops[i] = s.max(tops[i], s.load(rows.add(i * row_len + j)));
            }
        }
        for i in 0..count {
            max[i] = s.largest(tops[i]);
        }
        if rounds {
            weigh::<S, true>(s, rows, row_len, scale, max)
        } else {
            weigh::<S, false>(s, rows, row_len, scale, max)
        }
    }
}

/// Rows of scores become weights. With ROUNDS, weights are rounded to pairs of bf16, which take the first half of their rows, and the sums are
/// theirs.
///
/// # Safety
/// `rows` is valid for reads and writes of a row for each of `max`, at most [`ROWS_IN_STEP`], of `row_len` scores, whole vectors.
#[inline(always)]
unsafe fn weigh<S: Simd<f32>, const ROUNDS: bool>(
    s: S,
    rows: *mut f32,
    row_len: usize,
    scale: f32,
    max: &[f32],
) -> [S::Reg; ROWS_IN_STEP] {
    let mut shifts = [s.splat(0.0); ROWS_IN_STEP];
    for i in 0..max.len() {
        shifts[i] = s.splat(if max[i] == f32::NEG_INFINITY { 0.0 } else { max[i] });
    }
    // e^(scale · x) = 2^(scale · log₂ e · x)
    let factor = s.splat(if ROUNDS { scale * std::f32::consts::LOG2_E } else { scale });
    let mut sums = [s.splat(0.0); ROWS_IN_STEP];
    for j in (0..row_len).step_by(S::LANES) {
        let mut x = [s.splat(0.0); ROWS_IN_STEP];
        for i in 0..max.len() {
            // SAFETY: promised by the caller.
            let scores = unsafe { s.load(rows.add(i * row_len + j)) };
            x[i] = s.mul(s.sub(scores, shifts[i]), factor);
        }
        let weights = if ROUNDS { rounded_power_of_two(Four(s), x) } else { exp(Four(s), x) };
        for i in 0..max.len() {
            // SAFETY: promised by the caller; a half lies in the place of one of these scores or of earlier ones of the row, which have been read.
            unsafe {
                let row = rows.add(i * row_len);
                if ROUNDS {
                    store_halves(s, weights[i], row.cast::<u16>().add(j))
                } else {
                    s.store(row.add(j), weights[i])
                }
            }
            sums[i] = s.add(sums[i], weights[i]);
        }
    }
    sums
}
