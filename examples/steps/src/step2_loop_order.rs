//! Step 2: the two inner loops exchanged, so that rows of B and of C are walked from left to right.

use crate::product::Product;

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32]) {
    let Product { n, a, b, .. } = *product;
    c.fill(0.0);
    // ANCHOR: loops
    for i in 0..n {
        for p in 0..n {
            let x = a[i * n + p];
            for (c, b) in c[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                *c += x * b;
            }
        }
    }
    // ANCHOR_END: loops
}
