//! Attention as a pair of products, and by any library's product.

use super::operands::{Element, Operands};
use super::product::Product;
use super::sample::{Data, Numbers};
use super::session::Multiply;
use super::worker::WorkerError;
use cke_kernels::Error;
use cke_kernels::scratch::AlignedBuf;

/// One head: out (queries, size) = softmax(Q·Kᵀ / √size) · V.
pub(super) struct Attention<T: Element> {
    pub(super) shape: Head,
    /// Q (queries, size).
    pub(super) queries: AlignedBuf<T>,
    /// K (positions, size).
    pub(super) keys: AlignedBuf<T>,
    /// V (positions, size).
    pub(super) values: AlignedBuf<T>,
}

/// The sizes of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) queries: usize,
    pub(super) size: usize,
    pub(super) positions: usize,
}

impl Head {
    /// The head whose output has the shape of the product's C, over k positions.
    pub(super) fn of(Product { m, n, k, .. }: Product) -> Head {
        Head { queries: m, size: n, positions: k }
    }

    /// The factor on scores.
    pub(super) fn scale(self) -> f64 {
        1.0 / (self.size as f64).sqrt()
    }
}

impl<T: Element> Attention<T> {
    /// Random queries, keys and values, always the same for the same sizes and seed.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub(super) fn new(shape: Head, data: Data, seed: u64) -> Result<Attention<T>, Error> {
        let Head { queries, size, positions } = shape;
        let mut numbers = Numbers::new(data, seed);
        let mut matrix = |rows: usize| numbers.take(rows.saturating_mul(size));
        Ok(Attention { shape, queries: matrix(queries)?, keys: matrix(positions)?, values: matrix(positions)? })
    }
}

/// Attention by two products and a softmax between them, as a program makes it of a library that has none. Each step of the
/// softmax gives the number nearest to the exact one, its sum too.
///
/// # Errors
/// If memory cannot be allocated or the library refuses.
pub(super) fn by_products<T: Element, M: Multiply<T> + ?Sized>(
    multiply: &mut M,
    operands: &Attention<T>,
) -> Result<AlignedBuf<T>, WorkerError> {
    let Head { queries, size, positions } = operands.shape;
    let scores = Product { m: queries, n: positions, k: size, transpose_a: false, transpose_b: true, leading: None };
    let mut weights = product(multiply, scores, &operands.queries, &operands.keys)?;
    weights.chunks_exact_mut(positions).for_each(|row| rounded_softmax(row, operands.shape.scale()));
    let sums = Product { m: queries, n: size, k: positions, transpose_a: false, transpose_b: false, leading: None };
    product(multiply, sums, &weights, &operands.values)
}

fn rounded_softmax<T: Element>(row: &mut [T], scale: f64) {
    row.iter_mut().for_each(|x| *x = T::nearest(scale * (*x).into()));
    let largest = row.iter().map(|&x| x.into()).fold(f64::NEG_INFINITY, f64::max);
    let weight = |score: f64| T::nearest(T::nearest(score - largest).into().exp());
    row.iter_mut().for_each(|x| *x = weight((*x).into()));
    let sum: f64 = T::nearest(row.iter().map(|&x| x.into()).sum()).into();
    row.iter_mut().for_each(|x| *x = T::nearest((*x).into() / sum));
}

/// The exact weights of these scores.
pub(super) fn softmax(scores: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut weights: Vec<f64> = scores.collect();
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    weights.iter_mut().for_each(|weight| *weight = (*weight - largest).exp());
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// C = A·op(B).
fn product<T: Element, M: Multiply<T> + ?Sized>(
    multiply: &mut M,
    product: Product,
    a: &[T],
    b: &[T],
) -> Result<AlignedBuf<T>, WorkerError> {
    let mut operands = Operands::of(product, copy(a)?, copy(b)?)?;
    multiply.repeat(&mut operands, 1)?;
    Ok(operands.into_parts().2)
}

fn copy<T: Element>(from: &[T]) -> Result<AlignedBuf<T>, Error> {
    let mut to = AlignedBuf::zeroed(from.len())?;
    to.copy_from_slice(from);
    Ok(to)
}
