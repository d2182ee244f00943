//! The registry as the tests see it: what can be run, and that nothing is passed over in silence.

use crate::numbers::Tested;
use cke_kernels::cpu::{Cpu, Features, Isa};
use cke_kernels::gemm::{Form, SideWork, Store, Supported, TileArgs, supported};
use cke_kernels::scheme::{F32, F64, Scheme};
use cke_kernels::scratch::Zeroable;
use std::io::Write;
use std::process::Output;
use std::sync::Once;

/// The CPU that the suite runs on.
///
/// # Panics
/// Where `CKE_REQUIRE_ISA` names an ISA that is not in use.
pub(crate) fn cpu() -> &'static Cpu {
    Cpu::host().unwrap_or_else(|error| panic!("{error}"))
}

/// The CPU with each ISA that it has, the most capable one first.
pub(crate) fn cpus() -> Vec<Cpu> {
    Isa::ALL.into_iter().rev().filter(|&isa| cpu().has(isa.needs())).map(|isa| cpu().capped(isa)).collect()
}

/// Every kernel for packed panels that this machine can run.
pub(crate) fn kernels<S: Scheme>() -> Vec<Supported<S>> {
    name_ignored_records_once();
    supported(cpu(), Form::Outer).collect()
}

/// Every record of either form that this machine can run.
pub(crate) fn records<S: Scheme>() -> Vec<Supported<S>> {
    name_ignored_records_once();
    S::records().filter_map(|record| record.on(cpu())).collect()
}

/// One line for each record that cannot be run, written past the capture of the test harness.
fn name_ignored_records_once() {
    static REPORT: Once = Once::new();
    REPORT.call_once(|| {
        let lines = ignored_records::<F32>() + &ignored_records::<F64>();
        std::io::stderr().write_all(lines.as_bytes()).expect("stderr takes a few lines");
    });
}

fn ignored_records<S: Scheme>() -> String {
    let ignored = S::records().filter(|record| !cpu().has(record.needs()));
    ignored
        .map(|record| {
            format!("\nignored: {} needs {}, in use are {}\n", record.name(), record.needs(), cpu().features())
        })
        .collect()
}

/// Runs the smallest test that asks for every kernel, in a process with these variables set.
fn run_again(variables: &[(&str, &str)]) -> Output {
    cke_testkit::program::this_program()
        .args(["--exact", "kernels::every_kernel_runs_an_empty_product", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0")
        .env_remove("CKE_ISA")
        .env_remove("CKE_REQUIRE_ISA")
        .envs(variables.iter().copied())
        .output()
        .expect("the test starts again")
}

fn run_empty_products<S: Tested>() {
    for kernel in records::<S>() {
        let mut c = S::E::from(f32::NAN);
        let args = TileArgs::<S::E> {
            pairs: &[],
            k: 0,
            offset: 0,
            before: 0,
            steps: 0,
            a_row_stride: 0,
            a_col_stride: 1,
            b_stride: 0,
            panel_stride: 0,
            c: &mut c,
            c_row_stride: 1,
            side_work: SideWork::Nothing,
            rows: 1,
            cols: 1,
            store: Store::Overwrite,
        };
        // SAFETY: one row and one column, whose only place is `c`; no pairs, so nothing else is read.
        unsafe { kernel.run(&args) };
        assert_eq!(c, S::E::zero(), "{}", kernel.record().name());
    }
}

#[test]
fn every_kernel_runs_an_empty_product() {
    run_empty_products::<F32>();
    run_empty_products::<F64>();
}

/// The name of every record and what it needs.
fn names<S: Scheme>() -> impl Iterator<Item = (&'static str, Features)> {
    S::records().map(|record| (record.name(), record.needs()))
}

#[test]
fn records_beyond_the_capped_isa_are_named() {
    for cap in Isa::ALL {
        let output = run_again(&[("CKE_ISA", cap.name())]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{cap}: {stderr}");
        for (name, needs) in names::<F32>().chain(names::<F64>()) {
            let line = format!("ignored: {name} needs {needs}");
            assert_eq!(stderr.contains(&line), !cpu().capped(cap).has(needs), "{line} under {cap}: {stderr}");
        }
    }
}

/// Asserts that each vector ISA has kernels of both forms, and that a narrower tile can be had for every size.
fn check_records<S: Scheme>() {
    for isa in Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar) {
        for form in [Form::Outer, Form::Dot] {
            assert!(S::records().any(|record| record.isa() == isa && record.form() == form), "{isa} {form:?}");
        }
    }
    assert!(S::records().any(|record| record.isa() == Isa::Scalar && record.form() == Form::Outer));
    for record in S::records() {
        assert_eq!(record.tile().nr % record.lanes(), 0, "{}", record.name());
        assert!(record.name().contains(S::NAME), "{}", record.name());
    }
}

#[test]
fn schemes_have_kernels_for_every_isa_and_form() {
    check_records::<F32>();
    check_records::<F64>();
}

#[test]
fn required_isa_that_is_not_in_use_fails_the_suite() {
    let failed = |variables: &[(&str, &str)]| !run_again(variables).status.success();
    assert!(failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "avx512")]));
    assert!(failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "avx2")]));
    assert!(failed(&[("CKE_REQUIRE_ISA", "sse9")]));
    assert!(!failed(&[("CKE_ISA", "scalar"), ("CKE_REQUIRE_ISA", "scalar")]));
}
