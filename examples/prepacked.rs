//! The operand that stays is packed once: B as it is, A as the B of the transposed product, Cᵀ = Bᵀ · Aᵀ.
//!
//! cargo run --release -p cke-examples --bin prepacked

use cke_kernels::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (m, n, k) = (300, 200, 400);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let (a, b) = (MatRef::new(&a, m, k)?, MatRef::new(&b, k, n)?);
    let (mut by_b, mut by_a) = (vec![0.0; m * n], vec![0.0; m * n]);

    let (cpu, pool, mut scratch) = (Cpu::host()?, ThreadPool::new(ThreadPool::available())?, Scratch::new());
    let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
    let epilogue = Epilogue::default();

    let plan = GemmPlan::<F32>::new(cpu, Shape { m, n, k });
    let packed = plan.pack_b(b)?;
    plan.run(a, &packed, MatMut::new(&mut by_b, m, n)?, &epilogue, &mut ctx)?;
    println!("B packed once: {} bytes for kernel {}", packed.bytes(), plan.kernel().record().name());

    let plan = GemmPlan::<F32>::new(cpu, Shape { m: n, n: m, k });
    let packed = plan.pack_b(a.transposed())?;
    plan.run(b.transposed(), &packed, MatMut::new(&mut by_a, m, n)?.transposed(), &epilogue, &mut ctx)?;
    println!("A packed once: {} bytes for kernel {}", packed.bytes(), plan.kernel().record().name());

    assert_eq!(by_a, by_b, "the order of summation depends on k alone");
    println!("both give C[5][7] = {}", by_a[5 * n + 7]);
    Ok(())
}
