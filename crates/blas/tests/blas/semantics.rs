//! What is read, what is written, and what becomes of NaN, infinities and denormals.

use crate::bindings::{COL_MAJOR, GemmCall, GemvCall, NO_TRANS, Number, ROW_MAJOR, TRANS};
use crate::reporters;
use std::ptr::{null, null_mut};

/// Calls every binding with a call that it serves.
///
/// # Safety
/// The call's pointers are valid if a BLAS reads them.
unsafe fn every_gemm<T: Number>(call: GemmCall<T>) {
    for binding in T::GEMM.iter().filter(|binding| binding.serves(call.layout)) {
        // SAFETY: promised by the caller.
        unsafe { (binding.call)(&call) };
    }
    assert_eq!(reporters::take(), []);
}

/// As [`every_gemm`].
///
/// # Safety
/// As [`every_gemm`].
unsafe fn every_gemv<T: Number>(call: GemvCall<T>) {
    for binding in T::GEMV.iter().filter(|binding| binding.serves(call.layout)) {
        // SAFETY: promised by the caller.
        unsafe { (binding.call)(&call) };
    }
    assert_eq!(reporters::take(), []);
}

/// An (m, n, k) product without memory.
fn nowhere<T: Number>(m: i64, n: i64, k: i64, alpha: f32, beta: f32) -> GemmCall<T> {
    let [alpha, beta] = [alpha, beta].map(T::from);
    let ld = m.max(n).max(k).max(1);
    let (lda, ldb, ldc) = (ld, ld, ld);
    let (layout, trans_a, trans_b) = (COL_MAJOR, NO_TRANS, NO_TRANS);
    GemmCall { layout, trans_a, trans_b, m, n, k, alpha, a: null(), lda, b: null(), ldb, beta, c: null_mut(), ldc }
}

fn check_untouched<T: Number>() {
    for layout in [COL_MAJOR, ROW_MAJOR] {
        for (m, n, k) in [(0, 5, 3), (5, 0, 3), (0, 0, 0)] {
            for (alpha, beta) in [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (f32::NAN, f32::NAN)] {
                // SAFETY: nothing to touch.
                unsafe { every_gemm(GemmCall { layout, ..nowhere::<T>(m, n, k, alpha, beta) }) };
            }
        }
        // SAFETY: nothing to add and nothing to scale, so C is not looked at.
        unsafe {
            every_gemm(GemmCall { layout, ..nowhere::<T>(3, 4, 5, 0.0, 1.0) });
            every_gemm(GemmCall { layout, ..nowhere::<T>(3, 4, 0, 0.5, 1.0) });
            every_gemm(GemmCall { layout, ..nowhere::<T>(3, 4, 0, f32::NAN, 1.0) });
        }
    }
}

#[test]
fn gemm_with_nothing_to_do_takes_null_pointers() {
    check_untouched::<f32>();
    check_untouched::<f64>();
}

fn check_scaled<T: Number>() {
    for (k, alpha) in [(5, 0.0), (0, 1.0), (0, f32::NAN), (0, f32::INFINITY)] {
        let mut c = [1.0, 2.0, 3.0, 4.0].map(T::from);
        // SAFETY: C is (2, 2); A and B are not to be read.
        unsafe { every_gemm(GemmCall { c: c.as_mut_ptr(), ldc: 2, ..nowhere::<T>(2, 2, k, alpha, -1.0) }) };
        let sign = if T::GEMM.len() % 2 == 0 { 1.0 } else { -1.0 }; // once per binding
        assert_eq!(c, [sign, 2.0 * sign, 3.0 * sign, 4.0 * sign].map(T::from), "k = {k}, alpha = {alpha}");
        let mut c = [T::NAN; 4];
        // SAFETY: as above.
        unsafe { every_gemm(GemmCall { c: c.as_mut_ptr(), ldc: 2, ..nowhere::<T>(2, 2, k, alpha, 0.0) }) };
        assert_eq!(c, [T::from(0.0); 4], "k = {k}, alpha = {alpha}");
    }
}

#[test]
fn gemm_without_a_product_scales_c_and_reads_neither_operand() {
    check_scaled::<f32>();
    check_scaled::<f64>();
}

/// C (1, 1) ← α · A (1, k) · B (k, 1) + β · C by each binding.
fn dot<T: Number>(alpha: f32, a: &[f32], b: &[f32], beta: f32, c: f32) -> Vec<T> {
    let [a, b] = [a, b].map(|values| values.iter().copied().map(T::from).collect::<Vec<_>>());
    let mut results = Vec::new();
    for binding in T::GEMM {
        let mut c = T::from(c);
        let call = GemmCall {
            a: a.as_ptr(),
            lda: 1,
            b: b.as_ptr(),
            c: &mut c,
            ..nowhere::<T>(1, 1, a.len() as i64, alpha, beta)
        };
        // SAFETY: the operands have the sizes of the call.
        unsafe { (binding.call)(&call) };
        results.push(c);
    }
    results
}

