//! Step 3: tiles of 8 rows and 3 panels by `vpdpbusd`, which multiplies unsigned by signed bytes: 128 is added to the numbers of rows, and
//! the sums begin at what that adds too much.
//!
//! Steps 4 and 5 are the same with other scales.

use super::LowPrecision;
use super::operands::{Columns, Operands};
use super::quantized::{QUAD, Rounding};
use super::tiles::{Brick, COLS, ExactSums, PerGroup, ROWS, RowQuads, Sums};
use super::tiles::{bricks, column_scales, multiply, per_group, row_quads};
use super::unit::Unit;
use std::array::from_fn;

pub(crate) struct Instruction<'a> {
    unit: Unit,
    operands: Operands<'a>,
    /// The numbers of the rows, with 128 added.
    unsigned: Vec<RowQuads<u8>>,
    panels: Vec<Brick<i8>>,
    scales: PerGroup<f32>,
    /// What the sums begin at: −128 times the sum of the numbers of each column.
    corrections: PerGroup<i32>,
}

impl<'a> Instruction<'a> {
    pub(crate) fn new(unit: Unit, columns: &Columns<'a>, rounding: Rounding) -> Self {
        let operands = Operands::new(columns, rounding, rounding);
        let columns = &operands.columns;
        // ANCHOR: corrections
        let sum = |j: usize, g: usize| columns.numbers_of(j, g).iter().map(|&q| i32::from(q)).sum::<i32>();
        let corrections = per_group(columns, |j, g| -128 * sum(j, g));
        // ANCHOR_END: corrections
        let (panels, scales) = (bricks(columns, |q| q), column_scales(columns));
        Instruction { unit, unsigned: Vec::new(), panels, scales, corrections, operands }
    }
}

impl ExactSums for Instruction<'_> {
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
        let quads = self.operands.rows.group / QUAD;
        let mut sums = [from_fn(|v| self.corrections[(panel + v) * groups + g]); ROWS];
        let rows = &self.unsigned[(i / ROWS * groups + g) * quads..][..quads];
        let panels = from_fn(|v| &self.panels[((panel + v) * groups + g) * quads..][..quads]);
        self.unit.add(&mut sums, rows, panels);
        sums
    }
    // ANCHOR_END: sums
}

impl LowPrecision for Instruction<'_> {
    fn multiply(&mut self, a: &[f32], c: &mut [f32]) {
        self.operands.quantize_rows(a);
        row_quads(&self.operands.rows, &mut self.unsigned, |q| (q as u8).wrapping_add(128));
        multiply(self, c);
    }

    fn operands(&self) -> &Operands<'_> {
        &self.operands
    }
}
