//! Floating-point exceptions: products of clean numbers raise none, neither with their flags looked at nor with traps.

use crate::c::*;
use cke::*;
use cke_testkit::{Element, Layout, Matrix};
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null;

#[link(name = "m")]
unsafe extern "C" {
    safe fn feclearexcept(exceptions: c_int) -> c_int;
    safe fn fetestexcept(exceptions: c_int) -> c_int;
    fn feenableexcept(exceptions: c_int) -> c_int;
    fn fedisableexcept(exceptions: c_int) -> c_int;
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

/// Small whole numbers.
fn numbers<T: Element + From<i8>>(rows: usize, cols: usize, is_transposed: bool) -> Matrix<T> {
    let layout = if is_transposed { Layout::col_major(rows, cols) } else { Layout::row_major(rows, cols) };
    let values: Vec<T> = (0..rows * cols).map(|i| T::from((i % 13) as i8 - 6)).collect();
    Matrix::with_layout(layout, &values)
}

/// A product with nothing prepared, and three of them in one call.
fn multiply<T: Element + From<i8>>(
    context: &Handle<cke_context>,
    dtype: MaybeUninit<cke_dtype>,
    [m, n, k]: [usize; 3],
    is_transposed: bool,
) {
    let (a, b, mut c) = (numbers::<T>(m, k, false), numbers::<T>(k, n, is_transposed), numbers::<T>(m, n, false));
    let (a, b, c) = (matrix(&a), matrix(&b), matrix_mut(&mut c));
    // SAFETY: handles and matrices that live on.
    assert_raises_nothing(&format!("cke_gemm {m} {n} {k}"), || unsafe {
        cke_gemm(context.get(), dtype, 1.0, &a, &b, 0.5, &c)
    });
    let (a, b) = (vec![T::from(3); 3 * m * k], vec![T::from(2); 3 * k * n]);
    let mut c = vec![T::from(1); 3 * m * n];
    let (a, b, c) = (matrices(&a, 3, m, k), matrices(&b, 3, k, n), matrices_mut(&mut c, 3, m, n));
    // SAFETY: as above.
    assert_raises_nothing(&format!("cke_gemm_batch {m} {n} {k}"), || unsafe {
        cke_gemm_batch(context.get(), dtype, 1.0, &a, &b, 0.5, &c)
    });
}

/// A product with packed weights, and a sum of three products.
fn multiply_by_plans(context: &Handle<cke_context>, [m, n, k]: [usize; 3], is_transposed: bool) {
    let (a, b, mut c) = (numbers::<f32>(m, k, false), numbers::<f32>(k, n, is_transposed), numbers::<f32>(m, n, false));
    let (a, b, c) = (matrix(&a), matrix(&b), matrix_mut(&mut c));
    let (plan, brgemm) = (plan(m, n, k), brgemm(m, n, k));
    let packed = pack(&plan, &b).expect("sizes agree");
    // SAFETY: handles and matrices that live on.
    assert_raises_nothing(&format!("cke_plan_run {m} {n} {k}"), || unsafe {
        cke_plan_run(context.get(), plan.get(), &a, packed.get(), null(), &c)
    });
    let (a, b) = (vec![1.5f32; 3 * m * k], vec![0.5f32; 3 * k * n]);
    let (a, b) = (matrices(&a, 3, m, k), matrices(&b, 3, k, n));
    // SAFETY: as above.
    assert_raises_nothing(&format!("cke_brgemm_run {m} {n} {k}"), || unsafe {
        cke_brgemm_run(context.get(), brgemm.get(), &a, &b, 0.5, null(), &c)
    });
}

/// Every function that multiplies, over sizes on both sides of tiles and of choices of a path.
fn all_products() {
    let sizes = [1, 2, 3, 7, 13, 14, 17, 33, 64, 100];
    let pool = pool(2);
    let context = context(Some(&pool));
    for (m, n, k) in sizes.iter().flat_map(|&m| sizes.iter().flat_map(move |&n| [2, 9, 64].map(|k| (m, n, k)))) {
        for is_transposed in [false, true] {
            multiply::<f32>(&context, F32, [m, n, k], is_transposed);
            multiply::<f64>(&context, F64, [m, n, k], is_transposed);
            multiply_by_plans(&context, [m, n, k], is_transposed);
        }
    }
}

#[test]
fn products_of_clean_numbers_raise_no_exception() {
    all_products();
}

#[test]
fn products_of_clean_numbers_run_while_exceptions_trap() {
    feclearexcept(RAISED);
    // SAFETY: changes the mode of this thread, and back; a trap ends the process.
    unsafe { feenableexcept(RAISED) };
    all_products();
    // SAFETY: as above.
    unsafe { fedisableexcept(RAISED) };
}

fn check_ones<T: Element + From<i8>>(dtype: MaybeUninit<cke_dtype>) {
    let context = context(None);
    let ones = |rows, cols, layout: fn(usize, usize) -> Layout| {
        Matrix::with_layout(layout(rows, cols), &vec![T::from(1); rows * cols])
    };
    let (a, b) = (ones(13, 2, Layout::row_major), ones(2, 14, Layout::col_major));
    let mut c = numbers::<T>(13, 14, false);
    let (a, b, c_arg) = (matrix(&a), matrix(&b), matrix_mut(&mut c));
    // SAFETY: handles and matrices that live on.
    assert_raises_nothing("ones", || unsafe { cke_gemm(context.get(), dtype, 1.0, &a, &b, 0.0, &c_arg) });
    assert_eq!(c.to_row_major(), vec![T::from(2); 13 * 14]);
}

/// `np.ones((13, 2)) @ np.ones((14, 2)).T`
#[test]
fn ones_13_by_2_times_ones_14_by_2_transposed_raise_no_exception() {
    check_ones::<f64>(F64);
    check_ones::<f32>(F32);
}
