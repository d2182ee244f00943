//! What happens to a tile of sums before it is stored, as data: C = act(scale · sums + bias) + residual.

use crate::error::{Error, expect_size};
use crate::ops::activation::{Activation, activate};
use crate::scheme::Output;
use crate::scratch::LINE;
use crate::simd::{AllLanes, FirstLanes, Four, Lanes, Op, Simd};
use crate::view::MatRef;
use std::fmt;

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
    /// Added last: (m, n), columns contiguous.
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

    pub(super) fn is_identity(&self) -> bool {
        matches!(self.scale, Scale::One)
            && self.bias.is_none()
            && self.activation == Activation::None
            && self.residual.is_none()
    }

    /// The part for the tile whose first element is (row, col); `None` where nothing is to be done.
    ///
    /// The sizes were checked and the tile lies inside the product, so the pointers are valid for what it covers.
    fn at(&self, row: usize, col: usize) -> Option<F32Epilogue> {
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
        Some(F32Epilogue { factor, scale, bias: self.bias.map(columns_from), activation: self.activation, residual })
    }
}

/// An [`Epilogue`] cut to one tile of an f32 C.
#[derive(Clone, Copy, Debug)]
pub struct F32Epilogue {
    factor: f32,
    scale: Option<*const f32>,
    bias: Option<*const f32>,
    activation: Activation,
    /// First element and row stride.
    residual: Option<(*const f32, usize)>,
}

/// Where a microkernel left its sums, and where they go.
#[derive(Clone, Copy, Debug)]
pub struct Sums<E: Output> {
    /// Sum (0, 0).
    pub sums: *const E::Sum,
    /// Elements from one row of sums to the next.
    pub sums_row_stride: usize,
    /// Rows of the tile.
    pub rows: usize,
    /// Columns of the tile.
    pub cols: usize,
    /// Element (0, 0) of the tile in C; its rows are contiguous.
    pub c: *mut E,
    /// Elements of C from one row to the next.
    pub c_row_stride: usize,
}

/// An epilogue cut to one tile.
///
/// # Safety
/// What [`TileEpilogue::cut`] returns for a checked epilogue and a tile inside its product may be applied to that tile.
pub unsafe trait TileEpilogue<E: Output>: Copy + fmt::Debug {
    /// The part of `epilogue` for the tile whose first element is (row, col); `None` where nothing is to be done.
    ///
    /// Its sizes were checked and the tile lies inside the product, so pointers are valid for what it covers.
    fn cut(epilogue: &Epilogue<'_>, row: usize, col: usize) -> Option<Self>;

    /// Asks for what [`TileEpilogue::apply`] will read of a tile of `rows` rows and `cols` columns besides the sums.
    fn prefetch<S: Simd<E::Sum>>(&self, s: S, rows: usize, cols: usize);

    /// C ← epilogue(sums).
    ///
    /// # Safety
    /// For i < rows, `sums` is valid for reads of whole vectors that cover `cols` elements at `i · sums_row_stride`, C for writes of
    /// `cols` elements at `i · c_row_stride`, and the epilogue was cut for a tile of that size.
    unsafe fn apply<S: Simd<E::Sum>>(&self, s: S, sums: Sums<E>);
}

/// For types of C without epilogues.
#[derive(Clone, Copy, Debug)]
pub enum NoEpilogue {}

// SAFETY: it returns nothing.
unsafe impl<E: Output> TileEpilogue<E> for NoEpilogue {
    fn cut(_epilogue: &Epilogue<'_>, _row: usize, _col: usize) -> Option<NoEpilogue> {
        None
    }

    fn prefetch<S: Simd<E::Sum>>(&self, _s: S, _rows: usize, _cols: usize) {
        match *self {}
    }

    unsafe fn apply<S: Simd<E::Sum>>(&self, _s: S, _sums: Sums<E>) {
        match *self {}
    }
}

// SAFETY: the pointers are those of the epilogue's operands from the tile's first row and column on, and the operands have a place for
// each row and column of the product, as was checked.
unsafe impl TileEpilogue<f32> for F32Epilogue {
    fn cut(epilogue: &Epilogue<'_>, row: usize, col: usize) -> Option<F32Epilogue> {
        epilogue.at(row, col)
    }

