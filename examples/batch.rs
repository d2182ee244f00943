//! Many heads in one call, spread over the threads: scores of head h (tokens, tokens) = its q (tokens, width) · its kᵀ, scaled, where the
//! heads lie side by side in the rows of q and k. Then products of different shapes, as a list.
//!
//! cargo run --release -p cke-examples --bin batch

use cke_kernels::Cpu;
use cke_kernels::gemm::{BatchCtx, Gemm, GemmBatch, Layout, Matrices, MatricesMut};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (heads, tokens, width) = (12, 100, 64);
    let row = heads * width;
    let q: Vec<f32> = (0..tokens * row).map(|i| ((i % 23) as f32 - 11.0) / 23.0).collect();
    let k: Vec<f32> = (0..tokens * row).map(|i| ((i % 19) as f32 - 9.0) / 19.0).collect();
    let mut scores = vec![0.0; heads * tokens * tokens];

    let (cpu, pool) = (Cpu::host()?, ThreadPool::new(ThreadPool::available())?);
    let mut scratch: Vec<_> = (0..pool.threads()).map(|_| Scratch::new()).collect();
    let mut ctx = BatchCtx { pool: &pool, scratch: &mut scratch };

    let head = Layout { rows: tokens, cols: width, row_stride: row, col_stride: 1 };
    let batch = GemmBatch::<F32> {
        alpha: 1.0 / (width as f32).sqrt(),
        a: Matrices::by_stride(&q, head, width, heads)?,
        b: Matrices::by_stride(&k, head.transposed(), width, heads)?,
        beta: 0.0,
    };
    let places = MatricesMut::by_stride(&mut scores, Layout::row_major(tokens, tokens), tokens * tokens, heads)?;
    batch.run(cpu, places, &mut ctx)?;

    let (h, i, j) = (7, 30, 40);
    let dot: f32 = (0..width).map(|p| q[i * row + h * width + p] * k[j * row + h * width + p]).sum();
    let score = scores[(h * tokens + i) * tokens + j];
    println!("score {h}, {i}, {j} = {score}, a plain loop says {}", dot / (width as f32).sqrt());

    // Each product with a shape, an α and a β of its own.
    let (mut small, mut large) = (vec![0.0; 2 * 3], vec![0.0; 50 * 60]);
    let mut products = [
        (Gemm::<F32>::new(MatRef::new(&q, 2, 4)?, MatRef::new(&k, 4, 3)?), MatMut::new(&mut small, 2, 3)?),
        (Gemm::<F32>::new(MatRef::new(&q, 50, 70)?, MatRef::new(&k, 70, 60)?), MatMut::new(&mut large, 50, 60)?),
    ];
    Gemm::run_each(&mut products, cpu, &mut ctx)?;
    println!("first elements of a small and a large product: {}, {}", small[0], large[0]);
    Ok(())
}
