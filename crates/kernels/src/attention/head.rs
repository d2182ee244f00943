//! One head: softmax(scale · Q·Kᵀ)·V for some of the queries, a KV block at a time.
//!
//! ```text
//! for each KV block s:
//!     S  = Q·Kₛᵀ          mₛ = max S          P = e^(scale · (S − mₛ))          lₛ = Σ P          Oₛ = P·Vₛ
//!     m' = max(m, mₛ)     O = O·e^(scale · (m − m')) + Oₛ·e^(scale · (mₛ − m')),     l likewise
//! out = O / l
//! ```
//!
//! Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022. KV blocks
//! begin at fixed positions and are joined in their order, so a row's bits depend neither on the other rows nor on which thread computed which
//! block.

use super::cache::Panels;
use super::{AttentionPlan, KvFormat};
use crate::gemm::loops::WholeB;
use crate::gemm::macro_kernel::Product;
use crate::gemm::strided::Strided;
use crate::simd::math::exp;
use crate::simd::{Four, Op, Simd, dispatch};
use std::marker::PhantomData;
use std::ops::Range;

/// Values of a sequence that are weighed in a chain of their own, before the chains of the product. The weights here are divided by
/// their sum in the end, which costs more roundings than the weights that add up to 1 of two products with a softmax between them;
/// this makes up for it where keys are few.
const FIRST_CHAIN: usize = 32;

/// Some queries of one head and the keys that they see.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) plan: &'a AttentionPlan,
    pub(super) panels: Panels,
    /// Element (0, 0) of the head's queries, whose columns are contiguous.
    pub(super) queries: *const f32,
    pub(super) query_stride: usize,
    /// Element (0, 0) of the head's output, whose columns are contiguous.
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
    /// Keys that query 0 sees, and how many more each further one does.
    pub(super) first_seen: usize,
    pub(super) step: usize,
}

/// What one task works with.
pub(super) struct Work<'a> {
    /// (rows, keys of a KV block)
    pub(super) scores: &'a mut [f32],
    /// Of the KV blocks joined so far.
    pub(super) joined: Stats<'a>,
    /// What the block at hand gives.
    pub(super) own: Part<'a>,
}

/// The largest score and the sum of the weights of each row; of joined KV blocks with what its rounding lost, since the sum's error would
/// come on top of that of the output, which is joined as often.
pub(super) struct Stats<'a> {
    max: &'a mut [f32],
    sum: &'a mut [f32],
    lost: &'a mut [f32],
}

/// Numbers of a row in [`Stats`].
pub(super) const STATS: usize = 3;

impl<'a> Stats<'a> {
    /// In memory of [`STATS`] numbers for each row.
    pub(super) fn new(memory: &'a mut [f32]) -> Self {
        let rows = memory.len() / STATS;
        let (max, rest) = memory.split_at_mut(rows);
        let (sum, lost) = rest.split_at_mut(rows);
        Stats { max, sum, lost }
    }

    /// sum · before + (the sum of `own`) · after
    fn join_sums(&mut self, i: usize, before: f32, own: &Stats<'_>, after: f32) {
        let exact =
            |stats: &Stats<'_>, factor: f32| (f64::from(stats.sum[i]) + f64::from(stats.lost[i])) * f64::from(factor);
        let sum = exact(self, before) + exact(own, after);
        self.sum[i] = sum as f32;
        self.lost[i] = (sum - f64::from(self.sum[i])) as f32;
    }
}

/// What one KV block gives: output (rows, head_dim) before the division, and its statistics.
pub(super) struct Part<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stats: Stats<'a>,
}

