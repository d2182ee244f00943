//! Step 9: B copied into panels as wide as the tile, and three more loops around it, so that each operand stays in a cache level while it
//! is used.

use crate::product::Product;
use crate::step5_register_tile::{MR, Operands, TileOfC, nr, tile_of_rows, width};
use cke_kernels::Error;
use cke_kernels::gemm::{Blocking, Shape, Tile};
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::{Op, Simd, dispatch};
use std::ops::Range;

pub(crate) fn multiply(
    product: &Product<'_>,
    Blocking { mc, kc, nc }: Blocking,
    c: &mut [f32],
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let (n, nr) = (product.n, width(product.cpu.isa()));
    let packed = scratch.take(kc * nc)?;
    // ANCHOR: loops
    // Loop 5: columns of B.
    for j0 in (0..n).step_by(nc) {
        let columns = j0..n.min(j0 + nc);
        // Loop 4: a part of K.
        for p0 in (0..n).step_by(kc) {
            let ks = p0..n.min(p0 + kc);
            for (panel, j) in packed.chunks_exact_mut(ks.len() * nr).zip(columns.clone().step_by(nr)) {
                pack_panel(product, ks.clone(), j, nr, panel);
            }
            // Loop 3: as many rows of A as fit into L2.
            for (c, i) in c.chunks_mut(mc * n).zip((0..n).step_by(mc)) {
                let block = Block { product, first_row: i, ks: ks.clone(), columns: columns.clone(), packed, c };
                dispatch(product.cpu, block);
            }
        }
    }
    // ANCHOR_END: loops
    Ok(())
}

/// The library's own choice of block sizes for this machine.
pub(crate) fn blocking(product: &Product<'_>, threads: usize) -> Blocking {
    let tile = Tile { mr: MR, nr: width(product.cpu.isa()) };
    let shape = Shape { m: product.n, n: product.n, k: product.n };
    let bytes = size_of::<f32>();
    Blocking::choose(tile, (bytes, bytes), product.cpu.caches(), threads, shape)
}

// ANCHOR: pack
/// The rows `ks` of B in nr columns from `j` on, row after row; zeros where B has no more columns.
#[inline(always)]
pub(crate) fn pack_panel(product: &Product<'_>, ks: Range<usize>, j: usize, nr: usize, panel: &mut [f32]) {
    let cols = nr.min(product.n - j);
    for (p, row) in ks.zip(panel.chunks_exact_mut(nr)) {
        row[..cols].copy_from_slice(&product.b[p * product.n + j..][..cols]);
        row[cols..].fill(0.0);
    }
}
// ANCHOR_END: pack

/// Some rows of C: rows of A, from `first_row` on, times packed panels of B.
pub(crate) struct Block<'a> {
    pub(crate) product: &'a Product<'a>,
    pub(crate) first_row: usize,
    pub(crate) ks: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) packed: &'a [f32],
    /// Those rows, in full width.
    pub(crate) c: &'a mut [f32],
}

impl Op for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let Block { product: &Product { n, a, .. }, first_row, ks, columns, packed, c } = self;
        let (nr, rows, k) = (nr(S::LANES), c.len() / n, ks.len());
        // ANCHOR: macro_kernel
        // Loop 2: panels of B. Loop 1: tiles of rows.
        for (panel, j) in packed.chunks_exact(k * nr).zip(columns.step_by(nr)) {
            let cols = nr.min(n - j);
            for i in (0..rows).step_by(MR) {
                let a = &a[(first_row + i) * n + ks.start..];
                let operands = Operands { a, a_stride: n, b: panel, b_stride: nr, k };
                let tile = TileOfC { c: &mut c[i * n + j..], stride: n, cols };
                tile_of_rows(s, MR.min(rows - i), operands, tile, ks.start > 0);
            }
        }
        // ANCHOR_END: macro_kernel
    }
}
