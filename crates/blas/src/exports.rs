//! THE list of exported names: each with its number type and the width of its integers.
//!
//! | names | called by |
//! |---|---|
//! | `cblas_sgemm`, `sgemm_` | everybody: the names of the reference BLAS |
//! | `cblas_sgemm_64`, `sgemm_64_` | the reference BLAS and MKL with 64-bit integers beside the others |
//! | `cblas_sgemm64_`, `sgemm_64_` | OpenBLAS with 64-bit integers: Julia, NumPy's wheels before 2.0 |
//! | `scipy_cblas_sgemm64_`, `scipy_sgemm_64_` | NumPy's wheels |
//! | `scipy_cblas_sgemm`, `scipy_sgemm_` | SciPy's wheels |
#![allow(clippy::too_many_arguments, reason = "the BLAS is older than the rule")]

use crate::arguments::{Caller, Trans};
use crate::batch::{BatchArguments, gemm_batch_strided};
use crate::bindings::{cblas_gemm, cblas_gemm_batch_strided, cblas_gemv, fortran_gemm, fortran_gemv};
use crate::gemm::{GemmArguments, gemm};
use crate::gemv::{GemvArguments, gemv};
use std::ffi::{c_char, c_int};

cblas_gemm! {
    cblas_sgemm: f32, i32;
    cblas_dgemm: f64, i32;
    cblas_sgemm_64: f32, i64;
    cblas_dgemm_64: f64, i64;
    cblas_sgemm64_: f32, i64;
    cblas_dgemm64_: f64, i64;
    scipy_cblas_sgemm64_: f32, i64;
    scipy_cblas_dgemm64_: f64, i64;
    scipy_cblas_sgemm: f32, i32;
    scipy_cblas_dgemm: f64, i32;
}

fortran_gemm! {
    sgemm_: f32, i32;
    dgemm_: f64, i32;
    sgemm_64_: f32, i64;
    dgemm_64_: f64, i64;
    scipy_sgemm_64_: f32, i64;
    scipy_dgemm_64_: f64, i64;
    scipy_sgemm_: f32, i32;
    scipy_dgemm_: f64, i32;
}

cblas_gemv! {
    cblas_sgemv: f32, i32;
    cblas_dgemv: f64, i32;
    cblas_sgemv_64: f32, i64;
    cblas_dgemv_64: f64, i64;
    cblas_sgemv64_: f32, i64;
    cblas_dgemv64_: f64, i64;
    scipy_cblas_sgemv64_: f32, i64;
    scipy_cblas_dgemv64_: f64, i64;
    scipy_cblas_sgemv: f32, i32;
    scipy_cblas_dgemv: f64, i32;
}

fortran_gemv! {
    sgemv_: f32, i32;
    dgemv_: f64, i32;
    sgemv_64_: f32, i64;
    dgemv_64_: f64, i64;
    scipy_sgemv_64_: f32, i64;
    scipy_dgemv_64_: f64, i64;
    scipy_sgemv_: f32, i32;
    scipy_dgemv_: f64, i32;
}

cblas_gemm_batch_strided! {
    cblas_sgemm_batch_strided: f32, i32;
    cblas_dgemm_batch_strided: f64, i32;
    cblas_sgemm_batch_strided_64: f32, i64;
    cblas_dgemm_batch_strided_64: f64, i64;
    cblas_sgemm_batch_strided64_: f32, i64;
    cblas_dgemm_batch_strided64_: f64, i64;
    scipy_cblas_sgemm_batch_strided64_: f32, i64;
    scipy_cblas_dgemm_batch_strided64_: f64, i64;
    scipy_cblas_sgemm_batch_strided: f32, i32;
    scipy_cblas_dgemm_batch_strided: f64, i32;
}