impl Head<'_> {
    /// Keys that query `row` sees.
    fn seen(&self, row: usize) -> usize {
        self.first_seen + row * self.step
    }

    /// The output of the given queries.
    ///
    /// # Safety
    /// The queries exist, their outputs are used by nobody else, the panels hold every key that they see, and `work` has room.
    pub(super) unsafe fn run(&self, rows: Range<usize>, work: &mut Work<'_>) {
        let (cpu, dim) = (&self.plan.cpu, self.plan.format.head_dim);
        let (kv_block, end) = (self.plan.kv_block(), self.seen(rows.end - 1));
        let Work { scores, joined, own } = work;
        // SAFETY: promised by the caller.
        let mut out = unsafe { self.out_rows(rows.clone()) };
        for start in (0..end).step_by(kv_block) {
            let keys = start..end.min(start + kv_block);
            // SAFETY: promised by the caller.
            unsafe {
                if start == 0 {
                    self.kv_block(rows.clone(), keys, scores, joined, out.data, out.stride);
                } else {
                    self.kv_block(rows.clone(), keys, scores, &mut own.stats, own.out.as_mut_ptr(), dim);
                    dispatch(cpu, Join { scale: self.plan.scale, out: &mut out, joined, own });
                }
            }
        }
        dispatch(cpu, Divide { out: &mut out, sums: joined.sum });
    }

    /// The output of the first `rows` queries from what all KV blocks gave, in their order.
    ///
    /// # Safety
    /// As [`Head::run`]; the parts are of so many rows, and there is at least one.
    pub(super) unsafe fn join_all<'p>(&self, rows: usize, mut parts: impl Iterator<Item = Part<'p>>) {
        // SAFETY: promised by the caller.
        let mut out = unsafe { self.out_rows(0..rows) };
        let Some(Part { out: first, stats: mut joined }) = parts.next() else { return };
        for i in 0..rows {
            out.row(i).copy_from_slice(&first[i * self.plan.format.head_dim..][..self.plan.format.head_dim]);
        }
        for mut own in parts {
            let join = Join { scale: self.plan.scale, out: &mut out, joined: &mut joined, own: &mut own };
            dispatch(&self.plan.cpu, join);
        }
        dispatch(&self.plan.cpu, Divide { out: &mut out, sums: joined.sum });
    }

    /// Rows of the output.
    ///
    /// # Safety
    /// They exist, and nobody else uses them while the result lives.
    unsafe fn out_rows<'r>(&self, rows: Range<usize>) -> OutRows<'r> {
        let data = self.out.wrapping_add(rows.start * self.out_stride);
        OutRows {
            data,
            rows: rows.len(),
            cols: self.plan.format.head_dim,
            stride: self.out_stride,
            borrow: PhantomData,
        }
    }

    /// out ← Σ e^(scale · (score − max)) · value over one KV block, with max and Σ e^… of each row.
    ///
    /// # Safety
    /// As [`Head::run`], with `out` valid for the rows.
    pub(super) unsafe fn kv_block(
        &self,
        rows: Range<usize>,
        keys: Range<usize>,
        scores: &mut [f32],
        stats: &mut Stats<'_>,
        out: *mut f32,
        out_stride: usize,
    ) {
        let AttentionPlan { cpu, kernel, format: KvFormat { head_dim, panel: nr, .. }, scale, .. } = *self.plan;
        let (m, n) = (rows.len(), keys.len());
        let row_len = n.next_multiple_of(self.plan.kernel.record().lanes());
        let scores = &mut scores[..m * row_len];
        let product = Product {
            kernel: kernel.tiles(),
            m,
            n,
            k: head_dim,
            c: scores.as_mut_ptr(),
            c_row_stride: row_len,
            c_col_stride: 1,
            alpha: 1.0,
            beta: 0.0,
            epilogue: None,
        };
        let a = Strided {
            data: self.queries.wrapping_add(rows.start * self.query_stride),
            row_stride: self.query_stride,
            col_stride: 1,
        };
        let panel = |data: *mut f32, panel_stride: usize| {
            let [panel_stride, stride] = [panel_stride, nr].map(|elements| elements * size_of::<f32>());
            WholeB::of_rows(data.cast_const().cast(), panel_stride, stride)
        };
        // KV blocks begin where panels do.
        let b = panel(self.panels.keys.wrapping_add(keys.start * head_dim), nr * head_dim);
        // SAFETY: the queries and the keys exist by the caller's promise, and the scores have room for m rows of n.
        unsafe { product.run_alone(a.bytes(), b) };

        let seen = (0..m).map(|i| self.seen(rows.start + i).clamp(keys.start, keys.end) - keys.start);
        dispatch(&cpu, Weights { scores, row_len, seen, scale, stats });

        let first = if keys.start == 0 { n.min(FIRST_CHAIN) } else { 0 };
        for (keys_before, k, beta) in [(0, first, 0.0), (first, n - first, if first > 0 { 1.0 } else { 0.0 })] {
            if k == 0 {
                continue;
            }
            let product = Product { n: head_dim, k, c: out, c_row_stride: out_stride, beta, ..product };
            let a = Strided { data: scores[keys_before..].as_ptr(), row_stride: row_len, col_stride: 1 };
            let values = self.panels.values.wrapping_add((keys.start + keys_before) * nr);
            // SAFETY: the scores hold m rows of n, the values exist and `out` is valid by the caller's promise.
            unsafe { product.run_alone(a.bytes(), panel(values, nr * self.panels.capacity)) };
        }
    }
}

/// Row i of the scores ← e^(scale · (score − max)) over the first `seen` of them, zero behind; with max and sum of each row.
struct Weights<'a, 's, I> {
    /// Rows of whole vectors.
    scores: &'a mut [f32],
    row_len: usize,
    /// Scores that each row sees, in order.
    seen: I,
    scale: f32,
    stats: &'a mut Stats<'s>,
}

