//! A convolution without any copy of its input, as a sum of small products: one block of A and of B for each tap of the filter.
//! out (width, filters) = ReLU(Σ over taps t: in(t .. t + width) (width, channels) · weights(t) (channels, filters)).
//!
//! cargo run --release -p cke-examples --bin brgemm

use cke_kernels::Cpu;
use cke_kernels::gemm::{BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Epilogue, Layout, Matrices, Shape};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::F32;
use cke_kernels::threads::ThreadPool;
use cke_kernels::view::MatMut;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (width, channels, filters, taps) = (200, 64, 96, 5);
    let input: Vec<f32> = (0..(width + taps - 1) * channels).map(|i| ((i % 31) as f32 - 15.0) / 31.0).collect();
    let weights: Vec<f32> = (0..taps * channels * filters).map(|i| ((i % 17) as f32 - 8.0) / 17.0).collect();
    let mut out = vec![0.0; width * filters];

    let plan = BrgemmPlan::new(Cpu::host()?, Shape { m: width, n: filters, k: channels });
    let operands = Brgemm::<F32> {
        // Neighbouring taps read the same input, one position further on.
        a: BlocksOfA::Strided(Matrices::by_stride(&input, Layout::row_major(width, channels), channels, taps)?),
        b: BlocksOfB::RowMajor(Matrices::by_stride(
            &weights,
            Layout::row_major(channels, filters),
            channels * filters,
            taps,
        )?),
        beta: 0.0,
    };
    let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
    let pool = ThreadPool::new(ThreadPool::available())?;
    plan.run_with_epilogue(&operands, &epilogue, MatMut::new(&mut out, width, filters)?, &pool)?;

    let (i, j) = (123, 45);
    let taps_and_channels = (0..taps).flat_map(|t| (0..channels).map(move |p| (t, p)));
    let sum: f32 =
        taps_and_channels.map(|(t, p)| input[(i + t) * channels + p] * weights[(t * channels + p) * filters + j]).sum();
    println!("out[{i}][{j}] = {}, a plain loop says {}", out[i * filters + j], sum.max(0.0));
    Ok(())
}
