//! The registry as the tests see it: what can be run, and that nothing is passed over in silence.

use cke_kernels::cpu::{Cpu, Isa};
use cke_kernels::gemm::{Supported, TileArgs, rivals};
use cke_kernels::scheme::{F32, Scheme};
use std::io::Write;
use std::process::{Command, Output};
use std::sync::Once;

/// The CPU that the suite runs on.
///
/// # Panics
/// Where `CKE_REQUIRE_ISA` names an ISA that is not in use.
pub(crate) fn cpu() -> &'static Cpu {
    Cpu::host().unwrap_or_else(|error| panic!("{error}"))
}

/// Every kernel that this machine can run.
pub(crate) fn kernels() -> Vec<Supported<F32>> {
    static REPORT: Once = Once::new();
    REPORT.call_once(|| name_ignored_records(cpu()));
    rivals::<F32>(cpu()).collect()
}

/// One line for each record that cannot be run, written past the capture of the test harness.
fn name_ignored_records(cpu: &Cpu) {
    let mut lines = String::new();
    for record in F32::kernels().iter().filter(|record| !cpu.has(record.isa)) {
        lines += &format!("\nignored: {} needs {}, in use is {}\n", record.name, record.isa, cpu.isa());
    }
    std::io::stderr().write_all(lines.as_bytes()).expect("stderr takes a few lines");
}

/// Runs the smallest test that asks for every kernel, in a process with these variables set.
fn run_again(variables: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", "kernels::every_kernel_runs_an_empty_product", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0")
        .env_remove("CKE_ISA")
        .env_remove("CKE_REQUIRE_ISA")
        .envs(variables.iter().copied())
        .output()
        .expect("the test starts again")
}

#[test]
fn every_kernel_runs_an_empty_product() {
    for kernel in kernels() {
        let mut c = f32::NAN;
        let args = TileArgs::<F32> {
            pairs: &[],
            k: 0,
            a_row_stride: 0,
            a_col_stride: 0,
            c: &mut c,
            c_row_stride: 1,
            cols: 1,
            prefetch: std::ptr::null(),
            accumulate: false,
            finish: None,
        };
        // SAFETY: one row and one column, whose only place is `c`; no pairs, so nothing else is read.
        unsafe { kernel.run(1, &args) };
        assert_eq!(c, 0.0, "{}", kernel.record().name);
    }
}

#[test]
fn records_beyond_the_capped_isa_are_named() {
    for cap in Isa::ALL {
        let output = run_again(&[("CKE_ISA", cap.name())]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{cap}: {stderr}");
        for record in F32::kernels() {
            let line = format!("ignored: {} needs {}", record.name, record.isa);
            assert_eq!(
                stderr.contains(&line),
                record.isa > cap.min(cpu().detected_isa()),
                "{line} under {cap}: {stderr}"
            );
        }
    }
}

#[test]
fn required_isa_that_is_not_in_use_fails_the_suite() {
    let failed = |variables: &[(&str, &str)]| !run_again(variables).status.success();
    assert!(failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "avx512")]));
    assert!(failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "avx2")]));
    assert!(failed(&[("CKE_REQUIRE_ISA", "sse9")]));
    assert!(!failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "scalar")]));
}
