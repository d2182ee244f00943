//! The product that every step computes, C = A·B with square matrices, and the check of its result.

use cke_kernels::scratch::AlignedBuf;
use cke_kernels::{Cpu, Error};
use cke_testkit::Data;
use cke_testkit::tolerance::{self, Mismatch, gemm_bound};

/// The operands, all row-major (n, n).
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) n: usize,
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
}

impl Product<'_> {
    /// A multiply-add counts as two.
    pub(crate) fn flops(&self) -> f64 {
        2.0 * (self.n as f64).powi(3)
    }
}

/// Values between −1 and 1, never zero: some CPUs are faster with zeros.
pub(crate) fn random_matrix(n: usize, seed: u64) -> Result<AlignedBuf<f32>, Error> {
    let mut matrix = AlignedBuf::zeroed(n * n)?;
    matrix.copy_from_slice(&Data::new(seed).uniform(n * n));
    Ok(matrix)
}

/// The exact product, and how far each element of a result in f32 may lie from it, whatever its order of summation.
pub(crate) struct Reference {
    exact: Vec<f64>,
    bound: Vec<f64>,
}

impl Reference {
    pub(crate) fn of(product: &Product<'_>) -> Reference {
        let Product { n, a, b, .. } = *product;
        let mut exact = vec![0.0; n * n];
        for i in 0..n {
            for p in 0..n {
                let x = f64::from(a[i * n + p]);
                for j in 0..n {
                    exact[i * n + j] += x * f64::from(b[p * n + j]);
                }
            }
        }
        // |A||B| is at most the length of the row of A times that of the column of B (Cauchy and Schwarz).
        let row_norms: Vec<f64> = (0..n).map(|i| norm((0..n).map(|p| a[i * n + p]))).collect();
        let column_norms: Vec<f64> = (0..n).map(|j| norm((0..n).map(|p| b[p * n + j]))).collect();
        let bound = row_norms.iter().flat_map(|r| column_norms.iter().map(move |c| gemm_bound(n, r * c))).collect();
        Reference { exact, bound }
    }

    pub(crate) fn check(&self, c: &[f32]) -> Result<(), Mismatch> {
        tolerance::compare(c, &self.exact, &self.bound)
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}
