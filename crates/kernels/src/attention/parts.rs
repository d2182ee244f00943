//! What KV blocks give, and how it is joined.

use super::queries::Places;
use crate::simd::math::exp;
use crate::simd::{Op, Simd};
use std::marker::PhantomData;

/// The largest score and the sum of the weights of each query; of joined KV blocks with what its rounding lost, since the sum's error would
/// come on top of that of the output, which is joined as often.
pub(super) struct Stats<'a> {
    pub(super) max: &'a mut [f32],
    pub(super) sum: &'a mut [f32],
    pub(super) lost: &'a mut [f32],
}

/// Numbers of a query in [`Stats`].
const STATS: usize = 3;

impl Stats<'_> {
    /// sum · before + (the sum of `own`) · after
    fn join_sums(&mut self, i: usize, before: f32, own: &Stats<'_>, after: f32) {
        let exact =
            |stats: &Stats<'_>, factor: f32| (f64::from(stats.sum[i]) + f64::from(stats.lost[i])) * f64::from(factor);
        let sum = exact(self, before) + exact(own, after);
        self.sum[i] = sum as f32;
        self.lost[i] = (sum - f64::from(self.sum[i])) as f32;
    }
}

/// What one KV block gives, or several that are joined: output (queries, head_dim) before the division, and its statistics.
pub(super) struct Part<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stats: Stats<'a>,
}

impl<'a> Part<'a> {
    /// Elements of a part for each query.
    pub(super) const fn len(head_dim: usize) -> usize {
        head_dim.saturating_add(STATS)
    }

    /// A part for as many queries as the memory has room for.
    pub(super) fn new(memory: &'a mut [f32], head_dim: usize) -> Part<'a> {
        let queries = memory.len() / Part::len(head_dim);
        let (out, rest) = memory.split_at_mut(queries * head_dim);
        let (max, rest) = rest.split_at_mut(queries);
        let (sum, rest) = rest.split_at_mut(queries);
        Part { out, stats: Stats { max, sum, lost: &mut rest[..queries] } }
    }
}

/// Joins what a KV block gave to what those before it gave.
pub(super) struct Join<'a, 's> {
    pub(super) queries: usize,
    pub(super) head_dim: usize,
    /// What differences of scores are multiplied by before they are weighed.
    pub(super) scale: f32,
    pub(super) joined: &'a mut Part<'s>,
    pub(super) own: &'a Part<'s>,
}

impl Op for Join<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let dim = self.head_dim;
        for i in 0..self.queries {
            let (joined, own) = (self.joined.stats.max[i], self.own.stats.max[i]);
            // A NaN on either side reaches the result by the sums.
            let max = joined.max(own);
            let (before, after) = (factor(s, joined, max, self.scale), factor(s, own, max, self.scale));
            self.joined.stats.max[i] = max;
            self.joined.stats.join_sums(i, before, &self.own.stats, after);
            let (before, after) = (s.splat(before), s.splat(after));
            let own = self.own.out[i * dim..][..dim].chunks(S::LANES);
            for (out, own) in self.joined.out[i * dim..][..dim].chunks_mut(S::LANES).zip(own) {
                let sum = s.mul_add(s.read(own), after, s.mul(s.read(out), before));
                s.write(out, sum);
            }
        }
    }
}

/// e^(scale · (part − max)), and zero for a part without keys. No closure: it would be compiled for the baseline by itself.
#[inline(always)]
fn factor<S: Simd<f32>>(s: S, part: f32, max: f32, scale: f32) -> f32 {
    if part == f32::NEG_INFINITY {
        return 0.0;
    }
    let mut factor = [0.0];
    s.write(&mut factor, exp(s, s.splat((part - max) * scale)));
    factor[0]
}

/// Where the results of some queries of a key head go: each head_dim elements.
pub(super) struct OutRows<'a> {
    /// The result of the first head of row 0; those of the group's other heads follow it.
    data: *mut f32,
    /// Elements from one row to the next.
    stride: usize,
    head_dim: usize,
    places: Places,
    borrow: PhantomData<&'a mut [f32]>,
}

impl OutRows<'_> {
    /// # Safety
    /// The results at these places are valid for writes, and nobody else uses them while the value lives.
    pub(super) unsafe fn new(data: *mut f32, stride: usize, head_dim: usize, places: Places) -> Self {
        OutRows { data, stride, head_dim, places, borrow: PhantomData }
    }

    /// That of the next query.
    #[inline(always)]
    fn next_row(&mut self) -> Option<&mut [f32]> {
        let (row, head) = self.places.next()?;
        // SAFETY: one of the results that this value stands for.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.data.add(row * self.stride + head * self.head_dim), self.head_dim)
        })
    }
}

/// Results: joined outputs divided by the sums of their weights.
pub(super) struct Divide<'a, 's> {
    pub(super) joined: &'a Part<'s>,
    pub(super) out: OutRows<'a>,
}

impl Op for Divide<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(mut self, s: S) {
        let joined = self.joined.out.chunks_exact(self.out.head_dim).zip(&*self.joined.stats.sum);
        for (joined, &sum) in joined {
            let Some(out) = self.out.next_row() else { return };
            // A query that sees no key has zeros as its output.
            let divisor = s.splat(if sum == 0.0 { f32::INFINITY } else { sum });
            for (out, joined) in out.chunks_mut(S::LANES).zip(joined.chunks(S::LANES)) {
                // Whether a zero is negative depends on how many chains of zeros were added: plus zero it is not.
                s.write(out, s.div(s.add(s.read(joined), s.splat(0.0)), divisor));
            }
        }
    }
}
