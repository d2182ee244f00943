//! Step 5: B copied into panels as wide as the tile, so that a tile reads one stretch of memory from beginning to end.

use crate::product::Product;
use crate::step4_register_tile::{MR, Operands, TileOfC, nr, tile_of_rows};
use cke_kernels::Error;
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::{Op, Simd, dispatch};
use std::ops::Range;

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32], scratch: &mut Scratch) -> Result<(), Error> {
    // As wide as on any ISA.
    let panel = scratch.take(product.n * nr(16))?;
    dispatch(product.cpu, Multiply { product, c, panel });
    Ok(())
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    c: &'a mut [f32],
    panel: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (Product { n, a, .. }, c) = (*self.product, self.c);
        let nr = nr(S::LANES);
        let panel = &mut self.panel[..n * nr];
        // ANCHOR: loops
        for j in (0..n).step_by(nr) {
            pack_panel(self.product, 0..n, j, nr, panel);
            let cols = nr.min(n - j);
            for i in (0..n).step_by(MR) {
                let operands = Operands { a: &a[i * n..], a_stride: n, b: panel, b_stride: nr, k: n };
                tile_of_rows(s, MR.min(n - i), operands, TileOfC { c: &mut c[i * n + j..], stride: n, cols }, false);
            }
        }
        // ANCHOR_END: loops
    }
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
