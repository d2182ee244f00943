//! Every exported gemm and gemv under one signature, so that a test is written once for all names, widths and types.

use cke_testkit::Element;
use std::ffi::{c_char, c_int};

pub(crate) const ROW_MAJOR: c_int = 101;
pub(crate) const COL_MAJOR: c_int = 102;
pub(crate) const NO_TRANS: c_int = 111;
pub(crate) const TRANS: c_int = 112;
pub(crate) const CONJ_TRANS: c_int = 113;

/// The arguments of a gemm, spelled as in CBLAS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GemmCall<T> {
    pub(crate) layout: c_int,
    pub(crate) trans_a: c_int,
    pub(crate) trans_b: c_int,
    pub(crate) m: i64,
    pub(crate) n: i64,
    pub(crate) k: i64,
    pub(crate) alpha: T,
    pub(crate) a: *const T,
    pub(crate) lda: i64,
    pub(crate) b: *const T,
    pub(crate) ldb: i64,
    pub(crate) beta: T,
    pub(crate) c: *mut T,
    pub(crate) ldc: i64,
}

/// The arguments of a gemv, spelled as in CBLAS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GemvCall<T> {
    pub(crate) layout: c_int,
    pub(crate) trans: c_int,
    pub(crate) m: i64,
    pub(crate) n: i64,
    pub(crate) alpha: T,
    pub(crate) a: *const T,
    pub(crate) lda: i64,
    pub(crate) x: *const T,
    pub(crate) incx: i64,
    pub(crate) beta: T,
    pub(crate) y: *mut T,
    pub(crate) incy: i64,
}

/// One exported function.
pub(crate) struct Binding<Call> {
    pub(crate) name: &'static str,
    /// It takes no layout and serves column-major calls only.
    pub(crate) is_fortran: bool,
    pub(crate) call: unsafe fn(&Call),
}

impl<Call> Binding<Call> {
    pub(crate) fn serves(&self, layout: c_int) -> bool {
        !self.is_fortran || layout == COL_MAJOR
    }
}

/// `f32` or `f64`.
pub(crate) trait Number: Element + Into<f64> + From<f32> + Send + Sync {
    /// Unit roundoff.
    const ROUNDOFF: f64;
    /// The smallest positive number.
    const SMALLEST: f64;
    const NAN: Self;
    const INFINITY: Self;
    /// s or d.
    const LETTER: char;
    const GEMM: &'static [Binding<GemmCall<Self>>];
    const GEMV: &'static [Binding<GemvCall<Self>>];
}

fn letter(trans: c_int) -> c_char {
    match trans {
        NO_TRANS => b'n' as c_char,
        TRANS => b'T' as c_char,
        CONJ_TRANS => b'C' as c_char,
        _ => b'/' as c_char,
    }
}

macro_rules! cblas_gemm {
    ($name:ident, $integer:ty) => {
        Binding {
            name: stringify!($name),
            is_fortran: false,
            call: |p| {
                let [m, n, k, lda, ldb, ldc] = [p.m, p.n, p.k, p.lda, p.ldb, p.ldc].map(|x| x as $integer);
                // SAFETY: promised by the caller.
                unsafe {
                    cke_blas::$name(
                        p.layout, p.trans_a, p.trans_b, m, n, k, p.alpha, p.a, lda, p.b, ldb, p.beta, p.c, ldc,
                    )
                }
            },
        }
    };
}

macro_rules! fortran_gemm {
    ($name:ident, $integer:ty) => {
        Binding {
            name: stringify!($name),
            is_fortran: true,
            call: |p| {
                let [m, n, k, lda, ldb, ldc] = [p.m, p.n, p.k, p.lda, p.ldb, p.ldc].map(|x| x as $integer);
                let (trans_a, trans_b) = (letter(p.trans_a), letter(p.trans_b));
                // SAFETY: promised by the caller; the rest lives during the call.
                unsafe {
                    cke_blas::$name(&trans_a, &trans_b, &m, &n, &k, &p.alpha, p.a, &lda, p.b, &ldb, &p.beta, p.c, &ldc)
                }
            },
        }
    };
}

