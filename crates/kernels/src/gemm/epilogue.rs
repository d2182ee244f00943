//! What happens to a tile of sums before it is stored, as data: C = act(scale · sums + bias) + residual.

use super::registry::TileArgs;
use crate::error::{Error, expect_size};
use crate::ops::activation::{Activation, activate};
use crate::scheme::F32;
use crate::simd::{Op, Simd};
use crate::view::MatRef;

/// A factor on the sums.
#[derive(Clone, Copy, Debug, Default)]
pub enum Scale<'a> {
    /// None.
    #[default]
    One,
    /// One factor for all.
    All(f32),
    /// One factor per column: (n).
    PerColumn(&'a [f32]),
}

/// C = act(scale · (A·B) + bias) + residual, applied while the tile is hot and before C is written.
///
/// The default leaves the sums as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Factor on the sums.
    pub scale: Scale<'a>,
    /// Added to every row: (n).
    pub bias: Option<&'a [f32]>,
    /// Applied elementwise.
    pub activation: Activation,
    /// Added last: (m, n), columns next to each other.
    pub residual: Option<MatRef<'a, f32>>,
}

impl Epilogue<'_> {
    /// Checks the sizes against an (m, n) product.
    pub(super) fn check(&self, m: usize, n: usize) -> Result<(), Error> {
        if let Scale::PerColumn(scale) = self.scale {
            expect_size("elements of the epilogue's scale", n, scale.len())?;
        }
        if let Some(bias) = self.bias {
            expect_size("elements of the epilogue's bias", n, bias.len())?;
        }
        if let Some(residual) = &self.residual {
            expect_size("rows of the epilogue's residual", m, residual.rows())?;
            expect_size("columns of the epilogue's residual", n, residual.cols())?;
            expect_size("column stride of the epilogue's residual", 1, residual.col_stride())?;
        }
        Ok(())
    }

    fn is_identity(&self) -> bool {
        matches!(self.scale, Scale::One)
            && self.bias.is_none()
            && self.activation == Activation::None
            && self.residual.is_none()
    }

    /// The part for the tile whose first element is (row, col); `None` where nothing is to be done.
    ///
    /// The sizes were checked and the tile lies inside the product, so the pointers are valid for what it covers.
    pub(super) fn at(&self, row: usize, col: usize) -> Option<TileFinish> {
        if self.is_identity() {
            return None;
        }
        let columns_from = |x: &[f32]| x.as_ptr().wrapping_add(col);
        let (factor, scale) = match self.scale {
            Scale::One => (1.0, None),
            Scale::All(factor) => (factor, None),
            Scale::PerColumn(scale) => (1.0, Some(columns_from(scale))),
        };
        let residual = self.residual.map(|r| (r.as_ptr().wrapping_add(row * r.row_stride() + col), r.row_stride()));
        Some(TileFinish { factor, scale, bias: self.bias.map(columns_from), activation: self.activation, residual })
    }
}

/// An [`Epilogue`] cut to one tile.
#[derive(Clone, Copy, Debug)]
pub struct TileFinish {
    factor: f32,
    scale: Option<*const f32>,
    bias: Option<*const f32>,
    activation: Activation,
    /// First element and row stride.
    residual: Option<(*const f32, usize)>,
}

/// The epilogue on one tile of sums, to be run by [`Simd::outline`].
pub(super) struct FinishTile<'a> {
    sums: *const f32,
    sums_row_stride: usize,
    rows: usize,
    args: &'a TileArgs<'a, F32>,
    finish: &'a TileFinish,
}

impl<'a> FinishTile<'a> {
    /// # Safety
    /// For i < rows, `sums` is valid for reads of whole vectors that cover `args.cols` elements at `i · sums_row_stride`; C and the
    /// pointers of `finish` are valid for a tile of that size, as [`TileFn`](super::registry::TileFn) says.
    #[inline(always)]
    pub(super) unsafe fn new(
        sums: *const f32,
        sums_row_stride: usize,
        rows: usize,
        args: &'a TileArgs<'a, F32>,
        finish: &'a TileFinish,
    ) -> Self {
        FinishTile { sums, sums_row_stride, rows, args, finish }
    }
}

impl Op for FinishTile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let TileFinish { factor, scale, bias, activation, residual } = *self.finish;
        let TileArgs { c, c_row_stride, cols, .. } = *self.args;
        for j in (0..cols).step_by(S::LANES) {
            let mask = s.mask(cols - j);
            // SAFETY: j < cols, the mask covers columns below cols and i < rows: all inside what `new` was promised.
            unsafe {
                let scale = scale.map_or(s.splat(factor), |scale| s.load_masked(scale.add(j), mask));
                let bias = bias.map_or(s.splat(0.0), |bias| s.load_masked(bias.add(j), mask));
                for i in 0..self.rows {
                    let sums = s.load(self.sums.add(i * self.sums_row_stride + j));
                    let mut x = activate(s, activation, s.mul_add(sums, scale, bias));
                    if let Some((residual, row_stride)) = residual {
                        x = s.add(x, s.load_masked(residual.add(i * row_stride + j), mask));
                    }
                    s.store_masked(c.add(i * c_row_stride + j), x, mask);
                }
            }
        }
    }
}
