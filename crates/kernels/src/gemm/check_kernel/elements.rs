//! Operands that kernels read as they are: elements with strides.

use super::block::{Block, Layout};
use super::operands::{Numbers, Operands, Placed, Values, sums};
use crate::gemm::microkernel::{Form, Supported};
use crate::gemm::tile_args::Pair;
use crate::scheme::Uniform;

/// Aᵢ (mr, k) and Bᵢ (k, nr), in other strides for every tile, with NaN around them.
pub(super) struct Elements<S: Uniform> {
    values: Values<S::E>,
    form: Form,
    a: Vec<Vec<S::E>>,
    b: Vec<Vec<S::E>>,
}

impl<S: Uniform> Elements<S>
where
    S::E: Into<f64> + From<f32>,
{
    /// Whole numbers times `unit`.
    pub(super) fn new(kernel: Supported<S>, k: usize, pairs: usize, unit: f32, seed: u64) -> Self {
        let (tile, mut numbers) = (kernel.tile(), Numbers(seed));
        let values = Values::new(tile, k, pairs, unit, &mut numbers);
        let a = (0..pairs).map(|_| numbers.take(tile.mr * k, unit)).collect();
        let b = (0..pairs).map(|_| numbers.take(k * tile.nr, unit)).collect();
        Elements { values, form: kernel.record().form(), a, b }
    }

    /// Σ Aᵢ·Bᵢ (mr, nr).
    pub(super) fn sums(&self) -> Vec<f64> {
        sums(self.values.tile, self.values.k, &self.a, &self.b)
    }

    /// The layouts of A and B: in turn, so that tiles of each number of rows and of columns meet all of them.
    fn layouts(&self, rows: usize, cols: usize) -> (Layout, Layout) {
        let k = self.values.k;
        let turn = rows + cols + k;
        let a = Layout { rows, cols: k, row_stride: k + turn % 3, col_stride: 1 };
        let b = Layout { rows: k, cols, row_stride: 1, col_stride: k + turn % 3 };
        match self.form {
            Form::Dot => (a, b),
            Form::Outer | Form::Blocks => {
                let row_stride = [self.values.tile.nr, cols, cols + 5][turn % 3];
                let a = if turn.is_multiple_of(2) { Layout { row_stride: 1, col_stride: rows + 2, ..a } } else { a };
                (a, Layout { row_stride, col_stride: 1, ..b })
            }
        }
    }
}

impl<S: Uniform> Operands<S::E> for Elements<S>
where
    S::E: Into<f64> + From<f32>,
{
    fn values(&self) -> &Values<S::E> {
        &self.values
    }

    fn place(&self, rows: usize, cols: usize) -> Placed<S::E> {
        let (k, nr) = (self.values.k, self.values.tile.nr);
        let (a_layout, b_layout) = self.layouts(rows, cols);
        let a: Vec<_> = self.a.iter().map(|a| Block::new(a, k, a_layout, f32::NAN)).collect();
        let b: Vec<_> = self.b.iter().map(|b| Block::new(b, nr, b_layout, f32::NAN)).collect();
        let bytes = |elements: usize| elements * size_of::<S::E>();
        let is_dot = self.form == Form::Dot;
        Placed {
            pairs: a.iter().zip(&b).map(|(a, b)| Pair { a: a.start().cast(), b: b.start().cast() }).collect(),
            a_row_stride: bytes(a_layout.row_stride),
            a_col_stride: bytes(a_layout.col_stride),
            b_stride: bytes(if is_dot { b_layout.col_stride } else { b_layout.row_stride }),
            panel_stride: 0,
            _memory: a.into_iter().chain(b).collect(),
        }
    }

    fn first_b(&self, row: usize, col: usize) -> f64 {
        self.b[0][row * self.values.tile.nr + col].into()
    }
}
