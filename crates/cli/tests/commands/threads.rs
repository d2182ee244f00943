//! The number of threads: `--threads`, else the environment.

use crate::support::{Outcome, THREAD_VARIABLES, arg, byte_gpt2, command, file, run};
use cke_kernels::cores::usable_cores;
use cke_testkit::tiny_models::Bert;
use serde_json::Value;

/// `cke` with these variables.
fn with(variables: &[(&str, &str)], args: &[&str]) -> Outcome {
    let mut command = command(args);
    command.envs(variables.iter().copied());
    run(command, b"")
}

/// What `cke doctor` says: the number of threads, and the variable that sets it.
fn doctor(variables: &[(&str, &str)]) -> (Value, Value) {
    let threads = with(variables, &["doctor", "--no-measure", "--json"]).json()["threads"].clone();
    (threads["count"].clone(), threads["variable"].clone())
}

#[test]
fn variables_count_in_their_order() {
    let values = ["3", "4", "5", "6", "7"];
    for first in 0..values.len() {
        let variables: Vec<_> = THREAD_VARIABLES.into_iter().zip(values).skip(first).collect();
        assert_eq!(doctor(&variables), ((first + 3).into(), THREAD_VARIABLES[first].into()));
    }
    assert_eq!(doctor(&[]).1, Value::Null);
}

#[test]
fn lists_begin_with_the_number_that_counts() {
    assert_eq!(doctor(&[("OMP_NUM_THREADS", "4,2")]), (4.into(), "OMP_NUM_THREADS".into()));
    assert_eq!(doctor(&[("CKE_NUM_THREADS", "3,1")]), (3.into(), "CKE_NUM_THREADS".into()));
}

#[test]
fn empty_own_variable_and_bad_variables_of_others_are_passed_over() {
    let others = [("CKE_NUM_THREADS", ""), ("OMP_NUM_THREADS", "all"), ("OPENBLAS_NUM_THREADS", "0")];
    assert_eq!(doctor(&[&others[..], &[("MKL_NUM_THREADS", "5")]].concat()), (5.into(), "MKL_NUM_THREADS".into()));
    assert_eq!(doctor(&[("BLIS_NUM_THREADS", "1000000")]), (1024.into(), "BLIS_NUM_THREADS".into()));
}

#[test]
fn every_command_follows_the_environment_and_its_flag_wins() {
    let (gpt2, bert) = (byte_gpt2(), Bert::default().write().expect("a directory"));
    let text = file(".txt", "to be or not to be");
    let (gpt2, bert, text) = (arg(gpt2.path()), arg(bert.path()), arg(text.path()));
    let commands: [&[&str]; 4] = [
        &["generate", "-m", gpt2, "-n", "1", "x"],
        &["eval", "-m", gpt2, text],
        &["embed", "-m", bert, "x"],
        &["profile", "-m", gpt2, "-p", "2", "-g", "0", "-r", "1"],
    ];
    for args in commands {
        let threads = |variables: &[(&str, &str)], flags: &[&str], wanted: &str| {
            let outcome = with(variables, &[args, flags].concat());
            outcome.success();
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(said.contains(wanted), "no {wanted:?} in {outcome:?}");
        };
        threads(&[("OMP_NUM_THREADS", "3"), ("MKL_NUM_THREADS", "2")], &[], "3 threads");
        threads(&[("CKE_NUM_THREADS", "2"), ("OMP_NUM_THREADS", "3")], &[], "2 threads");
        threads(&[("CKE_NUM_THREADS", "2")], &["--threads", "3"], "3 threads");
        // What the flag overrides is not read.
        threads(&[("CKE_NUM_THREADS", "none")], &["--threads", "3"], "3 threads");
    }
}

