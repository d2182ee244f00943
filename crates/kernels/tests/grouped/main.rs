//! Products with weights of few bits in groups against sums in i64 over what the files' formats define.
//!
//! The kernels' definition leaves no freedom: results are compared bit by bit, on every instruction set of this CPU.

mod blocks;
mod definitions;
mod int4;
mod many_rows;
#[path = "../support/page_borders.rs"]
mod page_borders;
mod products;
mod sweep;

use cke_kernels::Cpu;
use cke_kernels::gemm::{Form, Supported, supported};
use cke_kernels::scheme::Scheme;

fn kernels<S: Scheme>() -> impl Iterator<Item = Supported<S>> {
    supported(Cpu::host().unwrap(), Form::Blocks)
}

fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}

/// Tests over all formats: `for_each_format!(check)` calls `check::<F>()` for each format F.
macro_rules! for_each_format {
    ($check:ident) => {
        $check::<cke_kernels::gemm::grouped::Q8_0>();
        $check::<cke_kernels::gemm::grouped::Q4_0>();
        $check::<cke_kernels::gemm::grouped::Q4_1>();
        $check::<cke_kernels::gemm::grouped::Q5_0>();
        $check::<cke_kernels::gemm::grouped::Q5_1>();
        $check::<cke_kernels::gemm::grouped::Q6_K>();
        $check::<cke_kernels::gemm::grouped::Q4_K>();
        $check::<cke_kernels::gemm::grouped::Q5_K>();
        $check::<cke_kernels::gemm::grouped::Iq4Nl>();
        $check::<cke_kernels::gemm::grouped::Iq4Xs>();
        $check::<cke_kernels::gemm::grouped::Q2_K>();
        $check::<cke_kernels::gemm::grouped::Q3_K>();
        $check::<cke_kernels::gemm::grouped::Int4_128>();
    };
}
use for_each_format;