    #[inline(always)]
    fn prefetch<S: Simd<f32>>(&self, s: S, rows: usize, cols: usize) {
        if let Some((residual, row_stride)) = self.residual {
            for i in 0..rows {
                for j in (0..cols).step_by(LINE / size_of::<f32>()) {
                    s.prefetch(residual.wrapping_add(i * row_stride + j));
                }
            }
        }
    }

    /// In a function of its own: repeated inside every microkernel it would be most of their code.
    #[inline(always)]
    unsafe fn apply<S: Simd<f32>>(&self, s: S, sums: Sums<f32>) {
        s.outline(ApplyEpilogue { sums, epilogue: self });
    }
}

/// The epilogue on one tile of sums; made only under the contract of [`TileEpilogue::apply`].
struct ApplyEpilogue<'a> {
    sums: Sums<f32>,
    epilogue: &'a F32Epilogue,
}

impl Op for ApplyEpilogue<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let Sums { rows, cols, .. } = self.sums;
        let full = cols - cols % S::LANES;
        let fours = rows - rows % 4;
        // SAFETY: the rows are below `rows`, and the vectors lie below `cols`, the last one with its first lanes: all inside what `apply` was
        // promised.
        unsafe {
            for i in (0..fours).step_by(4) {
                for j in (0..full).step_by(S::LANES) {
                    self.apply_four(s, i, j);
                }
            }
            for i in fours..rows {
                for j in (0..full).step_by(S::LANES) {
                    self.apply(s, i, j, AllLanes);
                }
            }
            if full < cols {
                let last = FirstLanes(s.first(cols - full));
                for i in 0..rows {
                    self.apply(s, i, full, last);
                }
            }
        }
    }
}

impl ApplyEpilogue<'_> {
    /// These lanes of the vector from (i, j) on.
    ///
    /// # Safety
    /// i < rows and j + the lanes ≤ cols of a tile for which [`TileEpilogue::apply`]'s promise was given.
    #[inline(always)]
    unsafe fn apply<S: Simd<f32>>(&self, s: S, i: usize, j: usize, lanes: impl Lanes<f32, S>) {
        // SAFETY: promised by the caller.
        unsafe {
            let x = activate(s, self.epilogue.activation, self.scaled(s, i, j, lanes));
            self.store(s, i, j, x, lanes);
        }
    }

    /// The vectors from column j on in the four rows from i on, in step.
    ///
    /// # Safety
    /// As [`ApplyEpilogue::apply`] for each of the rows, with all lanes.
    #[inline(always)]
    unsafe fn apply_four<S: Simd<f32>>(&self, s: S, i: usize, j: usize) {
        // SAFETY: promised by the caller.
        unsafe {
            let mut x = [s.splat(0.0); 4];
            for row in 0..4 {
                x[row] = self.scaled(s, i + row, j, AllLanes);
            }
            let x = activate(Four(s), self.epilogue.activation, x);
            for row in 0..4 {
                self.store(s, i + row, j, x[row], AllLanes);
            }
        }
    }

    /// scale · sum + bias
    ///
    /// # Safety
    /// As [`ApplyEpilogue::apply`].
    #[inline(always)]
    unsafe fn scaled<S: Simd<f32>>(&self, s: S, i: usize, j: usize, lanes: impl Lanes<f32, S>) -> S::Reg {
        let F32Epilogue { factor, scale, bias, .. } = *self.epilogue;
        // SAFETY: the epilogue was cut for a tile with these columns, and the sums are whole vectors, promised by the caller.
        unsafe {
            let scale = scale.map_or(s.splat(factor), |scale| lanes.load(s, scale.add(j)));
            let bias = bias.map_or(s.splat(0.0), |bias| lanes.load(s, bias.add(j)));
            let sum = s.load(self.sums.sums.add(i * self.sums.sums_row_stride + j));
            s.mul_add(sum, scale, bias)
        }
    }

    /// C ← x + residual
    ///
    /// # Safety
    /// As [`ApplyEpilogue::apply`].
    #[inline(always)]
    unsafe fn store<S: Simd<f32>>(&self, s: S, i: usize, j: usize, mut x: S::Reg, lanes: impl Lanes<f32, S>) {
        // SAFETY: row i and these columns of the residual and of C, promised by the caller.
        unsafe {
            if let Some((residual, row_stride)) = self.epilogue.residual {
                x = s.add(x, lanes.load(s, residual.add(i * row_stride + j)));
            }
            lanes.store(s, self.sums.c.add(i * self.sums.c_row_stride + j), x);
        }
    }
}
