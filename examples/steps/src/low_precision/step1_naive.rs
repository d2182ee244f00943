//! Step 1: numbers in eight bits with one scale for each row and each column, summed in 32 bits.

use super::LowPrecision;
use super::operands::{Columns, Operands};
use super::quantized::Rounding;
use cke_kernels::simd::{Op, Simd, dispatch};

/// Up to 127, with one scale for all of K.
pub(crate) const WHOLE: Rounding = Rounding { group: None, largest: 127.0, is_spread: false };

pub(crate) struct Naive<'a> {
    pub(crate) operands: Operands<'a>,
}

impl<'a> Naive<'a> {
    pub(crate) fn new(columns: &Columns<'a>) -> Self {
        Naive { operands: Operands::new(columns, WHOLE, WHOLE) }
    }
}

impl LowPrecision for Naive<'_> {
    fn multiply(&mut self, a: &[f32], c: &mut [f32]) {
        self.operands.quantize_rows(a);
        dispatch(self.operands.cpu, Multiply { operands: &self.operands, c });
    }

    fn operands(&self) -> &Operands<'_> {
        &self.operands
    }
}

struct Multiply<'a> {
    operands: &'a Operands<'a>,
    c: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let (Operands { rows, columns, n, .. }, c) = (self.operands, self.c);
        let n = *n;
        // ANCHOR: loops
        for i in 0..n {
            for j in 0..n {
                let sum = dot(rows.vector(i), columns.vector(j));
                c[i * n + j] = rows.scales[i] * columns.scales[j] * sum as f32;
            }
        }
        // ANCHOR_END: loops
    }
}

// ANCHOR: dot
/// Σ a·b; exact, as long as it fits 32 bits.
#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
// ANCHOR_END: dot
