//! The number of threads: the variables and their order, and the functions that programs set it with.

use crate::{is_child, ones, run, stderr};
use cke_blas::*;
use cke_kernels::cores::{THREAD_VARIABLES, usable_cores};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// Tells a child how many threads it should find.
const WANTED_THREADS: &str = "CKE_BLAS_TEST_THREADS";

#[test]
fn child_that_asks_for_threads() {
    let Ok(wanted) = std::env::var(WANTED_THREADS) else { return };
    let found = || cke_blas_get_num_threads();
    assert_eq!(found().to_string(), wanted);
    cke_blas_set_num_threads(7);
    assert_eq!(found(), 7);
    cke_blas_set_num_threads(i32::MAX);
    assert_eq!(found(), 1024);
    cke_blas_set_num_threads(-1);
    assert_eq!(found().to_string(), wanted, "as the environment says again");
}

/// Asserts what a process with these variables finds.
fn assert_limit(variables: &[(&str, &str)], wanted: &str) {
    let output = run("threads::child_that_asks_for_threads", &[variables, &[(WANTED_THREADS, wanted)]].concat());
    assert!(output.status.success(), "{variables:?}: {}", stderr(&output));
}

#[test]
fn number_of_threads_follows_the_environment() {
    let usable = usable_cores().to_string();
    for (own, omp, wanted) in [
        ("3", "5", "3"),
        ("", "5", "5"),
        ("", "2,4", "2"),
        ("none", "6", "6"),
        ("0", "-3", &usable),
        ("-1", "", &usable),
        ("99999", "2", "1024"),
    ] {
        assert_limit(&[("CKE_NUM_THREADS", own), ("OMP_NUM_THREADS", omp)], wanted);
    }
}

#[test]
fn number_of_threads_is_that_of_the_first_variable_in_order() {
    let values = ["3", "4", "5", "6", "7"];
    for first in 0..values.len() {
        let variables: Vec<_> = THREAD_VARIABLES.into_iter().zip(values).skip(first).collect();
        assert_limit(&variables, values[first]);
    }
}

/// A function that sets the number of threads, and the one that tells it.
struct Accessors {
    name: &'static str,
    set: fn(i64),
    get: fn() -> i64,
}

macro_rules! accessors {
    ($($set:ident($($reference:tt)?) $get:ident;)*) => { [$(
        Accessors {
            name: stringify!($set),
            set: |threads| accessors!(@call $set $($reference)? threads),
            get: || $get().into(),
        }
    ),*] };
    // Values that the function's own type does not have are its largest and smallest.
    (@call $set:ident $threads:ident) => { $set(clamped($threads)) };
    // SAFETY: the address of a number.
    (@call $set:ident & $threads:ident) => { unsafe { $set(&clamped($threads)) } };
}

trait Integer {
    fn clamped(threads: i64) -> Self;
}

impl Integer for c_int {
    fn clamped(threads: i64) -> c_int {
        threads.clamp(c_int::MIN.into(), c_int::MAX.into()) as c_int
    }
}

impl Integer for i64 {
    fn clamped(threads: i64) -> i64 {
        threads
    }
}

fn clamped<I: Integer>(threads: i64) -> I {
    I::clamped(threads)
}

/// Each setter, `&` if it takes the address of the number, and its getter.
const ALL: [Accessors; 11] = accessors! {
    cke_blas_set_num_threads() cke_blas_get_num_threads;
    openblas_set_num_threads() openblas_get_num_threads;
    openblas_set_num_threads64_() openblas_get_num_threads64_;
    openblas_set_num_threads_64() openblas_get_num_threads_64;
    openblas_set_num_threads_(&) openblas_get_num_threads_;
    scipy_openblas_set_num_threads() scipy_openblas_get_num_threads;
    scipy_openblas_set_num_threads64_() scipy_openblas_get_num_threads64_;
    MKL_Set_Num_Threads() MKL_Get_Max_Threads;
    mkl_set_num_threads(&) mkl_get_max_threads;
    mkl_set_num_threads_(&) mkl_get_max_threads_;
    bli_thread_set_num_threads() bli_thread_get_num_threads;
};

/// Tells a child which of [`ALL`] to use.
const ACCESSORS: &str = "CKE_BLAS_TEST_ACCESSORS";

/// Threads of this process that the library started.
fn workers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux has it").flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("cke-")).count()
}

/// Asserts the number of workers. One that was joined stays listed for a moment.
fn assert_workers(wanted: usize) {
    let start = Instant::now();
    while workers() != wanted && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    assert_eq!(workers(), wanted);
}

#[test]
fn child_that_sets_threads() {
    if !is_child() {
        return;
    }
    const N: usize = 200;
    let name = std::env::var(ACCESSORS).expect("a name");
    let Accessors { set, get, .. } = ALL.into_iter().find(|accessors| accessors.name == name).expect("a known name");
    for threads in [1, 3, 2] {
        set(threads);
        assert_eq!(get(), threads);
        assert_eq!(ones(N), [N as f32; N * N]);
        assert_workers(threads as usize - 1);
    }
    for (threads, wanted) in [(0, 5), (-1, 5), (i64::MIN, 5), (1024, 1024), (1025, 1024), (i64::MAX, 1024)] {
        set(4);
        set(threads);
        assert_eq!(get(), wanted, "{threads}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn setters_set_what_products_use_and_getters_tell() {
    for Accessors { name, .. } in ALL {
        let output = run("threads::child_that_sets_threads", &[(ACCESSORS, name), ("CKE_NUM_THREADS", "5")]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
}
