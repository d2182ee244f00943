//! gemm of random shapes, layouts, transpositions, leading dimensions, factors and names.

use crate::bindings::{Binding, COL_MAJOR, CONJ_TRANS, GemmCall, NO_TRANS, Number, ROW_MAJOR, TRANS};
use crate::oracle;
use cke_testkit::{Data, Layout, Matrix, PageGuarded, View};
use proptest::prelude::*;
use std::ffi::c_int;

/// A product without its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) layout: c_int,
    pub(crate) trans: [c_int; 2],
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    /// How far the leading dimensions exceed what is needed.
    pub(crate) padding: [usize; 3],
    pub(crate) seed: u64,
}

impl Case {
    /// Of a stored (rows, cols) matrix; BLAS wants a leading dimension of at least 1.
    fn stored(&self, rows: usize, cols: usize, padding: usize) -> Layout {
        if self.layout == ROW_MAJOR {
            Layout { rows, cols, row_stride: cols.max(1) + padding, col_stride: 1 }
        } else {
            Layout { rows, cols, row_stride: 1, col_stride: rows.max(1) + padding }
        }
    }

    /// Of the stored A, B and C.
    fn layouts(&self) -> [Layout; 3] {
        let Case { m, n, k, trans: [trans_a, trans_b], .. } = *self;
        let (a_rows, a_cols) = if trans_a == NO_TRANS { (m, k) } else { (k, m) };
        let (b_rows, b_cols) = if trans_b == NO_TRANS { (k, n) } else { (n, k) };
        let [pad_a, pad_b, pad_c] = self.padding;
        [self.stored(a_rows, a_cols, pad_a), self.stored(b_rows, b_cols, pad_b), self.stored(m, n, pad_c)]
    }

    fn call<T: Number>(&self, a: *const T, b: *const T, c: *mut T) -> GemmCall<T> {
        let [lda, ldb, ldc] = self.layouts().map(|layout| layout.row_stride.max(layout.col_stride) as i64);
        let [m, n, k] = [self.m, self.n, self.k].map(|size| size as i64);
        let [trans_a, trans_b] = self.trans;
        let [alpha, beta] = [self.alpha, self.beta].map(T::from);
        GemmCall { layout: self.layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc }
    }
}

/// op(X) of what is stored.
fn op<T: Copy>(stored: View<'_, T>, trans: c_int) -> View<'_, T> {
    if trans == NO_TRANS { stored } else { stored.transposed() }
}

fn values<T: Number>(data: &mut Data, layout: Layout) -> Vec<T> {
    data.uniform(layout.rows * layout.cols).into_iter().map(T::from).collect()
}

/// Matrices with canaries between and around their elements; C is NaN if it must not be read.
fn operands<T: Number>(case: &Case) -> [Matrix<T>; 3] {
    let mut data = Data::new(case.seed);
    let [a, b, c] = case.layouts();
    let c_values = if case.beta == 0.0 { vec![T::NAN; c.rows * c.cols] } else { values(&mut data, c) };
    [
        Matrix::with_layout(a, &values(&mut data, a)),
        Matrix::with_layout(b, &values(&mut data, b)),
        Matrix::with_layout(c, &c_values),
    ]
}

/// Runs the case on one binding and checks the result, the padding and the surroundings.
fn check<T: Number>(case: &Case, binding: &Binding<GemmCall<T>>) {
    let [a, b, old_c] = operands::<T>(case);
    let [_, _, mut c] = operands::<T>(case);
    let call = case.call(a.as_slice().as_ptr(), b.as_slice().as_ptr(), c.as_mut_slice().as_mut_ptr());
    // SAFETY: the matrices have the sizes of the call.
    unsafe { (binding.call)(&call) };
    c.check();
    let [trans_a, trans_b] = case.trans;
    let exact = oracle::Gemm {
        alpha: call.alpha,
        a: op(a.view(), trans_a),
        b: op(b.view(), trans_b),
        beta: call.beta,
        c: old_c.view(),
    };
    exact.assert_computed(&(binding.name, case), &c.to_row_major());
}

/// The case on the binding chosen by the seed, among those that serve its layout.
fn check_some_face<T: Number>(case: &Case) {
    let bindings: Vec<_> = T::GEMM.iter().filter(|binding| binding.serves(case.layout)).collect();
    check(case, bindings[case.seed as usize % bindings.len()]);
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![0..5usize, 0..40usize, 60..70usize]
}

fn factor() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(1.0), Just(-1.0), Just(0.7), -3.0f32..3.0]
}

