//! gemv of random shapes, layouts, increments, factors and names.

use crate::bindings::{Binding, COL_MAJOR, CONJ_TRANS, GemvCall, NO_TRANS, Number, ROW_MAJOR, TRANS};
use crate::oracle;
use cke_testkit::{Data, Layout, Matrix, PageGuarded, View};
use proptest::prelude::*;
use std::ffi::c_int;

#[derive(Clone, Copy, Debug)]
struct Case {
    layout: c_int,
    trans: c_int,
    m: usize,
    n: usize,
    alpha: f32,
    beta: f32,
    padding: usize,
    incx: i64,
    incy: i64,
    seed: u64,
}

/// A vector as BLAS lays it out, with canaries in the gaps.
struct Vector<T: Number> {
    stored: Matrix<T>,
    increment: i64,
}

impl<T: Number> Vector<T> {
    fn new(values: &[T], increment: i64) -> Self {
        let step = increment.unsigned_abs() as usize;
        let layout = Layout { rows: 1, cols: values.len(), row_stride: values.len() * step, col_stride: step };
        Vector { stored: Matrix::with_layout(layout, &in_order(values, increment)), increment }
    }

    fn values(&self) -> Vec<T> {
        in_order(&self.stored.to_row_major(), self.increment)
    }
}

/// With a negative increment the first element stands last in memory.
fn in_order<T: Copy>(values: &[T], increment: i64) -> Vec<T> {
    let mut values = values.to_vec();
    if increment < 0 {
        values.reverse();
    }
    values
}

struct Operands<T: Number> {
    a: Matrix<T>,
    x: Vector<T>,
    y: Vector<T>,
}

impl Case {
    /// x and y have the lengths of op(A)'s row and column.
    fn lengths(&self) -> (usize, usize) {
        if self.trans == NO_TRANS { (self.n, self.m) } else { (self.m, self.n) }
    }

    fn operands<T: Number>(&self) -> Operands<T> {
        let mut data = Data::new(self.seed);
        let mut values = |len| data.uniform(len).into_iter().map(T::from).collect::<Vec<_>>();
        let (rows, cols) = (self.m, self.n);
        let layout = if self.layout == ROW_MAJOR {
            Layout { rows, cols, row_stride: cols.max(1) + self.padding, col_stride: 1 }
        } else {
            Layout { rows, cols, row_stride: 1, col_stride: rows.max(1) + self.padding }
        };
        let (x_len, y_len) = self.lengths();
        let a = Matrix::with_layout(layout, &values(rows * cols));
        let x = Vector::new(&values(x_len), self.incx);
        let unread = self.beta == 0.0 && x_len > 0; // without x, y stays
        let y = if unread { vec![T::NAN; y_len] } else { values(y_len) };
        Operands { a, x, y: Vector::new(&y, self.incy) }
    }

    fn call<T: Number>(&self, lda: i64, a: *const T, x: *const T, y: *mut T) -> GemvCall<T> {
        let Case { layout, trans, incx, incy, .. } = *self;
        let [m, n] = [self.m, self.n].map(|size| size as i64);
        let [alpha, beta] = [self.alpha, self.beta].map(T::from);
        GemvCall { layout, trans, m, n, alpha, a, lda, x, incx, beta, y, incy }
    }
}

fn ld(layout: Layout) -> i64 {
    layout.row_stride.max(layout.col_stride) as i64
}

fn check<T: Number>(case: &Case, binding: &Binding<GemvCall<T>>) {
    let Operands { a, x, mut y } = case.operands::<T>();
    let old_y = y.values();
    let (a_data, x_data) = (a.as_slice().as_ptr(), x.stored.as_slice().as_ptr());
    let call = case.call(ld(a.layout()), a_data, x_data, y.stored.as_mut_slice().as_mut_ptr());
    // SAFETY: the operands have the sizes of the call.
    unsafe { (binding.call)(&call) };
    y.stored.check();
    let (x_len, y_len) = case.lengths();
    let found = y.values();
    if x_len == 0 {
        return assert_eq!(found, old_y, "{case:?}");
    }
    let op_a = if case.trans == NO_TRANS { a.view() } else { a.view().transposed() };
    let x_values = x.values();
    let exact = oracle::Gemm {
        alpha: call.alpha,
        a: op_a,
        b: View::row_major(&x_values, x_len, 1),
        beta: call.beta,
        c: View::row_major(&old_y, y_len, 1),
    };
    exact.assert_computed(&(binding.name, case), &found);
}

