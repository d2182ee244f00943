//! Calls that cannot be carried out: a typed error with the numbers, and C as it was.

use crate::kernels::{cpu, kernels};
use crate::operands::{plan, unwritten, view, view_mut};
use cke_kernels::Error;
use cke_kernels::gemm::{Blocking, Ctx, Epilogue, GemmPlan, Multiplier, PackedB, Scale, Shape, Supported};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Element, Layout, Matrix};

const M: usize = 3;
const N: usize = 5;
const K: usize = 4;

fn planned(kernel: Supported<F32>) -> GemmPlan<F32> {
    plan(kernel, &GemmCase::row_major(M, N, K), None)
}

fn zeros(rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::from_values(rows, cols, &vec![0.0; rows * cols])
}

fn packed_for(kernel: Supported<F32>, k: usize, n: usize) -> PackedB<F32> {
    PackedB::zeroed(kernel, k, n).expect("memory is there")
}

/// The error of a call with these operands, after which C must be as it was.
#[track_caller]
fn error_of(plan: &GemmPlan<F32>, a: (usize, usize), b: &PackedB<F32>, c: (usize, usize), e: &Epilogue<'_>) -> Error {
    let a = zeros(a.0, a.1);
    let mut c = unwritten(Layout::padded(c.0, c.1, 2));
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    let error = plan.run(view(&a), b, view_mut(&mut c), e, ctx).expect_err("the sizes do not agree");
    assert!(c.as_slice().iter().all(|x| x.is_canary()), "{error}: C was written");
    error
}

/// The two numbers of a size error.
#[track_caller]
fn sizes(error: &Error) -> (usize, usize) {
    match *error {
        Error::Size { wanted, found, .. } => (wanted, found),
        _ => panic!("wanted an error about sizes, found {error:?}"),
    }
}

#[test]
fn run_with_sizes_that_disagree_is_refused() {
    for kernel in kernels() {
        let (plan, none) = (planned(kernel), Epilogue::default());
        let b = packed_for(kernel, K, N);
        assert_eq!(sizes(&error_of(&plan, (M, K + 1), &b, (M, N), &none)), (K, K + 1));
        assert_eq!(sizes(&error_of(&plan, (M, 0), &b, (M, N), &none)), (K, 0));
        assert_eq!(sizes(&error_of(&plan, (M, K), &b, (M + 1, N), &none)), (M, M + 1));
        assert_eq!(sizes(&error_of(&plan, (0, K), &b, (M, N), &none)), (0, M));
        assert_eq!(sizes(&error_of(&plan, (M, K), &b, (M, N - 1), &none)), (N, N - 1));
        assert_eq!(sizes(&error_of(&plan, (M, K), &packed_for(kernel, K - 1, N), (M, N), &none)), (K, K - 1));
        assert_eq!(sizes(&error_of(&plan, (M, K), &packed_for(kernel, K, N + 1), (M, N), &none)), (N, N + 1));
    }
}

#[test]
fn run_with_an_epilogue_of_other_sizes_is_refused() {
    let ones = [1.0; 2 * M * N];
    let none = Epilogue::default;
    let residual = |rows, cols, row_stride, col_stride| {
        Some(MatRef::with_strides(&ones, rows, cols, row_stride, col_stride).expect("inside"))
    };
    let multiplier = |rows, cols, row_stride, col_stride| {
        Multiplier::Matrix(residual(rows, cols, row_stride, col_stride).expect("made above"))
    };
    let epilogues = [
        (Epilogue { bias: Some(&ones[..N + 1]), ..none() }, (N, N + 1)),
        (Epilogue { bias: Some(&[]), ..none() }, (N, 0)),
        (Epilogue { scale: Scale::PerColumn(&ones[..N - 1]), ..none() }, (N, N - 1)),
        (Epilogue { residual: residual(M - 1, N, N, 1), ..none() }, (M, M - 1)),
        (Epilogue { residual: residual(M, N - 1, N, 1), ..none() }, (N, N - 1)),
        (Epilogue { residual: residual(M, N, 1, M), ..none() }, (1, M)),
        (Epilogue { multiplier: multiplier(M - 1, N, N, 1), ..none() }, (M, M - 1)),
        (Epilogue { multiplier: multiplier(M, N - 1, N, 1), ..none() }, (N, N - 1)),
        (Epilogue { multiplier: multiplier(M, N, 1, M), ..none() }, (1, M)),
    ];
    for kernel in kernels() {
        for (epilogue, wanted) in &epilogues {
            let error = error_of(&planned(kernel), (M, K), &packed_for(kernel, K, N), (M, N), epilogue);
            assert_eq!(sizes(&error), *wanted, "{error}");
        }
    }
}

