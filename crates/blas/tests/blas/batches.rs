//! gemm_batch_strided: each product has the bits of the gemm it stands for.

use crate::bindings::{COL_MAJOR, NO_TRANS, ROW_MAJOR, TRANS};
use crate::reporters;
use cke_testkit::{Data, Guarded};
use std::ffi::c_int;

/// A batch of row-major C (m, n), or of column-major C (n, m).
#[derive(Clone, Copy, Debug)]
struct Case {
    layout: c_int,
    trans: [c_int; 2],
    size: [i32; 3],
    ld: [i32; 3],
    strides: [i32; 3],
    len: i32,
    alpha: f32,
    beta: f32,
}

/// Batches of every kind: few and many, small and large, with shared A or B, with gaps, and interleaved.
const CASES: [Case; 9] = {
    let base = Case {
        layout: ROW_MAJOR,
        trans: [NO_TRANS, NO_TRANS],
        size: [5, 6, 7],
        ld: [7, 6, 6],
        strides: [35, 42, 30],
        len: 1,
        alpha: 1.5,
        beta: -0.5,
    };
    [
        base,
        Case { len: 0, ..base },
        Case { len: 50, ..base },
        Case { layout: COL_MAJOR, trans: [TRANS, NO_TRANS], ld: [9, 8, 7], strides: [50, 60, 44], len: 7, ..base },
        Case { trans: [NO_TRANS, TRANS], ld: [7, 7, 6], strides: [0, 42, 31], len: 20, ..base },
        Case { strides: [35, 0, 30], len: 20, beta: 0.0, ..base },
        // Heads that lie side by side in each row.
        Case { ld: [28, 6, 24], strides: [7, 42, 6], len: 4, ..base },
        Case { size: [64, 65, 66], ld: [66, 65, 65], strides: [64 * 66, 65 * 66, 64 * 65], len: 5, ..base },
        Case { size: [150, 130, 110], ld: [110, 130, 130], strides: [150 * 110, 110 * 130, 150 * 130], len: 2, ..base },
    ]
};

/// Elements that `len` matrices span if they start a stride apart and each is smaller than `largest`.
fn span(largest: i32, stride: i32, len: i32) -> usize {
    (largest + stride * (len - 1).max(0)) as usize
}

macro_rules! check {
    ($case:expr, $number:ty, $batch:ident, $gemm:ident, $integer:ty) => {{
        let case: Case = $case;
        let Case { layout, trans: [trans_a, trans_b], size: [m, n, k], ld, strides, len, .. } = case;
        let mut data = Data::new(5);
        let mut values = |i: usize, rows: i32, cols: i32| {
            let random = data.uniform(span(rows.max(cols) * ld[i], strides[i], len));
            random.into_iter().map(<$number>::from).collect::<Vec<$number>>()
        };
        let (a, b, c) = (values(0, m, k), values(1, k, n), values(2, m, n));
        let [alpha, beta] = [case.alpha, case.beta].map(<$number>::from);
        let [m, n, k] = [m, n, k].map(<$integer>::from);
        let [lda, ldb, ldc] = ld.map(<$integer>::from);
        let [stride_a, stride_b, stride_c] = strides.map(<$integer>::from);

        let mut found = Guarded::new(&c);
        // SAFETY: the operands span the batch.
        unsafe {
            cke_blas::$batch(
                layout,
                trans_a,
                trans_b,
                m,
                n,
                k,
                alpha,
                a.as_ptr(),
                lda,
                stride_a,
                b.as_ptr(),
                ldb,
                stride_b,
                beta,
                found.as_mut_slice().as_mut_ptr(),
                ldc,
                stride_c,
                len.into(),
            )
        };
        let mut wanted = c;
        for i in 0..len as usize {
            let [a_start, b_start, c_start] = strides.map(|stride| stride as usize * i);
            // SAFETY: as above.
            unsafe {
                cke_blas::$gemm(
                    layout,
                    trans_a,
                    trans_b,
                    m,
                    n,
                    k,
                    alpha,
                    a[a_start..].as_ptr(),
                    lda,
                    b[b_start..].as_ptr(),
                    ldb,
                    beta,
                    wanted[c_start..].as_mut_ptr(),
                    ldc,
                )
            };
        }
        let bits = |values: &[$number]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(found.as_slice()), bits(&wanted), "{} of {case:?}", stringify!($batch));
        assert_eq!(reporters::take(), []);
    }};
}

#[test]
fn batch_of_each_kind_has_the_bits_of_its_products() {
    cke_blas::cke_blas_set_num_threads(3);
    for case in CASES {
        check!(case, f32, cblas_sgemm_batch_strided, cblas_sgemm, i32);
        check!(case, f64, cblas_dgemm_batch_strided, cblas_dgemm, i32);
        check!(case, f32, cblas_sgemm_batch_strided_64, cblas_sgemm_64, i64);
        check!(case, f64, cblas_dgemm_batch_strided_64, cblas_dgemm_64, i64);
        check!(case, f32, cblas_sgemm_batch_strided64_, cblas_sgemm64_, i64);
        check!(case, f64, cblas_dgemm_batch_strided64_, cblas_dgemm64_, i64);
        check!(case, f32, scipy_cblas_sgemm_batch_strided64_, scipy_cblas_sgemm64_, i64);
        check!(case, f64, scipy_cblas_dgemm_batch_strided64_, scipy_cblas_dgemm64_, i64);
        check!(case, f32, scipy_cblas_sgemm_batch_strided, scipy_cblas_sgemm, i32);
        check!(case, f64, scipy_cblas_dgemm_batch_strided, scipy_cblas_dgemm, i32);
    }
}