fn check_some_face<T: Number>(case: &Case) {
    let bindings: Vec<_> = T::GEMV.iter().filter(|binding| binding.serves(case.layout)).collect();
    check(case, bindings[case.seed as usize % bindings.len()]);
}

fn cases() -> impl Strategy<Value = Case> {
    let size = || prop_oneof![0..5usize, 0..40usize, 100..140usize];
    let factor = || prop_oneof![Just(0.0), Just(1.0), Just(-1.0), -3.0f32..3.0];
    let increment = || prop_oneof![Just(1i64), Just(-1), 2..5i64, -4..-1i64];
    let layout = prop_oneof![Just(ROW_MAJOR), Just(COL_MAJOR)];
    let trans = prop_oneof![Just(NO_TRANS), Just(TRANS), Just(CONJ_TRANS)];
    ((layout, trans), (size(), size()), (factor(), factor()), 0..4usize, (increment(), increment()), any::<u64>())
        .prop_map(|((layout, trans), (m, n), (alpha, beta), padding, (incx, incy), seed)| Case {
            layout,
            trans,
            m,
            n,
            alpha,
            beta,
            padding,
            incx,
            incy,
            seed,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sgemv_of_any_case_is_within_bounds(case in cases()) {
        check_some_face::<f32>(&case);
    }

    #[test]
    fn dgemv_of_any_case_is_within_bounds(case in cases()) {
        check_some_face::<f64>(&case);
    }
}

/// On all names, large enough to want threads.
#[test]
fn gemv_of_every_name_on_threads_is_within_bounds() {
    fn check_bindings<T: Number>() {
        let cases = [(COL_MAJOR, NO_TRANS, 1, 1), (COL_MAJOR, TRANS, -1, 2), (ROW_MAJOR, NO_TRANS, 2, -3)];
        for (i, binding) in T::GEMV.iter().enumerate() {
            let (layout, trans, incx, incy) = cases[if binding.is_fortran { i % 2 } else { i % 3 }];
            let (m, n, alpha, beta, padding, seed) = (1021, 1030, 1.3, 0.7, 3, 3);
            check(&Case { layout, trans, m, n, alpha, beta, padding, incx, incy, seed }, binding);
        }
    }
    cke_blas::cke_blas_set_num_threads(3);
    check_bindings::<f32>();
    check_bindings::<f64>();
}

#[test]
fn gemv_at_guarded_pages_stays_inside_its_operands() {
    fn check<T: Number>(case: &Case, guarded: fn(&[T]) -> PageGuarded<T>) {
        let Operands { a, x, y } = case.operands::<T>();
        let lda = ld(a.layout());
        let (a, x, mut y) = (guarded(a.as_slice()), guarded(x.stored.as_slice()), guarded(y.stored.as_slice()));
        let call = case.call(lda, a.as_slice().as_ptr(), x.as_slice().as_ptr(), y.as_mut_slice().as_mut_ptr());
        // SAFETY: the operands have the sizes of the call.
        T::GEMV
            .iter()
            .filter(|binding| binding.serves(case.layout))
            .for_each(|binding| unsafe { (binding.call)(&call) });
    }
    for (layout, trans) in [(COL_MAJOR, NO_TRANS), (COL_MAJOR, TRANS), (ROW_MAJOR, NO_TRANS), (ROW_MAJOR, TRANS)] {
        for (m, n) in [(1, 1), (17, 5), (64, 33), (3, 100)] {
            for (incx, incy) in [(1, 1), (-1, 1), (3, -2)] {
                let case = Case { layout, trans, m, n, alpha: 1.0, beta: 1.0, padding: 1, incx, incy, seed: 4 };
                check::<f32>(&case, PageGuarded::at_end);
                check::<f32>(&case, PageGuarded::at_start);
                check::<f64>(&case, PageGuarded::at_end);
                check::<f64>(&case, PageGuarded::at_start);
            }
        }
    }
}