fn trans() -> impl Strategy<Value = c_int> {
    prop_oneof![Just(NO_TRANS), Just(TRANS), Just(CONJ_TRANS)]
}

fn cases() -> impl Strategy<Value = Case> {
    let layout = prop_oneof![Just(ROW_MAJOR), Just(COL_MAJOR)];
    let sizes = (size(), size(), size());
    let padding = [0..6usize, 0..6, 0..6];
    (layout, [trans(), trans()], sizes, factor(), factor(), padding, any::<u64>()).prop_map(
        |(layout, trans, (m, n, k), alpha, beta, padding, seed)| Case {
            layout,
            trans,
            m,
            n,
            k,
            alpha,
            beta,
            padding,
            seed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sgemm_of_any_case_is_within_bounds(case in cases()) {
        check_some_face::<f32>(&case);
    }

    #[test]
    fn dgemm_of_any_case_is_within_bounds(case in cases()) {
        check_some_face::<f64>(&case);
    }
}

/// Products on all names, large enough to want threads.
#[test]
fn gemm_of_every_name_on_threads_is_within_bounds() {
    fn check_bindings<T: Number>() {
        for (i, binding) in T::GEMM.iter().enumerate() {
            let (layout, trans) = LAYOUTS[if binding.is_fortran { i % 4 } else { i % 5 }];
            let (m, n, k, alpha, beta) = (131, 117, 129, 0.7, -1.3);
            check(&Case { layout, trans, m, n, k, alpha, beta, padding: [3, 0, 5], seed: 1 }, binding);
        }
    }
    cke_blas::cke_blas_set_num_threads(3);
    check_bindings::<f32>();
    check_bindings::<f64>();
}

/// A layout with each transposition of A and B; the first four serve Fortran.
const LAYOUTS: [(c_int, [c_int; 2]); 5] = [
    (COL_MAJOR, [NO_TRANS, NO_TRANS]),
    (COL_MAJOR, [TRANS, NO_TRANS]),
    (COL_MAJOR, [NO_TRANS, TRANS]),
    (COL_MAJOR, [TRANS, TRANS]),
    (ROW_MAJOR, [TRANS, NO_TRANS]),
];

/// Operands that end, or begin, where nobody may read: the padding after the last row or column is not memory.
#[test]
fn gemm_at_guarded_pages_stays_inside_its_operands() {
    fn check<T: Number>(case: &Case, guarded: fn(&[T]) -> PageGuarded<T>) {
        let [a, b, c] = operands::<T>(case);
        let (a, b, mut c) = (guarded(a.as_slice()), guarded(b.as_slice()), guarded(c.as_slice()));
        let call = case.call(a.as_slice().as_ptr(), b.as_slice().as_ptr(), c.as_mut_slice().as_mut_ptr());
        // SAFETY: the matrices have the sizes of the call.
        T::GEMM
            .iter()
            .filter(|binding| binding.serves(case.layout))
            .for_each(|binding| unsafe { (binding.call)(&call) });
    }
    for (layout, trans) in LAYOUTS {
        for (m, n, k) in [(1, 1, 1), (17, 5, 9), (3, 64, 33), (64, 7, 1), (1, 70, 65), (66, 1, 63)] {
            let case = Case { layout, trans, m, n, k, alpha: 1.0, beta: 1.0, padding: [0, 1, 2], seed: 2 };
            check::<f32>(&case, PageGuarded::at_end);
            check::<f32>(&case, PageGuarded::at_start);
            check::<f64>(&case, PageGuarded::at_end);
            check::<f64>(&case, PageGuarded::at_start);
        }
    }
}
