//! Products with weights packed once.

use crate::any_plan::{AnyPacked, AnyPlan};
use crate::context::cke_context;
use crate::epilogue::{self, cke_epilogue};
use crate::handle::{borrow, create, destroy};
use crate::matrix::{check_addressable, cke_dtype, cke_matrix, cke_matrix_mut};
use crate::status::{Failure, cke_status, ffi_boundary};
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Destination, Shape};
use std::mem::MaybeUninit;

/// The kernel for products with one B (k, n), chosen once. Constant: any number of threads may use it at once.
pub struct cke_plan {
    plan: AnyPlan,
}

/// B (k, n) as a plan's kernel reads it. Constant: any number of threads may use it at once. It does not refer to the plan or to the
/// matrix that it was made from.
pub struct cke_packed {
    packed: AnyPacked,
}

/// Makes a plan for C (m, n) = activation(scale · A (m, k) · B (k, n) + bias) + residual.
///
/// m is about the most rows that a call will have; calls may have any number. dtype is CKE_F32; or CKE_BF16 or CKE_F16, CKE_INT8 or
/// CKE_INT8_CHANNEL, or CKE_INT4 for weights in about a half, a quarter or an eighth of the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_plan_create(
    dtype: MaybeUninit<cke_dtype>,
    m: usize,
    n: usize,
    k: usize,
    out: *mut *mut cke_plan,
) -> cke_status {
    // SAFETY: promised by the caller.
    unsafe {
        create(out, || {
            let dtype = cke_dtype::known(dtype)?;
            check_addressable("B of the plan", k, n)?;
            Ok(cke_plan { plan: AnyPlan::new(Cpu::host()?, dtype, Shape { m, n, k })? })
        })
    }
}

/// Destroys a plan. NULL is fine; packed weights stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_plan_destroy(plan: *mut cke_plan) {
    // SAFETY: promised by the caller.
    unsafe { destroy(plan) }
}

/// Packs B (k, n), with any strides, for a plan. B is not used afterwards.
///
/// Plans whose kernels have panels of the same width can share packed weights of the same k and n; other plans refuse them with
/// CKE_ERROR_PACKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_pack_b(
    plan: *const cke_plan,
    b: *const cke_matrix,
    out: *mut *mut cke_packed,
) -> cke_status {
    // SAFETY: promised by the caller.
    unsafe { create(out, || Ok(cke_packed { packed: borrow(plan, "plan")?.plan.pack_b(borrow(b, "b")?.view("b")?)? })) }
}

/// Bytes of memory that packed weights hold; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_packed_bytes(packed: *const cke_packed) -> usize {
    // SAFETY: promised by the caller.
    unsafe { packed.as_ref() }.map_or(0, |packed| packed.packed.bytes())
}

/// Destroys packed weights. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_packed_destroy(packed: *mut cke_packed) {
    // SAFETY: promised by the caller.
    unsafe { destroy(packed) }
}

/// C (m, n) = activation(scale · A (m, k) · B (k, n) + bias) + residual. A and C have any strides and any m; C is not read.
///
/// epilogue may be NULL for C = A · B. A row of C has the same bits whatever the other rows are, for any number of threads and any
/// alignment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_plan_run(
    context: *const cke_context,
    plan: *const cke_plan,
    a: *const cke_matrix,
    b: *const cke_packed,
    epilogue: *const cke_epilogue,
    c: *const cke_matrix_mut,
) -> cke_status {
    // SAFETY: promised by the caller.
    ffi_boundary(|| unsafe { run(context, plan, a, b, epilogue, cke_dtype::CKE_F32, c) })
}

/// As cke_plan_run, with C as elements of a type: of CKE_F32, or of CKE_BF16 (uint16_t), to which each result is rounded as it leaves
/// the caches: to nearest, ties to even.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_plan_run_as(
    context: *const cke_context,
    plan: *const cke_plan,
    a: *const cke_matrix,
    b: *const cke_packed,
    epilogue: *const cke_epilogue,
    c_dtype: MaybeUninit<cke_dtype>,
    c: *const cke_matrix_mut,
) -> cke_status {
    // SAFETY: promised by the caller.
    ffi_boundary(|| unsafe { run(context, plan, a, b, epilogue, cke_dtype::known(c_dtype)?, c) })
}

/// # Safety
/// As [`cke_plan_run_as`].
unsafe fn run(
    context: *const cke_context,
    plan: *const cke_plan,
    a: *const cke_matrix,
    b: *const cke_packed,
    epilogue: *const cke_epilogue,
    c_dtype: cke_dtype,
    c: *const cke_matrix_mut,
) -> Result<(), Failure> {
    // SAFETY: promised by the caller.
    let (context, plan, a, b, c) = unsafe {
        (
            borrow(context, "context")?,
            &borrow(plan, "plan")?.plan,
            borrow(a, "a")?.view("a")?,
            &borrow(b, "b")?.packed,
            borrow(c, "c")?,
        )
    };
    // SAFETY: promised by the caller.
    let c = unsafe {
        match c_dtype {
            cke_dtype::CKE_F32 => Destination::F32(c.view("c")?),
            cke_dtype::CKE_BF16 => Destination::Bf16(c.view("c")?),
            other => return Err(other.unsupported("dtype of C", &[cke_dtype::CKE_F32, cke_dtype::CKE_BF16])),
        }
    };
    // SAFETY: promised by the caller.
    let epilogue = unsafe { epilogue::view(epilogue, a.rows(), plan.n()) }?;
    context.with(|pool, scratch| {
        let ctx = &mut Ctx { pool, scratch: &mut scratch[0] };
        Ok(plan.run(a, b, c, &epilogue, ctx)?)
    })
}
