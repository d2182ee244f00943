//! Keys and values in eight bits, widened to panels of f32 a KV block at a time.

use super::KvFormat;
use super::cache::Panels;
use crate::simd::{Op, Simd};
use std::ops::Range;
use std::slice::from_raw_parts;

/// Widens keys of a KV block, as columns of their panels.
pub(super) struct WidenKeys<'a> {
    format: KvFormat,
    panels: Panels,
    /// Within the block, from the first position of a panel on.
    positions: Range<usize>,
    out: &'a mut [f32],
}

/// Widens values of a KV block, as steps of their panels.
pub(super) struct WidenValues<'a> {
    format: KvFormat,
    panels: Panels,
    /// Within the block.
    positions: Range<usize>,
    /// Positions that a panel of `out` has room for.
    capacity: usize,
    out: &'a mut [f32],
}

impl<'a> WidenKeys<'a> {
    /// # Safety
    /// The panels hold the keys of these positions, which nobody writes until the operation has run.
    pub(super) unsafe fn new(
        format: KvFormat,
        panels: Panels,
        positions: Range<usize>,
        out: &'a mut [f32],
    ) -> WidenKeys<'a> {
        WidenKeys { format, panels, positions, out }
    }
}

impl<'a> WidenValues<'a> {
    /// # Safety
    /// The panels hold the values of these positions, which nobody writes until the operation has run.
    pub(super) unsafe fn new(
        format: KvFormat,
        panels: Panels,
        positions: Range<usize>,
        capacity: usize,
        out: &'a mut [f32],
    ) -> WidenValues<'a> {
        WidenValues { format, panels, positions, capacity, out }
    }
}

impl Op for WidenKeys<'_> {
    type Output = ();

    /// out[panel · dim · nr + d · nr + lane] ← scale of the position · its number
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _s: S) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for first in self.positions.clone().step_by(panel.cols) {
            let count = panel.cols.min(self.positions.end - first);
            // SAFETY: the scales of positions that are there, promised to `new`.
            let scales = unsafe { from_raw_parts(self.panels.key_scales.wrapping_add(first), count) };
            for d in 0..dim {
                let at = first * dim + d * panel.cols;
                // SAFETY: a dimension of the same positions.
                let numbers = unsafe { from_raw_parts(self.panels.keys.cast::<i8>().wrapping_add(at), count) };
                let out = self.out[at..at + count].iter_mut();
                out.zip(numbers).zip(scales).for_each(|((out, number), scale)| *out = f32::from(*number) * scale);
            }
        }
    }
}

impl Op for WidenValues<'_> {
    type Output = ();

    /// out[(panel · capacity + position) · nr + lane] ← scale of the position · its number
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _s: S) {
        let KvFormat { head_dim: dim, panel, .. } = self.format;
        for (index, start) in (0..dim).step_by(panel.cols).enumerate() {
            let count = panel.cols.min(dim - start);
            for position in self.positions.clone() {
                let from = (index * self.panels.capacity + position) * panel.cols;
                // SAFETY: the scale of a position that is there and some of its dimensions, promised to `new`.
                let (scale, numbers) = unsafe {
                    let scale = *self.panels.value_scales.wrapping_add(position);
                    (scale, from_raw_parts(self.panels.values.cast::<i8>().wrapping_add(from), count))
                };
                let to = (index * self.capacity + position) * panel.cols;
                let out = self.out[to..to + count].iter_mut();
                out.zip(numbers).for_each(|(out, number)| *out = f32::from(*number) * scale);
            }
        }
    }
}
