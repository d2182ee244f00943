//! The values that kernels are tested with.

use super::block::Block;
use crate::gemm::microkernel::Tile;
use crate::gemm::tile_args::Pair;

/// The values of the largest tile's operands besides A and B, of whose upper left corner smaller tiles are made: C (mr, nr), and for
/// the epilogue bias (nr) and residual (mr, nr).
pub(super) struct Values<E> {
    pub(super) tile: Tile,
    /// Length of the product of a pair.
    pub(super) k: usize,
    pub(super) pairs: usize,
    pub(super) c: Vec<E>,
    pub(super) bias: Vec<f32>,
    pub(super) residual: Vec<f32>,
}

/// Pairs of A and B in memory.
pub(super) struct Placed<E> {
    pub(super) pairs: Vec<Pair>,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    pub(super) b_stride: usize,
    pub(super) panel_stride: usize,
    /// What the pairs lie in, unless it is the operands' own.
    pub(super) _memory: Vec<Block<E>>,
}

/// What a kernel is tested with.
pub(super) trait Operands<E> {
    /// All values but those of A and B.
    fn values(&self) -> &Values<E>;

    /// A and B for a tile of these rows and columns.
    fn place(&self, rows: usize, cols: usize) -> Placed<E>;

    /// An element of the first B.
    fn first_b(&self, row: usize, col: usize) -> f64;
}

impl<E: From<f32>> Values<E> {
    /// Whole numbers times `unit`.
    pub(super) fn new(tile: Tile, k: usize, pairs: usize, unit: f32, numbers: &mut Numbers) -> Self {
        let bias = numbers.take(tile.nr, unit);
        let residual = numbers.take(tile.mr * tile.nr, unit);
        Values { tile, k, pairs, c: numbers.take(tile.mr * tile.nr, unit), bias, residual }
    }
}

/// Whole numbers from −8 to 8: a linear congruential generator (Knuth, *The Art of Computer Programming*, volume 2, section 3.3.4).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    /// The next whole number from −`largest` to `largest`.
    pub(super) fn next(&mut self, largest: u64) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % (2 * largest + 1)) as f32 - largest as f32
    }

    /// The next `len` of them, from −8 to 8, times `unit`.
    pub(super) fn take<E: From<f32>>(&mut self, len: usize, unit: f32) -> Vec<E> {
        (0..len).map(|_| E::from(self.next(8) * unit)).collect()
    }
}

/// Σ Aᵢ·Bᵢ (mr, nr), Aᵢ (mr, k) and Bᵢ (k, nr).
pub(super) fn sums<E: Copy + Into<f64>>(tile: Tile, k: usize, a: &[Vec<E>], b: &[Vec<E>]) -> Vec<f64> {
    let Tile { mr, nr } = tile;
    let mut sums = vec![0.0; mr * nr];
    for (a, b) in a.iter().zip(b) {
        for (i, row) in sums.chunks_exact_mut(nr).enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                *sum += (0..k).map(|p| a[i * k + p].into() * b[p * nr + j].into()).sum::<f64>();
            }
        }
    }
    sums
}
