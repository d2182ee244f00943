//! What the bits of a result depend on: the first word of its name in a record. It is the instruction set, or one of these.

use cke_kernels::cpu::{Cpu, Isa};

/// Nothing.
pub(crate) const ANYWHERE: &str = "anywhere";

/// Whether multiply-adds are fused, as everywhere but in plain Rust.
pub(crate) fn multiply_add(cpu: &Cpu) -> &'static str {
    if cpu.isa() == Isa::Scalar { "scalar" } else { "fused" }
}
