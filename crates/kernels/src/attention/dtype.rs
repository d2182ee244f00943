//! What keys and values are kept as, and the kernels that read it.

use super::KV_BLOCK;
use crate::cpu::Cpu;
use crate::gemm::microkernel::Ready;
use crate::gemm::{Form, Shape, Supported, Tile, candidates, cycles};
use crate::scheme::{Bf16, F32, Scheme};
use std::fmt;

/// What a cache keeps keys and values as. Scores, their softmax, sums and results are f32 with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvDtype {
    /// As they come.
    #[default]
    F32,
    /// Rounded to bf16, which halves the memory and what generation reads of it. Numbers are rounded, multiplied and summed as by the kernels
    /// of [`gemm::bf16`](crate::gemm::bf16) that the CPU has. Where they widen, results are those of attention in f32 over rounded keys
    /// and values, in the same bits where kernels of f32 fuse multiply-adds; with `vdpbf16ps` or `tdpbf16ps`, queries and the weights of values
    /// are rounded as well, and the rounded weights are those that add up to the divisor.
    Bf16,
    /// Rounded to eight bits with a scale for each key and each value of a head, a bit more than a quarter of the memory of f32. A KV block is
    /// widened before it is multiplied: results are those of attention in f32 over the rounded keys and values, in the same bits. A key
    /// or value with a number that is not finite is NaN as a whole.
    Int8,
}

impl fmt::Display for KvDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KvDtype {
    /// All of them.
    pub const ALL: [KvDtype; 3] = [KvDtype::F32, KvDtype::Bf16, KvDtype::Int8];

    /// The name that users type.
    pub const fn name(self) -> &'static str {
        match self {
            KvDtype::F32 => "f32",
            KvDtype::Bf16 => "bf16",
            KvDtype::Int8 => "int8",
        }
    }

    /// The kernel of both products for heads of this dimension: panels of this type, rows of f32 or of pairs in bf16.
    pub(super) fn kernel(self, cpu: &Cpu, head_dim: usize) -> Ready<f32> {
        match self {
            KvDtype::F32 | KvDtype::Int8 => fastest::<F32>(cpu, Form::Outer, head_dim).tiles(),
            KvDtype::Bf16 => fastest::<Bf16>(cpu, Form::Blocks, head_dim).tiles(),
        }
    }
}

/// A panel wider than the head would waste memory; then the fastest for a prompt of middling length counts. Kernels whose panels do not fill
/// a KV block would give results other bits than all others do.
fn fastest<S: Scheme>(cpu: &Cpu, form: Form, head_dim: usize) -> Supported<S> {
    let rates = cpu.core_family().rates();
    let cost = |kernel: Supported<S>| {
        let scores = Shape { m: 64, n: 256, k: head_dim };
        let values = Shape { m: 64, n: head_dim, k: 256 };
        let width = head_dim.next_multiple_of(kernel.record().panel_format().cols);
        (width, cycles(kernel.record(), &rates, scores).saturating_add(cycles(kernel.record(), &rates, values)))
    };
    let fills_kv_blocks = |kernel: Supported<S>| KV_BLOCK.is_multiple_of(kernel.record().panel_format().cols);
    candidates::<S>(cpu, form)
        .filter(|&kernel| kernel.tile().mr >= Tile::LEAST_ROWS && fills_kv_blocks(kernel))
        .min_by_key(|&kernel| cost(kernel))
        .expect("every scheme has a scalar kernel")
}
