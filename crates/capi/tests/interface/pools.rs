//! The library's pool, a caller's own, and what happens if that one misbehaves.

use crate::c::*;
use cke::cke_status::*;
use cke::*;
use cke_testkit::{Data, tolerance};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const COUNT: usize = 40;
const SIZE: usize = 24;

/// C after a batch with this context.
fn batch(context: &Handle<cke_context>) -> (cke_status, Vec<f32>) {
    let mut data = Data::new(5);
    let (a, b) = (data.uniform(COUNT * SIZE * SIZE), data.uniform(COUNT * SIZE * SIZE));
    let mut c = vec![0.0; COUNT * SIZE * SIZE];
    let (a, b) = (matrices(&a, COUNT, SIZE, SIZE), matrices(&b, COUNT, SIZE, SIZE));
    let c_arg = matrices_mut(&mut c, COUNT, SIZE, SIZE);
    // SAFETY: handles and matrices that live on.
    let status = unsafe { cke_gemm_batch(context.get(), F32, 1.0, &a, &b, 0.0, &c_arg) };
    (status, c)
}

/// A caller's pool: threads that are started for each call.
struct Caller {
    calls: AtomicUsize,
    threads: usize,
}

unsafe extern "C-unwind" fn run(pool: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void) {
    // SAFETY: what `wrap` passed.
    let caller = unsafe { &*pool.cast::<Caller>() };
    caller.calls.fetch_add(1, Ordering::Relaxed);
    let (next, ctx, work) = (AtomicUsize::new(0), ctx as usize, work.expect("a function"));
    std::thread::scope(|scope| {
        for worker in 0..caller.threads {
            let next = &next;
            scope.spawn(move || {
                while let Some(task) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&task| task < tasks) {
                    // SAFETY: the context that came with `work`, whose call has not returned; each task once.
                    unsafe { work(ctx as *mut c_void, task, worker) }
                }
            });
        }
    });
}

fn wrap(
    pool: *mut c_void,
    threads: usize,
    run: unsafe extern "C-unwind" fn(*mut c_void, usize, cke_work, *mut c_void),
) -> Handle<cke_pool> {
    let own = cke_own_pool { size: size_of::<cke_own_pool>(), pool, threads, run: Some(run) };
    // SAFETY: the struct is copied, and `out` is valid for writes.
    Handle::new(|out| unsafe { cke_pool_wrap(&own, out) }, cke_pool_destroy).expect("a pool")
}

#[test]
fn own_pool_gives_the_bits_of_the_library_s_pool_and_of_one_thread() {
    let caller = Caller { calls: AtomicUsize::new(0), threads: 3 };
    let own = wrap((&raw const caller).cast_mut().cast(), 3, run);
    let (status, wanted) = batch(&context(None));
    assert_eq!(status, CKE_OK);
    for context in [context(Some(&own)), context(Some(&pool(2))), context(Some(&pool(0)))] {
        let (status, found) = batch(&context);
        assert_eq!(status, CKE_OK, "{}", last_error());
        tolerance::assert_identical("pools", &found, &wanted);
    }
    assert!(caller.calls.into_inner() > 0, "the caller's pool was used");
}

#[test]
fn pool_tells_its_threads() {
    // SAFETY: handles.
    unsafe {
        assert_eq!(cke_pool_threads(pool(3).get()), 3);
        assert!(cke_pool_threads(pool(0).get()) >= 1);
        assert_eq!(cke_pool_threads(wrap(null_mut(), 5, run).get()), 5);
    }
}

unsafe extern "C-unwind" fn run_all_but_one(_: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void) {
    // SAFETY: the context that came with `work`.
    (1..tasks).for_each(|task| unsafe { work.expect("a function")(ctx, task, 0) });
}

unsafe extern "C-unwind" fn run_with_worker_too_many(_: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void) {
    // SAFETY: the context that came with `work`.
    (0..tasks).for_each(|task| unsafe { work.expect("a function")(ctx, task, task % 3) });
}

unsafe extern "C-unwind" fn run_one_too_many(_: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void) {
    // SAFETY: the context that came with `work`.
    (0..=tasks).for_each(|task| unsafe { work.expect("a function")(ctx, task, 0) });
}

#[test]
fn own_pool_that_breaks_its_promise_is_an_error_and_the_context_survives() {
    for run in [run_all_but_one, run_with_worker_too_many, run_one_too_many] {
        let own = wrap(null_mut(), 2, run);
        let context = context(Some(&own));
        for _ in 0..2 {
            assert_eq!(batch(&context).0, CKE_ERROR_POOL);
            assert!(last_error().starts_with("the caller's pool"), "{}", last_error());
        }
    }
}

#[test]
fn own_pool_without_threads_or_function_is_refused() {
    let good = cke_own_pool { size: size_of::<cke_own_pool>(), pool: null_mut(), threads: 2, run: Some(run) };
    for (own, wanted) in
        [(cke_own_pool { threads: 0, ..good }, CKE_ERROR_SIZE), (cke_own_pool { run: None, ..good }, CKE_ERROR_NULL)]
    {
        let mut out = std::ptr::dangling_mut();
        // SAFETY: the struct is copied, and `out` is valid for writes.
        assert_eq!(unsafe { cke_pool_wrap(&own, &mut out) }, wanted);
        assert!(out.is_null());
    }
}

/// A pool that uses its context while a call is under way.
unsafe extern "C-unwind" fn run_and_call_again(pool: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void) {
    // SAFETY: what the test passed.
    let (context, statuses) = unsafe { &*pool.cast::<(AtomicUsize, Mutex<Vec<cke_status>>)>() };
    let context = context.load(Ordering::Relaxed) as *const cke_context;
    let nothing = cke_matrix { data: std::ptr::null(), rows: 0, cols: 0, row_stride: 0, col_stride: 0 };
    let none = cke_matrix_mut { data: null_mut(), rows: 0, cols: 0, row_stride: 0, col_stride: 0 };
    // SAFETY: the context is a handle, and the matrices have no elements.
    let status = unsafe { cke_gemm(context, F32, 1.0, &nothing, &nothing, 0.0, &none) };
    statuses.lock().expect("no panic").push(status);
    // SAFETY: the context that came with `work`.
    (0..tasks).for_each(|task| unsafe { work.expect("a function")(ctx, task, 0) });
}

#[test]
fn context_in_use_is_busy() {
    let shared = (AtomicUsize::new(0), Mutex::new(Vec::<cke_status>::new()));
    let own = wrap((&raw const shared).cast_mut().cast(), 2, run_and_call_again);
    let context = context(Some(&own));
    shared.0.store(context.get() as usize, Ordering::Relaxed);
    assert_eq!(batch(&context).0, CKE_OK);
    let statuses = shared.1.into_inner().expect("no panic");
    assert!(!statuses.is_empty() && statuses.iter().all(|&status| status == CKE_ERROR_BUSY), "{statuses:?}");
}

#[test]
fn contexts_that_share_a_pool_work_from_several_threads_at_once() {
    let pool = pool(2);
    let contexts: Vec<_> = (0..3).map(|_| context(Some(&pool))).collect();
    let wanted = batch(&context(None)).1;
    std::thread::scope(|scope| {
        for context in &contexts {
            let wanted = &wanted;
            scope.spawn(move || {
                for _ in 0..20 {
                    let (status, found) = batch(context);
                    assert_eq!(status, CKE_OK);
                    tolerance::assert_identical("threads", &found, wanted);
                }
            });
        }
    });
}
