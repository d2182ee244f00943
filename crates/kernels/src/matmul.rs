//! A product in one call, on memory and threads that all calls of the process share.

use crate::cpu::Cpu;
use crate::error::Error;
use crate::gemm::{Ctx, Gemm};
use crate::scheme::Element;
use crate::scratch::Scratch;
use crate::threads::ThreadPool;
use crate::view::{AsMatMut, AsMatRef};
use std::sync::OnceLock;

/// C (m, n) = A (m, k) · B (k, n), in f32 or f64, with any strides.
///
/// Operands are views ([`MatRef`](crate::view::MatRef), [`MatMut`](crate::view::MatMut)), arrays of arrays, and with the features
/// `ndarray` and `faer` the matrices of those crates.
///
/// The first product that is worth sharing starts a pool of [`ThreadPool::available`] threads, which stays. A product that finds the
/// pool in use runs on the calling thread. Each calling thread keeps its working memory for the next call.
///
/// For α, β or a pool of your own see [`Gemm`]; if B stays the same, [`GemmPlan`](crate::gemm::GemmPlan) packs it once and is faster.
///
/// ```
/// use cke_kernels::prelude::*;
///
/// let a = [[1.0, 2.0], [3.0, 4.0]];
/// let b = [[5.0, 6.0], [7.0, 8.0]];
/// let mut c = [[0.0; 2]; 2];
/// matmul(&a, &b, &mut c)?;
/// assert_eq!(c, [[19.0, 22.0], [43.0, 50.0]]);
///
/// // Matrices in slices, with B transposed.
/// let (x, w, mut y) = ([1.0f32; 2 * 3], [2.0f32; 4 * 3], [0.0f32; 2 * 4]);
/// let w = MatRef::new(&w, 4, 3)?.transposed();
/// matmul(&MatRef::new(&x, 2, 3)?, &w, &mut MatMut::new(&mut y, 2, 4)?)?;
/// assert_eq!(y, [6.0; 8]);
/// # Ok::<(), cke_kernels::Error>(())
/// ```
///
/// # Errors
/// Fails if the sizes do not match, a view has a negative stride, the variable `CKE_ISA` names no instruction set, or threads cannot be
/// started. C is then untouched.
pub fn matmul<E: Element>(a: &impl AsMatRef<E>, b: &impl AsMatRef<E>, c: &mut impl AsMatMut<E>) -> Result<(), Error> {
    let (cpu, product) = (Cpu::host()?, Gemm::<E::Scheme>::new(a.as_mat_ref()?, b.as_mat_ref()?));
    let mut c = c.as_mat_mut()?;
    if product.run_if_small(cpu, c.reborrow())? {
        return Ok(());
    }
    let pool = shared_pool()?;
    Scratch::of_thread(|scratch| product.run(cpu, c, &mut Ctx { pool, scratch }))
}

/// The pool of all calls.
fn shared_pool() -> Result<&'static ThreadPool, Error> {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    // Not inside `get_or_init`, which cannot fail. Of two threads that come here at once, one drops its pool again.
    let pool = ThreadPool::new(ThreadPool::available())?;
    Ok(POOL.get_or_init(|| pool))
}
