//! Step 6: weights of four bits, two in a byte, in groups of 32. The levels 0 … 15 have no sign, so they take the unsigned side of
//! `vpdpbusd`, and rows keep their sign.

use super::LowPrecision;
use super::operands::{Columns, Operands};
use super::quantized::{QUAD, Quantized, Rounding};
use super::tiles::{Brick, COLS, ExactSums, PANELS, PerGroup, ROWS, RowQuads, Sums};
use super::tiles::{bricks, column_scales, multiply, row_quads};
use super::unit::Unit;
use std::array::from_fn;

/// Numbers with one scale.
const GROUP: usize = 32;

const ROWS_OF_A: Rounding = Rounding { group: Some(GROUP), largest: 127.0, is_spread: false };
const COLUMNS_OF_B: Rounding = Rounding { group: Some(GROUP), largest: 7.0, is_spread: false };

/// The level of a weight of zero.
const ZERO: i8 = 8;

/// Bricks of two levels a byte in a group of a panel.
const WORDS: usize = GROUP / (2 * QUAD);

pub(crate) struct Int4<'a> {
    unit: Unit,
    operands: Operands<'a>,
    quads: Vec<RowQuads<i8>>,
    panels: Vec<Brick<u8>>,
    scales: PerGroup<f32>,
    /// What the sums of each row begin at, for each group: −8 times the sum of its numbers.
    corrections: Vec<i32>,
}

impl<'a> Int4<'a> {
    pub(crate) fn new(unit: Unit, columns: &Columns<'a>) -> Self {
        let operands = Operands::new(columns, ROWS_OF_A, COLUMNS_OF_B);
        let (panels, scales) = (words(&operands.columns), column_scales(&operands.columns));
        Int4 { unit, quads: Vec::new(), panels, scales, corrections: Vec::new(), operands }
    }
}

// ANCHOR: words
/// Levels, two in a byte: those of the first half of a group in the lower four bits, those of the second half above them.
fn words(columns: &Quantized) -> Vec<Brick<u8>> {
    let levels = bricks(columns, |q| (q + ZERO) as u8);
    let word = |low: &Brick<u8>, high: &Brick<u8>| Brick(from_fn(|j| from_fn(|p| low.0[j][p] | high.0[j][p] << 4)));
    let groups = levels.as_chunks::<{ 2 * WORDS }>().0.iter();
    groups.flat_map(|group| (0..WORDS).map(|i| word(&group[i], &group[WORDS + i]))).collect()
}
// ANCHOR_END: words

impl ExactSums for Int4<'_> {
    fn operands(&self) -> &Operands<'_> {
        &self.operands
    }

    fn column_scales(&self) -> &[[f32; COLS]] {
        &self.scales
    }

    // ANCHOR: sums
    #[inline(always)]
    fn sums(&self, i: usize, panel: usize, g: usize) -> Sums {
        let groups = self.operands.rows.groups();
        let mut sums = [[[0; COLS]; PANELS]; ROWS];
        for (r, sums) in sums.iter_mut().enumerate() {
            sums.as_flattened_mut().fill(self.corrections[(i + r) * groups + g]);
        }
        let rows = &self.quads[(i / ROWS * groups + g) * 2 * WORDS..][..2 * WORDS];
        let panels = from_fn(|v| &self.panels[((panel + v) * groups + g) * WORDS..][..WORDS]);
        self.unit.add_levels(&mut sums, rows, panels);
        sums
    }
    // ANCHOR_END: sums
}

impl LowPrecision for Int4<'_> {
    fn multiply(&mut self, a: &[f32], c: &mut [f32]) {
        self.operands.quantize_rows(a);
        let rows = &self.operands.rows;
        row_quads(rows, &mut self.quads, |q| q);
        let sum = |group: &[i8]| group.iter().map(|&q| i32::from(q)).sum::<i32>();
        self.corrections.clear();
        self.corrections.extend(rows.numbers.chunks_exact(GROUP).map(|group| -i32::from(ZERO) * sum(group)));
        multiply(self, c);
    }

    fn operands(&self) -> &Operands<'_> {
        &self.operands
    }
}
