//! From a CPU description to generic code: the one place where plain Rust enters `#[target_feature]` code for operations.

use super::{Scalar, Simd};
use crate::cpu::Cpu;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::cpu::Isa;

#[cfg(target_arch = "aarch64")]
use super::Neon;
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};

/// Work written once over [`Simd`].
pub trait Op {
    /// What it returns.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, so that they compile for the ISA of the caller.
    fn run<S: Simd<f32>>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the most capable ISA that `cpu` allows.
#[inline]
pub fn dispatch<O: Op>(cpu: &Cpu, op: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    if cpu.has(Isa::Avx512.needs()) {
        // SAFETY: a Cpu has a feature only if the machine has it.
        return unsafe { run_avx512(op) };
    } else if cpu.has(Isa::Avx2.needs()) {
        // SAFETY: as above.
        return unsafe { run_avx2(op) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu.has(Isa::Neon.needs()) {
        // SAFETY: a Cpu has a feature only if the machine has it.
        return unsafe { run_neon(op) };
    }
    let _ = cpu;
    op.run(Scalar)
}

/// # Safety
/// The CPU has AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
#[inline(never)]
pub(super) unsafe fn run_avx512<O: Op>(op: O) -> O::Output {
    // SAFETY: promised by the caller.
    op.run(unsafe { Avx512::assume() })
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub(super) unsafe fn run_avx2<O: Op>(op: O) -> O::Output {
    // SAFETY: promised by the caller.
    op.run(unsafe { Avx2::assume() })
}

/// # Safety
/// The CPU has NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
#[inline(never)]
pub(super) unsafe fn run_neon<O: Op>(op: O) -> O::Output {
    // SAFETY: promised by the caller.
    op.run(unsafe { Neon::assume() })
}
