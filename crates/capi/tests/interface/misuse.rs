//! Wrong calls: a status and a message, and nothing written.

use crate::c::*;
use cke::cke_status::*;
use cke::*;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// A number as a C caller would pass it for an enum.
fn number<T>(value: i32) -> MaybeUninit<T> {
    assert_eq!(size_of::<T>(), size_of::<i32>());
    let mut argument = MaybeUninit::<T>::uninit();
    // SAFETY: as large as an i32, which any bytes may be in a MaybeUninit.
    unsafe { argument.as_mut_ptr().cast::<i32>().write(value) };
    argument
}

const DATA: [f32; 64] = [1.0; 64];

/// Row-major, over memory that suffices for 64 elements.
fn read(rows: usize, cols: usize) -> cke_matrix {
    cke_matrix { data: DATA.as_ptr().cast(), rows, cols, row_stride: cols, col_stride: 1 }
}

fn write(data: &mut [f32; 64], rows: usize, cols: usize) -> cke_matrix_mut {
    cke_matrix_mut { data: data.as_mut_ptr().cast(), rows, cols, row_stride: cols, col_stride: 1 }
}

/// Runs a product (4, 5) = (4, 3) · (3, 5) with changed operands.
fn gemm(change: impl FnOnce(&mut cke_matrix, &mut cke_matrix, &mut cke_matrix_mut)) -> cke_status {
    let mut memory = [7.0; 64];
    let (mut a, mut b, mut c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    change(&mut a, &mut b, &mut c);
    // SAFETY: a handle; what the matrices claim beyond their memory is refused before it is touched.
    let status = unsafe { cke_gemm(context(None).get(), F32, 1.0, &a, &b, 0.0, &c) };
    assert!(status == CKE_OK || memory == [7.0; 64], "C was written");
    status
}

#[test]
fn sizes_that_disagree_are_refused_with_their_numbers() {
    assert_eq!(gemm(|_, _, _| ()), CKE_OK);
    assert_eq!(gemm(|a, _, _| a.cols = 2), CKE_ERROR_SIZE);
    assert_eq!(last_error(), "rows of B: wanted 2, found 3");
    assert_eq!(gemm(|_, _, c| c.rows = 3), CKE_ERROR_SIZE);
    assert_eq!(gemm(|_, _, c| c.cols = 6), CKE_ERROR_SIZE);
}

#[test]
fn matrices_that_cannot_be_are_refused() {
    assert_eq!(gemm(|a, _, _| a.data = null()), CKE_ERROR_NULL);
    assert_eq!(last_error(), "a is NULL");
    assert_eq!(gemm(|_, b, _| b.data = null()), CKE_ERROR_NULL);
    assert_eq!(gemm(|_, _, c| c.data = null_mut()), CKE_ERROR_NULL);
    assert_eq!(gemm(|a, _, _| a.data = a.data.wrapping_byte_add(2)), CKE_ERROR_ALIGNMENT);
    assert_eq!(gemm(|_, _, c| c.data = c.data.wrapping_byte_add(1)), CKE_ERROR_ALIGNMENT);
    assert_eq!(gemm(|a, _, _| a.row_stride = usize::MAX), CKE_ERROR_SIZE);
    assert_eq!(gemm(|a, _, _| a.rows = usize::MAX), CKE_ERROR_SIZE);
    assert_eq!(gemm(|_, b, _| b.col_stride = usize::MAX / 16), CKE_ERROR_SIZE);
    assert!(last_error().contains("exceeds the address space"), "{}", last_error());
    assert_eq!(gemm(|_, _, c| c.row_stride = 4), CKE_ERROR_SIZE);
    assert!(last_error().contains("overlaps itself"), "{}", last_error());
    assert_eq!(gemm(|_, _, c| c.col_stride = 0), CKE_ERROR_SIZE);
}

#[test]
fn matrices_without_elements_may_be_null() {
    let nothing = |a: &mut cke_matrix, b: &mut cke_matrix, c: &mut cke_matrix_mut| {
        (a.rows, c.rows) = (0, 0);
        (a.data, b.data, c.data) = (null(), b.data, null_mut());
    };
    assert_eq!(gemm(nothing), CKE_OK);
}

#[test]
fn null_handles_and_pointers_are_refused() {
    let (context, plan, brgemm) = (context(None), plan(4, 5, 3), brgemm(4, 5, 3));
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let packed = pack(&plan, &b).expect("sizes agree");
    let (many_a, many_b) = (matrices(&DATA[..12], 1, 4, 3), matrices(&DATA[..15], 1, 3, 5));
    // SAFETY: handles and matrices that live on, or NULL.
    unsafe {
        for missing in 0..4 {
            let or_null = |index, x: *const c_void| if index == missing { null() } else { x };
            let context = or_null(0, context.get().cast()).cast();
            let (a, c) = (or_null(1, (&raw const a).cast()).cast(), or_null(2, (&raw const c).cast()).cast());
            let plan = or_null(3, plan.get().cast()).cast();
            let b = or_null(3, (&raw const b).cast()).cast();
            assert_eq!(cke_plan_run(context, plan, a, packed.get(), null(), c), CKE_ERROR_NULL);
            assert_eq!(cke_gemm(context, F32, 1.0, a, b, 0.0, c), CKE_ERROR_NULL);
        }
        assert_eq!(cke_plan_run(context.get(), plan.get(), &a, null(), null(), &c), CKE_ERROR_NULL);
        assert_eq!(cke_brgemm_run(context.get(), null(), &many_a, &many_b, 0.0, null(), &c), CKE_ERROR_NULL);
        assert_eq!(cke_brgemm_run(context.get(), brgemm.get(), null(), &many_b, 0.0, null(), &c), CKE_ERROR_NULL);
        assert_eq!(cke_gemm_batch(context.get(), F32, 1.0, &many_a, &many_b, 0.0, null()), CKE_ERROR_NULL);
        assert_eq!(cke_pack_b(null(), &b, &mut null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_pack_b(plan.get(), null(), &mut null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_pack_b(plan.get(), &b, null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_plan_create(F32, 1, 1, 1, null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_brgemm_create(F32, 1, 1, 1, null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_context_create(null(), null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_pool_create(1, null_mut()), CKE_ERROR_NULL);
        assert_eq!(cke_pool_wrap(null(), &mut null_mut()), CKE_ERROR_NULL);
        assert_eq!((cke_pool_threads(null()), cke_packed_bytes(null())), (0, 0));
        cke_plan_destroy(null_mut());
        cke_packed_destroy(null_mut());
        cke_brgemm_destroy(null_mut());
        cke_context_destroy(null_mut());
        cke_pool_destroy(null_mut());
    }
    assert_eq!(memory, [7.0; 64]);
}

#[test]
fn numbers_that_are_no_dtype_or_activation_are_refused() {
    let context = context(None);
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let plan = plan(4, 5, 3);
    let packed = pack(&plan, &b).expect("sizes agree");
    // SAFETY: handles and matrices that live on; any number is fine.
    unsafe {
        for unknown in [-1, 99, i32::MAX] {
            assert_eq!(cke_gemm(context.get(), number(unknown), 1.0, &a, &b, 0.0, &c), CKE_ERROR_UNSUPPORTED);
            assert_eq!(cke_plan_create(number(unknown), 1, 1, 1, &mut null_mut()), CKE_ERROR_UNSUPPORTED);
        }
        assert_eq!(cke_plan_create(F64, 1, 1, 1, &mut null_mut()), CKE_ERROR_UNSUPPORTED);
        assert_eq!(
            last_error(),
            "dtype of a plan: wanted CKE_F32 or CKE_BF16 or CKE_F16 or CKE_INT8 or CKE_INT8_CHANNEL or CKE_INT4, found CKE_F64"
        );
        assert_eq!(cke_brgemm_create(F64, 1, 1, 1, &mut null_mut()), CKE_ERROR_UNSUPPORTED);
        assert_eq!(cke_brgemm_create(INT8, 1, 1, 1, &mut null_mut()), CKE_ERROR_UNSUPPORTED);
        assert_eq!(cke_gemm(context.get(), INT8, 1.0, &a, &b, 0.0, &c), CKE_ERROR_UNSUPPORTED);
        let epilogue = cke_epilogue { activation: number(6), ..no_epilogue() };
        let status = cke_plan_run(context.get(), plan.get(), &a, packed.get(), &epilogue, &c);
        assert_eq!(
            (status, last_error().as_str()),
            (CKE_ERROR_UNSUPPORTED, "activation: wanted CKE_ACTIVATION_NONE (0) to CKE_ACTIVATION_TANH (5), found 6")
        );
    }
    assert_eq!(memory, [7.0; 64]);
}

#[test]
fn plans_for_matrices_that_cannot_be_are_refused() {
    // What C makes of −5 and −7, and a product that just does not fit.
    for (n, k) in [(usize::MAX - 4, usize::MAX - 6), (1 << 31, 1 << 30)] {
        for dtype in [F32, BF16, F16, INT8, INT8_CHANNEL, INT4] {
            // SAFETY: `out` is valid for writes.
            let plan = Handle::new(|out| unsafe { cke_plan_create(dtype, 1, n, k, out) }, cke_plan_destroy);
            assert_eq!(plan.err(), Some(CKE_ERROR_SIZE), "({k}, {n})");
            assert_eq!(
                last_error(),
                format!("B of the plan: a {k}×{n} matrix with strides ({n}, 1) exceeds the address space")
            );
        }
        for (m, n, k) in [(1, n, k), (k, n, 1)] {
            // SAFETY: `out` is valid for writes.
            let plan = Handle::new(|out| unsafe { cke_brgemm_create(F32, m, n, k, out) }, cke_brgemm_destroy);
            assert_eq!(plan.err(), Some(CKE_ERROR_SIZE), "({m}, {n}, {k})");
        }
    }
    // m is a guess; nothing of its size is made.
    drop(plan(usize::MAX, 3, 5));
}

#[test]
fn struct_of_another_size_is_refused() {
    let context = context(None);
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let plan = plan(4, 5, 3);
    let packed = pack(&plan, &b).expect("sizes agree");
    for size in [0, size_of::<cke_epilogue>() - 8, size_of::<cke_epilogue>() + 8] {
        let epilogue = cke_epilogue { size, ..no_epilogue() };
        // SAFETY: handles, matrices and an epilogue that live on.
        let status = unsafe { cke_plan_run(context.get(), plan.get(), &a, packed.get(), &epilogue, &c) };
        assert_eq!(status, CKE_ERROR_VERSION, "{size}");
        let own = cke_own_pool { size, pool: null_mut(), threads: 2, run: None };
        // SAFETY: a struct that lives on, and `out` is valid for writes.
        assert_eq!(unsafe { cke_pool_wrap(&own, &mut null_mut()) }, CKE_ERROR_VERSION, "{size}");
    }
    assert_eq!(memory, [7.0; 64]);
}

#[test]
fn packed_weights_of_another_plan_are_refused() {
    let context = context(None);
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let plan_here = plan(4, 5, 3);
    for (n, k) in [(5, 2), (4, 3), (3, 5)] {
        let other = pack(&plan(4, n, k), &read(k, n)).expect("sizes agree");
        // SAFETY: handles and matrices that live on.
        let status = unsafe { cke_plan_run(context.get(), plan_here.get(), &a, other.get(), null(), &c) };
        assert_eq!(status, CKE_ERROR_SIZE, "packed ({k}, {n})");
    }
    assert_eq!(pack(&plan_here, &read(5, 3)).err(), Some(CKE_ERROR_SIZE), "a B for another plan");
    assert!(pack(&plan_here, &b).is_ok());
    assert_eq!(memory, [7.0; 64]);
}

#[test]
fn epilogue_of_other_sizes_is_refused() {
    let context = context(None);
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let plan = plan(4, 5, 3);
    let packed = pack(&plan, &b).expect("sizes agree");
    let (scale, odd) = (DATA.as_ptr(), DATA.as_ptr().wrapping_byte_add(1));
    for (epilogue, wanted) in [
        (cke_epilogue { scale, scale_count: 4, ..no_epilogue() }, CKE_ERROR_SIZE),
        (cke_epilogue { scale, scale_count: 0, ..no_epilogue() }, CKE_ERROR_SIZE),
        (cke_epilogue { scale, scale_count: usize::MAX, ..no_epilogue() }, CKE_ERROR_SIZE),
        (cke_epilogue { bias: odd, ..no_epilogue() }, CKE_ERROR_ALIGNMENT),
        (cke_epilogue { residual: odd, residual_row_stride: 5, ..no_epilogue() }, CKE_ERROR_ALIGNMENT),
        (cke_epilogue { residual: scale, residual_row_stride: usize::MAX, ..no_epilogue() }, CKE_ERROR_SIZE),
    ] {
        // SAFETY: handles and matrices that live on; what the epilogue claims is refused before it is touched.
        let status = unsafe { cke_plan_run(context.get(), plan.get(), &a, packed.get(), &epilogue, &c) };
        assert_eq!(status, wanted, "{}", last_error());
    }
    assert_eq!(memory, [7.0; 64]);
}

#[test]
fn batches_that_cannot_be_are_refused() {
    let context = context(None);
    let good_a = matrices(&DATA[..24], 2, 4, 3);
    let good_b = matrices(&DATA[..30], 2, 3, 5);
    let holes = [DATA.as_ptr().cast::<c_void>(), null()];
    let far = [0, usize::MAX / 2];
    let bad = [
        (cke_matrices { count: 1, ..good_a }, CKE_ERROR_SIZE),
        (cke_matrices { cols: 2, ..good_a }, CKE_ERROR_SIZE),
        (cke_matrices { data: null(), ..good_a }, CKE_ERROR_NULL),
        (cke_matrices { addresses: holes.as_ptr(), ..good_a }, CKE_ERROR_NULL),
        (cke_matrices { offsets: far.as_ptr(), ..good_a }, CKE_ERROR_SIZE),
        (cke_matrices { stride: usize::MAX / 2, ..good_a }, CKE_ERROR_SIZE),
        (cke_matrices { addresses: holes.as_ptr().wrapping_byte_add(4), ..good_a }, CKE_ERROR_ALIGNMENT),
        (cke_matrices { offsets: far.as_ptr().wrapping_byte_add(1), ..good_a }, CKE_ERROR_ALIGNMENT),
        (cke_matrices { addresses: holes.as_ptr(), count: usize::MAX, ..good_a }, CKE_ERROR_SIZE),
        (cke_matrices { offsets: far.as_ptr(), count: 1 << 60, ..good_a }, CKE_ERROR_SIZE),
    ];
    let mut memory = [7.0f32; 40];
    let c = matrices_mut(&mut memory, 2, 4, 5);
    let (one_c, brgemm) =
        (cke_matrix_mut { data: c.data, rows: 4, cols: 5, row_stride: 5, col_stride: 1 }, brgemm(4, 5, 3));
    for (a, wanted) in bad {
        // SAFETY: handles and lists that live on; what the matrices claim is refused before it is touched.
        let statuses = unsafe {
            [
                cke_gemm_batch(context.get(), F32, 1.0, &a, &good_b, 0.0, &c),
                cke_brgemm_run(context.get(), brgemm.get(), &a, &good_b, 0.0, null(), &one_c),
            ]
        };
        assert_eq!(statuses, [wanted; 2], "{}", last_error());
    }
    for c in [
        cke_matrices_mut { stride: 19, ..c },
        cke_matrices_mut { stride: 0, ..c },
        cke_matrices_mut { row_stride: 4, ..c },
    ] {
        // SAFETY: as above.
        let status = unsafe { cke_gemm_batch(context.get(), F32, 1.0, &good_a, &good_b, 0.0, &c) };
        assert_eq!(status, CKE_ERROR_SIZE, "{}", last_error());
    }
    assert_eq!(memory, [7.0; 40]);
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let plan = plan(1, 1 << 30, 1 << 28);
    // One element, repeated: the matrix itself takes no memory.
    let b = cke_matrix { data: DATA.as_ptr().cast(), rows: 1 << 28, cols: 1 << 30, row_stride: 0, col_stride: 0 };
    assert_eq!(pack(&plan, &b).err(), Some(CKE_ERROR_MEMORY));
}

#[test]
fn lists_of_nothing_may_be_anywhere() {
    let (context, odd) = (context(None), std::ptr::dangling::<u8>());
    let none = cke_matrices { addresses: odd.cast(), ..matrices::<f32>(&[], 0, 4, 3) };
    let (b, c) = (
        cke_matrices { rows: 3, cols: 5, ..none },
        cke_matrices_mut { addresses: odd.cast(), ..matrices_mut::<f32>(&mut [], 0, 4, 5) },
    );
    // SAFETY: a handle; there is no matrix.
    let status = unsafe { cke_gemm_batch(context.get(), F32, 1.0, &none, &b, 0.0, &c) };
    assert_eq!(status, CKE_OK, "{}", last_error());
    let (plan, mut memory) = (plan(4, 0, 3), [7.0; 64]);
    let (a, b, c) = (read(4, 3), read(3, 0), write(&mut memory, 4, 0));
    let packed = pack(&plan, &b).expect("nothing to pack");
    let epilogue = cke_epilogue { bias: odd.cast(), ..no_epilogue() };
    // SAFETY: handles; a bias of no elements.
    let status = unsafe { cke_plan_run(context.get(), plan.get(), &a, packed.get(), &epilogue, &c) };
    assert_eq!(status, CKE_OK, "{}", last_error());
}

#[test]
fn pool_of_more_threads_than_the_limit_is_refused_and_starts_none() {
    for threads in [1025, 1_000_000, usize::MAX] {
        let mut out = std::ptr::dangling_mut();
        // SAFETY: `out` is valid for writes.
        assert_eq!(unsafe { cke_pool_create(threads, &mut out) }, CKE_ERROR_SIZE);
        assert!(out.is_null());
        assert_eq!(last_error(), format!("threads of a pool, at most: wanted 1024, found {threads}"));

        let own = cke_own_pool { size: size_of::<cke_own_pool>(), pool: null_mut(), threads, run: Some(run_nothing) };
        let mut out = std::ptr::dangling_mut();
        // SAFETY: the struct is copied, and `out` is valid for writes.
        assert_eq!(unsafe { cke_pool_wrap(&own, &mut out) }, CKE_ERROR_SIZE);
        assert!(out.is_null());
        assert_eq!(last_error(), format!("threads of cke_own_pool, at most: wanted 1024, found {threads}"));
    }
}

unsafe extern "C-unwind" fn run_nothing(_: *mut c_void, _: usize, _: cke_work, _: *mut c_void) {}

#[test]
fn weights_packed_in_another_dtype_are_refused() {
    let context = context(None);
    let mut memory = [7.0; 64];
    let (a, b, c) = (read(4, 3), read(3, 5), write(&mut memory, 4, 5));
    let (floats, bytes) = (plan(4, 5, 3), plan_in(INT8, 4, 5, 3));
    for (plan, other) in [(&floats, &bytes), (&bytes, &floats)] {
        let packed = pack(other, &b).expect("sizes agree");
        // SAFETY: handles and matrices that live on.
        let status = unsafe { cke_plan_run(context.get(), plan.get(), &a, packed.get(), null(), &c) };
        assert_eq!(status, CKE_ERROR_PACKED);
        assert!(last_error().contains("int8 in quads"), "{}", last_error());
    }
    assert_eq!(memory, [7.0; 64]);
}
