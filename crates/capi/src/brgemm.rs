//! Batch-reduce products.

use crate::context::cke_context;
use crate::epilogue::{self, cke_epilogue};
use crate::handle::{borrow, create, destroy};
use crate::matrix::{check_addressable, cke_dtype, cke_matrices, cke_matrix_mut};
use crate::status::{cke_status, ffi_boundary};
use cke_kernels::Cpu;
use cke_kernels::gemm::{BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Shape};
use cke_kernels::scheme::F32;
use std::mem::MaybeUninit;

/// The kernel for batch-reduce products of one shape, chosen once. Constant: any number of threads may use it at once.
pub struct cke_brgemm {
    plan: BrgemmPlan<F32>,
}

/// Makes a plan for C (m, n) = activation(scale · (beta · C + Σ A[i] (m, k) · B[i] (k, n)) + bias) + residual. dtype is CKE_F32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_brgemm_create(
    dtype: MaybeUninit<cke_dtype>,
    m: usize,
    n: usize,
    k: usize,
    out: *mut *mut cke_brgemm,
) -> cke_status {
    // SAFETY: promised by the caller.
    unsafe {
        create(out, || match cke_dtype::known(dtype)? {
            cke_dtype::CKE_F32 => {
                check_addressable("B of the plan", k, n)?;
                check_addressable("C of the plan", m, n)?;
                Ok(cke_brgemm { plan: BrgemmPlan::new(Cpu::host()?, Shape { m, n, k }) })
            }
            other => Err(other.unsupported("dtype of a batch-reduce plan", &[cke_dtype::CKE_F32])),
        })
    }
}

/// Destroys a batch-reduce plan. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_brgemm_destroy(brgemm: *mut cke_brgemm) {
    // SAFETY: promised by the caller.
    unsafe { destroy(brgemm) }
}

/// C (m, n) = activation(scale · (beta · C + Σ A[i] (m, k) · B[i] (k, n)) + bias) + residual, summed over all matrices of A and B, of
/// which there are as many, by address, offset or stride; none at all is fine.
///
/// A has any strides; the columns of B and of C are contiguous (col_stride 1). If beta is 0, C is not read. epilogue may
/// be NULL. Blocks are summed in their order, each from k = 0 up, so that the bits are those of one long product.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_brgemm_run(
    context: *const cke_context,
    brgemm: *const cke_brgemm,
    a: *const cke_matrices,
    b: *const cke_matrices,
    beta: f64,
    epilogue: *const cke_epilogue,
    c: *const cke_matrix_mut,
) -> cke_status {
    ffi_boundary(|| {
        // SAFETY: promised by the caller.
        let (context, plan, a, b, c) = unsafe {
            (
                borrow(context, "context")?,
                &borrow(brgemm, "brgemm")?.plan,
                borrow(a, "a")?.view("a")?,
                borrow(b, "b")?.view("b")?,
                borrow(c, "c")?.view("c")?,
            )
        };
        // SAFETY: promised by the caller.
        let epilogue = unsafe { epilogue::view(epilogue, plan.shape().m, plan.shape().n) }?;
        let operands = Brgemm::<F32> { a: BlocksOfA::Strided(a), b: BlocksOfB::RowMajor(b), beta: beta as f32 };
        context.with(|pool, _scratch| Ok(plan.run_with_epilogue(&operands, &epilogue, c, pool)?))
    })
}
