//! Step 2: the numbers in quads, four steps of K at a time, as instructions for bytes multiply them; in plain Rust.

use super::LowPrecision;
use super::operands::{Columns, Operands};
use super::quantized::QUAD;
use super::step1_naive::WHOLE;
use super::tiles::{Brick, COLS, bricks};
use cke_kernels::simd::{Op, Simd, dispatch};

pub(crate) struct Quads<'a> {
    operands: Operands<'a>,
    panels: Vec<Brick<i8>>,
}

impl<'a> Quads<'a> {
    pub(crate) fn new(columns: &Columns<'a>) -> Self {
        let operands = Operands::new(columns, WHOLE, WHOLE);
        Quads { panels: bricks(&operands.columns, |q| q), operands }
    }
}

impl LowPrecision for Quads<'_> {
    fn multiply(&mut self, a: &[f32], c: &mut [f32]) {
        self.operands.quantize_rows(a);
        dispatch(self.operands.cpu, Multiply { operands: &self.operands, panels: &self.panels, c });
    }

    fn operands(&self) -> &Operands<'_> {
        &self.operands
    }
}

struct Multiply<'a> {
    operands: &'a Operands<'a>,
    panels: &'a [Brick<i8>],
    c: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Multiply { operands: Operands { rows, columns, n, .. }, panels, c } = self;
        // ANCHOR: loops
        for (panel, bricks) in panels.chunks_exact(columns.k / QUAD).enumerate() {
            for (i, c) in c.chunks_exact_mut(*n).enumerate() {
                let mut sums = [0; COLS];
                for (row, brick) in rows.vector(i).as_chunks().0.iter().zip(bricks) {
                    add_quads(&mut sums, *row, brick);
                }
                for (j, c) in c.iter_mut().enumerate().skip(panel * COLS).take(COLS) {
                    *c = rows.scales[i] * columns.scales[j] * sums[j % COLS] as f32;
                }
            }
        }
        // ANCHOR_END: loops
    }
}

// ANCHOR: add_quads
/// Adds to the sum of each column four products: four numbers of a row, and those of the column for the same steps of K.
#[inline(always)]
pub(crate) fn add_quads<A: Copy, B: Copy>(sums: &mut [i32; COLS], row: [A; QUAD], brick: &Brick<B>)
where
    i32: From<A> + From<B>,
{
    for (sum, column) in sums.iter_mut().zip(&brick.0) {
        for p in 0..QUAD {
            *sum += i32::from(row[p]) * i32::from(column[p]);
        }
    }
}
// ANCHOR_END: add_quads
