//! `cke bench gemm`. Nothing here depends on how fast the machine is.

use crate::support::{Outcome, arg, cke, command, file, keys, run, with_one_thread};
use crate::toy_library::toy;
use serde_json::Value;

/// One short round.
const QUICK: [&str; 6] = ["bench", "gemm", "--rounds", "1", "--secs", "0.001"];

fn bench(flags: &[&str]) -> Outcome {
    with_one_thread(&[&QUICK, flags].concat())
}

/// As [`bench`] against the toy library with a fault.
fn bench_faulty(fault: &str, flags: &[&str]) -> Outcome {
    let library = toy("cblas");
    let mut command = command(&[&QUICK, flags, &["--against", &library]].concat());
    command.env("CKE_NUM_THREADS", "1").env("TOY_BLAS", fault);
    run(command, b"")
}

fn rows(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().expect("a list")
}

#[test]
fn bench_gemm_json_has_a_row_for_each_product_and_number_of_threads() {
    let report = bench(&["--shapes", "5x7x9,1x33x8nt,6x4x10tn", "-t", "1,2", "-o", "json"]).json();
    let wanted = [(5, false, 1), (1, false, 1), (6, true, 1), (5, false, 2), (1, false, 2), (6, true, 2)];
    assert_eq!(rows(&report).len(), wanted.len());
    for (row, (m, transpose_a, threads)) in rows(&report).iter().zip(wanted) {
        assert_eq!((&row["product"]["m"], &row["product"]["transpose_a"]), (&m.into(), &transpose_a.into()), "{row}");
        assert_eq!(row["threads"], threads);
        let entry = &row["entries"][0];
        assert_eq!((&entry["name"], &entry["verdict"]["is"]), (&"cke".into(), &"right".into()), "{row}");
        let (best, median) = (entry["rate"]["best"].as_f64().unwrap(), entry["rate"]["median"].as_f64().unwrap());
        assert!(median > 0.0 && best >= median, "{row}");
        let (share, peak) = (row["share_of_peak"].as_f64().unwrap(), row["peak_gflops"].as_f64().unwrap());
        assert!((share - best / peak).abs() < 1e-12, "{row}");
        assert_eq!(row["gb_per_s"].is_f64(), m == 1, "only a vector is a matter of bandwidth: {row}");
        assert!(row["ratio"].is_null(), "there is nobody to compare with");
    }
    assert_eq!(report["summaries"].as_array().map(Vec::len), Some(2));
}

#[test]
fn bench_gemm_every_kind_of_library_is_right_and_told_apart() {
    let libraries = ["cblas", "wide", "onednn"].map(toy);
    let against = libraries.iter().map(String::as_str);
    let flags = ["--shapes", "5x7x9,5x7x9nt@9:16:7,5x7x9tn@6:7:8,5x7x9tt", "-o", "json", "--against"];
    let report = bench(&flags.into_iter().chain(against).collect::<Vec<_>>()).json();
    let interface = |i: usize| keys(&report["contestants"][i]["library"]["interface"])[0].to_owned();
    assert_eq!((interface(1), interface(2)), ("cblas".to_owned(), "cblas".to_owned()));
    assert_eq!(report["contestants"][2]["library"]["interface"]["cblas"]["wide"], true);
    assert_eq!(report["contestants"][3]["library"]["interface"], "onednn");
    assert_eq!(report["contestants"][1]["library"]["name"], "toy_cblas");
    for row in rows(&report) {
        let entries = row["entries"].as_array().expect("a list");
        let is_counted = |entry: &Value| entry["counted"].is_object();
        assert!(entries.iter().all(|entry| is_counted(entry) == report["no_counters"].is_null()), "{report}");
        assert_eq!(entries.len(), 4);
        assert!(entries.iter().all(|entry| entry["verdict"]["is"] == "right"), "{row}");
        assert!(row["ratio"].is_f64() && row["fastest_library"].is_string(), "{row}");
    }
}

#[test]
fn bench_gemm_vector_is_timed_by_gemv_of_who_exports_it() {
    let libraries = ["netlib", "cblas"].map(toy);
    let flags = ["--shapes", "1x7x9,1x7x9nt,7x1x9,7x1x9tn,5x7x9", "-o", "json", "--against"];
    let report = bench(&flags.into_iter().chain(libraries.iter().map(String::as_str)).collect::<Vec<_>>()).json();
    assert_eq!(report["contestants"][1]["library"]["name"], "reference BLAS");
    for row in rows(&report) {
        let entries = row["entries"].as_array().expect("a list");
        assert!(entries.iter().all(|entry| entry["verdict"]["is"] == "right"), "{row}");
        let routine = if row["product"]["m"] == 5 { "gemm" } else { "gemv" };
        assert_eq!((&entries[1]["kernel"], &entries[2]["kernel"]), (&routine.into(), &"gemm".into()), "{row}");
    }
}