fn check_special<T: Number>() {
    let is_nan = |results: Vec<T>| results.into_iter().all(|x| Into::<f64>::into(x).is_nan());
    assert!(is_nan(dot(1.0, &[f32::NAN, 1.0], &[0.0, 1.0], 0.0, 0.0)), "NaN · 0");
    assert!(is_nan(dot(1.0, &[0.0, 1.0], &[f32::NAN, 1.0], 0.0, 0.0)), "0 · NaN");
    assert!(is_nan(dot(1.0, &[0.0, 1.0], &[f32::INFINITY, 1.0], 0.0, 0.0)), "0 · ∞");
    assert!(is_nan(dot(f32::NAN, &[1.0], &[1.0], 0.0, 0.0)), "NaN alpha");
    assert!(is_nan(dot(1.0, &[1.0], &[1.0], f32::NAN, 1.0)), "NaN beta");
    assert!(is_nan(dot(0.0, &[1.0], &[1.0], f32::NAN, 1.0)), "NaN beta without a product");
    assert!(is_nan(dot(1.0, &[1.0], &[1.0], 1.0, f32::NAN)), "NaN in a C that is read");
    assert!(is_nan(dot(0.0, &[1.0], &[1.0], 2.0, f32::NAN)), "NaN in a C that is scaled");
    assert!(
        dot::<T>(1.0, &[2.0], &[3.0], 0.0, f32::NAN).iter().all(|&x| x == T::from(6.0)),
        "NaN in a C that is not read"
    );
    assert!(dot::<T>(1.0, &[f32::INFINITY], &[2.0], 0.0, 0.0).iter().all(|&x| x == T::INFINITY), "∞ · 2");
}

#[test]
fn gemm_of_special_values_follows_the_arithmetic() {
    check_special::<f32>();
    check_special::<f64>();
}

#[test]
fn gemm_of_denormals_keeps_them() {
    let smallest = f32::from_bits(1);
    assert!(dot::<f32>(1.0, &[smallest], &[3.0], 1.0, smallest).iter().all(|x| x.to_bits() == 4));
    let tiny = f32::MIN_POSITIVE;
    assert!(dot::<f32>(1.0, &[tiny], &[0.5], 0.0, 0.0).iter().all(|&x| x == tiny / 2.0 && x > 0.0));
}

/// y (len m or n) by every binding; null A and x.
fn gemv_nowhere<T: Number>(trans: i32, m: i64, n: i64, alpha: f32, beta: f32, y: &mut [T]) -> GemvCall<T> {
    let [alpha, beta] = [alpha, beta].map(T::from);
    let (layout, lda, incx, incy) = (COL_MAJOR, m.max(1), -1, 1);
    GemvCall { layout, trans, m, n, alpha, a: null(), lda, x: null(), incx, beta, y: y.as_mut_ptr(), incy }
}

fn check_gemv_unread<T: Number>() {
    let seven = [T::from(7.0); 3];
    let mut y = seven;
    // SAFETY: y has 3 elements, nothing else is to be looked at.
    unsafe {
        every_gemv(gemv_nowhere(NO_TRANS, 3, 0, 1.0, 0.0, &mut y));
        every_gemv(gemv_nowhere(TRANS, 0, 3, 1.0, 0.0, &mut y));
        every_gemv(gemv_nowhere::<T>(NO_TRANS, 0, 3, 1.0, 0.0, &mut []));
        assert_eq!(y, seven, "without x, y stays, whatever beta is");
        every_gemv(gemv_nowhere(NO_TRANS, 3, 2, 0.0, 1.0, &mut y));
        assert_eq!(y, seven);
        every_gemv(GemvCall { y: null_mut(), ..gemv_nowhere(NO_TRANS, 3, 2, 0.0, 1.0, &mut y) });
        y = [T::NAN; 3];
        every_gemv(gemv_nowhere(NO_TRANS, 3, 2, 0.0, 0.0, &mut y));
        assert_eq!(y, [T::from(0.0); 3]);
        y = seven;
        every_gemv(GemvCall { incy: -1, ..gemv_nowhere(NO_TRANS, 3, 2, 0.0, -1.0, &mut y) });
    }
    let sign = if T::GEMV.len() % 2 == 0 { 7.0 } else { -7.0 }; // once per binding
    assert_eq!(y, [T::from(sign); 3]);
}

#[test]
fn gemv_reads_and_writes_only_what_it_needs() {
    check_gemv_unread::<f32>();
    check_gemv_unread::<f64>();
}
