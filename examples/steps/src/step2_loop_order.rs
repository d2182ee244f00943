//! Step 2: the two inner loops exchanged, so that rows of B and of C are walked from left to right, a vector at a time.

use crate::product::Product;
use cke_kernels::simd::{Op, Simd, dispatch};

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
        for i in 0..n {
            for p in 0..n {
                add_row(s, &mut c[i * n..][..n], a[i * n + p], &b[p * n..][..n]);
            }
        }
        // ANCHOR_END: loops
    }
}

// ANCHOR: add_row
/// c ← c + x · b, one vector at a time.
#[inline(always)]
pub(crate) fn add_row<S: Simd<f32>>(s: S, c: &mut [f32], x: f32, b: &[f32]) {
    let x = s.splat(x);
    for (c, b) in c.chunks_mut(S::LANES).zip(b.chunks(S::LANES)) {
        let sum = s.mul_add(x, s.read(b), s.read(c));
        s.write(c, sum);
    }
}
// ANCHOR_END: add_row
