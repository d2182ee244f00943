//! One-off products, and batches of them.

use crate::context::cke_context;
use crate::handle::borrow;
use crate::matrix::{cke_dtype, cke_matrices, cke_matrices_mut, cke_matrix, cke_matrix_mut};
use crate::status::{Failure, cke_status, ffi_boundary};
use cke_kernels::Cpu;
use cke_kernels::gemm::{BatchCtx, Ctx, Gemm, GemmBatch};
use cke_kernels::scheme::{F32, F64, Uniform};
use std::mem::MaybeUninit;

/// C (m, n) = alpha · A (m, k) · B (k, n) + beta · C, with any strides; all matrices are of dtype, CKE_F32 or CKE_F64, in which alpha
/// and beta are rounded first.
///
/// If beta is 0, C is not read; if alpha is 0 or k is 0, A and B are not. Bits do not depend on threads or alignment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_gemm(
    context: *const cke_context,
    dtype: MaybeUninit<cke_dtype>,
    alpha: f64,
    a: *const cke_matrix,
    b: *const cke_matrix,
    beta: f64,
    c: *const cke_matrix_mut,
) -> cke_status {
    ffi_boundary(|| {
        // SAFETY: promised by the caller.
        let (context, a, b, c) =
            unsafe { (borrow(context, "context")?, borrow(a, "a")?, borrow(b, "b")?, borrow(c, "c")?) };
        // SAFETY: as above; the elements are of this type.
        unsafe {
            match cke_dtype::known(dtype)? {
                cke_dtype::CKE_F32 => gemm::<F32>(context, alpha as f32, a, b, beta as f32, c),
                cke_dtype::CKE_F64 => gemm::<F64>(context, alpha, a, b, beta, c),
                other => Err(other.unsupported("dtype of a product", &[cke_dtype::CKE_F32, cke_dtype::CKE_F64])),
            }
        }
    })
}

/// # Safety
/// The matrices are what they say, of elements of the scheme's type.
unsafe fn gemm<S: Uniform>(
    context: &cke_context,
    alpha: S::E,
    a: &cke_matrix,
    b: &cke_matrix,
    beta: S::E,
    c: &cke_matrix_mut,
) -> Result<(), Failure> {
    // SAFETY: promised by the caller.
    let (a, b, c) = unsafe { (a.view("a")?, b.view("b")?, c.view("c")?) };
    let cpu = Cpu::host()?;
    context.with(|pool, scratch| {
        let ctx = &mut Ctx { pool, scratch: &mut scratch[0] };
        Ok(Gemm::<S> { alpha, a, b, beta }.run(cpu, c, ctx)?)
    })
}

/// C[i] (m, n) = alpha · A[i] (m, k) · B[i] (k, n) + beta · C[i] for each i: independent products, many heads in one call, spread
/// over the threads. The three counts are equal; none at all is fine.
///
/// Otherwise as cke_gemm, which gives each product the same bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_gemm_batch(
    context: *const cke_context,
    dtype: MaybeUninit<cke_dtype>,
    alpha: f64,
    a: *const cke_matrices,
    b: *const cke_matrices,
    beta: f64,
    c: *const cke_matrices_mut,
) -> cke_status {
    ffi_boundary(|| {
        // SAFETY: promised by the caller.
        let (context, a, b, c) =
            unsafe { (borrow(context, "context")?, borrow(a, "a")?, borrow(b, "b")?, borrow(c, "c")?) };
        // SAFETY: as above; the elements are of this type.
        unsafe {
            match cke_dtype::known(dtype)? {
                cke_dtype::CKE_F32 => gemm_batch::<F32>(context, alpha as f32, a, b, beta as f32, c),
                cke_dtype::CKE_F64 => gemm_batch::<F64>(context, alpha, a, b, beta, c),
                other => Err(other.unsupported("dtype of a product", &[cke_dtype::CKE_F32, cke_dtype::CKE_F64])),
            }
        }
    })
}

/// # Safety
/// The matrices are what they say, of elements of the scheme's type.
unsafe fn gemm_batch<S: Uniform>(
    context: &cke_context,
    alpha: S::E,
    a: &cke_matrices,
    b: &cke_matrices,
    beta: S::E,
    c: &cke_matrices_mut,
) -> Result<(), Failure> {
    // SAFETY: promised by the caller.
    let (a, b, c) = unsafe { (a.view("a")?, b.view("b")?, c.view("c")?) };
    let cpu = Cpu::host()?;
    context.with(|pool, scratch| {
        let ctx = &mut BatchCtx { pool, scratch };
        Ok(GemmBatch::<S> { alpha, a, b, beta }.run(cpu, c, ctx)?)
    })
}
