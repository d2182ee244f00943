//! A linear layer with its weights packed once and the bias and GELU applied before the result leaves the registers' reach:
//! y (m, outputs) = GELU(x (m, inputs) · Wᵀ + bias), W (outputs, inputs) as most checkpoints store it.
//!
//! cargo run --release -p cke-examples --bin layer

use cke_kernels::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (inputs, outputs) = (768, 3072);
    let weights: Vec<f32> = (0..outputs * inputs).map(|i| ((i % 17) as f32 - 8.0) / 100.0).collect();
    let bias: Vec<f32> = (0..outputs).map(|i| (i % 5) as f32 / 10.0).collect();

    let plan = GemmPlan::<F32>::new(Cpu::host()?, Shape { m: 128, n: outputs, k: inputs });
    let packed = plan.pack_b(MatRef::new(&weights, outputs, inputs)?.transposed())?;
    let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Gelu, ..Epilogue::default() };

    let (pool, mut scratch) = (ThreadPool::new(ThreadPool::available())?, Scratch::new());
    let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
    // The same weights serve one row and many, and a row's result does not depend on the others.
    let x: Vec<f32> = (0..128 * inputs).map(|i| ((i % 29) as f32 - 14.0) / 10.0).collect();
    let (mut many, mut one) = (vec![0.0; 128 * outputs], vec![0.0; outputs]);
    plan.run(MatRef::new(&x, 128, inputs)?, &packed, MatMut::new(&mut many, 128, outputs)?, &epilogue, &mut ctx)?;
    plan.run(MatRef::new(&x, 1, inputs)?, &packed, MatMut::new(&mut one, 1, outputs)?, &epilogue, &mut ctx)?;
    assert_eq!(many[..outputs], one[..], "the same bits");
    println!("y[0][..4] = {:?}, alone or among 128 rows", &one[..4]);
    Ok(())
}
