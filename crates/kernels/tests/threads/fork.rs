//! A forked child has none of the pool's workers; it computes and drops the pool all the same.

use super::{pool, run_and_check};
use cke_kernels::threads::ThreadPool;

/// Runs `work` in a forked child; whether it ended without a panic. A child that hangs is killed and counts as failed.
fn in_child(work: impl FnOnce()) -> bool {
    // SAFETY: the child calls only what a child of a process with threads may (memory allocation works in glibc), and `_exit`.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
        if child == 0 {
            libc::alarm(30);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            libc::_exit(i32::from(outcome.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

#[test]
fn job_in_a_forked_child_does_each_task_once() {
    let pool = pool(3);
    run_and_check(&pool, 20);
    assert!(in_child(|| run_and_check(&pool, 20)));
    run_and_check(&pool, 20);
}

#[test]
fn job_in_a_child_forked_while_the_pool_works_does_each_task_once() {
    let pool = pool(3);
    pool_run_once(&pool, || {
        assert!(in_child(|| std::thread::scope(|scope| _ = scope.spawn(|| run_and_check(&pool, 20)))))
    });
    run_and_check(&pool, 20);
}

/// Calls `work` from one task of a job.
fn pool_run_once(pool: &ThreadPool, work: impl Fn() + Sync) {
    use cke_kernels::threads::Parallel;
    pool.run(2, &|task, _| {
        if task == 0 {
            work();
        }
    });
}

#[test]
fn drop_in_a_forked_child_ends() {
    let mut pool = Some(pool(3));
    assert!(in_child(|| drop(pool.take())));
    run_and_check(pool.as_ref().expect("the parent's own"), 20);
}

#[test]
fn pool_made_in_a_forked_child_has_workers() {
    let _parents = pool(2);
    assert!(in_child(|| {
        let pool = pool(3);
        run_and_check(&pool, 20);
        assert!(in_child(|| run_and_check(&pool, 20)), "a grandchild");
    }));
}