#[test]
fn bench_gemm_wrong_product_is_marked_and_fails() {
    for (fault, word) in [("one_element", "error is"), ("nothing_written", "not finite or were not written")] {
        let outcome = bench_faulty(fault, &["--shapes", "20x30x40,6x5x4"]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert_eq!(outcome.stdout.matches("WRONG").count(), 2, "{outcome:?}");
        assert!(outcome.stderr.contains("cblas: WRONG") && outcome.stderr.contains(word), "{outcome:?}");
        assert!(outcome.stderr.contains("error: 2 products wrong or not computed"), "{outcome:?}");
    }
}

#[test]
fn bench_gemm_write_between_rows_of_c_is_marked_and_fails() {
    let outcome = bench_faulty("gap_written", &["--shapes", "5x7x9@9:7:8,5x7x9"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("writes between the rows of C (5x7x9@9:7:8"), "{outcome:?}");
    assert!(outcome.stderr.contains("error: 1 product wrong"), "{outcome:?}");
}

#[test]
fn bench_gemm_library_that_crashes_does_not_stop_the_others() {
    let outcome = bench_faulty("crash", &["--shapes", "5x7x9,4x4x4", "-o", "csv"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let verdicts = |name: &str, verdict: &str| {
        let is_of = |line: &&str| line.contains(&format!(",{name},")) && line.contains(&format!(",{verdict},"));
        outcome.stdout.lines().filter(is_of).count()
    };
    assert_eq!((verdicts("cke", "right"), verdicts("cblas", "failed")), (2, 2), "{outcome:?}");
    assert!(outcome.stderr.contains("cblas: its process ended with"), "{outcome:?}");
}

#[test]
fn bench_gemm_f64_of_a_library_without_it_fails_before_the_contest() {
    bench(&["--dtype", "f64", "--shapes", "4x4x4", "--against", &toy("cblas")]).failure(1, &["no cblas_dgemm"]);
    let report = bench(&["--dtype", "f64", "--shapes", "9x8x7tt", "-o", "json"]).json();
    assert_eq!(rows(&report)[0]["entries"][0]["verdict"]["is"], "right");
}

#[test]
fn bench_gemm_kernels_are_timed_and_the_chosen_one_is_marked() {
    let outcome = bench(&["--shapes", "12x50x20nt", "--packed", "--kernels"]);
    let table = outcome.success();
    assert!(table.contains("cke-packed") && table.contains("| kernels"), "{table}");
    assert_eq!(table.matches("**").count(), 2, "one kernel is the chosen one: {table}");
    let report = bench(&["--shapes", "12x50x20nt", "--packed", "--kernels", "-o", "json"]).json();
    let entries = rows(&report)[0]["entries"].as_array().expect("a list");
    assert!(entries.len() > 1 && entries.iter().all(|entry| entry["verdict"]["is"] == "right"), "{report}");
    assert!(entries[1..].iter().any(|entry| entry["name"] == entries[0]["kernel"]), "{report}");
    for flag in ["--packed", "--kernels"] {
        bench(&["--dtype", "f64", flag]).failure(2, &[flag, "wanted a --dtype other than f64"]);
    }
}

#[test]
fn bench_gemm_in_formats_of_weights_is_right_and_wants_them_packed() {
    for dtype in ["bf16", "f16", "int8", "int4", "q8_0", "q4_k", "iq4_nl", "int4_128"] {
        let flags = ["--shapes", "12x50x300nt,1x64x500", "--packed", "--kernels", "-o", "json", "--dtype", dtype];
        let report = bench(&flags).json();
        for row in rows(&report) {
            let entries = row["entries"].as_array().expect("a list");
            assert!(entries.iter().all(|entry| entry["verdict"]["is"] == "right"), "{report}");
            assert!(entries[0]["kernel"].as_str().is_some_and(|kernel| kernel.contains(dtype)), "{report}");
        }
        bench(&["--dtype", dtype]).failure(2, &["--dtype", dtype, "--packed"]);
    }
    let report = bench(&["--shapes", "2x16x32", "--packed", "--json", "--dtype", "Q4_0"]).json();
    assert_eq!(report["dtype"], "int4", "what files call it");
}

#[test]
fn bench_gemm_tells_what_preparing_rows_takes() {
    let flags = ["--shapes", "12x50x300nt", "--packed", "--dtype", "int8"];
    let report = bench(&[&flags[..], &["--json"]].concat()).json();
    let contestant = &report["contestants"][1];
    assert_eq!((&contestant["name"], &contestant["role"]), (&"cke-prepared".into(), &"prepared".into()));
    let row = &rows(&report)[0];
    assert!(row["entries"][0]["rows_seconds"].is_null() && row["entries"][1]["rows_seconds"].is_f64(), "{row}");
    let number = |value: &Value| value.as_f64().expect("a number");
    let flops = 2.0 * 12.0 * 50.0 * 300.0;
    let seconds = flops / number(&row["entries"][0]["rate"]["best"]) / 1e9;
    let share = number(&row["entries"][1]["rows_seconds"]) / seconds;
    assert!((number(&row["share_of_rows"]) - share).abs() < 1e-9 * share, "{row}");
    assert!(row["prepared_share_of_peak"].is_f64() && row["prepared_ratio"].is_null(), "nobody else is there: {row}");
    let table = bench(&flags).success().to_owned();
    assert!(table.contains("| cke-prepared") && table.contains(" rows |"), "{table}");
    let report = bench(&["--shapes", "12x50x300nt", "--packed", "--json"]).json();
    assert_eq!(report["contestants"].as_array().map(Vec::len), Some(1), "rows of f32 are read in place");
}

#[test]
fn bench_gemm_weights_from_memory_are_held_against_peak_and_bandwidth() {
    let flags = ["--shapes", "2x512x700nt", "--packed", "--dtype", "int8", "--cold"];
    let report = bench(&[&flags[..], &["--json"]].concat()).json();
    assert_eq!(report["weights"], "from_memory");
    let row = &rows(&report)[0];
    assert!(row["read_gb_per_s"].is_f64() && row["share_of_limit"].is_f64(), "{row}");
    assert!(row["entries"].as_array().expect("a list").iter().all(|entry| entry["verdict"]["is"] == "right"), "{row}");
    assert!(bench(&flags).success().contains("| of limit"));
    bench(&["--cold"]).failure(2, &["--packed"]);
    bench(&["--cold", "--packed", "--against", "auto"]).failure(2, &["--cold", "--against"]);
}

#[test]
fn bench_gemm_csv_has_a_line_for_each_contestant() {
    let outcome = bench(&["--shapes", "3x4x5,1x9x9", "--against", &toy("cblas"), "-o", "csv"]);
    let lines: Vec<Vec<&str>> = outcome.success().lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + 2 * 2);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{outcome:?}");
    for column in [
        "threads",
        "m",
        "n",
        "k",
        "ldc",
        "weights",
        "contestant",
        "verdict",
        "best_gflops",
        "share_of_peak",
        "gb_per_s",
    ] {
        assert!(lines[0].contains(&column), "no {column}: {outcome:?}");
    }
}

#[test]
fn bench_gemm_markdown_shows_all_contestants() {
    let library = toy("cblas");
    let table = bench(&["--shapes", "3x4x5,1x9x9", "--against", &library]).success().to_owned();
    for part in
        ["| cke", "| cblas", "| 3x4x5", "geometric mean", "worst: ", "of peak", "ratio", "of bandwidth", "toy_cblas"]
    {
        assert!(table.contains(part), "no {part}: {table}");
    }
}

#[test]
fn bench_gemm_shapes_come_from_a_file() {
    let shapes = file(".txt", "# small ones\n3 4 5\n\n6 7 8 t n # transposed\n");
    let report = bench(&["--shapes", arg(shapes.path()), "-o", "json"]).json();
    assert_eq!(rows(&report).len(), 2);
    assert_eq!(rows(&report)[1]["product"]["transpose_a"], true);
    let bad = file(".txt", "3 4 5\n3 4\n");
    bench(&["--shapes", arg(bad.path())]).failure(1, &["on line 2", "\"3 4\""]);
    let empty = file(".txt", "# nothing\n");
    bench(&["--shapes", arg(empty.path())]).failure(1, &["at least one line"]);
    bench(&["--shapes", "no-such-file.txt"]).failure(1, &["no-such-file.txt"]);
}

#[test]
fn bench_gemm_unusable_library_is_named() {
    bench(&["--shapes", "4x4x4", "--against", "gone=/no/such/libblas.so"])
        .failure(1, &["gone: it cannot be loaded", "/no/such/libblas.so"]);
    let text = file(".so", "not a library");
    bench(&["--shapes", "4x4x4", "--against", &format!("text={}", arg(text.path()))])
        .failure(1, &["text: it cannot be loaded"]);
    let library = toy("cblas");
    bench(&["--shapes", "4x4x4", "--against", &library, &library]).failure(2, &["--against", "cblas twice"]);
}

#[test]
fn bench_gemm_absurd_flags_are_misuse() {
    let cases = [
        ["--shapes", "8x8"],
        ["--shapes", "0x8x8"],
        ["--shapes", "8x8x8q"],
        ["--shapes", "8x8x8@8:8:7"],
        ["--dtype", "f16"],
        ["--against", "mkl"],
        ["--rounds", "0"],
        ["--secs", "-1"],
        ["--secs", "nan"],
        ["--secs", "1e9"],
        ["-t", "0"],
        ["-o", "xml"],
    ];
    for case in cases {
        cke(&[&["bench", "gemm"][..], &case].concat()).failure(2, &[case[0]]);
    }
}

#[test]
fn bench_gemm_products_beyond_memory_are_refused() {
    bench(&["--shapes", "2147483647x2147483647x2147483647"]).failure(1, &["memory", "available"]);
}

#[test]
fn bench_gemm_auto_takes_part_with_what_is_there() {
    // Whether all that is installed here computes well is not for this test to say.
    let outcome = bench(&["--shapes", "8x8x8", "--against", "auto", "-o", "json"]);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("a report");
    let contestants = report["contestants"].as_array().expect("a list");
    assert_eq!(contestants[0]["name"], "cke");
    assert!(contestants[1..].iter().all(|contestant| contestant["library"]["path"].is_string()), "{report}");
}

/// Predictions of a board of two cores.
const MODEL: &str = r#"{"kind": "arm-model", "boards": {"toy": {"title": "Toy", "cores": 2, "products": [
    {"scheme": "f32", "m": 8, "n": 12, "k": 16, "gflops": 2.0},
    {"scheme": "int8", "m": 8, "n": 16, "k": 128, "gflops": 4.0}]}}}"#;

