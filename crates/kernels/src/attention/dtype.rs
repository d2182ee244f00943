//! What keys and values are kept as, and the kernels that read it.

use crate::cpu::Cpu;
use crate::gemm::bf16::widens;
use crate::gemm::microkernel::Ready;
use crate::gemm::{Form, Shape, Supported, Tile, candidates, cycles, supported};
use crate::scheme::{Bf16, F32};
use std::fmt;

/// What a cache keeps keys and values as. Queries, scores, weights and results are f32 with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvDtype {
    /// As they come.
    #[default]
    F32,
    /// Rounded to bf16, which halves the memory and what generation reads of it. Numbers are rounded, widened, multiplied and summed as by the
    /// widening kernels of [`gemm::bf16`](crate::gemm::bf16): results are those of attention in f32 over rounded keys and values, in the
    /// same bits where kernels of f32 fuse multiply-adds.
    Bf16,
}

impl fmt::Display for KvDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KvDtype {
    /// All of them.
    pub const ALL: [KvDtype; 2] = [KvDtype::F32, KvDtype::Bf16];

    /// The name that users type.
    pub const fn name(self) -> &'static str {
        match self {
            KvDtype::F32 => "f32",
            KvDtype::Bf16 => "bf16",
        }
    }

    /// The kernel of both products for heads of this dimension: rows of f32, panels of this type.
    pub(super) fn kernel(self, cpu: &Cpu, head_dim: usize) -> Ready<f32> {
        match self {
            KvDtype::F32 => kernel_of_f32(cpu, head_dim).tiles(),
            KvDtype::Bf16 => supported::<Bf16>(cpu, Form::Blocks)
                .find(|&kernel| widens(kernel))
                .expect("every scheme has a scalar kernel")
                .tiles(),
        }
    }
}

/// A panel wider than the head would waste memory; then the fastest for a prompt of middling length counts.
fn kernel_of_f32(cpu: &Cpu, head_dim: usize) -> Supported<F32> {
    let rates = cpu.core_family().rates();
    let cost = |kernel: Supported<F32>| {
        let scores = Shape { m: 64, n: 256, k: head_dim };
        let values = Shape { m: 64, n: head_dim, k: 256 };
        let width = head_dim.next_multiple_of(kernel.tile().nr);
        (width, cycles(kernel.record(), &rates, scores) + cycles(kernel.record(), &rates, values))
    };
    candidates::<F32>(cpu, Form::Outer)
        .filter(|kernel| kernel.tile().mr >= Tile::LEAST_ROWS)
        .min_by_key(|&kernel| cost(kernel))
        .expect("every scheme has a scalar kernel")
}
