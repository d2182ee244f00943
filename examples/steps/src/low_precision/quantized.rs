//! Vectors of small whole numbers with scales: what rows of A and columns of B become.

use super::step5_spread::spread;
use cke_kernels::Cpu;
use cke_kernels::simd::{Op, Simd, dispatch};

/// Vectors are filled up with zeros to a multiple of this many numbers.
pub(crate) const BLOCK: usize = 128;

/// Numbers that a lane multiplies at a time.
pub(crate) const QUAD: usize = 4;

/// How numbers are rounded.
#[derive(Clone, Copy)]
pub(crate) struct Rounding {
    /// How many numbers share a scale; `None`: all numbers of a vector.
    pub(crate) group: Option<usize>,
    /// The largest whole number.
    pub(crate) largest: f32,
    /// Whether blocks are multiplied by ±1 before, as step 5 does.
    pub(crate) is_spread: bool,
}

/// x ≈ scale · q for each vector of a matrix.
pub(crate) struct Quantized {
    rounding: Rounding,
    /// Numbers of a vector, with the zeros after them.
    pub(crate) k: usize,
    /// Numbers that have a scale together.
    pub(crate) group: usize,
    /// (vectors, k)
    pub(crate) numbers: Vec<i8>,
    /// (vectors, k / group)
    pub(crate) scales: Vec<f32>,
    /// A vector, with the zeros after it.
    padded: Vec<f32>,
}

impl Quantized {
    /// All zeros: room for vectors of `len` numbers each.
    pub(crate) fn new(vectors: usize, len: usize, rounding: Rounding) -> Quantized {
        let k = len.next_multiple_of(BLOCK);
        let group = rounding.group.unwrap_or(k);
        let scales = vec![0.0; vectors * (k / group)];
        Quantized { rounding, k, group, numbers: vec![0; vectors * k], scales, padded: vec![0.0; k] }
    }

    /// Takes the values of the first vectors of a matrix (vectors, len).
    pub(crate) fn fill(&mut self, cpu: &Cpu, matrix: &[f32], len: usize) {
        dispatch(cpu, Fill { quantized: self, matrix, len });
    }

    pub(crate) fn groups(&self) -> usize {
        self.k / self.group
    }

    pub(crate) fn vectors(&self) -> usize {
        self.numbers.len() / self.k
    }

    pub(crate) fn vector(&self, i: usize) -> &[i8] {
        &self.numbers[i * self.k..][..self.k]
    }

    pub(crate) fn scales_of(&self, i: usize) -> &[f32] {
        &self.scales[i * self.groups()..][..self.groups()]
    }

    /// The numbers of group g of vector i.
    pub(crate) fn numbers_of(&self, i: usize, g: usize) -> &[i8] {
        &self.vector(i)[g * self.group..][..self.group]
    }
}

struct Fill<'a> {
    quantized: &'a mut Quantized,
    matrix: &'a [f32],
    len: usize,
}

impl Op for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Quantized { rounding, k, group, numbers, scales, padded } = self.quantized;
        let vectors = self.matrix.chunks_exact(self.len).zip(numbers.chunks_exact_mut(*k));
        for ((x, numbers), scales) in vectors.zip(scales.chunks_exact_mut(*k / *group)) {
            padded[..self.len].copy_from_slice(x);
            if rounding.is_spread {
                padded[self.len..].fill(0.0);
                padded.as_chunks_mut().0.iter_mut().for_each(spread);
            }
            for ((x, q), scale) in padded.chunks_exact(*group).zip(numbers.chunks_exact_mut(*group)).zip(scales) {
                *scale = quantize(x, rounding.largest, q);
            }
        }
    }
}

// ANCHOR: quantize
/// q ← x in whole numbers up to `largest`; the result is the scale, and x ≈ scale · q.
#[inline(always)]
fn quantize(x: &[f32], largest: f32, q: &mut [i8]) -> f32 {
    // The bits of magnitudes have the order of the magnitudes, and a maximum of integers compiles to vectors.
    let magnitude = f32::from_bits(x.iter().fold(0, |max, x| x.abs().to_bits().max(max)));
    let factor = if magnitude > 0.0 { largest / magnitude } else { 0.0 };
    for (q, x) in q.iter_mut().zip(x) {
        *q = (x * factor).round_ties_even() as i32 as i8;
    }
    magnitude / largest
}
// ANCHOR_END: quantize
