//! New keys and values into the panels of a cache.

use super::KvFormat;
use super::cache::Panels;
use crate::simd::{AllLanes, FirstLanes, Lanes, Op, Simd};

/// Rows of keys or values of one head.
#[derive(Clone, Copy)]
pub(super) struct HeadRows {
    /// Element (0, 0) of a (count, head_dim) matrix whose columns are contiguous.
    pub(super) data: *const f32,
    /// Elements from one row to the next.
    pub(super) stride: usize,
}

/// Writes one head's keys and values of `count` positions as the positions from `first` on: keys as columns of their panel, values as
/// rows of theirs.
pub(super) struct Append {
    format: KvFormat,
    panels: Panels,
    first: usize,
    count: usize,
    keys: HeadRows,
    values: HeadRows,
}

impl Append {
    /// # Safety
    /// The rows are valid for reads; the panels have room, are valid for reads and writes, and nobody else uses these positions until the
    /// operation has run.
    pub(super) unsafe fn new(
        format: KvFormat,
        panels: Panels,
        first: usize,
        count: usize,
        keys: HeadRows,
        values: HeadRows,
    ) -> Append {
        Append { format, panels, first, count, keys, values }
    }

    /// panel[d · nr + lane] ← keys[position][d], a block of as many positions and dimensions as a vector has lanes at a time.
    #[inline(always)]
    fn keys<S: Simd<f32>>(&self, s: S) {
        let KvFormat { head_dim: dim, panel: nr, .. } = self.format;
        let mut done = 0;
        while done < self.count {
            let (panel, lane) = ((self.first + done) / nr, (self.first + done) % nr);
            let positions = (nr - lane).min(self.count - done).min(S::LANES);
            let source = self.keys.data.wrapping_add(done * self.keys.stride);
            let out = self.panels.keys.wrapping_add(panel * dim * nr + lane);
            for d in (0..dim).step_by(S::LANES) {
                let dims = S::LANES.min(dim - d);
                let (source, out) = (source.wrapping_add(d), out.wrapping_add(d * nr));
                // SAFETY: positions and dimensions of the rows, and their places in one panel, promised to `new`.
                unsafe { s.transpose(source, self.keys.stride, positions, dims, out, nr) };
            }
            done += positions;
        }
    }

    /// panel[position · nr + lane] ← values[position][d]
    #[inline(always)]
    fn values<S: Simd<f32>>(&self, s: S) {
        let KvFormat { head_dim: dim, panel: nr, .. } = self.format;
        for (panel, start) in (0..dim).step_by(nr).enumerate() {
            let cols = nr.min(dim - start);
            let whole = cols - cols % S::LANES;
            for i in 0..self.count {
                let source = self.values.data.wrapping_add(i * self.values.stride + start);
                let position = panel * self.panels.capacity + self.first + i;
                let out = self.panels.values.wrapping_add(position * nr);
                // SAFETY: dimensions below `cols` of one position, and their places in its panel, promised to `new`.
                unsafe {
                    for d in (0..whole).step_by(S::LANES) {
                        AllLanes.store(s, out.wrapping_add(d), AllLanes.load(s, source.wrapping_add(d)));
                    }
                    if whole < cols {
                        let rest = FirstLanes(s.first(cols - whole));
                        rest.store(s, out.wrapping_add(whole), rest.load(s, source.wrapping_add(whole)));
                    }
                }
            }
        }
    }
}

impl Op for Append {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        self.keys(s);
        self.values(s);
    }
}
