//! A product of two matrices: C (m, n) = A (m, k) · B (k, n).
//!
//! cargo run --release -p cke-examples --bin product

use cke_kernels::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (m, n, k) = (500, 600, 700);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let (a, b, mut c) = (MatRef::new(&a, m, k)?, MatRef::new(&b, k, n)?, vec![0.0; m * n]);

    // In one call.
    matmul(&a, &b, &mut MatMut::new(&mut c, m, n)?)?;
    let at_once = c[123 * n + 456];

    // With B packed once, for many products with it.
    let plan = GemmPlan::<F32>::new(Cpu::host()?, Shape { m, n, k });
    let packed = plan.pack_b(b)?;
    let (pool, mut scratch) = (ThreadPool::new(ThreadPool::available())?, Scratch::new());
    let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
    plan.run(a, &packed, MatMut::new(&mut c, m, n)?, &Epilogue::default(), &mut ctx)?;

    println!("C[123][456] = {at_once} in one call, {} by {}", c[123 * n + 456], plan.kernel().record().name());
    Ok(())
}
