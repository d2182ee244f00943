//! The tile of step 8 in safe Rust without checks of lengths: A is packed too, so that each step of K is one array of A and one row of a
//! panel of B.

use crate::product::Product;
use crate::step5_register_tile::{MR, nr};
use crate::step9_panels::pack_panel;
use cke_kernels::Error;
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::{Op, Simd, dispatch};

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32], scratch: &mut Scratch) -> Result<(), Error> {
    let n = product.n;
    // A panel as wide as on any ISA.
    let packed = scratch.take(n * (n.next_multiple_of(MR) + nr(16)))?;
    dispatch(product.cpu, Multiply { product, c, packed });
    Ok(())
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    c: &'a mut [f32],
    packed: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        if S::LANES == 16 { self.with_tiles::<S, 4>(s) } else { self.with_tiles::<S, 2>(s) }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn with_tiles<S: Simd<f32>, const VECTORS: usize>(self, s: S) {
        let (Product { n, .. }, nr) = (*self.product, VECTORS * S::LANES);
        let (rows, panel) = self.packed.split_at_mut(n * n.next_multiple_of(MR));
        let panel = &mut panel[..n * nr];
        pack_rows(self.product, rows);
        for j in (0..n).step_by(nr) {
            pack_panel(self.product, 0..n, j, nr, panel);
            for (rows, c) in rows.chunks_exact(n * MR).zip(self.c.chunks_mut(n * MR)) {
                let sums = tile::<S, MR, VECTORS>(s, rows, panel);
                for (c, sums) in c.chunks_exact_mut(n).zip(sums) {
                    // The columns that exist, the last of them in a shorter vector.
                    for (c, sum) in c[j..].chunks_mut(S::LANES).zip(sums) {
                        s.write(c, sum);
                    }
                }
            }
        }
    }
}

// ANCHOR: pack_rows
/// A in groups of MR rows, step after step: the MR elements of a column are next to each other; zeros for rows that do not exist.
fn pack_rows(product: &Product<'_>, out: &mut [f32]) {
    let Product { n, a, .. } = *product;
    for (group, out) in out.chunks_exact_mut(n * MR).enumerate() {
        for (p, step) in out.as_chunks_mut::<MR>().0.iter_mut().enumerate() {
            for (i, x) in step.iter_mut().enumerate() {
                let row = group * MR + i;
                *x = if row < n { a[row * n + p] } else { 0.0 };
            }
        }
    }
}
// ANCHOR_END: pack_rows

// ANCHOR: tile
/// The sums of a tile, whose operands lie step after step.
#[inline(always)]
fn tile<S: Simd<f32>, const ROWS: usize, const VECTORS: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
) -> [[S::Reg; VECTORS]; ROWS] {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.chunks_exact(VECTORS * S::LANES)) {
        for i in 0..ROWS {
            let x = s.splat(a[i]);
            for v in 0..VECTORS {
                sums[i][v] = s.mul_add(x, s.read(&b[v * S::LANES..][..S::LANES]), sums[i][v]);
            }
        }
    }
    sums
}
// ANCHOR_END: tile
