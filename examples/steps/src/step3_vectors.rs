//! Step 3: the loops of step 2 with the widest vectors of the CPU and fused multiply-adds.

use crate::product::Product;
use cke_kernels::simd::{Op, Simd, dispatch};

// ANCHOR: op
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
        loops(s, self.product, self.c);
    }
}
// ANCHOR_END: op

// ANCHOR: loops
#[inline(always)]
pub(crate) fn loops<S: Simd<f32>>(s: S, product: &Product<'_>, c: &mut [f32]) {
    let Product { n, a, b, .. } = *product;
    c.fill(0.0);
    for i in 0..n {
        for p in 0..n {
            add_row(s, &mut c[i * n..][..n], a[i * n + p], &b[p * n..][..n]);
        }
    }
}

/// c ← c + x · b, one vector at a time.
#[inline(always)]
pub(crate) fn add_row<S: Simd<f32>>(s: S, c: &mut [f32], x: f32, b: &[f32]) {
    let x = s.splat(x);
    for (c, b) in c.chunks_mut(S::LANES).zip(b.chunks(S::LANES)) {
        let sum = s.mul_add(x, s.read(b), s.read(c));
        s.write(c, sum);
    }
}
// ANCHOR_END: loops
