//! Gated linear units: the elementwise part between the products of a gated feed-forward layer.

use super::activation::{Activation, activate};
use crate::cpu::Cpu;
use crate::error::{Error, expect_rows, expect_size};
use crate::simd::{Op, Simd, dispatch};

/// out = act(gate) · up, element by element: SwiGLU with SiLU, GeGLU with GELU, ReGLU with ReLU.
///
/// The activation has the bits of [`apply`](super::activation::apply) and of an epilogue; the product is rounded once more.
///
/// Source: Shazeer, "GLU Variants Improve Transformer", 2020.
///
/// # Errors
/// Returns [`Error::Size`] if the lengths differ. Nothing is written then.
pub fn gate(cpu: &Cpu, activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) -> Result<(), Error> {
    expect_size("elements of the gated values", gate.len(), up.len())?;
    expect_size("elements of the gate's output", gate.len(), out.len())?;
    dispatch(cpu, Gate { activation, gate, up, out });
    Ok(())
}

/// out = act(gate) · up for each row [gate | up] of `joined` (rows, 2 · inner), row-major; out is (rows, inner). Bits as of [`gate`].
///
/// # Errors
/// Returns [`Error::Size`] if `out` is not a whole number of rows, or `joined` is not twice as long. Nothing is written
/// then.
pub fn gate_joined(
    cpu: &Cpu,
    activation: Activation,
    joined: &[f32],
    inner: usize,
    out: &mut [f32],
) -> Result<(), Error> {
    expect_rows("elements of the gate's output", inner, out.len())?;
    expect_size("elements of the joined gates and values", out.len().saturating_mul(2), joined.len())?;
    for (row, out) in joined.chunks_exact(inner.saturating_mul(2).max(1)).zip(out.chunks_exact_mut(inner.max(1))) {
        let (gate, up) = row.split_at(inner);
        dispatch(cpu, Gate { activation, gate, up, out });
    }
    Ok(())
}

struct Gate<'a> {
    activation: Activation,
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Op for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let operands = self.gate.chunks(S::LANES).zip(self.up.chunks(S::LANES));
        for ((gate, up), out) in operands.zip(self.out.chunks_mut(S::LANES)) {
            s.write(out, s.mul(activate(s, self.activation, s.read(gate)), s.read(up)));
        }
    }
}

/// The naive twin of [`gate`].
///
/// # Panics
/// If the lengths differ.
pub fn gate_reference(activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) {
    for j in 0..gate.len() {
        out[j] = activation.reference(gate[j]) * up[j];
    }
}
