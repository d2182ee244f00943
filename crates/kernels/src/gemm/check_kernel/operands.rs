//! The values that kernels are tested with.

use crate::gemm::microkernel::{Supported, Tile};
use crate::scheme::Uniform;

/// The values of the largest tile's operands, of whose upper left corner smaller tiles are made: Aᵢ (mr, k), Bᵢ (k, nr), C (mr, nr),
/// and for the epilogue bias (nr) and residual (mr, nr).
pub(super) struct Operands<S: Uniform> {
    pub(super) tile: Tile,
    pub(super) k: usize,
    pub(super) a: Vec<Vec<S::E>>,
    pub(super) b: Vec<Vec<S::E>>,
    pub(super) c: Vec<S::E>,
    pub(super) bias: Vec<f32>,
    pub(super) residual: Vec<f32>,
}

impl<S: Uniform> Operands<S>
where
    S::E: Into<f64> + From<f32>,
{
    /// Whole numbers times `unit`.
    pub(super) fn new(kernel: Supported<S>, k: usize, pairs: usize, unit: f32, seed: u64) -> Self {
        let tile = kernel.tile();
        let mut numbers = Numbers(seed);
        let mut numbers = |len: usize| -> Vec<f32> { (0..len).map(|_| numbers.next() * unit).collect() };
        let (bias, residual) = (numbers(tile.nr), numbers(tile.mr * tile.nr));
        let mut elements = |len: usize| -> Vec<S::E> { numbers(len).into_iter().map(S::E::from).collect() };
        Operands {
            tile,
            k,
            a: (0..pairs).map(|_| elements(tile.mr * k)).collect(),
            b: (0..pairs).map(|_| elements(k * tile.nr)).collect(),
            c: elements(tile.mr * tile.nr),
            bias,
            residual,
        }
    }

    /// Σ Aᵢ·Bᵢ (mr, nr).
    pub(super) fn sums(&self) -> Vec<f64> {
        let (Tile { mr, nr }, k) = (self.tile, self.k);
        let mut sums = vec![0.0; mr * nr];
        for (a, b) in self.a.iter().zip(&self.b) {
            for (i, row) in sums.chunks_exact_mut(nr).enumerate() {
                for (j, sum) in row.iter_mut().enumerate() {
                    *sum += (0..k).map(|p| a[i * k + p].into() * b[p * nr + j].into()).sum::<f64>();
                }
            }
        }
        sums
    }
}

/// Whole numbers from −8 to 8: a linear congruential generator (Knuth, *The Art of Computer Programming*, volume 2, section 3.3.4).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % 17) as f32 - 8.0
    }
}
