//! A product of two matrices: C (m, n) = A (m, k) · B (k, n).
//!
//! cargo run --release -p cke-examples --bin product

use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, Shape};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::ThreadPool;
use cke_kernels::view::{MatMut, MatRef};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (m, n, k) = (500, 600, 700);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = vec![0.0; m * n];

    let plan = GemmPlan::<F32>::new(Cpu::host()?, Shape { m, n, k });
    let packed = plan.pack_b(MatRef::new(&b, k, n)?)?;
    let (pool, mut scratch) = (ThreadPool::new(ThreadPool::available())?, Scratch::new());
    let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
    plan.run(MatRef::new(&a, m, k)?, &packed, MatMut::new(&mut c, m, n)?, &Epilogue::default(), &mut ctx)?;

    let (i, j) = (123, 456);
    let wanted: f32 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
    println!("{}: C[{i}][{j}] = {}, a plain loop says {wanted}", plan.kernel().record().name(), c[i * n + j]);
    Ok(())
}
