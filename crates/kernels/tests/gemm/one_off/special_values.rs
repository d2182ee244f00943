//! NaN, infinities, denormals and factors of zero, as the BLAS and IEEE 754 have them.

use super::{Case, Operands, STORAGES};
use crate::kernels::cpus;
use crate::numbers::{Number, Tested, assert_same_bits};
use crate::operands::uniform;
use cke_kernels::scheme::{F32, F64};
use cke_kernels::threads::Serial;
use cke_testkit::{Data, Element, Matrix};

/// Sizes for every way through a product in the cache.
const SIZES: [(usize, usize, usize); 5] = [(1, 40, 13), (40, 1, 13), (6, 20, 35), (30, 70, 9), (70, 9, 21)];
/// One whose K is cut into blocks.
const DEEP: (usize, usize, usize) = (15, 70, 1500);

/// A product as the tests call it, for one ISA.
type Run<'a, E> = &'a dyn Fn(&Operands<E>) -> Matrix<E>;

/// Runs `test` on products of each size with A and B in each storage, with seeded operands, for each ISA.
fn for_each_product<S: Tested>(factors: (f32, f32), mut test: impl FnMut(&mut Operands<S::E>, Run<'_, S::E>)) {
    let mut data = Data::new(131);
    for cpu in cpus() {
        let small = SIZES.iter().flat_map(|&size| STORAGES.iter().map(move |&a| (size, a, &STORAGES[..])));
        let deep = STORAGES[..2].iter().map(|&a| (DEEP, a, &STORAGES[..2]));
        for (size, a, all_b) in small.chain(deep) {
            for &b in all_b {
                let case = Case::new(size, [a, b, data.choose(&STORAGES)], factors);
                let mut operands = Operands::new(case, &mut data);
                test(&mut operands, &|operands| operands.run::<S>(&cpu, &Serial));
            }
        }
    }
}

fn set<E: Element>(matrix: &mut Matrix<E>, i: usize, j: usize, value: E) {
    let index = matrix.layout().index(i, j);
    matrix.as_mut_slice()[index] = value;
}

fn fill<E: Element>(matrix: &mut Matrix<E>, value: E) {
    let layout = matrix.layout();
    *matrix = Matrix::with_layout(layout, &vec![value; layout.rows * layout.cols]);
}

fn check_scattered<S: Tested>() {
    let mut data = Data::new(132);
    for_each_product::<S>((0.7, -1.0), |operands, run| {
        let Case { a, b, .. } = operands.case;
        let (i, j, p) = (data.below(a.rows), data.below(b.cols), data.below(a.cols));
        let infinity = data.choose(&[f32::INFINITY, f32::NEG_INFINITY]);
        // 0 · ∞, and the infinity and the zero times what else stands in their row and column.
        set(&mut operands.a, i, p, data.choose(&[0.0, -0.0]).into());
        set(&mut operands.b, p, j, infinity.into());
        let after = run(operands);
        assert!(after.view().at(i, j).into().is_nan(), "{:?}", operands.case);
        operands.check("zero times infinity", &after);
        set(&mut operands.b, p, j, f32::NAN.into());
        operands.check("zero times NaN", &run(operands));
        set(&mut operands.a, i, p, infinity.into());
        set(&mut operands.b, p, j, 0.0.into());
        operands.check("infinity times zero", &run(operands));
    });
}

#[test]
fn zeros_nan_and_infinities_meet_as_in_the_formula() {
    check_scattered::<F32>();
    check_scattered::<F64>();
}

fn check_factors_of_nan<S: Tested>() {
    for (alpha, beta) in [(f32::NAN, 0.0), (f32::NAN, 1.0), (1.0, f32::NAN), (0.0, f32::NAN), (0.7, f32::NAN)] {
        for_each_product::<S>((alpha, beta), |operands, run| {
            let after = run(operands).to_row_major();
            assert!(after.iter().all(|&x| x.into().is_nan()), "{:?}", operands.case);
        });
    }
}

#[test]
fn factor_of_nan_makes_all_of_c_nan() {
    check_factors_of_nan::<F32>();
    check_factors_of_nan::<F64>();
}

fn check_nan_in_c<S: Tested>() {
    for alpha in [0.0, 1.0, 0.7] {
        for_each_product::<S>((alpha, 0.0), |operands, run| {
            fill(&mut operands.before, f32::NAN.into());
            operands.check("NaN in C", &run(operands));
        });
    }
}

#[test]
fn old_c_times_zero_is_not_read() {
    check_nan_in_c::<F32>();
    check_nan_in_c::<F64>();
}

fn check_nan_in_a_and_b<S: Tested>() {
    for beta in [0.0, 1.0, 0.7] {
        for_each_product::<S>((0.0, beta), |operands, run| {
            fill(&mut operands.a, f32::NAN.into());
            fill(&mut operands.b, f32::INFINITY.into());
            operands.check("NaN and infinity times zero", &run(operands));
        });
    }
}

#[test]
fn product_times_zero_is_not_computed() {
    check_nan_in_a_and_b::<F32>();
    check_nan_in_a_and_b::<F64>();
}

fn check_nan_stays<S: Tested>() {
    let mut data = Data::new(133);
    for (alpha, beta) in [(1.0, 1.0), (0.7, -1.0), (0.0, 0.7)] {
        for_each_product::<S>((alpha, beta), |operands, run| {
            let (i, j) = (data.below(operands.case.c.rows), data.below(operands.case.c.cols));
            set(&mut operands.before, i, j, f32::NAN.into());
            operands.check("NaN in C", &run(operands));
        });
    }
}

#[test]
fn nan_in_an_old_c_that_counts_stays_where_it_is() {
    check_nan_stays::<F32>();
    check_nan_stays::<F64>();
}

fn check_untouched_c<S: Tested>() {
    for_each_product::<S>((0.0, 1.0), |operands, run| {
        set(&mut operands.before, 0, 0, S::E::CANARY);
        assert_same_bits(&format!("{:?}", operands.case), run(operands).as_slice(), operands.before.as_slice());
    });
}

#[test]
fn c_times_one_without_a_product_keeps_its_bits() {
    check_untouched_c::<F32>();
    check_untouched_c::<F64>();
}

/// A · 1 for an A of whole multiples of the smallest number.
fn check_denormals<S: Tested>() {
    let mut data = Data::new(134);
    for (alpha, beta) in [(1.0, 0.0), (-1.0, 0.0), (1.0, 1.0)] {
        for_each_product::<S>((alpha, beta), |operands, run| {
            let Case { a, c, .. } = operands.case;
            fill(&mut operands.b, 0.0.into());
            (0..a.cols.min(c.cols)).for_each(|p| set(&mut operands.b, p, p, 1.0.into()));
            let mut denormal = || S::E::rounded((1 + data.below(1000)) as f64 * S::E::SMALLEST);
            (0..a.rows).for_each(|i| (0..a.cols).for_each(|p| set(&mut operands.a, i, p, denormal())));
            if beta != 0.0 {
                fill(&mut operands.before, denormal());
            }
            let after = run(operands);
            for (i, j) in (0..c.rows).flat_map(|i| (0..c.cols).map(move |j| (i, j))) {
                let product = if j < a.cols { operands.a.view().at(i, j) } else { 0.0.into() };
                let old = if beta == 0.0 { 0.0.into() } else { operands.before.view().at(i, j) };
                assert_eq!(
                    after.view().at(i, j),
                    S::E::from(alpha) * product + old,
                    "({i}, {j}) of {:?}",
                    operands.case
                );
            }
        });
    }
}

#[test]
fn denormals_are_kept() {
    check_denormals::<F32>();
    check_denormals::<F64>();
}

fn check_depth_of_zero<S: Tested>() {
    let mut data = Data::new(135);
    for beta in [0.0, 1.0, 0.7, f32::NAN] {
        for alpha in [0.0, 1.0, f32::NAN, f32::INFINITY] {
            for c in STORAGES {
                let case = Case { c: c(5, 7), alpha, beta, ..Case::plain((5, 7, 0)) };
                let mut operands = Operands::<S::E>::new(case, &mut data);
                if beta != 0.0 {
                    operands.before = uniform(case.c, &mut data);
                }
                let after = operands.run::<S>(crate::kernels::cpu(), &Serial).to_row_major();
                for (&found, old) in after.iter().zip(operands.before.to_row_major()) {
                    let wanted = if beta == 0.0 { 0.0.into() } else { S::E::from(beta) * old };
                    assert!(found == wanted || beta.is_nan() && found.into().is_nan(), "{case:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn product_of_no_depth_is_the_old_c_times_beta_whatever_alpha_is() {
    check_depth_of_zero::<F32>();
    check_depth_of_zero::<F64>();
}
