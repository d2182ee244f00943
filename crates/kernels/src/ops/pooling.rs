//! From the vectors of a text's tokens to one vector of the text.

use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::simd::{Op, Simd, dispatch};

/// out ← the mean of the rows of x (rows, width), row-major; width is the length of `out`.
///
/// # Errors
/// Returns [`Error::Size`] if x is empty or not a whole number of rows. Nothing is written then.
pub fn mean_rows(cpu: &Cpu, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
    let whole_rows = x.len().checked_next_multiple_of(out.len()).unwrap_or(0).max(out.len());
    expect_size("elements of the rows to average", whole_rows, x.len())?;
    dispatch(cpu, MeanRows(x, out));
    Ok(())
}

struct MeanRows<'a>(&'a [f32], &'a mut [f32]);

impl Op for MeanRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let MeanRows(x, out) = self;
        let width = out.len().max(1);
        let count = s.splat((x.len() / width) as f32);
        for (v, out) in out.chunks_mut(S::LANES).enumerate() {
            let columns = v * S::LANES..v * S::LANES + out.len();
            let mut sum = s.splat(0.0);
            for row in x.chunks_exact(width) {
                sum = s.add(sum, s.read(&row[columns.clone()]));
            }
            s.write(out, s.div(sum, count));
        }
    }
}

/// The naive twin of [`mean_rows`], with sums in f64.
///
/// # Panics
/// If `out` is empty.
pub fn mean_rows_reference(x: &[f32], out: &mut [f32]) {
    let rows = x.chunks_exact(out.len());
    for j in 0..out.len() {
        let sum: f64 = rows.clone().map(|row| f64::from(row[j])).sum();
        out[j] = (sum / rows.len() as f64) as f32;
    }
}

/// x ← x / max(‖x‖₂, 1e-12), so that zeros stay zeros.
///
/// The norm is summed in f64, where no square of an f32 overflows; a NaN or an infinity makes NaN of what it touches.
pub fn l2_normalize(x: &mut [f32]) {
    let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let norm = squares.sqrt();
    let factor = 1.0 / if norm < 1e-12 { 1e-12 } else { norm };
    for x in x {
        *x = (f64::from(*x) * factor) as f32;
    }
}
