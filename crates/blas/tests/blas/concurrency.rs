//! Many callers at once, any number of threads, and calls at the end of a thread.

use crate::bindings::{COL_MAJOR, NO_TRANS, ROW_MAJOR};
use cke_testkit::Data;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

/// A product large enough for threads.
pub(crate) struct Product {
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Product {
    const SIZE: usize = 160;

    pub(crate) fn new() -> Self {
        let mut data = Data::new(6);
        let mut values = || data.uniform(Self::SIZE * Self::SIZE);
        Product { a: values(), b: values() }
    }

    /// The bits of A · B.
    pub(crate) fn bits(&self) -> Vec<u32> {
        let mut c = vec![0.0f32; Self::SIZE * Self::SIZE];
        let n = Self::SIZE as i32;
        let (a, b, c_data) = (self.a.as_ptr(), self.b.as_ptr(), c.as_mut_ptr());
        // SAFETY: three n × n matrices.
        unsafe {
            cke_blas::cblas_sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, n, n, n, 1.0, a, n, b, n, 0.0, c_data, n);
        }
        c.into_iter().map(f32::to_bits).collect()
    }
}

#[test]
fn product_for_any_number_of_threads_has_the_same_bits() {
    let product = Product::new();
    cke_blas::cke_blas_set_num_threads(1);
    let alone = product.bits();
    for threads in [2, 3, 5, 1, 4] {
        cke_blas::cke_blas_set_num_threads(threads);
        assert_eq!(product.bits(), alone, "{threads} threads");
    }
}

#[test]
fn products_of_many_callers_at_once_have_the_same_bits() {
    let product = Product::new();
    let wanted = product.bits();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let (product, wanted) = (&product, &wanted);
            scope.spawn(move || {
                for round in 0..10 {
                    if caller == 0 {
                        cke_blas::cke_blas_set_num_threads(2 + round % 3); // while the others compute
                    }
                    assert_eq!(product.bits(), *wanted, "caller {caller}, round {round}");
                }
            });
        }
    });
}

/// The library keeps memory for each thread; a call while the thread ends must do without it.
#[test]
fn call_from_a_thread_local_destructor_computes() {
    static RESULT: AtomicU32 = AtomicU32::new(0);

    struct Late(Vec<f32>);

    impl Drop for Late {
        fn drop(&mut self) {
            let mut c = 0.0f32;
            let (n, one) = (self.0.len() as i32, self.0.as_ptr());
            // SAFETY: (1, n) · (n, 1), both column-major.
            unsafe {
                cke_blas::cblas_sgemm(COL_MAJOR, NO_TRANS, NO_TRANS, 1, 1, n, 1.0, one, 1, one, n, 0.0, &mut c, 1)
            };
            RESULT.store(c.to_bits(), Ordering::Relaxed);
        }
    }

    thread_local! {
        static LATE: RefCell<Late> = const { RefCell::new(Late(Vec::new())) };
    }

    let thread = std::thread::spawn(|| {
        LATE.with_borrow_mut(|late| late.0 = vec![2.0; 3]);
        // After LATE, so that it is destroyed before it.
        Product::new().bits();
    });
    thread.join().unwrap();
    assert_eq!(f32::from_bits(RESULT.load(Ordering::Relaxed)), 12.0);
}
