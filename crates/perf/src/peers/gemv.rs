//! Products with a vector by a library's `cblas_?gemv`: what NumPy, PyTorch and other callers use for them.
//!
//! Source: `cblas_?gemv` of netlib.org: y = op(M)·x, M row-major as it is stored.

#![allow(unsafe_code, reason = "functions of foreign libraries")]

use super::foreign::{NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE};
use super::operands::{Element, Matrices, Operands};
use super::product::Product;
use super::stored::Stored;
use super::worker::WorkerError;
use std::ffi::c_int;

/// `cblas_?gemv`, with integers of 32 or 64 bits.
pub(super) type CblasGemv<T, I> = unsafe extern "C" fn(c_int, c_int, I, I, T, *const T, I, *const T, I, T, *mut T, I);

/// A product with a vector, seen from its matrix.
struct MatrixTimesVector {
    /// Whether A is the matrix; else B is.
    matrix_is_a: bool,
    is_transposed: bool,
    /// As it is stored.
    matrix: Stored,
    /// Elements from one to the next of the vector, and of C.
    steps: [usize; 2],
}

impl MatrixTimesVector {
    /// One column of C is op(A)·b, one row is op(B)ᵀ·a.
    fn new(product: Product) -> MatrixTimesVector {
        let Product { n, transpose_a, transpose_b, .. } = product;
        let (a, b, c) = (product.stored_a(), product.stored_b(), product.stored_c());
        if n == 1 {
            let steps = [if transpose_b { 1 } else { b.leading }, c.leading];
            MatrixTimesVector { matrix_is_a: true, is_transposed: transpose_a, matrix: a, steps }
        } else {
            let steps = [if transpose_a { a.leading } else { 1 }, 1];
            MatrixTimesVector { matrix_is_a: false, is_transposed: !transpose_b, matrix: b, steps }
        }
    }
}

/// C = op(A)·op(B) several times; C has one row or one column.
///
/// # Errors
/// If the library's integers cannot hold a size.
pub(super) fn repeat_gemv<T: Element, I: Copy + TryFrom<usize>>(
    gemv: CblasGemv<T, I>,
    operands: &mut Operands<T>,
    times: usize,
) -> Result<(), WorkerError> {
    let size = |size: usize| I::try_from(size).map_err(|_| WorkerError::Size { found: size });
    let MatrixTimesVector { matrix_is_a, is_transposed, matrix: stored, steps } =
        MatrixTimesVector::new(operands.product());
    let op = if is_transposed { TRANSPOSE } else { NO_TRANSPOSE };
    let (rows, cols, ld) = (size(stored.rows)?, size(stored.cols)?, size(stored.leading)?);
    let (step_x, step_y) = (size(steps[0])?, size(steps[1])?);
    let Matrices { a, b, c } = operands.matrices();
    let (matrix, vector) = if matrix_is_a { (a.as_ptr(), b.as_ptr()) } else { (b.as_ptr(), a.as_ptr()) };
    let c = c.as_mut_ptr();
    for _ in 0..times {
        // SAFETY: rows, columns and leading dimension are those of the stored matrix, the steps those of the stored vectors; C is
        // borrowed exclusively.
        unsafe { gemv(ROW_MAJOR, op, rows, cols, T::one(), matrix, ld, vector, step_x, T::zero(), c, step_y) };
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
        assert_eq!((order, alpha, beta), (ROW_MAJOR, 1.0, 0.0));
        let [rows, cols, ld, step_x, step_y] = [rows, cols, ld, step_x, step_y].map(|size| size as usize);
        let (outputs, terms) = if op == TRANSPOSE { (cols, rows) } else { (rows, cols) };
        for i in 0..outputs {
            let at = |p: usize| if op == TRANSPOSE { p * ld + i } else { i * ld + p };
            // SAFETY: the caller's matrix is (rows, cols) with rows `ld` apart, its vectors have `terms` and `outputs` elements.
            unsafe { *y.add(i * step_y) = (0..terms).map(|p| *matrix.add(at(p)) * *x.add(p * step_x)).sum() };
        }
    }

    #[test]
    fn gemv_of_one_row_or_column_is_the_product() {
        for text in ["1x7x5", "7x1x5", "1x1x5"] {
            for ops in ["nn", "nt", "tn", "tt"] {
                for leading in ["", "@9:11:8"] {
                    let product: Product = format!("{text}{ops}{leading}").parse().expect("a product");
                    let mut operands = Operands::<f32>::new(product, Data::Uniform, 1).expect("a small product");
                    let check = Check::new(&operands, 0.0);
                    repeat_gemv(naive_gemv, &mut operands, 2).expect("small sizes");
                    assert!(check.error(&operands).is_some_and(|error| error <= 1.0), "{product}");
                }
            }
        }
    }
}
