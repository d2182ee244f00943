//! Which number a bad argument has, who is told, and that nothing is written then.

use crate::bindings::{COL_MAJOR, GemmCall, GemvCall, NO_TRANS, Number, ROW_MAJOR, TRANS};
use crate::reporters;
use std::ffi::c_int;
use std::ptr::null;

/// C ← A · B with A (2, 4), B (4, 3), and leading dimensions that are just enough.
fn gemm<T: Number>(layout: c_int, [trans_a, trans_b]: [c_int; 2], c: &mut [T]) -> GemmCall<T> {
    let ld = |trans: c_int, rows: i64, cols: i64| {
        if (layout == ROW_MAJOR) == (trans == NO_TRANS) { cols } else { rows }
    };
    let (lda, ldb, ldc) = (ld(trans_a, 2, 4), ld(trans_b, 4, 3), ld(NO_TRANS, 2, 3));
    let (m, n, k, one) = (2, 3, 4, T::from(1.0));
    GemmCall {
        layout,
        trans_a,
        trans_b,
        m,
        n,
        k,
        alpha: one,
        a: null(),
        lda,
        b: null(),
        ldb,
        beta: one,
        c: c.as_mut_ptr(),
        ldc,
    }
}

/// A way to spoil a gemm, and the numbers it is reported with: to `xerbla_`, and to `cblas_xerbla` of a row-major call. Column-major
/// CBLAS calls report one more than Fortran's.
type Spoiled<T> = (fn(&mut GemmCall<T>), c_int, c_int);

fn spoiled<T: Number>() -> [Spoiled<T>; 14] {
    [
        (|p| p.trans_a = 110, 1, 2),
        (|p| p.trans_b = 114, 2, 3),
        (|p| p.m = -1, 3, 5),
        (|p| p.n = -1, 4, 4),
        (|p| p.k = -1, 5, 6),
        (|p| p.lda -= 1, 8, 11),
        (|p| p.ldb -= 1, 10, 9),
        (|p| p.ldc -= 1, 13, 14),
        (|p| (p.lda, p.ldb, p.ldc) = (-1, -1, -1), 8, 9),
        (|p| (p.trans_b, p.m, p.lda) = (0, -1, 0), 2, 3),
        (|p| (p.m, p.n, p.ldc) = (-1, -1, 0), 3, 4),
        (|p| (p.m, p.n, p.k, p.lda) = (0, 0, 0, 0), 8, 11),
        (|p| (p.m, p.n, p.k, p.ldb) = (0, 0, 0, 0), 10, 9),
        (|p| (p.m, p.n, p.k, p.ldc) = (0, 0, 0, 0), 13, 14),
    ]
}

fn check_gemm<T: Number>() {
    for trans in [[NO_TRANS, NO_TRANS], [NO_TRANS, TRANS], [TRANS, NO_TRANS], [TRANS, TRANS]] {
        for layout in [COL_MAJOR, ROW_MAJOR] {
            for (i, (spoil, fortran, row_major)) in spoiled::<T>().into_iter().enumerate() {
                for binding in T::GEMM.iter().filter(|binding| binding.serves(layout)) {
                    let mut c = [T::from(7.0); 6];
                    let mut call = gemm(layout, trans, &mut c);
                    spoil(&mut call);
                    // SAFETY: a bad call reads and writes nothing.
                    unsafe { (binding.call)(&call) };
                    let wanted = if binding.is_fortran {
                        (format!("{}GEMM ", T::LETTER.to_ascii_uppercase()), fortran)
                    } else {
                        let number = if layout == ROW_MAJOR { row_major } else { fortran + 1 };
                        (format!("cblas_{}gemm", T::LETTER), number)
                    };
                    assert_eq!(reporters::take(), [wanted], "{} way {i} {trans:?} {layout}", binding.name);
                    assert_eq!(c, [T::from(7.0); 6]);
                }
            }
        }
    }
}

#[test]
fn gemm_of_each_bad_argument_reports_its_number_to_the_program() {
    check_gemm::<f32>();
    check_gemm::<f64>();
}

#[test]
fn gemm_of_unknown_layout_reports_1() {
    for layout in [0, 100, 103, -1] {
        let mut c = [7.0f32; 6];
        for binding in f32::GEMM.iter().filter(|binding| !binding.is_fortran) {
            let call = GemmCall { trans_a: 0, m: -1, ..gemm(layout, [NO_TRANS; 2], &mut c) };
            // SAFETY: a bad call reads and writes nothing.
            unsafe { (binding.call)(&call) };
            assert_eq!(reporters::take(), [("cblas_sgemm".to_owned(), 1)]);
        }
        assert_eq!(c, [7.0; 6]);
    }
}

/// y ← A · x with A (2, 3).
fn gemv<T: Number>(layout: c_int, trans: c_int, y: &mut [T]) -> GemvCall<T> {
    let lda = if layout == ROW_MAJOR { 3 } else { 2 };
    let one = T::from(1.0);
    let y = y.as_mut_ptr();
    GemvCall { layout, trans, m: 2, n: 3, alpha: one, a: null(), lda, x: null(), incx: 1, beta: one, y, incy: 1 }
}

