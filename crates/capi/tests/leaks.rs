//! What is created and destroyed gives all of its memory back, also if calls fail. A test binary of its own, with one test, since
//! it counts the memory of the whole process.

use cke::cke_status::*;
use cke::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicIsize, Ordering};

/// The system's allocator, counting the bytes that are in use.
struct LiveBytes;

static LIVE: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: LiveBytes = LiveBytes;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for LiveBytes {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const F32: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_F32);
const M: usize = 64;
const N: usize = 96;
const K: usize = 80;

/// Every kind of handle, made, used and destroyed; then calls that fail.
fn life_of_every_handle() {
    let (a, b, mut c) = ([1.0f32; M * K], [1.0f32; K * N], [0.0f32; M * N]);
    let a = cke_matrix { data: a.as_ptr().cast(), rows: M, cols: K, row_stride: K, col_stride: 1 };
    let b = cke_matrix { data: b.as_ptr().cast(), rows: K, cols: N, row_stride: N, col_stride: 1 };
    let c = cke_matrix_mut { data: c.as_mut_ptr().cast(), rows: M, cols: N, row_stride: N, col_stride: 1 };
    let (mut pool, mut context, mut plan) = (null_mut(), null_mut(), null_mut());
    let (mut packed, mut brgemm) = (null_mut(), null_mut());
    // SAFETY: handles that were just made, matrices that live on, or NULL.
    unsafe {
        assert_eq!(cke_pool_create(3, &mut pool), CKE_OK);
        assert_eq!(cke_context_create(pool, &mut context), CKE_OK);
        assert_eq!(cke_plan_create(F32, M, N, K, &mut plan), CKE_OK);
        assert_eq!(cke_pack_b(plan, &b, &mut packed), CKE_OK);
        assert_eq!(cke_brgemm_create(F32, M, N, K, &mut brgemm), CKE_OK);
        for _ in 0..3 {
            assert_eq!(cke_plan_run(context, plan, &a, packed, null(), &c), CKE_OK);
            assert_eq!(cke_gemm(context, F32, 1.0, &a, &b, 0.0, &c), CKE_OK);
            assert_eq!(cke_gemm(context, F32, 1.0, &a, &a, 0.0, &c), CKE_ERROR_SIZE);
        }
        let mut none = null_mut();
        assert_eq!(cke_pack_b(plan, &a, &mut none), CKE_ERROR_SIZE);
        assert_eq!(cke_pool_wrap(null(), &mut null_mut()), CKE_ERROR_NULL);
        cke_pool_destroy(pool);
        cke_context_destroy(context);
        cke_plan_destroy(plan);
        cke_packed_destroy(packed);
        cke_brgemm_destroy(brgemm);
    }
}

#[test]
fn handles_give_their_memory_back() {
    // What is allocated once for the process, and this thread's last message.
    life_of_every_handle();
    let before = LIVE.load(Ordering::SeqCst);
    (0..20).for_each(|_| life_of_every_handle());
    assert_eq!(LIVE.load(Ordering::SeqCst), before);
}
