//! What tests compare kernels with: products by the kernel in plain Rust.

use super::{Ctx, Epilogue, GemmPlan, Shape, Supported};
use crate::cpu::{Cpu, Features};
use crate::scheme::Scheme;
use crate::scratch::Scratch;
use crate::threads::Parallel;
use crate::view::{MatMut, MatRef};

/// The kernel that needs nothing of the CPU.
pub(super) fn kernel<S: Scheme>() -> Supported<S> {
    let record = S::records().find(|record| record.needs() == Features::NONE).expect("a kernel in plain Rust");
    record.on(Cpu::host().unwrap()).unwrap()
}

/// C (m, n) by a kernel, bit by bit.
pub(super) fn product<S>(
    kernel: Supported<S>,
    (m, n, k): (usize, usize, usize),
    (a, b): (&[f32], &[f32]),
    pool: &dyn Parallel,
) -> Vec<u32>
where
    S: Scheme<A = f32, B = f32, C = f32>,
{
    let plan = GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k });
    let packed = plan.pack_b(MatRef::new(b, k, n).unwrap()).unwrap();
    let mut c = vec![f32::NAN; m * n];
    let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
    let (a, place) = (MatRef::new(a, m, k).unwrap(), MatMut::new(&mut c, m, n).unwrap());
    plan.run(a, &packed, place, &Epilogue::default(), ctx).unwrap();
    c.iter().map(|x| x.to_bits()).collect()
}