fn check_gemv<T: Number>() {
    /// As [`Spoiled`].
    type SpoiledGemv<T> = (fn(&mut GemvCall<T>), c_int, c_int);
    let spoiled: [SpoiledGemv<T>; 8] = [
        (|p| p.trans = 110, 1, 2),
        (|p| p.m = -1, 2, 4),
        (|p| p.n = -1, 3, 3),
        (|p| p.lda -= 1, 6, 7),
        (|p| p.incx = 0, 8, 9),
        (|p| p.incy = 0, 11, 12),
        (|p| (p.m, p.n, p.lda) = (0, 0, 0), 6, 7),
        (|p| (p.m, p.n, p.incy) = (-1, -1, 0), 2, 3),
    ];
    for trans in [NO_TRANS, TRANS] {
        for layout in [COL_MAJOR, ROW_MAJOR] {
            for (i, &(spoil, fortran, row_major)) in spoiled.iter().enumerate() {
                for binding in T::GEMV.iter().filter(|binding| binding.serves(layout)) {
                    let mut y = [T::from(7.0); 3];
                    let mut call = gemv(layout, trans, &mut y);
                    spoil(&mut call);
                    // SAFETY: a bad call reads and writes nothing.
                    unsafe { (binding.call)(&call) };
                    let wanted = if binding.is_fortran {
                        (format!("{}GEMV ", T::LETTER.to_ascii_uppercase()), fortran)
                    } else {
                        let number = if layout == ROW_MAJOR { row_major } else { fortran + 1 };
                        (format!("cblas_{}gemv", T::LETTER), number)
                    };
                    assert_eq!(reporters::take(), [wanted], "{} way {i} {trans} {layout}", binding.name);
                    assert_eq!(y, [T::from(7.0); 3]);
                }
            }
        }
    }
}

#[test]
fn gemv_of_each_bad_argument_reports_its_number_to_the_program() {
    check_gemv::<f32>();
    check_gemv::<f64>();
}

/// The arguments of cblas_sgemm_batch_strided that are integers.
#[derive(Clone, Copy)]
struct Batch {
    layout: c_int,
    trans: [c_int; 2],
    size: [i32; 3],
    a: [i32; 2],
    b: [i32; 2],
    c: [i32; 2],
    batch_size: i32,
}

#[test]
fn batch_of_each_bad_argument_reports_the_callers_own_number() {
    let good = |layout| {
        let [lda, ldb, ldc] = if layout == ROW_MAJOR { [4, 3, 3] } else { [2, 4, 2] };
        let (a, b, c) = ([lda, 8], [ldb, 12], [ldc, 6]);
        Batch { layout, trans: [NO_TRANS; 2], size: [2, 3, 4], a, b, c, batch_size: 2 }
    };
    type SpoiledBatch = (fn(&mut Batch), c_int);
    let spoiled: [SpoiledBatch; 16] = [
        (|p| p.layout = 0, 1),
        (|p| p.trans[0] = 0, 2),
        (|p| p.trans[1] = 0, 3),
        (|p| p.size[0] = -1, 4),
        (|p| p.size[1] = -1, 5),
        (|p| p.size[2] = -1, 6),
        (|p| p.a[0] -= 1, 9),
        (|p| p.a[1] = -1, 10),
        (|p| p.b[0] -= 1, 12),
        (|p| p.b[1] = -1, 13),
        (|p| p.c[0] -= 1, 16),
        (|p| p.c[1] = -1, 17),
        (|p| p.c[1] = 0, 17),
        (|p| p.c[1] = 5, 17),
        (|p| p.batch_size = -1, 18),
        (|p| (p.size[0], p.size[1], p.a[0], p.c[0]) = (-1, -1, 0, 0), 4),
    ];
    let mut c = [7.0f32; 12];
    for layout in [ROW_MAJOR, COL_MAJOR] {
        for (i, (spoil, number)) in spoiled.into_iter().enumerate() {
            let mut p = good(layout);
            spoil(&mut p);
            let ([m, n, k], [lda, stride_a], [ldb, stride_b], [ldc, stride_c]) = (p.size, p.a, p.b, p.c);
            // SAFETY: a bad call reads and writes nothing.
            unsafe {
                cke_blas::cblas_sgemm_batch_strided(
                    p.layout,
                    p.trans[0],
                    p.trans[1],
                    m,
                    n,
                    k,
                    1.0,
                    null(),
                    lda,
                    stride_a,
                    null(),
                    ldb,
                    stride_b,
                    1.0,
                    c.as_mut_ptr(),
                    ldc,
                    stride_c,
                    p.batch_size,
                )
            };
            assert_eq!(reporters::take(), [("cblas_sgemm_batch_strided".to_owned(), number)], "way {i} {layout}");
        }
    }
    assert_eq!(c, [7.0; 12]);
}
