//! Step 1 with four sums that do not wait for each other.

use crate::product::Product;

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32]) {
    let Product { n, a, b, .. } = *product;
    // ANCHOR: loops
    for i in 0..n {
        let (fours, rest) = a[i * n..][..n].as_chunks::<4>();
        for j in 0..n {
            let mut sums = [0.0; 4];
            for (p, four) in fours.iter().enumerate() {
                for q in 0..4 {
                    sums[q] += four[q] * b[(4 * p + q) * n + j];
                }
            }
            let mut sum: f32 = sums.iter().sum();
            for (q, x) in rest.iter().enumerate() {
                sum += x * b[(4 * fours.len() + q) * n + j];
            }
            c[i * n + j] = sum;
        }
    }
    // ANCHOR_END: loops
}
