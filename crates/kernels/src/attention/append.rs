//! New keys and values into the panels of a cache.

use super::cache::Panels;
use super::{KvDtype, KvFormat};
use crate::numbers::bf16::{f32_to_bf16, round_to_bf16};
use crate::numbers::int8::{quantized, scale_of};
use crate::simd::{AllLanes, FirstLanes, Lanes, Op, Simd};
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// Rows of keys or values of one head.
#[derive(Clone, Copy)]
pub(super) struct HeadRows {
    /// Element (0, 0) of a (count, head_dim) matrix whose columns are contiguous.
    pub(super) data: *const f32,
    /// Elements from one row to the next.
    pub(super) stride: usize,
}

impl HeadRows {
    /// Those from row `first` on.
    pub(super) fn from(self, first: usize) -> HeadRows {
        HeadRows { data: self.data.wrapping_add(first * self.stride), ..self }
    }
}

/// Writes one head's keys and values of `count` positions as the positions from `first` on: keys as columns of their panel, values as
/// steps of theirs.
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
        let (dim, nr) = (self.format.head_dim, self.format.panel.cols);
        let mut done = 0;
        while done < self.count {
            let (panel, lane) = ((self.first + done) / nr, (self.first + done) % nr);
            let positions = (nr - lane).min(self.count - done).min(S::LANES);
            let source = self.keys.data.wrapping_add(done * self.keys.stride);
            let out = self.panels.keys.cast::<f32>().wrapping_add(panel * dim * nr + lane);
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
        let (dim, nr) = (self.format.head_dim, self.format.panel.cols);
        for (panel, start) in (0..dim).step_by(nr).enumerate() {
            let cols = nr.min(dim - start);
            let whole = cols - cols % S::LANES;
            for i in 0..self.count {
                let source = self.values.data.wrapping_add(i * self.values.stride + start);
                let position = panel * self.panels.capacity + self.first + i;
                let out = self.panels.values.cast::<f32>().wrapping_add(position * nr);
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

/// Two numbers in bf16, the first one in the lower half of a lane.
type Pair = [u16; 2];

/// Numbers that are rounded at a time.
const GROUP: usize = 64;

impl Append {
    /// panel[d / 2 · nr + lane] ← the rounded keys[position][d] and keys[position][d + 1], or zero behind the last
    #[inline(always)]
    fn rounded_keys(&self) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for i in 0..self.count {
            let (index, lane) = ((self.first + i) / panel.cols, (self.first + i) % panel.cols);
            let out = self.panels.keys.wrapping_add(index * panel.panel_bytes(dim)).cast::<Pair>().wrapping_add(lane);
            for start in (0..dim).step_by(GROUP) {
                let count = GROUP.min(dim - start);
                // SAFETY: dimensions of a row, promised to `new`.
                let row = unsafe { from_raw_parts(self.keys.data.add(i * self.keys.stride + start), count) };
                let mut numbers = [0; GROUP];
                round_to_bf16(row, &mut numbers);
                for (pair, numbers) in numbers.as_chunks::<2>().0[..count.div_ceil(2)].iter().enumerate() {
                    // SAFETY: the place of two dimensions of one position, promised to `new`.
                    unsafe { out.wrapping_add((start / 2 + pair) * panel.cols).write(*numbers) };
                }
            }
        }
    }

    /// panel[position / 2 · nr + lane], the half of position mod 2, ← the rounded values[position][d]. Behind an even position, which may be
    /// the last, comes zero.
    #[inline(always)]
    fn rounded_values(&self) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for (index, start) in (0..dim).step_by(panel.cols).enumerate() {
            let cols = panel.cols.min(dim - start);
            let out = self.panels.values.wrapping_add(index * panel.panel_bytes(self.panels.capacity));
            for i in 0..self.count {
                let position = self.first + i;
                let pairs = out.wrapping_add(position / 2 * panel.block_bytes).cast::<Pair>();
                // SAFETY: dimensions of a row, and the places of one position and its neighbour in a panel, promised to `new`.
                let (row, pairs) = unsafe {
                    let row = from_raw_parts(self.values.data.add(i * self.values.stride + start), cols);
                    (row, from_raw_parts_mut(pairs, cols))
                };
                let is_first = position.is_multiple_of(2);
                for (pair, x) in pairs.iter_mut().zip(row) {
                    let number = f32_to_bf16(*x);
                    *pair = if is_first { [number, 0] } else { [pair[0], number] };
                }
            }
        }
    }
}

impl Append {
    /// panel[d · nr + lane] ← the quantised keys[position][d], and the scale of the position
    #[inline(always)]
    fn quantized_keys(&self) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for i in 0..self.count {
            let position = self.first + i;
            let (index, lane) = (position / panel.cols, position % panel.cols);
            let out = self.panels.keys.cast::<i8>().wrapping_add(index * dim * panel.cols + lane);
            // SAFETY: a row, promised to `new`.
            let row = unsafe { from_raw_parts(self.keys.data.add(i * self.keys.stride), dim) };
            let (scale, factor) = scale_of(row);
            // SAFETY: the scale and the numbers of one position, whose places are promised to `new`.
            unsafe {
                self.panels.key_scales.wrapping_add(position).write(scale);
                for (d, x) in row.iter().enumerate() {
                    out.wrapping_add(d * panel.cols).write(quantized(*x, factor));
                }
            }
        }
    }

    /// panel[position · nr + lane] ← the quantised values[position][d], and the scale of the position
    #[inline(always)]
    fn quantized_values(&self) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for i in 0..self.count {
            let position = self.first + i;
            // SAFETY: a row, promised to `new`.
            let row = unsafe { from_raw_parts(self.values.data.add(i * self.values.stride), dim) };
            let (scale, factor) = scale_of(row);
            // SAFETY: the scale of one position, whose place is promised to `new`.
            unsafe { self.panels.value_scales.wrapping_add(position).write(scale) };
            for (index, row) in row.chunks(panel.cols).enumerate() {
                let place = (index * self.panels.capacity + position) * panel.cols;
                let out = self.panels.values.cast::<i8>().wrapping_add(place);
                // SAFETY: some dimensions of one position in their panel, promised to `new`.
                let out = unsafe { from_raw_parts_mut(out, row.len()) };
                out.iter_mut().zip(row).for_each(|(out, x)| *out = quantized(*x, factor));
            }
        }
    }
}

impl Op for Append {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        match self.format.dtype {
            KvDtype::F32 => {
                self.keys(s);
                self.values(s);
            }
            KvDtype::Bf16 => {
                self.rounded_keys();
                self.rounded_values();
            }
            KvDtype::Int8 => {
                self.quantized_keys();
                self.quantized_values();
            }
        }
    }
}
