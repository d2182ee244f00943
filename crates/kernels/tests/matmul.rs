//! The product in one call.

use cke_kernels::Error;
use cke_kernels::prelude::*;
use std::thread;

/// Small integers, so that every order of summation gives the same sums.
fn numbers(len: usize) -> Vec<f64> {
    (0..len).map(|i| (i % 13) as f64 - 6.0).collect()
}

fn product(m: usize, n: usize, k: usize) -> Vec<f64> {
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![f64::NAN; m * n]);
    let (a, b) = (MatRef::new(&a, m, k).expect("m·k numbers"), MatRef::new(&b, k, n).expect("k·n numbers"));
    matmul(&a, &b, &mut MatMut::new(&mut c, m, n).expect("m·n numbers")).expect("sizes that match");
    c
}

fn wanted(m: usize, n: usize, k: usize) -> Vec<f64> {
    let (a, b) = (numbers(m * k), numbers(k * n));
    let element = |i: usize, j: usize| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
    (0..m * n).map(|at| element(at / n, at % n)).collect()
}

#[test]
fn matmul_small_and_large_products_are_right() {
    for (m, n, k) in [(1, 1, 1), (3, 4, 5), (1, 700, 300), (120, 130, 140), (300, 2, 300)] {
        assert_eq!(product(m, n, k), wanted(m, n, k), "{m} {n} {k}");
    }
}

#[test]
fn matmul_without_a_sum_overwrites_with_zeros() {
    let mut c = [[7.0f32; 3]; 2];
    matmul(&[[0.0f32; 0]; 2], &[[0.0f32; 3]; 0], &mut c).expect("k = 0");
    assert_eq!(c, [[0.0; 3]; 2]);
}

#[test]
fn matmul_from_many_threads_at_once_is_right() {
    let wanted = wanted(90, 100, 110);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(product(90, 100, 110), wanted)));
        }
    });
}

#[test]
fn matmul_sizes_that_do_not_match_leave_c_untouched() {
    let mut c = [[1.0f32; 2]; 2];
    let error = matmul(&[[1.0; 3]; 2], &[[1.0; 2]; 2], &mut c).expect_err("3 columns and 2 rows");
    assert_eq!(error, Error::Size { what: "rows of B", wanted: 3, found: 2 });
    let error = matmul(&[[1.0; 2]; 3], &[[1.0; 2]; 2], &mut c).expect_err("3 rows and 2 rows");
    assert_eq!(error, Error::Size { what: "rows of C", wanted: 3, found: 2 });
    assert_eq!(c, [[1.0; 2]; 2]);
}
