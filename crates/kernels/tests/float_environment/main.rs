//! The floating-point environment of the caller: no exception that the arithmetic does not raise, the caller's mode on every thread, what
//! workers raise visible to the caller.
#![cfg(target_arch = "x86_64")]

mod environment;
mod flags;
mod mode;
mod own_kernel;
mod routines;

use cke_kernels::cpu::{Cpu, Isa};

/// The CPU with each ISA that it has.
fn cpus() -> Vec<Cpu> {
    let cpu = Cpu::host().unwrap_or_else(|error| panic!("{error}"));
    Isa::ALL.into_iter().filter(|&isa| cpu.has(isa.needs())).map(|isa| cpu.capped(isa)).collect()
}
