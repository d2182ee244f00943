//! A library with a matrix product by the definition, compiled by the tests of `cke bench`.
//!
//! `--cfg` says which interface it has: `cblas`, `wide` (64-bit integers, the names of NumPy's wheels), `onednn`, or `netlib`
//! (as `cblas`, with the product of a matrix and a vector and the global variables of the reference BLAS). The
//! environment variable `TOY_BLAS` says what it does wrong: `one_element`, `nothing_written`, `gap_written`, `crash`, or
//! nothing of these.
#![allow(unexpected_cfgs, unused_macros, reason = "which interface it has is said by --cfg to rustc alone")]

/// C = op(A)·op(B), row-major with these leading dimensions.
struct Product {
    m: usize,
    n: usize,
    k: usize,
    transpose_a: bool,
    transpose_b: bool,
    lda: usize,
    ldb: usize,
    ldc: usize,
}

impl Product {
    /// # Safety
    /// The pointers are those of matrices of these sizes.
    unsafe fn run(&self, a: *const f32, b: *const f32, c: *mut f32) {
        let Product { m, n, k, lda, ldb, ldc, .. } = *self;
        static GREETING: std::sync::Once = std::sync::Once::new();
        GREETING.call_once(|| println!("libraries print what they like"));
        let fault = std::env::var("TOY_BLAS").unwrap_or_default();
        match fault.as_str() {
            "nothing_written" => return,
            "crash" => std::process::abort(),
            _ => {}
        }
        for i in 0..m {
            for j in 0..n {
                let mut sum = 0.0;
                for p in 0..k {
                    let a_at = if self.transpose_a { p * lda + i } else { i * lda + p };
                    let b_at = if self.transpose_b { j * ldb + p } else { p * ldb + j };
                    // SAFETY: both lie inside their matrices.
                    sum += unsafe { *a.add(a_at) * *b.add(b_at) };
                }
                // SAFETY: as above.
                unsafe { *c.add(i * ldc + j) = sum };
            }
        }
        if fault == "one_element" {
            // SAFETY: the last element of C.
            unsafe { *c.add((m - 1) * ldc + n - 1) += 0.01 };
        }
        if fault == "gap_written" && ldc > n {
            // SAFETY: behind the end of the first row, before the second one.
            unsafe { *c.add(n) = 0.0 };
        }
    }
}

macro_rules! cblas_gemm {
    ($name:ident, $integer:ty) => {
        /// # Safety
        /// As CBLAS demands of row-major matrices.
        #[unsafe(no_mangle)]
        #[allow(clippy::too_many_arguments, reason = "the interface is older than the rule")]
        pub unsafe extern "C" fn $name(
            order: i32,
            op_a: i32,
            op_b: i32,
            m: $integer,
            n: $integer,
            k: $integer,
            alpha: f32,
            a: *const f32,
            lda: $integer,
            b: *const f32,
            ldb: $integer,
            beta: f32,
            c: *mut f32,
            ldc: $integer,
        ) {
            let (transpose_a, transpose_b) = (op_a == 112, op_b == 112);
            assert_eq!((order, alpha, beta), (101, 1.0, 0.0));
            assert!(lda >= if transpose_a { m } else { k } && ldb >= if transpose_b { k } else { n } && ldc >= n);
            let (m, n, k, lda, ldb, ldc) =
                (m as usize, n as usize, k as usize, lda as usize, ldb as usize, ldc as usize);
            let product = Product { m, n, k, transpose_a, transpose_b, lda, ldb, ldc };
            // SAFETY: promised by the caller.
            unsafe { product.run(a, b, c) }
        }
    };
}

#[cfg(any(cblas, netlib))]
cblas_gemm!(cblas_sgemm, i32);
#[cfg(wide)]
cblas_gemm!(scipy_cblas_sgemm64_, i64);

#[cfg(netlib)]
#[allow(non_upper_case_globals, reason = "the names of the reference BLAS")]
mod globals {
    #[unsafe(no_mangle)]
    pub static CBLAS_CallFromC: i32 = 0;
    #[unsafe(no_mangle)]
    pub static RowMajorStrg: i32 = 0;
}

/// # Safety
/// As CBLAS demands of a row-major matrix and vectors without gaps.
#[cfg(netlib)]
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the interface is older than the rule")]
pub unsafe extern "C" fn cblas_sgemv(
    order: i32,
    op: i32,
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
    assert_eq!((order, alpha, beta, step_x, step_y), (101, 1.0, 0.0, 1, 1));
    let transpose_a = op == 112;
    let (m, k) = if transpose_a { (cols, rows) } else { (rows, cols) };
    let (lda, ldb, ldc) = (ld as usize, 1, 1);
    let product = Product { m: m as usize, n: 1, k: k as usize, transpose_a, transpose_b: false, lda, ldb, ldc };
    // SAFETY: promised by the caller.
    unsafe { product.run(matrix, x, y) }
}

/// # Safety
/// As oneDNN demands.
#[cfg(onednn)]
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the interface is older than the rule")]
pub unsafe extern "C" fn dnnl_sgemm(
    op_a: std::ffi::c_char,
    op_b: std::ffi::c_char,
    m: i64,
    n: i64,
    k: i64,
    _alpha: f32,
    a: *const f32,
    lda: i64,
    b: *const f32,
    ldb: i64,
    _beta: f32,
    c: *mut f32,
    ldc: i64,
) -> i32 {
    let (transpose_a, transpose_b) = (op_a as u8 == b'T', op_b as u8 == b'T');
    let (m, n, k, lda, ldb, ldc) = (m as usize, n as usize, k as usize, lda as usize, ldb as usize, ldc as usize);
    let product = Product { m, n, k, transpose_a, transpose_b, lda, ldb, ldc };
    // SAFETY: promised by the caller.
    unsafe { product.run(a, b, c) }
    0
}
