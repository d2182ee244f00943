//! Floating-point exceptions: products of clean numbers raise none.

use crate::c::*;
use cke::*;
use cke_testkit::{Layout, Matrix};
use std::ffi::c_int;
use std::ptr::null;

unsafe extern "C" {
    safe fn feclearexcept(exceptions: c_int) -> c_int;
    safe fn fetestexcept(exceptions: c_int) -> c_int;
}

/// FE_INVALID, FE_DIVBYZERO, FE_OVERFLOW and FE_UNDERFLOW of x86's fenv.h.
const RAISED: c_int = 0x01 | 0x04 | 0x08 | 0x10;

/// Runs a call and demands that it succeeds and raises nothing.
fn assert_raises_nothing(name: &str, call: impl FnOnce() -> cke_status) {
    feclearexcept(RAISED);
    let status = call();
    let raised = fetestexcept(RAISED);
    assert_eq!((status, raised), (cke_status::CKE_OK, 0), "{name}");
}

fn numbers(rows: usize, cols: usize, is_transposed: bool) -> Matrix<f32> {
    let layout = if is_transposed { Layout::col_major(rows, cols) } else { Layout::row_major(rows, cols) };
    let values: Vec<f32> = (0..rows * cols).map(|i| (i % 13) as f32 - 6.0).collect();
    Matrix::with_layout(layout, &values)
}

#[test]
fn products_of_clean_numbers_raise_no_exception() {
    let sizes = [1, 2, 3, 7, 13, 14, 17, 33, 64, 100];
    let pool = pool(2);
    let context = context(Some(&pool));
    for (m, n, k) in sizes.iter().flat_map(|&m| sizes.iter().flat_map(move |&n| [2, 9, 64].map(|k| (m, n, k)))) {
        for transposed in [false, true] {
            let (a, b) = (numbers(m, k, false), numbers(k, n, transposed));
            let mut c = numbers(m, n, false);
            let (a_arg, b_arg, c_arg) = (matrix(&a), matrix(&b), matrix_mut(&mut c));
            let plan = plan(m, n, k);
            let packed = pack(&plan, &b_arg).expect("sizes agree");
            // SAFETY: handles and matrices that live on.
            assert_raises_nothing(&format!("cke_plan_run {m} {n} {k}"), || unsafe {
                cke_plan_run(context.get(), plan.get(), &a_arg, packed.get(), null(), &c_arg)
            });
            // SAFETY: as above.
            assert_raises_nothing(&format!("cke_gemm {m} {n} {k}"), || unsafe {
                cke_gemm(context.get(), F32, 1.0, &a_arg, &b_arg, 0.5, &c_arg)
            });
        }
        let (a, b) = (vec![1.5f32; 3 * m * k], vec![0.5f32; 3 * k * n]);
        let (a, b) = (matrices(&a, 3, m, k), matrices(&b, 3, k, n));
        let (mut c, brgemm) = (numbers(m, n, false), brgemm(m, n, k));
        let c_arg = matrix_mut(&mut c);
        // SAFETY: as above.
        assert_raises_nothing(&format!("cke_brgemm_run {m} {n} {k}"), || unsafe {
            cke_brgemm_run(context.get(), brgemm.get(), &a, &b, 0.5, null(), &c_arg)
        });
        let mut c = vec![1.0f32; 3 * m * n];
        let c_arg = matrices_mut(&mut c, 3, m, n);
        // SAFETY: as above.
        assert_raises_nothing(&format!("cke_gemm_batch {m} {n} {k}"), || unsafe {
            cke_gemm_batch(context.get(), F32, 1.0, &a, &b, 0.5, &c_arg)
        });
    }
}