/// Rows that are weighed in step, so that none waits for its own chain of operations.
const ROWS_IN_STEP: usize = 4;

impl<I: Iterator<Item = usize>> Op for Weights<'_, '_, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(mut self, s: S) {
        self.stats.lost.fill(0.0);
        let stats = self.stats.max.chunks_mut(ROWS_IN_STEP).zip(self.stats.sum.chunks_mut(ROWS_IN_STEP));
        for (rows, (max, sum)) in self.scores.chunks_mut(ROWS_IN_STEP * self.row_len).zip(stats) {
            let count = rows.len() / self.row_len;
            for row in rows.chunks_exact_mut(self.row_len) {
                let seen = self.seen.next().unwrap_or(0);
                row[seen..].fill(f32::NEG_INFINITY);
            }
            weigh_rows(s, rows, self.row_len, self.scale, &mut max[..count], &mut sum[..count]);
        }
    }
}

/// Up to four rows of `row_len` scores ← e^(scale · (score − max)), with max and sum of each. What is not there counts as −∞ and has no
/// weight, so a row's bits do not depend on how many of those follow it.
#[inline(always)]
fn weigh_rows<S: Simd<f32>>(s: S, rows: &mut [f32], row_len: usize, scale: f32, max: &mut [f32], sum: &mut [f32]) {
    let count = max.len();
    let mut tops = [s.splat(f32::NEG_INFINITY); ROWS_IN_STEP];
    for j in (0..row_len).step_by(S::LANES) {
        for i in 0..count {
            tops[i] = s.max(tops[i], s.read(&rows[i * row_len + j..]));
        }
    }
    let mut shifts = [s.splat(0.0); ROWS_IN_STEP];
    for i in 0..count {
        max[i] = s.largest(tops[i]);
        shifts[i] = s.splat(if max[i] == f32::NEG_INFINITY { 0.0 } else { max[i] });
    }
    let (scale, mut sums) = (s.splat(scale), [s.splat(0.0); ROWS_IN_STEP]);
    for j in (0..row_len).step_by(S::LANES) {
        let mut x = [s.splat(0.0); ROWS_IN_STEP];
        for i in 0..count {
            x[i] = s.mul(s.sub(s.read(&rows[i * row_len + j..]), shifts[i]), scale);
        }
        let weights = exp(Four(s), x);
        for i in 0..count {
            s.write(&mut rows[i * row_len + j..], weights[i]);
            sums[i] = s.add(sums[i], weights[i]);
        }
    }
    let totals = s.sum_four(sums);
    sum.copy_from_slice(&totals[..count]);
}

/// Rows of the output that one task owns.
struct OutRows<'a> {
    data: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

impl OutRows<'_> {
    #[inline(always)]
    fn row(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows);
        // SAFETY: one of the rows that this value stands for.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(i * self.stride), self.cols) }
    }
}

/// Joins what a KV block gave to what those before it gave.
struct Join<'a, 's> {
    scale: f32,
    out: &'a mut OutRows<'s>,
    joined: &'a mut Stats<'s>,
    own: &'a mut Part<'s>,
}

impl Op for Join<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for i in 0..self.out.rows {
            let (joined, own) = (self.joined.max[i], self.own.stats.max[i]);
            // A NaN on either side reaches the result by the sums.
            let max = joined.max(own);
            let factor = |part: f32| {
                if part == f32::NEG_INFINITY {
                    return 0.0;
                }
                let mut factor = [0.0];
                s.write(&mut factor, exp(s, s.splat((part - max) * self.scale)));
                factor[0]
            };
            let (before, after) = (factor(joined), factor(own));
            self.joined.max[i] = max;
            self.joined.join_sums(i, before, &self.own.stats, after);
            let (before, after) = (s.splat(before), s.splat(after));
            let cols = self.out.cols;
            let own = self.own.out[i * cols..][..cols].chunks(S::LANES);
            for (out, own) in self.out.row(i).chunks_mut(S::LANES).zip(own) {
                let sum = s.mul_add(s.read(own), after, s.mul(s.read(out), before));
                s.write(out, sum);
            }
        }
    }
}

/// Rows of the output divided by the sums of their weights.
struct Divide<'a, 's> {
    out: &'a mut OutRows<'s>,
    sums: &'a [f32],
}

impl Op for Divide<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for (i, &sum) in self.sums[..self.out.rows].iter().enumerate() {
            // Who may look at nothing gets nothing.
            let divisor = s.splat(if sum == 0.0 { f32::INFINITY } else { sum });
            for out in self.out.row(i).chunks_mut(S::LANES) {
                let x = s.div(s.read(out), divisor);
                s.write(out, x);
            }
        }
    }
}
