//! The caller's rounding and flushing hold on every thread, and what workers raise reaches the caller.

use crate::cpus;
use crate::environment::{
    DIVISION_BY_ZERO, DOWNWARD, INEXACT, INVALID, OVERFLOW, TOWARD_ZERO, UNDERFLOW, UPWARD, raised_by,
    with_flush_to_zero, with_rounding, with_traps,
};
use crate::routines::Case;
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::Epilogue;
use cke_kernels::gemm::grouped::{Q4_K, Q6_K, Q8_0};
use cke_kernels::ops::quantize::{from_bf16, from_f16, to_bf16, to_f16};
use cke_kernels::scheme::{F32, F64, Grouped, Int4, Int8, Int8PerChannel, Scheme, Uniform};
use cke_kernels::threads::{Observed, Parallel, Serial, TaskObserver, ThreadPool, run_tasks};
use std::ffi::c_int;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Large enough for several tasks, with sums that are rounded.
const CASE: Case = Case { m: 150, n: 210, k: 70, transposed: (false, true) };

fn cpu() -> &'static Cpu {
    Cpu::host().expect("the environment names no bad ISA")
}

/// Makes the first two tasks of a job wait for each other, so that both threads of a pool work.
struct Meeting {
    begun: AtomicUsize,
    barrier: Barrier,
}

impl TaskObserver for Meeting {
    type Start = ();

    fn begin(&self) {
        if self.begun.fetch_add(1, Ordering::Relaxed) < 2 {
            self.barrier.wait();
        }
    }

    fn end(&self, _worker: usize, _start: ()) {}
}

/// A pool of two threads that both work on the next job.
fn both_threads(pool: &ThreadPool) -> impl Parallel {
    struct Borrowed<'a>(&'a ThreadPool);
    // SAFETY: every call is passed on to a pool.
    unsafe impl Parallel for Borrowed<'_> {
        fn threads(&self) -> usize {
            self.0.threads()
        }

        fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
            self.0.run(tasks, work);
        }
    }
    let observer = Meeting { begun: AtomicUsize::new(0), barrier: Barrier::new(2) };
    Observed::new(Borrowed(pool), observer)
}

fn thirds<E: From<f32>>(len: usize, scale: f32) -> Vec<E> {
    (0..len).map(|i| E::from(scale * ((i * 7 % 19) as f32 - 9.0) / 3.0)).collect()
}

fn result<S: Uniform<E: From<f32>>>(scale: f32, pool: &dyn Parallel) -> Vec<S::E> {
    let (a, b) = (thirds::<S::E>(CASE.m * CASE.k, scale), thirds::<S::E>(CASE.k * CASE.n, 1.0));
    let mut c = vec![S::E::from(0.0); CASE.m * CASE.n];
    CASE.product::<S>(cpu(), (&a, &b), (1.0, 0.0), &mut c, pool);
    c
}

/// A product in a scheme that quantises, A and B in these magnitudes.
fn quantized<S: Scheme<A = f32, B = f32, C = f32>>(
    cpu: &Cpu,
    (a_scale, b_scale): (f32, f32),
    pool: &dyn Parallel,
) -> Vec<f32> {
    let (a, b) = (thirds(CASE.m * CASE.k, a_scale), thirds(CASE.k * CASE.n, b_scale));
    CASE.packed::<S>(cpu, (&a, &b), &Epilogue::default(), pool)
}

fn check_rounding<E: PartialEq>(pool: &ThreadPool, result: impl Fn(&dyn Parallel) -> Vec<E>) {
    let nearest = result(&Serial);
    for mode in [UPWARD, DOWNWARD, TOWARD_ZERO] {
        let (alone, together) = with_rounding(mode, || (result(&Serial), result(&both_threads(pool))));
        assert!(alone == together, "mode {mode:#x} on both threads");
        assert!(alone != nearest, "mode {mode:#x} rounds in another way");
    }
    assert!(result(&both_threads(pool)) == nearest, "workers do not keep the mode");
}

