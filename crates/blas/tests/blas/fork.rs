//! A forked child has no workers, and maybe a lock that nobody will open; it computes all the same.

use crate::concurrency::Product;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `work` in a forked child; whether it returned true. A child that hangs is killed and counts as false.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls only what a child of a process with threads may (memory allocation works in glibc), and `_exit`.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
        if child == 0 {
            libc::alarm(30);
            libc::_exit(if work() { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

#[test]
fn product_in_a_forked_child_has_the_same_bits() {
    cke_blas::cke_blas_set_num_threads(3);
    let product = Product::new();
    let wanted = product.bits();
    for _ in 0..10 {
        assert!(in_child(|| (0..3).all(|_| product.bits() == wanted)));
    }
    assert!(in_child(|| product.bits() == wanted && in_child(|| product.bits() == wanted)), "a grandchild");
    assert_eq!(product.bits(), wanted, "the parent goes on");
}

#[test]
fn product_in_a_child_forked_while_the_pool_works_has_the_same_bits() {
    cke_blas::cke_blas_set_num_threads(3);
    let product = Product::new();
    let wanted = product.bits();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(product.bits(), wanted);
                }
            });
        }
        let all_well = (0..20).all(|_| in_child(|| (0..2).all(|_| product.bits() == wanted)));
        stop.store(true, Ordering::Relaxed);
        assert!(all_well);
    });
}
