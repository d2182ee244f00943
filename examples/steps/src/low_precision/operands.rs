//! What every step multiplies: rows of A, which are quantised when the product begins, and columns of B, which were quantised before.

use super::quantized::{Quantized, Rounding};
use super::tiles::{ROWS, padded_columns};
use cke_kernels::Cpu;

/// The columns of B (n, n), one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) n: usize,
    pub(crate) values: &'a [f32],
}

pub(crate) struct Operands<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) n: usize,
    /// Filled up with rows of zeros to whole tiles, as the columns are.
    pub(crate) rows: Quantized,
    pub(crate) columns: Quantized,
}

impl<'a> Operands<'a> {
    pub(crate) fn new(columns: &Columns<'a>, of_rows: Rounding, of_columns: Rounding) -> Operands<'a> {
        let Columns { cpu, n, values } = *columns;
        let rows = Quantized::new(n.next_multiple_of(ROWS), n, of_rows);
        let mut columns = Quantized::new(padded_columns(n), n, of_columns);
        columns.fill(cpu, values, n);
        Operands { cpu, n, rows, columns }
    }

    /// Takes the rows of A (n, n).
    pub(crate) fn quantize_rows(&mut self, a: &[f32]) {
        self.rows.fill(self.cpu, a, self.n);
    }
}