#[test]
fn rounding_mode_of_the_caller_holds_on_every_thread() {
    let pool = ThreadPool::new(2).expect("threads start");
    check_rounding(&pool, |pool| result::<F32>(1.0, pool));
    check_rounding(&pool, |pool| result::<F64>(1.0, pool));
    for cpu in cpus() {
        check_rounding(&pool, |pool| quantized::<Int8>(&cpu, (1.0, 1.0), pool));
        check_rounding(&pool, |pool| quantized::<Int8PerChannel>(&cpu, (1.0, 1.0), pool));
        check_rounding(&pool, |pool| quantized::<Int4>(&cpu, (1.0, 1.0), pool));
        check_rounding(&pool, |pool| quantized::<Grouped<Q4_K>>(&cpu, (1.0, 1.0), pool));
        check_rounding(&pool, |pool| quantized::<Grouped<Q8_0>>(&cpu, (1.0, 1.0), pool));
        check_rounding(&pool, |pool| quantized::<Grouped<Q6_K>>(&cpu, (1.0, 1.0), pool));
    }
}

fn check_instruction_sets<S: Scheme<A = f32, B = f32, C = f32>>() {
    for mode in [UPWARD, DOWNWARD, TOWARD_ZERO] {
        let results: Vec<_> =
            cpus().iter().map(|cpu| with_rounding(mode, || quantized::<S>(cpu, (1.0, 1.0), &Serial))).collect();
        assert!(results.iter().all(|c| *c == results[0]), "{}, mode {mode:#x}", S::NAME);
    }
}

#[test]
fn products_that_quantize_have_the_same_bits_on_every_instruction_set_in_every_rounding_mode() {
    check_instruction_sets::<Int8>();
    check_instruction_sets::<Int8PerChannel>();
    check_instruction_sets::<Int4>();
    check_instruction_sets::<Grouped<Q4_K>>();
    check_instruction_sets::<Grouped<Q8_0>>();
    check_instruction_sets::<Grouped<Q6_K>>();
}

#[test]
fn flushing_to_zero_of_the_caller_holds_on_every_thread() {
    let pool = ThreadPool::new(2).expect("threads start");
    let tiny = 1e-42;
    let kept = result::<F32>(tiny, &both_threads(&pool));
    let (alone, together) =
        with_flush_to_zero(|| (result::<F32>(tiny, &Serial), result::<F32>(tiny, &both_threads(&pool))));
    assert!(kept.iter().any(|&x| x != 0.0) && alone.iter().all(|&x| x == 0.0));
    assert_eq!(alone, together);
    assert_eq!(result::<F32>(tiny, &both_threads(&pool)), kept, "workers do not keep the mode");
}

fn check_flushing<S: Scheme<A = f32, B = f32, C = f32>>(pool: &ThreadPool, tiny: (f32, f32)) {
    for cpu in cpus() {
        let result = |pool: &dyn Parallel| quantized::<S>(&cpu, tiny, pool);
        let kept = result(&both_threads(pool));
        let (alone, together) = with_flush_to_zero(|| (result(&Serial), result(&both_threads(pool))));
        let name = format!("{}, {}", S::NAME, cpu.isa());
        assert!(kept.iter().any(|&x| x != 0.0) && alone.iter().all(|&x| x == 0.0), "{name}");
        assert_eq!(alone, together, "{name}");
        assert_eq!(result(&both_threads(pool)), kept, "{name}: workers do not keep the mode");
    }
}

#[test]
fn products_of_tiny_scales_are_flushed_as_the_caller_does() {
    let pool = ThreadPool::new(2).expect("threads start");
    check_flushing::<Int8>(&pool, (1e-19, 1e-19));
    check_flushing::<Int8PerChannel>(&pool, (1e-19, 1e-19));
    // Scales of such weights are f16.
    check_flushing::<Int4>(&pool, (1e-34, 1e-5));
    check_flushing::<Grouped<Q4_K>>(&pool, (4e-36, 1e-5));
}

#[test]
fn numbers_of_16_bits_know_no_mode() {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    let points: Vec<f32> = (0..=u32::MAX).step_by(99_991).map(f32::from_bits).collect();
    for cpu in cpus() {
        let conversions = || {
            let (mut narrow, mut wide) =
                ([vec![0; points.len()], vec![0; points.len()]], [vec![0.0; 1 << 16], vec![0.0; 1 << 16]]);
            to_bf16(&cpu, &points, &mut narrow[0]).expect("as long");
            to_f16(&cpu, &points, &mut narrow[1]).expect("as long");
            from_bf16(&cpu, &every, &mut wide[0]).expect("as long");
            from_f16(&cpu, &every, &mut wide[1]).expect("as long");
            (narrow, wide.map(|wide| wide.iter().map(|x: &f32| x.to_bits()).collect::<Vec<_>>()))
        };
        let wanted = conversions();
        for mode in [UPWARD, DOWNWARD, TOWARD_ZERO] {
            assert!(with_rounding(mode, conversions) == wanted, "mode {mode:#x} on {}", cpu.isa());
        }
        assert!(with_flush_to_zero(conversions) == wanted, "flushing on {}", cpu.isa());
    }
}

