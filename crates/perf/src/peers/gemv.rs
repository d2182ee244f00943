//! Products with a vector by a library's `cblas_?gemv`: what NumPy, PyTorch and other callers use for them.
//!
//! Source: `cblas_?gemv` of netlib.org: y = op(M)·x, M row-major as it is stored.

#![allow(unsafe_code, reason = "functions of foreign libraries")]

use super::foreign::{NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE};
use super::operands::{Element, Matrices, Operands};
use super::product::Product;
use super::worker::WorkerError;
use std::ffi::c_int;

/// `cblas_?gemv`, with integers of 32 or 64 bits.
pub(super) type CblasGemv<T, I> = unsafe extern "C" fn(c_int, c_int, I, I, T, *const T, I, *const T, I, T, *mut T, I);

/// A product with a vector, seen from its matrix.
struct MatrixTimesVector {
    /// Whether A is the matrix; else B is.
    matrix_is_a: bool,
    is_transposed: bool,
    /// Of the matrix as it is stored.
    rows: usize,
    cols: usize,
}

impl MatrixTimesVector {
    /// One column of C is op(A)·b, one row is op(B)ᵀ·a.
    fn new(product: Product) -> MatrixTimesVector {
        let Product { m, n, k, transpose_a, transpose_b, .. } = product;
        if n == 1 {
            let (rows, cols) = if transpose_a { (k, m) } else { (m, k) };
            MatrixTimesVector { matrix_is_a: true, is_transposed: transpose_a, rows, cols }
        } else {
            let (rows, cols) = if transpose_b { (n, k) } else { (k, n) };
            MatrixTimesVector { matrix_is_a: false, is_transposed: !transpose_b, rows, cols }
        }
    }
}

/// C = op(A)·op(B), where C has one row or one column, so many times.
///
/// # Errors
/// If the library's integers cannot hold a size.
pub(super) fn repeat_gemv<T: Element, I: Copy + TryFrom<usize>>(
    gemv: CblasGemv<T, I>,
    operands: &mut Operands<T>,
    times: usize,
) -> Result<(), WorkerError> {
    let size = |size: usize| I::try_from(size).map_err(|_| WorkerError::Size { found: size });
    let MatrixTimesVector { matrix_is_a, is_transposed, rows, cols } = MatrixTimesVector::new(operands.product());
    let op = if is_transposed { TRANSPOSE } else { NO_TRANSPOSE };
    let (rows, cols, step) = (size(rows)?, size(cols)?, size(1)?);
    let Matrices { a, b, c } = operands.matrices();
    let (matrix, vector) = if matrix_is_a { (a.as_ptr(), b.as_ptr()) } else { (b.as_ptr(), a.as_ptr()) };
    let c = c.as_mut_ptr();
    for _ in 0..times {
        // SAFETY: rows and columns are those of the stored matrix, which is row-major without gaps, as the vectors are; C is
        // borrowed exclusively.
        unsafe { gemv(ROW_MAJOR, op, rows, cols, T::one(), matrix, cols, vector, step, T::zero(), c, step) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::check::Check;
    use super::super::sample::Data;
    use super::*;

    /// y = op(M)·x by the definition.
    unsafe extern "C" fn naive_gemv(
        order: c_int,
        op: c_int,
        rows: i32,
        cols: i32,
        alpha: f32,
        matrix: *const f32,
        ld: i32,
        x: *const f32,
        step_x: i32,
        beta: f32,
        y: *mut f32,
        step_y: i32,
    ) {
        assert_eq!((order, alpha, beta, ld, step_x, step_y), (ROW_MAJOR, 1.0, 0.0, cols, 1, 1));
        let (rows, cols) = (rows as usize, cols as usize);
        let (outputs, terms) = if op == TRANSPOSE { (cols, rows) } else { (rows, cols) };
        for i in 0..outputs {
            let at = |p: usize| if op == TRANSPOSE { p * cols + i } else { i * cols + p };
            // SAFETY: the caller's matrix is (rows, cols) without gaps, its vectors have `terms` and `outputs` elements.
            unsafe { *y.add(i) = (0..terms).map(|p| *matrix.add(at(p)) * *x.add(p)).sum() };
        }
    }

    #[test]
    fn gemv_of_one_row_or_column_is_the_product() {
        for text in ["1x7x5", "7x1x5", "1x1x5"] {
            for ops in ["nn", "nt", "tn", "tt"] {
                let product: Product = format!("{text}{ops}").parse().expect("a product");
                let mut operands = Operands::<f32>::new(product, Data::Uniform, 1).expect("a small product");
                let check = Check::new(&operands);
                repeat_gemv(naive_gemv, &mut operands, 2).expect("small sizes");
                assert!(check.error(&operands).is_some_and(|error| error <= 1.0), "{product}");
            }
        }
    }
}