macro_rules! cblas_gemv {
    ($name:ident, $integer:ty) => {
        Binding {
            name: stringify!($name),
            is_fortran: false,
            call: |p| {
                let [m, n, lda, incx, incy] = [p.m, p.n, p.lda, p.incx, p.incy].map(|x| x as $integer);
                // SAFETY: promised by the caller.
                unsafe { cke_blas::$name(p.layout, p.trans, m, n, p.alpha, p.a, lda, p.x, incx, p.beta, p.y, incy) }
            },
        }
    };
}

macro_rules! fortran_gemv {
    ($name:ident, $integer:ty) => {
        Binding {
            name: stringify!($name),
            is_fortran: true,
            call: |p| {
                let [m, n, lda, incx, incy] = [p.m, p.n, p.lda, p.incx, p.incy].map(|x| x as $integer);
                let trans = letter(p.trans);
                // SAFETY: promised by the caller; the rest lives during the call.
                unsafe { cke_blas::$name(&trans, &m, &n, &p.alpha, p.a, &lda, p.x, &incx, &p.beta, p.y, &incy) }
            },
        }
    };
}

macro_rules! number {
    ($type:ty, $letter:literal, $roundoff:expr, gemm: $gemm:expr, gemv: $gemv:expr) => {
        impl Number for $type {
            const ROUNDOFF: f64 = $roundoff;
            const SMALLEST: f64 = <$type>::from_bits(1) as f64;
            const NAN: Self = <$type>::NAN;
            const INFINITY: Self = <$type>::INFINITY;
            const LETTER: char = $letter;
            const GEMM: &'static [Binding<GemmCall<Self>>] = $gemm;
            const GEMV: &'static [Binding<GemvCall<Self>>] = $gemv;
        }
    };
}

number! {
    f32, 's', cke_testkit::tolerance::F32_ROUNDOFF,
    gemm: &[
        cblas_gemm!(cblas_sgemm, i32),
        cblas_gemm!(cblas_sgemm_64, i64),
        cblas_gemm!(cblas_sgemm64_, i64),
        cblas_gemm!(scipy_cblas_sgemm64_, i64),
        cblas_gemm!(scipy_cblas_sgemm, i32),
        fortran_gemm!(sgemm_, i32),
        fortran_gemm!(sgemm_64_, i64),
        fortran_gemm!(scipy_sgemm_64_, i64),
        fortran_gemm!(scipy_sgemm_, i32),
    ],
    gemv: &[
        cblas_gemv!(cblas_sgemv, i32),
        cblas_gemv!(cblas_sgemv_64, i64),
        cblas_gemv!(cblas_sgemv64_, i64),
        cblas_gemv!(scipy_cblas_sgemv64_, i64),
        cblas_gemv!(scipy_cblas_sgemv, i32),
        fortran_gemv!(sgemv_, i32),
        fortran_gemv!(sgemv_64_, i64),
        fortran_gemv!(scipy_sgemv_64_, i64),
        fortran_gemv!(scipy_sgemv_, i32),
    ]
}

number! {
    f64, 'd', cke_testkit::tolerance::F64_ROUNDOFF,
    gemm: &[
        cblas_gemm!(cblas_dgemm, i32),
        cblas_gemm!(cblas_dgemm_64, i64),
        cblas_gemm!(cblas_dgemm64_, i64),
        cblas_gemm!(scipy_cblas_dgemm64_, i64),
        cblas_gemm!(scipy_cblas_dgemm, i32),
        fortran_gemm!(dgemm_, i32),
        fortran_gemm!(dgemm_64_, i64),
        fortran_gemm!(scipy_dgemm_64_, i64),
        fortran_gemm!(scipy_dgemm_, i32),
    ],
    gemv: &[
        cblas_gemv!(cblas_dgemv, i32),
        cblas_gemv!(cblas_dgemv_64, i64),
        cblas_gemv!(cblas_dgemv64_, i64),
        cblas_gemv!(scipy_cblas_dgemv64_, i64),
        cblas_gemv!(scipy_cblas_dgemv, i32),
        fortran_gemv!(dgemv_, i32),
        fortran_gemv!(dgemv_64_, i64),
        fortran_gemv!(scipy_dgemv_64_, i64),
        fortran_gemv!(scipy_dgemv_, i32),
    ]
}
