//! What a process sees that has no `xerbla_` of its own: standard error, the environment, the memory limit. Each case runs in a child
//! process, which is this test program started again.

mod threads;

use cke_kernels::cores::THREAD_VARIABLES;
use std::process::Output;
use std::ptr::null;

/// Tells a test that it is the child; without it such a test does nothing.
const CHILD: &str = "CKE_BLAS_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test `child` of this program in a process of its own.
fn run(child: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = cke_testkit::program::this_program();
    THREAD_VARIABLES.iter().fold(&mut command, |command, variable| command.env_remove(variable));
    command
        .args(["--exact", child, "--nocapture", "--test-threads=1"])
        .env_remove("CKE_BLAS_VERBOSE")
        .env(CHILD, "1")
        .envs(environment.iter().copied())
        .output()
        .expect("the test starts again")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// C (n, n) ← A · A with A all ones.
fn ones(n: usize) -> Vec<f32> {
    let a = vec![1.0f32; n * n];
    let mut c = vec![0.0f32; n * n];
    let size = n as i32;
    let (a, c_data) = (a.as_ptr(), c.as_mut_ptr());
    // SAFETY: n × n matrices.
    unsafe { cke_blas::cblas_sgemm(101, 111, 111, size, size, size, 1.0, a, size, a, size, 0.0, c_data, size) };
    c
}

#[test]
fn child_with_bad_arguments() {
    if !is_child() {
        return;
    }
    let (size, one) = (-1, 1.0);
    let mut c = 0.0;
    let no = b'N' as std::ffi::c_char;
    // SAFETY: a bad call reads and writes no matrix.
    unsafe {
        let (a, c) = (null(), &mut c);
        cke_blas::cblas_sgemm(101, 111, 111, -1, 1, 1, 1.0, a, 1, a, 1, 0.0, c, 1);
        cke_blas::cblas_sgemm(102, 111, 111, 1, 1, 1, 1.0, a, 0, a, 1, 0.0, c, 1);
        cke_blas::cblas_sgemv(101, 111, 1, -1, 1.0, a, 1, a, 1, 0.0, c, 1);
        cke_blas::cblas_sgemm_batch_strided(101, 111, 111, 1, -1, 1, 1.0, a, 1, 1, a, 1, 1, 0.0, c, 1, 1, 1);
        cke_blas::sgemm_(&no, &no, &1, &1, &size, &one, a, &1, a, &1, &one, c, &1);
        cke_blas::sgemv_(&no, &1, &1, &one, a, &1, a, &1, &one, c, &0);
    }
}

#[test]
fn bad_arguments_are_reported_to_stderr_with_the_callers_numbers() {
    let output = run("child_with_bad_arguments", &[]);
    let wanted = "Parameter 4 to routine cblas_sgemm was incorrect
Parameter 9 to routine cblas_sgemm was incorrect
Parameter 4 to routine cblas_sgemv was incorrect
Parameter 5 to routine cblas_sgemm_batch_strided was incorrect
 ** On entry to SGEMM  parameter number  5 had an illegal value
 ** On entry to SGEMV  parameter number 11 had an illegal value
";
    assert!(output.status.success(), "a bad argument does not end the process");
    assert_eq!(stderr(&output), wanted);
}

#[test]
fn child_with_products() {
    if !is_child() {
        return;
    }
    (0..3).for_each(|_| assert_eq!(ones(4), [4.0; 16]));
    assert_eq!(ones(200), [200.0; 200 * 200]);
    let (x, mut y) = ([1.0f64; 2], [0.0f64; 2]);
    // SAFETY: A (1, 2), x (2), y (1).
    unsafe {
        cke_blas::dgemv_(
            &(b'N' as std::ffi::c_char),
            &1,
            &2,
            &1.0,
            x.as_ptr(),
            &1,
            x.as_ptr(),
            &1,
            &0.0,
            y.as_mut_ptr(),
            &1,
        )
    };
    assert_eq!(y, [2.0, 0.0]);
}

#[test]
fn calls_are_counted_where_wanted() {
    let counts = "cke_blas: calls: sgemm 4 dgemm 0 sgemv 0 dgemv 1 sgemm_batch_strided 0 dgemm_batch_strided 0\n";
    for (value, wanted) in [("1", counts), ("0", ""), ("", "")] {
        let output = run("child_with_products", &[("CKE_BLAS_VERBOSE", value)]);
        assert!(output.status.success());
        assert_eq!(stderr(&output), wanted, "CKE_BLAS_VERBOSE={value:?}");
    }
}

#[test]
fn bad_instruction_set_ends_the_process_with_a_reason() {
    for (name, value) in [("CKE_ISA", "sse9"), ("CKE_REQUIRE_ISA", "sse9")] {
        let output = run("child_with_products", &[(name, value)]);
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        let named = [name, value, cke_kernels::Isa::NAMES].iter().filter(|text| message.contains(**text)).count();
        assert!(message.starts_with("cke_blas: ") && named >= 2, "{message}");
    }
}

#[test]
fn child_without_memory() {
    if !is_child() {
        return;
    }
    const N: usize = 600;
    let a = vec![1.0f32; N * N];
    let mut c = vec![0.0f32; N * N];
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split(' ').next().and_then(|word| word.parse().ok()).expect("the first word is the size");
    let bytes = pages * 4096 + (256 << 10);
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: a limit for this process alone, which is about to end; then N × N matrices.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
        let (a, n) = (a.as_ptr(), N as i32);
        cke_blas::cblas_sgemm(101, 111, 111, n, n, n, 1.0, a, n, a, n, 0.0, c.as_mut_ptr(), n);
    }
    assert!(c.iter().all(|&x| x == N as f32));
}

#[test]
#[cfg(target_os = "linux")]
fn product_without_memory_or_threads_is_computed_all_the_same() {
    let output = run("child_without_memory", &[("CKE_NUM_THREADS", "4")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("continuing with one thread"), "{}", stderr(&output));
}