#[test]
fn bench_gemm_prints_measured_beside_predicted() {
    let model = file(".json", MODEL);
    let model = arg(model.path());
    let rows = bench(&["--compare-model", model, "--board", "toy", "--dtype", "int8", "--json"]).json();
    let row = &rows.as_array().expect("a list of rows")[0];
    assert_eq!((&row["board"], &row["m"], &row["threads"]), (&"Toy".into(), &8.into(), &2.into()), "{row}");
    let (measured, share) = (row["measured_gflops"].as_f64().unwrap(), row["share"].as_f64().unwrap());
    assert!((share - measured / 4.0).abs() < 1e-12, "{row}");
    let table = bench(&["--compare-model", model, "--board", "toy"]);
    assert!(
        table.success().contains("| f32 8×12×16 |") && table.stderr.contains("modelled, not measured"),
        "{table:?}"
    );
}

#[test]
fn bench_gemm_refuses_what_predicts_nothing() {
    let on = |text: &str, board: &str, dtype: &str| {
        let model = file(".json", text);
        bench(&["--compare-model", arg(model.path()), "--board", board, "--dtype", dtype])
    };
    on(MODEL, "pi9", "f32").failure(1, &["wanted the board pi9, found toy"]);
    on(MODEL, "toy", "q4_k").failure(1, &["wanted products in q4_k, found none"]);
    on("{}", "toy", "f32").failure(1, &["predictions of tools/arm/model.sh"]);
    on(&MODEL.replace("arm-model", "models"), "toy", "f32").failure(1, &["wanted the kind \"arm-model\""]);
    on(&MODEL.replace("2.0", "-1"), "toy", "f32").failure(1, &["rates above 0"]);
    on(&MODEL.replace("\"m\": 8", "\"m\": 0"), "toy", "f32").failure(1, &["sizes of products"]);
    on(&MODEL.replace("\"cores\": 2", "\"cores\": 0"), "toy", "f32").failure(1, &["1 to 1024 cores"]);
    bench(&["--compare-model", "x"]).failure(2, &["--board"]);
    bench(&["--board", "pi5"]).failure(2, &["--compare-model"]);
}
