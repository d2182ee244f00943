//! Rotary position embeddings: pairs of a head's elements, turned by angles that grow with the position.

pub mod frequencies;

use crate::cpu::Cpu;
use crate::error::{Error, expect_rows, expect_size};
use crate::simd::{Op, Simd, dispatch};

/// Which elements of a head form a pair. n = `rotary_dims / 2` is the number of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// i and i + n: GPT-NeoX, and Llama in the layout of Hugging Face.
    Half,
    /// 2i and 2i + 1: GPT-J, and Llama in GGUF files and in its original layout.
    Interleaved,
}

/// (a, b) ← (a · cosᵢ − b · sinᵢ, b · cosᵢ + a · sinᵢ) for each pair i of each head of x (heads, head_dim), in place.
///
/// `cos` and `sin` have an element for each pair; the elements of a head from 2 · `cos.len()` on stay as they are. Products and sums
/// are rounded to f32 each, so that the bits are those of [`rotate_reference`] on every instruction set.
///
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, equation 34.
///
/// # Errors
/// Returns [`Error::Size`] if x is not a whole number of heads, `cos` and `sin` have different lengths, or a head has
/// fewer elements than the pairs need. Nothing is written then.
pub fn rotate(
    cpu: &Cpu,
    x: &mut [f32],
    head_dim: usize,
    cos: &[f32],
    sin: &[f32],
    pairing: Pairing,
) -> Result<(), Error> {
    expect_rows("elements of the heads to rotate", head_dim, x.len())?;
    expect_size("sines of the angles", cos.len(), sin.len())?;
    expect_size("pairs of a head to rotate", cos.len().min(head_dim / 2), cos.len())?;
    dispatch(cpu, Rotate { x, head_dim, cos, sin, pairing });
    Ok(())
}

struct Rotate<'a> {
    x: &'a mut [f32],
    head_dim: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    pairing: Pairing,
}

impl Op for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (cos, sin) = (self.cos, self.sin);
        for head in self.x.chunks_exact_mut(self.head_dim.max(1)) {
            match self.pairing {
                Pairing::Half => rotate_half(s, head, cos, sin),
                Pairing::Interleaved => rotate_interleaved(head, cos, sin),
            }
        }
    }
}

#[inline(always)]
fn rotate_half<S: Simd<f32>>(s: S, head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (firsts, seconds) = head[..2 * cos.len()].split_at_mut(cos.len());
    let pairs = firsts.chunks_mut(S::LANES).zip(seconds.chunks_mut(S::LANES));
    for ((first, second), (cos, sin)) in pairs.zip(cos.chunks(S::LANES).zip(sin.chunks(S::LANES))) {
        let (a, b) = (s.read(first), s.read(second));
        let (cos, sin) = (s.read(cos), s.read(sin));
        s.write(first, s.sub(s.mul(a, cos), s.mul(b, sin)));
        s.write(second, s.add(s.mul(b, cos), s.mul(a, sin)));
    }
}

/// Plain arithmetic, which the compiler turns into vectors of the caller's instruction set: it knows how to part neighbours, and
/// nothing here depends on an order.
#[inline(always)]
fn rotate_interleaved(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    for (pair, (&cos, &sin)) in head.as_chunks_mut().0.iter_mut().zip(cos.iter().zip(sin)) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}

/// The naive twin of [`rotate`].
///
/// # Panics
/// If the sizes do not fit.
pub fn rotate_reference(x: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32], pairing: Pairing) {
    for head in x.chunks_mut(head_dim) {
        for i in 0..cos.len() {
            let (p, q) = match pairing {
                Pairing::Half => (i, i + cos.len()),
                Pairing::Interleaved => (2 * i, 2 * i + 1),
            };
            let (a, b) = (head[p], head[q]);
            head[p] = a * cos[i] - b * sin[i];
            head[q] = b * cos[i] + a * sin[i];
        }
    }
}

/// cosᵢ = factor · cos(position · fᵢ) and sinᵢ = factor · sin(position · fᵢ) with the inverse frequencies f of
/// [`frequencies`] and the attention factor that belongs to their scaling (1 for most).
///
/// As transformers computes them: position and angle are rounded to f32, then the cosine, then its product with the factor. The
/// cosine of the rounded angle is the nearest f32, but for rare ties of f64.
///
/// # Errors
/// Returns [`Error::Size`] if `cos` or `sin` is not as long as the inverse frequencies. Nothing is written then.
pub fn angles(
    inverse_frequencies: &[f32],
    position: usize,
    attention_factor: f32,
    cos: &mut [f32],
    sin: &mut [f32],
) -> Result<(), Error> {
    expect_size("cosines of the angles", inverse_frequencies.len(), cos.len())?;
    expect_size("sines of the angles", inverse_frequencies.len(), sin.len())?;
    for (&frequency, (cos, sin)) in inverse_frequencies.iter().zip(cos.iter_mut().zip(sin)) {
        let angle = position as f32 * frequency;
        let (sine, cosine) = f64::from(angle).sin_cos();
        (*cos, *sin) = (cosine as f32 * attention_factor, sine as f32 * attention_factor);
    }
    Ok(())
}
