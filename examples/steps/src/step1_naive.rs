//! Step 1: the formula, `C[i][j] = Σ A[i][p] · B[p][j]`.

use crate::product::Product;

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32]) {
    let Product { n, a, b, .. } = *product;
    // ANCHOR: loops
    for i in 0..n {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..n {
                sum += a[i * n + p] * b[p * n + j];
            }
            c[i * n + j] = sum;
        }
    }
    // ANCHOR_END: loops
}
