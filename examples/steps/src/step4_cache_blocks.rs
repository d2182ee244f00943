//! Step 4: the loops of step 3 over blocks of 64×64, three of which fit the first cache level.

use crate::product::Product;
use crate::step3_vectors::add_row;
use cke_kernels::simd::{Op, Simd, dispatch};

/// Rows and columns of a block: 16 KiB of f32.
pub(crate) const BLOCK: usize = 64;

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32]) {
    dispatch(product.cpu, Multiply { product, c });
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    c: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (Product { n, a, b, .. }, c) = (*self.product, self.c);
        c.fill(0.0);
        // ANCHOR: loops
        for i0 in (0..n).step_by(BLOCK) {
            for j0 in (0..n).step_by(BLOCK) {
                for p0 in (0..n).step_by(BLOCK) {
                    // One block: the loops of step 3.
                    let width = BLOCK.min(n - j0);
                    for i in i0..n.min(i0 + BLOCK) {
                        for p in p0..n.min(p0 + BLOCK) {
                            add_row(s, &mut c[i * n + j0..][..width], a[i * n + p], &b[p * n + j0..][..width]);
                        }
                    }
                }
            }
        }
        // ANCHOR_END: loops
    }
}
