//! The worker pool under load: sleeping workers, panics, callers that come and go, forked children, too little memory.

mod environment;
#[cfg(unix)]
mod fork;
#[cfg(target_os = "linux")]
mod memory_limit;

use cke_kernels::threads::{Parallel, ThreadPool};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(threads).expect("threads start")
}

/// Runs one job and asserts that each task was done once, by workers of which none did two tasks at a time.
fn run_and_check(pool: &dyn Parallel, tasks: usize) {
    let done: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    let busy: Vec<_> = (0..pool.threads()).map(|_| AtomicBool::new(false)).collect();
    pool.run(tasks, &|task, worker| {
        assert!(!busy[worker].swap(true, Ordering::Acquire), "worker {worker} is in two places");
        done[task].fetch_add(1, Ordering::Relaxed);
        busy[worker].store(false, Ordering::Release);
    });
    assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
}

#[test]
fn short_jobs_with_pauses_lose_no_task() {
    for threads in [2, 3, 5] {
        let pool = pool(threads);
        // Pauses on both sides of the time that a worker spins before it sleeps.
        for pause in [0, 20, 45, 50, 55, 80].map(Duration::from_micros).into_iter().cycle().take(600) {
            run_and_check(&pool, 7);
            let start = std::time::Instant::now();
            while start.elapsed() < pause {
                std::hint::spin_loop();
            }
        }
    }
}

#[test]
fn what_tasks_wrote_is_visible_after_the_job() {
    let pool = pool(3);
    let mut values = vec![0usize; 64];
    for round in 1..500 {
        let base = values.as_mut_ptr() as usize;
        // SAFETY: each task writes its own element of a vector that outlives the job.
        pool.run(64, &|task, _| unsafe { *(base as *mut usize).add(task) = round });
        assert!(values.iter().all(|&x| x == round), "round {round}");
    }
}

#[test]
fn panics_in_every_task_reach_the_caller_once_per_job() {
    let pool = pool(3);
    for _ in 0..50 {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            pool.run(20, &|_, _| std::panic::resume_unwind(Box::new("from a task")));
        }));
        assert_eq!(panic.expect_err("the panic arrives").downcast_ref(), Some(&"from a task"));
        run_and_check(&pool, 20);
    }
}

#[test]
fn panic_on_a_worker_alone_reaches_the_caller() {
    let pool = pool(2);
    let (mut arrived, mut tries) = (false, 0);
    while !arrived && tries < 1000 {
        tries += 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(200, &|_, worker| match worker {
                0 => std::thread::yield_now(),
                _ => std::panic::resume_unwind(Box::new(worker)),
            });
        }));
        arrived = outcome.is_err_and(|panic| panic.downcast_ref() == Some(&1usize));
    }
    assert!(arrived, "in {tries} jobs the second thread took no task");
    run_and_check(&pool, 20);
}

#[test]
fn drop_of_a_new_busy_idle_or_sleeping_pool_ends() {
    for round in 0..60 {
        let pool = pool(1 + round % 4);
        if round % 3 > 0 {
            run_and_check(&pool, 5);
        }
        if round % 3 == 2 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

#[test]
fn pool_of_no_threads_has_the_callers() {
    for threads in [0, 1] {
        assert_eq!(pool(threads).threads(), 1);
        run_and_check(&pool(threads), 9);
    }
}

#[test]
fn callers_of_one_pool_each_get_their_own_tasks() {
    let pool = pool(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..200).for_each(|round| run_and_check(&pool, round % 11)));
        }
    });
}

#[test]
fn run_from_inside_another_pool_keeps_worker_numbers_in_bounds() {
    let (outer, inner) = (pool(4), pool(2));
    let all_inside = Barrier::new(outer.threads());
    outer.run(outer.threads(), &|_, _| {
        all_inside.wait();
        run_and_check(&inner, 4);
    });
}

/// What the operating system allows a thread to run on.
#[cfg(target_os = "linux")]
mod affinity {
    use super::pool;
    use cke_kernels::cores::{allowed_cpus, usable_cores};
    use cke_kernels::threads::{Parallel, ThreadPool};
    use std::sync::Mutex;
    use std::time::Duration;

    /// Binds the calling thread to one CPU.
    fn bind_to(cpu: usize) {
        // SAFETY: an empty set, to which a CPU that a thread may run on is added.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
        }
    }

    /// Runs `work` on a thread of its own that is bound to one CPU.
    fn on_a_bound_thread<R: Send>(work: impl FnOnce(usize) -> R + Send) -> R {
        let cpu = allowed_cpus().expect("Linux tells")[0];
        std::thread::scope(|scope| {
            let bound = scope.spawn(move || {
                bind_to(cpu);
                work(cpu)
            });
            bound.join().expect("no panic")
        })
    }

    #[test]
    fn number_of_threads_on_a_bound_thread_is_that_of_the_process() {
        let wanted = (usable_cores(), ThreadPool::available());
        assert_eq!(on_a_bound_thread(|_| (usable_cores(), ThreadPool::available())), wanted);
    }

    #[test]
    fn workers_of_a_pool_made_on_a_bound_thread_may_use_the_cpus_of_the_process() {
        let all = allowed_cpus().expect("Linux tells");
        let (while_working, number) = on_a_bound_thread(|_| {
            let pool = pool(2);
            let found = Mutex::new(None);
            while found.lock().unwrap().is_none() {
                pool.run(2, &|_task, worker| {
                    if worker == 1 {
                        // SAFETY: asks for a number.
                        *found.lock().unwrap() =
                            Some((allowed_cpus().expect("Linux tells"), unsafe { libc::gettid() }));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                });
            }
            let (while_working, thread) = found.into_inner().unwrap().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).expect("Linux tells");
            let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:")).expect("Linux tells");
            let bits: u32 = mask.chars().filter_map(|digit| digit.to_digit(16)).map(u32::count_ones).sum();
            (while_working, bits as usize)
        });
        assert!(while_working.len() + 1 >= all.len(), "all but the caller's: {while_working:?} of {all:?}");
        assert_eq!(number, all.len(), "and all when it sleeps");
    }

    #[test]
    fn pool_of_too_many_threads_is_refused() {
        for threads in [1025, 1_000_000, usize::MAX] {
            let error = ThreadPool::new(threads).expect_err("too many");
            assert_eq!(error.to_string(), format!("threads of a pool, at most: wanted 1024, found {threads}"));
        }
    }
}
