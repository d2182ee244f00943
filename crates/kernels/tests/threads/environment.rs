//! The default number of threads, in processes with other environments.

use cke_kernels::cores::{THREAD_VARIABLES, usable_cores};
use cke_kernels::threads::ThreadPool;

/// Tells a child how many threads it should find.
const WANTED: &str = "CKE_TEST_WANTED_THREADS";

#[test]
fn child_that_tells_its_threads() {
    let Ok(wanted) = std::env::var(WANTED) else { return };
    assert_eq!(ThreadPool::available().to_string(), wanted);
}

/// Asserts what a process with these of the variables finds.
fn assert_default(variables: &[(&str, &str)], wanted: usize) {
    let mut command = cke_testkit::program::this_program();
    THREAD_VARIABLES.iter().fold(&mut command, |command, variable| command.env_remove(variable));
    command.args(["--exact", "environment::child_that_tells_its_threads"]);
    let output = command.envs(variables.iter().copied()).env(WANTED, wanted.to_string()).output();
    let output = output.expect("the test starts again");
    assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn available_threads_are_those_of_the_environment() {
    for variable in THREAD_VARIABLES {
        assert_default(&[(variable, "3,2")], 3);
    }
    assert_default(&[("BLIS_NUM_THREADS", "4"), ("OMP_NUM_THREADS", "5")], 5);
    assert_default(&[("CKE_NUM_THREADS", "many"), ("MKL_NUM_THREADS", "99999")], 1024);
    assert_default(&[("CKE_NUM_THREADS", "0")], usable_cores());
}
