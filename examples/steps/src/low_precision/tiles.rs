//! Operands as kernels read them, and the loops over tiles.

use super::operands::Operands;
use super::quantized::{QUAD, Quantized};
use cke_kernels::simd::{Op, Simd, dispatch};
use std::array::from_fn;

/// Columns of a panel, one for each lane of a vector.
pub(crate) const COLS: usize = 16;

/// Rows and panels of a tile.
pub(crate) const ROWS: usize = 8;
pub(crate) const PANELS: usize = 3;

/// The exact sums of a tile.
pub(crate) type Sums = [[[i32; COLS]; PANELS]; ROWS];

/// Four steps of K for each column of a panel.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Brick<T>(pub(crate) [[T; QUAD]; COLS]);

/// Four steps of K for each row of a tile.
pub(crate) type RowQuads<T> = [[T; QUAD]; ROWS];

/// All columns of B in panels, each with one number of type `T` for every group: scales, or sums of columns.
pub(crate) type PerGroup<T> = Vec<[T; COLS]>;

/// Columns that the panels of a whole number of tiles have.
pub(crate) fn padded_columns(n: usize) -> usize {
    n.next_multiple_of(PANELS * COLS)
}

// ANCHOR: bricks
/// The bricks of each panel, one after the other.
pub(crate) fn bricks<T>(columns: &Quantized, convert: impl Fn(i8) -> T) -> Vec<Brick<T>> {
    let panels = 0..columns.vectors() / COLS;
    let places = panels.flat_map(|panel| (0..columns.k / QUAD).map(move |quad| (panel, quad)));
    let number = |panel: usize, quad: usize, j: usize, p: usize| columns.vector(panel * COLS + j)[quad * QUAD + p];
    places.map(|(panel, quad)| Brick(from_fn(|j| from_fn(|p| convert(number(panel, quad, j, p)))))).collect()
}
// ANCHOR_END: bricks

/// out ← the quads of the rows of each tile, one after the other.
pub(crate) fn row_quads<T: Copy>(rows: &Quantized, out: &mut Vec<RowQuads<T>>, convert: impl Fn(i8) -> T) {
    out.clear();
    for rows in rows.numbers.chunks_exact(ROWS * rows.k) {
        let row: [&[[i8; QUAD]]; ROWS] = from_fn(|r| rows[r * rows.len() / ROWS..][..rows.len() / ROWS].as_chunks().0);
        out.extend((0..row[0].len()).map(|p| -> RowQuads<T> { from_fn(|r| row[r][p].map(&convert)) }));
    }
}

/// What `value` gives for each group of each column (column, group), in panels.
pub(crate) fn per_group<T>(columns: &Quantized, value: impl Fn(usize, usize) -> T) -> PerGroup<T> {
    let panels = 0..columns.vectors() / COLS;
    let places = panels.flat_map(|panel| (0..columns.groups()).map(move |g| (panel, g)));
    places.map(|(panel, g)| from_fn(|j| value(panel * COLS + j, g))).collect()
}

/// The scales of the columns, in panels.
pub(crate) fn column_scales(columns: &Quantized) -> PerGroup<f32> {
    per_group(columns, |j, g| columns.scales_of(j)[g])
}

/// A product that has exact sums of groups.
pub(crate) trait ExactSums {
    fn operands(&self) -> &Operands<'_>;

    fn column_scales(&self) -> &[[f32; COLS]];

    /// The sums of the tile that begins at row i and a panel, over group g. Implementations are `#[inline(always)]`, so that they compile
    /// for the vectors of the loops around them, which closures do not.
    fn sums(&self, i: usize, panel: usize, g: usize) -> Sums;
}

/// C ← A·B, tile by tile: for each group the exact sums, scaled and added.
pub(crate) fn multiply(product: &impl ExactSums, c: &mut [f32]) {
    dispatch(product.operands().cpu, Multiply { product, c });
}

struct Multiply<'a, P> {
    product: &'a P,
    c: &'a mut [f32],
}

impl<P: ExactSums> Op for Multiply<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Multiply { product, c } = self;
        let (Operands { rows, n, .. }, column_scales) = (product.operands(), product.column_scales());
        let (n, groups) = (*n, rows.groups());
        // ANCHOR: loops
        for panel in (0..n.div_ceil(COLS)).step_by(PANELS) {
            for i in (0..n).step_by(ROWS) {
                let mut total = [[[0.0; COLS]; PANELS]; ROWS];
                for g in 0..groups {
                    let exact = product.sums(i, panel, g);
                    for r in 0..ROWS {
                        let row_scale = rows.scales_of(i + r)[g];
                        for v in 0..PANELS {
                            let scales = column_scales[(panel + v) * groups + g];
                            for j in 0..COLS {
                                total[r][v][j] += row_scale * scales[j] * exact[r][v][j] as f32;
                            }
                        }
                    }
                }
                store(&total, &mut c[i * n..], n, panel * COLS);
            }
        }
        // ANCHOR_END: loops
    }
}

/// The rows and columns of a tile that exist, into C from its row on.
fn store(total: &[[[f32; COLS]; PANELS]; ROWS], c: &mut [f32], n: usize, col: usize) {
    for (c, total) in c.chunks_exact_mut(n).zip(total) {
        let c = &mut c[col..n.min(col + PANELS * COLS)];
        c.copy_from_slice(&total.as_flattened()[..c.len()]);
    }
}
