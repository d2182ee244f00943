//! Sums and multiples, element by element.

use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::simd::{Op, Simd, dispatch};

/// y ← y + x
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ.
pub fn add(cpu: &Cpu, y: &mut [f32], x: &[f32]) -> Result<(), Error> {
    expect_size("elements of the summand", y.len(), x.len())?;
    dispatch(cpu, Add(y, x));
    Ok(())
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Op for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let mut vectors = self.0.chunks_exact_mut(S::LANES);
        let mut summands = self.1.chunks_exact(S::LANES);
        for (y, x) in (&mut vectors).zip(&mut summands) {
            s.write(y, s.add(s.read(y), s.read(x)));
        }
        let (y, x) = (vectors.into_remainder(), summands.remainder());
        if !y.is_empty() {
            s.write(y, s.add(s.read(y), s.read(x)));
        }
    }
}

/// x ← factor · x
pub fn scale(cpu: &Cpu, x: &mut [f32], factor: f32) {
    struct Scale<'a>(&'a mut [f32], f32);
    impl Op for Scale<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) {
            scale_row(s, self.0, self.1);
        }
    }
    dispatch(cpu, Scale(x, factor));
}

/// row ← factor · row
#[inline(always)]
pub(super) fn scale_row<S: Simd<f32>>(s: S, row: &mut [f32], factor: f32) {
    let factor = s.splat(factor);
    let mut vectors = row.chunks_exact_mut(S::LANES);
    for part in &mut vectors {
        s.write(part, s.mul(s.read(part), factor));
    }
    let tail = vectors.into_remainder();
    if !tail.is_empty() {
        s.write(tail, s.mul(s.read(tail), factor));
    }
}