/// A task for each of two threads, of which the second raises an exception.
fn raise_in_task(task: usize, pool: &dyn Parallel, raise: &(dyn Fn() + Sync)) {
    run_tasks(pool, 2, &|this, _worker| {
        if this == task {
            raise();
        }
    });
}

fn operations() -> [(c_int, fn()); 5] {
    fn divide(x: f32, y: f32) {
        std::hint::black_box(std::hint::black_box(x) / std::hint::black_box(y));
    }
    fn multiply(x: f32, y: f32) {
        std::hint::black_box(std::hint::black_box(x) * std::hint::black_box(y));
    }
    [
        (INVALID, || divide(0.0, 0.0)),
        (DIVISION_BY_ZERO, || divide(1.0, 0.0)),
        (OVERFLOW, || multiply(f32::MAX, f32::MAX)),
        (UNDERFLOW, || multiply(f32::MIN_POSITIVE, f32::MIN_POSITIVE)),
        (INEXACT, || divide(1.0, 3.0)),
    ]
}

#[test]
fn exceptions_of_a_task_reach_the_caller_from_whichever_thread() {
    let pool = ThreadPool::new(2).expect("threads start");
    for round in 0..20 {
        for (exception, raise) in operations() {
            let allowed = exception | if exception & (OVERFLOW | UNDERFLOW) != 0 { INEXACT } else { 0 };
            for task in [0, 1] {
                let found = raised_by(|| raise_in_task(task, &both_threads(&pool), &raise));
                assert_eq!(found & exception, exception, "round {round}, task {task}");
                assert_eq!(found & !allowed, 0, "round {round}: what an earlier job raised is not raised again");
            }
        }
    }
}

#[test]
fn overflow_of_one_row_reaches_the_caller_for_any_row_and_threads() {
    let pool = ThreadPool::new(2).expect("threads start");
    for row in (0..CASE.m).step_by(7) {
        let mut a = vec![1.0f32; CASE.m * CASE.k];
        a[row * CASE.k..][..CASE.k].fill(f32::MAX);
        let b = vec![2.0f32; CASE.k * CASE.n];
        let mut c = vec![0.0; CASE.m * CASE.n];
        let case = Case { transposed: (false, false), ..CASE };
        let raised = raised_by(|| case.product::<F32>(cpu(), (&a, &b), (1.0, 0.0), &mut c, &both_threads(&pool)));
        assert_eq!(raised & OVERFLOW, OVERFLOW, "row {row}");
    }
}

/// Tells a test that it is the child, and which task is to raise an exception.
const CHILD: &str = "CKE_FLOAT_ENVIRONMENT_CHILD";

#[test]
fn child_whose_task_divides_by_zero_while_that_traps() {
    let Ok(task) = std::env::var(CHILD) else { return };
    extern "C" fn on_trap(_signal: c_int) {
        // SAFETY: both are allowed in a signal handler. The thread is told by its name, which the test harness gave it.
        unsafe {
            let mut name = [0u8; 16];
            libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
            libc::_exit(if name.starts_with(b"mode::child") { 40 } else { 41 });
        }
    }
    // SAFETY: the handler ends the process.
    unsafe { libc::signal(libc::SIGFPE, on_trap as extern "C" fn(c_int) as libc::sighandler_t) };
    let pool = ThreadPool::new(2).expect("threads start");
    let (_, divide) = operations()[1];
    with_traps(DIVISION_BY_ZERO, || raise_in_task(task.parse().expect("a number"), &both_threads(&pool), &divide));
}

#[test]
fn trap_of_a_task_comes_on_the_callers_thread() {
    for task in ["0", "1"] {
        let status = cke_testkit::program::this_program()
            .args(["--exact", "mode::child_whose_task_divides_by_zero_while_that_traps", "--test-threads=2"])
            .env(CHILD, task)
            .output()
            .expect("the test starts again")
            .status;
        assert_eq!(status.code(), Some(40), "task {task}: {status:?}");
    }
}
