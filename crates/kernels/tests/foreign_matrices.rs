//! Matrices of `ndarray` and `faer` as operands of products.

use cke_kernels::Error;
use cke_kernels::prelude::*;
use faer::Mat;
use ndarray::{Array2, ShapeBuilder as _, arr2, s};

/// Small integers, so that every order of summation gives the same sums.
fn element(i: usize, j: usize) -> f32 {
    ((7 * i + 3 * j) % 11) as f32 - 5.0
}

fn wanted(m: usize, n: usize, k: usize) -> Array2<f32> {
    Array2::from_shape_fn((m, n), |(i, j)| (0..k).map(|p| element(i, p) * element(p, j)).sum())
}

/// One that is computed at once, and one that goes to the threads.
const SIZES: [(usize, usize, usize); 2] = [(3, 5, 4), (150, 170, 190)];

#[test]
fn ndarray_of_either_order_gives_the_product() {
    for (m, n, k) in SIZES {
        let a = Array2::from_shape_fn((m, k), |(i, j)| element(i, j));
        let b = Array2::from_shape_fn((k, n).f(), |(i, j)| element(i, j));
        for mut c in [Array2::zeros((m, n)), Array2::zeros((m, n).f())] {
            matmul(&a, &b, &mut c).expect("sizes that match");
            assert_eq!(c, wanted(m, n, k));
        }
    }
}

#[test]
fn ndarray_part_of_an_array_leaves_the_rest() {
    let (a, b) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]), arr2(&[[5.0, 6.0], [7.0, 8.0]]));
    let mut c = Array2::<f64>::zeros((4, 4));
    matmul(&a.t(), &b, &mut c.slice_mut(s![..;2, 1..3])).expect("sizes that match");
    assert_eq!(c, arr2(&[[0.0, 26.0, 30.0, 0.0], [0.0; 4], [0.0, 38.0, 44.0, 0.0], [0.0; 4]]));
}

#[test]
fn ndarray_inverted_axis_is_refused_unless_it_is_never_stepped_along() {
    let a = Array2::from_shape_fn((3, 3), |(i, j)| element(i, j));
    let mut c = Array2::zeros((3, 3));
    let error = matmul(&a.slice(s![..;-1, ..]), &a, &mut c).expect_err("a negative stride");
    assert_eq!(error, Error::NegativeStride { rows: 3, cols: 3, row_stride: -3, col_stride: 1 });
    matmul(&a.slice(s![1..2;-1, ..]), &a, &mut c.slice_mut(s![..1, ..])).expect("one row");
    matmul(&a.slice(s![..;-1, ..0]), &a.slice(s![..0, ..]), &mut c).expect("no product");
    assert_eq!(c, Array2::<f32>::zeros((3, 3)));
}

#[test]
fn faer_matrices_and_their_views_give_the_product() {
    for (m, n, k) in SIZES {
        let (a, b) = (Mat::from_fn(m, k, element), Mat::from_fn(n, k, |j, p| element(p, j)));
        let wanted = wanted(m, n, k);
        let (mut c, mut view) = (Mat::zeros(m, n), Mat::zeros(m, n));
        matmul(&a, &b.transpose(), &mut c).expect("sizes that match");
        matmul(&a.as_ref(), &b.transpose(), &mut view.as_mut()).expect("views of matrices");
        assert_eq!(c, Mat::from_fn(m, n, |i, j| wanted[(i, j)]));
        assert_eq!(view, c);
        let mut other = Array2::zeros((m, n));
        matmul(&a, &b.transpose(), &mut other).expect("operands of two crates");
        assert_eq!(other, wanted);
    }
}

#[test]
fn faer_reversed_rows_are_refused() {
    let a = Mat::from_fn(3, 3, element);
    let error = matmul(&a.reverse_rows(), &a, &mut Mat::zeros(3, 3)).expect_err("a negative stride");
    assert!(matches!(error, Error::NegativeStride { row_stride: -1, .. }), "{error}");
}

#[test]
fn matrices_of_other_sizes_are_refused() {
    let a = Array2::<f32>::zeros((3, 4));
    let error = matmul(&a, &a, &mut Array2::zeros((3, 4))).expect_err("4 columns and 3 rows");
    assert_eq!(error, Error::Size { what: "rows of B", wanted: 4, found: 3 });
}
