//! Steps 5 to 8: a tile of C that stays in registers while all of K goes by, of 1, 2, 4 and 6 rows.

use crate::product::Product;
use crate::step3_vectors;
use cke_kernels::Isa;
use cke_kernels::simd::{Op, Simd, dispatch};
use std::array::from_fn;

/// Rows of the tallest tile.
pub(crate) const MR: usize = 6;

/// Columns of a tile: four vectors if they have 16 lanes, and two otherwise. The tallest tile is 6×64, 6×16 (AVX2), 6×8 (NEON) or 6×2.
pub(crate) const fn nr(lanes: usize) -> usize {
    if lanes == 16 { 4 * lanes } else { 2 * lanes }
}

/// Elements of a vector of f32.
pub(crate) const fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 16,
        Isa::Avx2 => 8,
        Isa::Neon => 4,
        Isa::Scalar => 1,
    }
}

/// Columns of a tile on an instruction set.
pub(crate) const fn width(isa: Isa) -> usize {
    nr(lanes(isa))
}

/// With tiles of `mr` rows, at most MR.
pub(crate) fn multiply(product: &Product<'_>, mr: usize, c: &mut [f32]) {
    dispatch(product.cpu, Multiply { product, mr, c });
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    mr: usize,
    c: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (Product { n, a, b, .. }, mr, c) = (*self.product, self.mr, self.c);
        let nr = nr(S::LANES);
        if n < nr {
            return step3_vectors::loops(s, self.product, c);
        }
        // ANCHOR: loops
        for j in (0..n).step_by(nr) {
            // If nr does not divide n, the last tile computes some columns once more.
            let j = j.min(n - nr);
            for i in (0..n).step_by(mr) {
                let operands = Operands { a: &a[i * n..], a_stride: n, b: &b[j..], b_stride: n, k: n };
                let tile = TileOfC { c: &mut c[i * n + j..], stride: n, cols: nr };
                tile_of_rows(s, mr.min(n - i), operands, tile, false);
            }
        }
        // ANCHOR_END: loops
    }
}

/// What a tile multiplies: some rows of A and a panel of B, each from its element (0, 0) on.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) a: &'a [f32],
    /// Elements from one row of A to the next.
    pub(crate) a_stride: usize,
    pub(crate) b: &'a [f32],
    /// Elements from one row of B to the next.
    pub(crate) b_stride: usize,
    /// Columns of A and rows of B.
    pub(crate) k: usize,
}

/// Where the tile goes: C from its element (0, 0) on.
pub(crate) struct TileOfC<'a> {
    pub(crate) c: &'a mut [f32],
    /// Elements from one row of C to the next.
    pub(crate) stride: usize,
    /// Columns that exist, at most those of the tile.
    pub(crate) cols: usize,
}

/// The tile for 1 to MR rows: C ← A·B, or C + A·B.
#[inline(always)]
pub(crate) fn tile_of_rows<S: Simd<f32>>(s: S, rows: usize, operands: Operands<'_>, c: TileOfC<'_>, accumulate: bool) {
    match (rows, S::LANES) {
        (1, 16) => tile::<S, 1, 4>(s, operands, c, accumulate),
        (2, 16) => tile::<S, 2, 4>(s, operands, c, accumulate),
        (3, 16) => tile::<S, 3, 4>(s, operands, c, accumulate),
        (4, 16) => tile::<S, 4, 4>(s, operands, c, accumulate),
        (5, 16) => tile::<S, 5, 4>(s, operands, c, accumulate),
        (_, 16) => tile::<S, MR, 4>(s, operands, c, accumulate),
        (1, _) => tile::<S, 1, 2>(s, operands, c, accumulate),
        (2, _) => tile::<S, 2, 2>(s, operands, c, accumulate),
        (3, _) => tile::<S, 3, 2>(s, operands, c, accumulate),
        (4, _) => tile::<S, 4, 2>(s, operands, c, accumulate),
        (5, _) => tile::<S, 5, 2>(s, operands, c, accumulate),
        _ => tile::<S, MR, 2>(s, operands, c, accumulate),
    }
}

// ANCHOR: tile
/// A tile of ROWS rows and VECTORS vectors.
#[inline(always)]
pub(crate) fn tile<S: Simd<f32>, const ROWS: usize, const VECTORS: usize>(
    s: S,
    Operands { a, a_stride, b, b_stride, k }: Operands<'_>,
    TileOfC { c, stride, cols }: TileOfC<'_>,
    accumulate: bool,
) {
    let a: [&[f32]; ROWS] = from_fn(|i| &a[i * a_stride..][..k]);
    let columns = |v: usize| (v * S::LANES).min(cols)..((v + 1) * S::LANES).min(cols);

    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    if accumulate {
        for i in 0..ROWS {
            for v in 0..VECTORS {
                sums[i][v] = s.read(&c[i * stride..][columns(v)]);
            }
        }
    }
    for p in 0..k {
        let b = &b[p * b_stride..][..VECTORS * S::LANES];
        for i in 0..ROWS {
            let x = s.splat(a[i][p]);
            for v in 0..VECTORS {
                sums[i][v] = s.mul_add(x, s.read(&b[v * S::LANES..][..S::LANES]), sums[i][v]);
            }
        }
    }
    for i in 0..ROWS {
        for v in 0..VECTORS {
            s.write(&mut c[i * stride..][columns(v)], sums[i][v]);
        }
    }
}
// ANCHOR_END: tile