#[test]
fn every_command_that_runs_warns_of_more_threads_than_cpus() {
    let (gpt2, bert) = (byte_gpt2(), Bert::default().write().expect("a directory"));
    let (text, dir) = (file(".txt", "to be or not to be"), tempfile::tempdir().expect("a directory"));
    let packed = dir.path().join("model.cke");
    let (gpt2, bert, text, packed) = (arg(gpt2.path()), arg(bert.path()), arg(text.path()), arg(&packed));
    let commands: [&[&str]; 8] = [
        &["generate", "-m", gpt2, "-n", "1", "x"],
        &["eval", "-m", gpt2, text],
        &["embed", "-m", bert, "x"],
        &["quantize", gpt2, "-o", packed],
        &["profile", "-m", gpt2, "-p", "2", "-g", "0", "-r", "1"],
        &["bench", "model", "-m", gpt2, "-p", "2", "-g", "0", "-r", "1"],
        &["bench", "gemm", "--shapes", "2x2x2", "--rounds", "1", "--secs", "0.001"],
        &["bench", "attention", "-p", "5", "--rounds", "1", "--secs", "0.001"],
    ];
    let too_many = (usable_cores() + 1).to_string();
    for args in commands {
        for (variables, flags) in [(&[("CKE_NUM_THREADS", &*too_many)][..], &[][..]), (&[], &["-t", &*too_many])] {
            let outcome = with(variables, &[args, flags].concat());
            outcome.success();
            assert_eq!(outcome.stderr.matches("more threads than CPUs are slower").count(), 1, "{outcome:?}");
        }
        let one = with(&[], &[args, &["-t", "1"]].concat());
        assert!(!one.stderr.contains("more threads than CPUs"), "{one:?}");
    }
    let quiet = with(&[], &["embed", "-m", bert, "-q", "-t", &too_many, "x"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}

/// The number of threads of each row.
fn threads_of_rows(rows: &Value) -> Vec<u64> {
    let rows = rows.as_array().expect("a list");
    rows.iter().map(|row| row["threads"].as_u64().expect("a number")).collect()
}

#[test]
fn benches_follow_the_environment_and_their_flag_wins() {
    let model = byte_gpt2();
    let model = ["bench", "model", "-m", arg(model.path()), "-p", "2", "-g", "0", "-r", "1", "-o", "json"];
    let gemm = ["bench", "gemm", "--shapes", "2x2x2", "--rounds", "1", "--secs", "0.001", "-o", "json"];
    let both = |variables: &[(&str, &str)], flags: &[&str], wanted: &[u64]| {
        assert_eq!(threads_of_rows(&with(variables, &[&model, flags].concat()).json()), wanted, "{variables:?}");
        assert_eq!(threads_of_rows(&with(variables, &[&gemm, flags].concat()).json()["rows"]), wanted, "{variables:?}");
    };
    both(&[("OMP_NUM_THREADS", "2,1")], &[], &[2]);
    both(&[("CKE_NUM_THREADS", "1,2"), ("OMP_NUM_THREADS", "3")], &[], &[1, 2]);
    both(&[("CKE_NUM_THREADS", "none")], &["-t", "2"], &[2]);
}

#[test]
fn bad_own_variable_is_misuse_in_every_command() {
    let model = byte_gpt2();
    let model = arg(model.path());
    let commands: [&[&str]; 9] = [
        &["generate", "-m", model, "x"],
        &["eval", "-m", model],
        &["embed", "-m", model, "x"],
        &["profile", "-m", model],
        &["inspect", model],
        &["bench", "model", "-m", model],
        &["bench", "gemm"],
        &["bench", "accuracy"],
        &["audit", "--quick", "--html", "/dev/null"],
    ];
    for args in commands {
        let parts = ["CKE_NUM_THREADS", "`many`", "from 1 to 1024", "--threads"];
        with(&[("CKE_NUM_THREADS", "many")], args).failure(2, &parts);
    }
    for value in ["0", "-1", "1025", "1,0", " "] {
        with(&[("CKE_NUM_THREADS", value)], &["doctor", "--no-measure"]).failure(2, &["CKE_NUM_THREADS", value]);
    }
}
