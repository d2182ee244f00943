//! The vector types and every operation built on them, on each instruction set that this machine has.

mod activation;
mod attention;
#[path = "../support/depends_on.rs"]
mod depends_on;
mod element;
mod embedding;
mod gate;
mod lanes;
mod math;
mod norm;
mod pooling;
mod quantize;
mod recorded_bits;
mod rms_norm;
mod rope;
mod rope_frequencies;
mod soft_cap;
mod softmax;
mod transpose;

use cke_kernels::{Cpu, Isa};
use cke_testkit::Data;

/// Lengths round the vectors and unrolled blocks of every instruction set, and those of real models.
const LENGTHS: [usize; 20] = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 51, 63, 64, 65, 100, 768, 1000];

/// Calls `test` for each instruction set in use; one that is not is named as ignored.
#[allow(clippy::print_stderr)] // for the reader of the test's output
fn each_isa(mut test: impl FnMut(&Cpu)) {
    let host = Cpu::host().expect("the environment asks for an instruction set that is in use");
    for isa in Isa::ALL {
        let cpu = host.capped(isa);
        if cpu.isa() == isa {
            test(&cpu);
        } else {
            eprintln!("ignored: {isa}, since {} is the most that is in use", host.isa());
        }
    }
}

/// Checks that `operation` gives the same bits wherever its input starts.
fn assert_same_at_any_offset(case: &str, x: &[f32], operation: impl Fn(&[f32]) -> Vec<f32>) {
    let wanted = operation(x);
    for offset in 0..=16 {
        let mut shifted = vec![f32::NAN; offset];
        shifted.extend_from_slice(x);
        cke_testkit::tolerance::assert_identical(
            &format!("{case}, offset {offset}"),
            &operation(&shifted[offset..]),
            &wanted,
        );
    }
}

/// One row of normally distributed values for each length.
fn rows(seed: u64, mean: f32, deviation: f32) -> Vec<Vec<f32>> {
    let mut data = Data::new(seed);
    LENGTHS.iter().map(|&len| data.normal(len, mean, deviation)).collect()
}
