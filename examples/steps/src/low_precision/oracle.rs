//! What a result is checked against, independently of how numbers lie in memory and of instructions.

use super::operands::Operands;
use super::quantized::Quantized;
use cke_testkit::tolerance::{self, F32_ROUNDOFF, Mismatch, gamma, relative_error};

/// f32 roundings of a spread number: four sums.
const ROUNDINGS_OF_A_SPREAD: usize = 4;

/// The product of A and the columns of B as they were before they were rounded.
pub(crate) struct Oracle {
    exact: Vec<f64>,
    row_norms: Vec<f64>,
    column_norms: Vec<f64>,
}

impl Oracle {
    /// Of rows and columns of `n` numbers.
    pub(crate) fn new(rows: &[f32], columns: &[f32], n: usize) -> Oracle {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let norms = |vectors: &[f32]| vectors.chunks_exact(n).map(|x| dot(x, x).sqrt()).collect();
        let exact = rows.chunks_exact(n).flat_map(|a| columns.chunks_exact(n).map(move |b| dot(a, b))).collect();
        Oracle { exact, row_norms: norms(rows), column_norms: norms(columns) }
    }

    /// The relative error of C, ‖C − exact‖ / ‖exact‖, if C is the product of the quantised operands, and these are as near to the exact
    /// ones as rounding to the nearest brings them.
    pub(crate) fn check(&self, c: &[f32], operands: &Operands<'_>) -> Result<f64, Mismatch> {
        let Operands { n, rows, columns, .. } = operands;
        let (sums, magnitudes) = of_quantized(rows, columns, *n);
        let roundings = gamma(rows.groups() + 3, F32_ROUNDOFF);
        let in_f32: Vec<f64> = magnitudes.iter().map(|magnitude| roundings * magnitude).collect();
        tolerance::compare(c, &sums, &in_f32)?;

        let from_exact: Vec<f64> = in_f32.iter().zip(self.quantisation_bound(operands)).map(|(a, b)| a + b).collect();
        tolerance::compare(c, &self.exact, &from_exact)?;
        Ok(relative_error(c, &self.exact))
    }

    /// How far rounding the operands may move each element: |a·b − (a + δ)·(b + ε)| ≤ |δ||b| + |a||ε| + |δ||ε| (Cauchy and Schwarz).
    /// To spread both changes neither products nor lengths.
    fn quantisation_bound(&self, operands: &Operands<'_>) -> impl Iterator<Item = f64> {
        let Operands { n, rows, columns, .. } = operands;
        let rows = moved(rows, &self.row_norms);
        let columns = moved(columns, &self.column_norms);
        let element = |(a, da): (f64, f64), (b, db): (f64, f64)| da * b + a * db + da * db;
        (0..n * n).map(move |at| element(rows[at / n], columns[at % n]))
    }
}

/// The length of each vector, and how far from it the quantised one may end: half a step for each number, and what f32 rounds before.
fn moved(quantized: &Quantized, norms: &[f64]) -> Vec<(f64, f64)> {
    let group = quantized.group as f64;
    let before = gamma(ROUNDINGS_OF_A_SPREAD + 2, F32_ROUNDOFF);
    let by_steps = |i: usize| quantized.scales_of(i).iter().map(|&s| group * (0.5 * f64::from(s)).powi(2)).sum::<f64>();
    norms.iter().enumerate().map(|(i, &norm)| (norm, by_steps(i).sqrt() + before * norm)).collect()
}

/// The exact product of the first n rows and columns, and what its sums of groups come to without their signs.
fn of_quantized(rows: &Quantized, columns: &Quantized, n: usize) -> (Vec<f64>, Vec<f64>) {
    let element = |at: usize| {
        let (i, j) = (at / n, at % n);
        let group = |g: usize| {
            let scale = f64::from(rows.scales_of(i)[g]) * f64::from(columns.scales_of(j)[g]);
            scale * dot(rows.numbers_of(i, g), columns.numbers_of(j, g)) as f64
        };
        (0..rows.groups()).map(group).fold((0.0, 0.0), |(sum, magnitude), x| (sum + x, magnitude + x.abs()))
    };
    (0..n * n).map(element).unzip()
}

fn dot(a: &[i8], b: &[i8]) -> i64 {
    a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum()
}
