//! What happens to a tile of sums before it is stored, as data: C = act(scale · sums + bias) · multiplier + residual.

use crate::error::{Error, expect_size};
use crate::ops::activation::{Activation, activate};
use crate::scheme::Output;
use crate::scratch::LINE;
use crate::simd::prefetch::prefetch;
use crate::simd::{AllLanes, FirstLanes, Four, Lanes, Op, Simd};
use crate::view::MatRef;
use std::fmt;
use std::ops::Range;

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

/// What the activated sums are multiplied by: gates, whose other operand is a matrix or a part of the same product.
#[derive(Clone, Copy, Debug, Default)]
pub enum Multiplier<'a> {
    /// Nothing.
    #[default]
    One,
    /// A matrix: (m, n), columns contiguous.
    Matrix(MatRef<'a, f32>),
    /// The second half of the columns, which stays as scale and bias leave it: for B (k, 2n) = \[gate | up\],
    ///
    /// C (m, n) = act(gate) · up + residual with \[gate | up\] = scale · (A·B) + bias
    ///
    /// SwiGLU with SiLU, GeGLU with GELU, ReGLU with ReLU (Shazeer, "GLU Variants Improve Transformer", 2020). Scale and bias have 2n
    /// elements, the residual is (m, n). The bits are those of the product into a matrix (m, 2n) and
    /// [`gate_joined`](crate::ops::gate::gate_joined) of its rows, but that matrix is never in memory: both halves are computed some
    /// columns at a time. Of [`GemmPlan`](super::GemmPlan) only.
    SecondHalf,
}

/// C = act(scale · (A·B) + bias) · multiplier + residual, applied while the tile is hot and before C is written.
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
    /// What the result is multiplied by.
    pub multiplier: Multiplier<'a>,
    /// Added last: (m, n), columns contiguous.
    pub residual: Option<MatRef<'a, f32>>,
}

impl<'a> Epilogue<'a> {
    /// Checks the sizes against a product of an A with m rows and a B with n columns. Returns the columns of C.
    pub(super) fn check(&self, m: usize, n: usize) -> Result<usize, Error> {
        if let Scale::PerColumn(scale) = self.scale {
            expect_size("elements of the epilogue's scale", n, scale.len())?;
        }
        if let Some(bias) = self.bias {
            expect_size("elements of the epilogue's bias", n, bias.len())?;
        }
        let c_cols = match self.multiplier {
            Multiplier::One => n,
            Multiplier::Matrix(multiplier) => {
                expect_size("rows of the epilogue's multiplier", m, multiplier.rows())?;
                expect_size("columns of the epilogue's multiplier", n, multiplier.cols())?;
                expect_size("column stride of the epilogue's multiplier", 1, multiplier.col_stride())?;
                n
            }
            Multiplier::SecondHalf => {
                expect_size("columns of B that are left over from two halves", 0, n % 2)?;
                n / 2
            }
        };
        if let Some(residual) = &self.residual {
            expect_size("rows of the epilogue's residual", m, residual.rows())?;
            expect_size("columns of the epilogue's residual", c_cols, residual.cols())?;
            expect_size("column stride of the epilogue's residual", 1, residual.col_stride())?;
        }
        Ok(c_cols)
    }

    /// Whether C is made of the two halves of the columns.
    pub(super) fn is_gate(&self) -> bool {
        matches!(self.multiplier, Multiplier::SecondHalf)
    }

    /// Scale and bias alone, of these columns.
    pub(super) fn linear_part(&self, columns: Range<usize>) -> Epilogue<'a> {
        let scale = match self.scale {
            Scale::PerColumn(scale) => Scale::PerColumn(&scale[columns.clone()]),
            other => other,
        };
        Epilogue { scale, bias: self.bias.map(|bias| &bias[columns]), ..Epilogue::default() }
    }

    fn is_identity(&self) -> bool {
        matches!((self.scale, self.multiplier), (Scale::One, Multiplier::One))
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
        let part = |x: MatRef<'_, f32>| (x.as_ptr().wrapping_add(row * x.row_stride() + col), x.row_stride());
        let multiplier = match self.multiplier {
            Multiplier::Matrix(multiplier) => Some(part(multiplier)),
            Multiplier::One | Multiplier::SecondHalf => None,
        };
        Some(F32Epilogue {
            factor,
            scale,
            bias: self.bias.map(columns_from),
            activation: self.activation,
            multiplier,
            residual: self.residual.map(part),
        })
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
    multiplier: Option<(*const f32, usize)>,
    /// The same.
    residual: Option<(*const f32, usize)>,
}

impl F32Epilogue {
    /// The epilogue act(sums) · multiplier + residual.
    pub(super) fn gate(
        activation: Activation,
        multiplier: (*const f32, usize),
        residual: Option<(*const f32, usize)>,
    ) -> F32Epilogue {
        F32Epilogue { factor: 1.0, scale: None, bias: None, activation, multiplier: Some(multiplier), residual }
    }
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
    fn prefetch(&self, rows: usize, cols: usize);

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

    fn prefetch(&self, _rows: usize, _cols: usize) {
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
    fn prefetch(&self, rows: usize, cols: usize) {
        for (matrix, row_stride) in [self.multiplier, self.residual].into_iter().flatten() {
            for i in 0..rows {
                for j in (0..cols).step_by(LINE / size_of::<f32>()) {
                    prefetch(matrix.wrapping_add(i * row_stride + j));
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
pub(super) struct ApplyEpilogue<'a> {
    pub(super) sums: Sums<f32>,
    pub(super) epilogue: &'a F32Epilogue,
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

    /// scale · sum + bias; the sum as it is, down to the sign of a zero, where there is neither.
    ///
    /// # Safety
    /// As [`ApplyEpilogue::apply`].
    #[inline(always)]
    unsafe fn scaled<S: Simd<f32>>(&self, s: S, i: usize, j: usize, lanes: impl Lanes<f32, S>) -> S::Reg {
        let F32Epilogue { factor, scale, bias, .. } = *self.epilogue;
        // SAFETY: the epilogue was cut for a tile with these columns, and the sums are whole vectors, promised by the caller.
        unsafe {
            let scale = scale.map_or(s.splat(factor), |scale| lanes.load(s, scale.add(j)));
            let bias = bias.map_or(s.splat(-0.0), |bias| lanes.load(s, bias.add(j)));
            let sum = s.load(self.sums.sums.add(i * self.sums.sums_row_stride + j));
            s.mul_add(sum, scale, bias)
        }
    }

    /// C ← x · multiplier + residual
    ///
    /// # Safety
    /// As [`ApplyEpilogue::apply`].
    #[inline(always)]
    unsafe fn store<S: Simd<f32>>(&self, s: S, i: usize, j: usize, mut x: S::Reg, lanes: impl Lanes<f32, S>) {
        // SAFETY: row i and these columns of multiplier, residual and C, promised by the caller.
        unsafe {
            if let Some((multiplier, row_stride)) = self.epilogue.multiplier {
                x = s.mul(x, lanes.load(s, multiplier.add(i * row_stride + j)));
            }
            if let Some((residual, row_stride)) = self.epilogue.residual {
                x = s.add(x, lanes.load(s, residual.add(i * row_stride + j)));
            }
            lanes.store(s, self.sums.c.add(i * self.sums.c_row_stride + j), x);
        }
    }
}