#[test]
fn run_with_weights_packed_for_another_kernel_is_refused() {
    for kernel in kernels() {
        for other in kernels().into_iter().filter(|other| other.tile().nr != kernel.tile().nr) {
            let error = error_of(&planned(kernel), (M, K), &packed_for(other, K, N), (M, N), &Epilogue::default());
            let record = kernel.record();
            let wanted = Error::PackedForAnotherKernel {
                kernel: record.name(),
                wanted: record.panel_format(),
                found: other.record().panel_format(),
            };
            assert_eq!(error, wanted);
        }
    }
}

#[test]
fn pack_of_a_b_with_other_sizes_is_refused() {
    for kernel in kernels() {
        let plan = planned(kernel);
        assert_eq!(sizes(&plan.pack_b(view(&zeros(K + 1, N))).expect_err("one row more")), (K, K + 1));
        assert_eq!(sizes(&plan.pack_b(view(&zeros(K, N - 1))).expect_err("one column less")), (N, N - 1));
        assert_eq!(sizes(&plan.pack_b(view(&zeros(N, K))).expect_err("transposed")), (K, N));
    }
}

#[test]
fn packed_b_beyond_all_memory_is_refused() {
    for kernel in kernels::<F32>() {
        for (k, n) in [(usize::MAX, 1), (1, usize::MAX), (1 << 40, 1 << 40), (usize::MAX, usize::MAX)] {
            let plan = GemmPlan::with_kernel(cpu(), kernel, Shape { m: 1, n, k });
            let error = plan.empty_b().expect_err("no machine has so much");
            assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
        }
    }
}

#[test]
fn blocking_of_nothing_or_of_broken_panels_is_refused() {
    for kernel in kernels() {
        let nr = kernel.tile().nr;
        let good = Blocking { mc: 1, kc: 1, nc: nr };
        let bad = [
            (Blocking { mc: 0, ..good }, (1, 0)),
            (Blocking { kc: 0, ..good }, (1, 0)),
            (Blocking { nc: 0, ..good }, (nr, 0)),
            (Blocking { nc: nr + 1, ..good }, (nr, nr + 1)),
        ];
        assert!(planned(kernel).with_blocking(good).is_ok());
        for (blocking, wanted) in bad {
            let error = planned(kernel).with_blocking(blocking).expect_err("a block is empty or cuts a panel");
            assert_eq!(sizes(&error), wanted, "{error}");
        }
    }
}

#[test]
fn product_with_no_elements_and_absurd_sizes_returns_at_once() {
    for kernel in kernels::<F32>() {
        for (m, n, k) in [(usize::MAX, 0, 0), (0, usize::MAX, 0), (0, 0, usize::MAX)] {
            let plan = GemmPlan::with_kernel(cpu(), kernel, Shape { m, n, k });
            let a = MatRef::new(&[], m, k).expect("an empty A");
            let c = MatMut::new(&mut [], m, n).expect("an empty C");
            let b = plan.empty_b().expect("an empty B");
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            assert_eq!(plan.run(a, &b, c, &Epilogue::default(), ctx), Ok(()), "{m}x{n}x{k}");
        }
    }
}

#[test]
fn error_in_debug_is_its_message() {
    let error = MatRef::new(&[0.0f32; 5], 2, 3).expect_err("one number too few");
    let message = "a 2×3 view with strides (3, 1) needs 6 elements, its slice has 5";
    assert_eq!((error.to_string(), format!("{error:?}")), (message.to_owned(), message.to_owned()));
    let boxed: Box<dyn std::error::Error> = error.into();
    assert_eq!(format!("{boxed:?}"), message);
}
