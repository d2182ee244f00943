//! The exported functions: one macro per routine and calling convention, over number type and integer width.
//!
//! Hidden arguments of Fortran compilers (the lengths of character arguments) come after the listed ones and are ignored. The functions
//! may unwind: a program's own `xerbla_` may throw, and its exception passes through to the program's handler.

/// `cblas_xgemm`.
macro_rules! cblas_gemm {
    ($($name:ident: $number:ty, $integer:ty;)*) => { $(
        /// C (m, n) ← α · op(A) (m, k) · op(B) (k, n) + β · C.
        ///
        /// `layout`: 101 row-major, 102 column-major. `trans_a`, `trans_b`: 111 as stored, 112 or 113 transposed.
        ///
        /// # Safety
        /// If the arguments are valid: C is valid for reads and writes and not accessed by anything else during the
        /// call; A and B are valid for reads and not written during the call, unless α = 0 or k = 0.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            layout: c_int, trans_a: c_int, trans_b: c_int, m: $integer, n: $integer, k: $integer,
            alpha: $number, a: *const $number, lda: $integer, b: *const $number, ldb: $integer,
            beta: $number, c: *mut $number, ldc: $integer,
        ) {
            let arguments = GemmArguments {
                caller: Caller::Cblas { layout },
                trans: [trans_a, trans_b].map(Trans::from_number),
                size: [m, n, k].map(i64::from),
                alpha, a, lda: lda.into(), b, ldb: ldb.into(), beta, c, ldc: ldc.into(),
            };
            // SAFETY: passed on.
            unsafe { gemm(arguments) }
        }
    )* };
}

/// `xgemm_`.
macro_rules! fortran_gemm {
    ($($name:ident: $number:ty, $integer:ty;)*) => { $(
        /// C (m, n) ← α · op(A) (m, k) · op(B) (k, n) + β · C, all column-major.
        ///
        /// `trans_a`, `trans_b`: N as stored, T or C transposed.
        ///
        /// # Safety
        /// The arguments that are no matrices are valid for reads. If they are valid: C is valid for reads and writes and not
        /// accessed by anything else during the call; A and B are valid for reads and not written during the call, unless α = 0 or k = 0.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            trans_a: *const c_char, trans_b: *const c_char, m: *const $integer, n: *const $integer, k: *const $integer,
            alpha: *const $number, a: *const $number, lda: *const $integer, b: *const $number, ldb: *const $integer,
            beta: *const $number, c: *mut $number, ldc: *const $integer,
        ) {
            // SAFETY: promised by the caller.
            let arguments = unsafe {
                GemmArguments {
                    caller: Caller::Fortran,
                    trans: [*trans_a, *trans_b].map(Trans::from_letter),
                    size: [*m, *n, *k].map(i64::from),
                    alpha: *alpha, a, lda: (*lda).into(), b, ldb: (*ldb).into(), beta: *beta, c, ldc: (*ldc).into(),
                }
            };
            // SAFETY: passed on.
            unsafe { gemm(arguments) }
        }
    )* };
}

/// `cblas_xgemv`.
macro_rules! cblas_gemv {
    ($($name:ident: $number:ty, $integer:ty;)*) => { $(
        /// y ← α · op(A) · x + β · y, with A (m, n).
        ///
        /// `layout`: 101 row-major, 102 column-major. `trans`: 111 as stored, 112 or 113 transposed. With a negative increment the
        /// vector's first element stands at the highest address.
        ///
        /// # Safety
        /// If the arguments are valid: y is valid for reads and writes and not accessed by anything else during the
        /// call; A and x are valid for reads and not written during the call, unless α = 0.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            layout: c_int, trans: c_int, m: $integer, n: $integer,
            alpha: $number, a: *const $number, lda: $integer, x: *const $number, incx: $integer,
            beta: $number, y: *mut $number, incy: $integer,
        ) {
            let arguments = GemvArguments {
                caller: Caller::Cblas { layout },
                trans: Trans::from_number(trans),
                size: [m, n].map(i64::from),
                alpha, a, lda: lda.into(), x, incx: incx.into(), beta, y, incy: incy.into(),
            };
            // SAFETY: passed on.
            unsafe { gemv(arguments) }
        }
    )* };
}

/// `xgemv_`.
macro_rules! fortran_gemv {
    ($($name:ident: $number:ty, $integer:ty;)*) => { $(
        /// y ← α · op(A) · x + β · y, with a column-major A (m, n).
        ///
        /// `trans`: N as stored, T or C transposed. With a negative increment the vector's first element stands at the highest
        /// address.
        ///
        /// # Safety
        /// The arguments that are no matrix or vector are valid for reads. If they are valid: y is valid for reads and writes and
        /// used by nothing else during the call; A and x are valid for reads and not written during the call, unless α = 0.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            trans: *const c_char, m: *const $integer, n: *const $integer,
            alpha: *const $number, a: *const $number, lda: *const $integer, x: *const $number, incx: *const $integer,
            beta: *const $number, y: *mut $number, incy: *const $integer,
        ) {
            // SAFETY: promised by the caller.
            let arguments = unsafe {
                GemvArguments {
                    caller: Caller::Fortran,
                    trans: Trans::from_letter(*trans),
                    size: [*m, *n].map(i64::from),
                    alpha: *alpha, a, lda: (*lda).into(), x, incx: (*incx).into(), beta: *beta, y, incy: (*incy).into(),
                }
            };
            // SAFETY: passed on.
            unsafe { gemv(arguments) }
        }
    )* };
}

/// `cblas_xgemm_batch_strided`.
macro_rules! cblas_gemm_batch_strided {
    ($($name:ident: $number:ty, $integer:ty;)*) => { $(
        /// Cᵢ (m, n) ← α · op(Aᵢ) (m, k) · op(Bᵢ) (k, n) + β · Cᵢ for i in 0..batch_size, where Aᵢ stands `i · stride_a` elements after
        /// A, and so on.
        ///
        /// `layout`: 101 row-major, 102 column-major. `trans_a`, `trans_b`: 111 as stored, 112 or 113 transposed. `stride_a` and
        /// `stride_b` may be 0; the Cᵢ may be interleaved but not overlap.
        ///
        /// # Safety
        /// If the arguments are valid: the Cᵢ are valid for reads and writes and not accessed by anything else during the
        /// call; the Aᵢ and Bᵢ are valid for reads and not written during the call, unless α = 0 or k = 0.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            layout: c_int, trans_a: c_int, trans_b: c_int, m: $integer, n: $integer, k: $integer,
            alpha: $number, a: *const $number, lda: $integer, stride_a: $integer,
            b: *const $number, ldb: $integer, stride_b: $integer,
            beta: $number, c: *mut $number, ldc: $integer, stride_c: $integer, batch_size: $integer,
        ) {
            let arguments = BatchArguments {
                gemm: GemmArguments {
                    caller: Caller::Cblas { layout },
                    trans: [trans_a, trans_b].map(Trans::from_number),
                    size: [m, n, k].map(i64::from),
                    alpha, a, lda: lda.into(), b, ldb: ldb.into(), beta, c, ldc: ldc.into(),
                },
                stride_a: stride_a.into(),
                stride_b: stride_b.into(),
                stride_c: stride_c.into(),
                batch_size: batch_size.into(),
            };
            // SAFETY: passed on.
            unsafe { gemm_batch_strided(arguments) }
        }
    )* };
}

pub(crate) use {cblas_gemm, cblas_gemm_batch_strided, cblas_gemv, fortran_gemm, fortran_gemv};
