//! NaN, infinities, signed zeros and denormals pass through as IEEE 754 has them: nothing is skipped, nothing flushed.

use crate::kernels::kernels;
use crate::operands::{Operands, plan, run_packed, tiny_blockings, view};
use cke_kernels::gemm::{Epilogue, Scale, Supported};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::F32;
use cke_kernels::threads::Serial;
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Data, Matrix, Special};

/// A product with an edge in every direction, after `change` of A and B.
fn product(kernel: Supported<F32>, change: impl Fn(&mut Operands), epilogue: &Epilogue<'_>) -> Operands {
    let case = GemmCase::row_major(kernel.tile().mr + 2, kernel.tile().nr + 3, 6);
    let mut operands = Operands::new(case, 51);
    change(&mut operands);
    operands.run(&plan(kernel, &case, None), epilogue).expect("sizes agree");
    operands
}

/// Asserts for each element (i, j) of C whether it is NaN.
#[track_caller]
fn assert_nan_where(operands: &Operands, name: &str, is_nan: impl Fn(usize, usize) -> bool) {
    for i in 0..operands.case.m {
        for j in 0..operands.case.n {
            let found = operands.c.view().at(i, j);
            assert_eq!(found.is_nan(), is_nan(i, j), "{name}: ({i}, {j}) is {found}");
        }
    }
}

fn set(matrix: &mut Matrix<f32>, i: usize, j: usize, value: f32) {
    let index = matrix.layout().index(i, j);
    matrix.as_mut_slice()[index] = value;
}

#[test]
fn nan_in_a_fills_its_row_alone() {
    for kernel in kernels() {
        let row = kernel.tile().mr;
        let operands = product(kernel, |o| set(&mut o.a, row, 2, f32::NAN), &Epilogue::default());
        assert_nan_where(&operands, kernel.record().name(), |i, _| i == row);
    }
}

#[test]
fn nan_in_b_fills_its_column_alone() {
    for kernel in kernels() {
        let col = kernel.tile().nr + 1;
        let operands = product(kernel, |o| set(&mut o.b, 5, col, f32::NAN), &Epilogue::default());
        assert_nan_where(&operands, kernel.record().name(), |_, j| j == col);
    }
}

#[test]
fn zero_times_infinity_is_nan() {
    for kernel in kernels() {
        let zero_in_a = |o: &mut Operands| {
            set(&mut o.a, 1, 3, 0.0);
            set(&mut o.b, 3, 2, f32::INFINITY);
        };
        let operands = product(kernel, zero_in_a, &Epilogue::default());
        assert_nan_where(&operands, kernel.record().name(), |i, j| i == 1 && j == 2);
        assert!(operands.c.view().at(0, 2).is_infinite());

        let zero_in_b = |o: &mut Operands| {
            set(&mut o.a, 1, 3, f32::NEG_INFINITY);
            set(&mut o.b, 3, 2, -0.0);
        };
        let operands = product(kernel, zero_in_b, &Epilogue::default());
        assert_nan_where(&operands, kernel.record().name(), |i, j| i == 1 && j == 2);
        // Also in the last panel, whose padding is zero: Inf · 0 there must not reach C.
        assert!(operands.c.view().at(1, operands.case.n - 1).is_infinite());
    }
}

#[test]
fn nan_passes_every_activation_and_every_operand_of_the_epilogue() {
    for kernel in kernels() {
        let (name, n) = (kernel.record().name(), kernel.tile().nr + 3);
        for activation in Activation::ALL {
            let epilogue = Epilogue { activation, scale: Scale::All(2.0), ..Epilogue::default() };
            let operands = product(kernel, |o| set(&mut o.a, 0, 0, f32::NAN), &epilogue);
            assert_nan_where(&operands, &format!("{name}, {activation:?}"), |i, _| i == 0);
        }
        let mut nan_last = vec![0.5; n];
        nan_last[n - 1] = f32::NAN;
        let bias = Epilogue { bias: Some(&nan_last), activation: Activation::Relu, ..Epilogue::default() };
        assert_nan_where(&product(kernel, |_| {}, &bias), name, |_, j| j == n - 1);
        let scale = Epilogue { scale: Scale::PerColumn(&nan_last), ..Epilogue::default() };
        assert_nan_where(&product(kernel, |_| {}, &scale), name, |_, j| j == n - 1);
        let all = Epilogue { scale: Scale::All(f32::NAN), ..Epilogue::default() };
        assert_nan_where(&product(kernel, |_| {}, &all), name, |_, _| true);
    }
}

#[test]
fn zero_scale_of_an_infinite_sum_is_nan() {
    for kernel in kernels() {
        let epilogue = Epilogue { scale: Scale::All(0.0), ..Epilogue::default() };
        let operands = product(kernel, |o| set(&mut o.a, 2, 1, f32::INFINITY), &epilogue);
        assert_nan_where(&operands, kernel.record().name(), |i, _| i == 2);
    }
}

#[test]
fn denormals_are_kept() {
    let mut data = Data::new(52);
    for kernel in kernels() {
        let k = 5;
        let case = GemmCase::row_major(kernel.tile().mr + 1, k, k);
        let mut denormals = vec![0.0; case.m * k];
        denormals.iter_mut().for_each(|x| *x = data.special(Special::Denormal));
        let identity: Vec<f32> = (0..k * k).map(|i| if i % (k + 1) == 0 { 1.0 } else { 0.0 }).collect();
        for blocking in tiny_blockings(kernel) {
            let mut operands = Operands::new(case, 0);
            operands.a = Matrix::from_values(case.m, k, &denormals);
            operands.b = Matrix::from_values(k, k, &identity);
            operands.run(&plan(kernel, &case, Some(blocking)), &Epilogue::default()).expect("sizes agree");
            assert_eq!(operands.c.to_row_major(), denormals, "{}", kernel.record().name());
            let doubled = Epilogue { scale: Scale::All(2.0), ..Epilogue::default() };
            operands.run(&plan(kernel, &case, Some(blocking)), &doubled).expect("sizes agree");
            let wanted: Vec<f32> = denormals.iter().map(|x| 2.0 * x).collect();
            assert_eq!(operands.c.to_row_major(), wanted, "{}", kernel.record().name());
        }
    }
}

#[test]
fn scattered_special_values_match_the_oracle() {
    let kinds = [Special::Denormal, Special::Nan, Special::Infinity, Special::NegativeZero];
    for kernel in kernels() {
        for seed in 0..20 {
            let scatter = |o: &mut Operands| {
                let mut data = Data::new(seed);
                data.sprinkle(o.a.as_mut_slice(), 0.1, &kinds);
                data.sprinkle(o.b.as_mut_slice(), 0.02, &kinds);
            };
            product(kernel, scatter, &Epilogue::default()).check(kernel.record().name());
        }
    }
}

#[test]
fn nan_in_the_old_c_does_not_survive() {
    for kernel in kernels() {
        for k in [0, 7] {
            let case = GemmCase::row_major(kernel.tile().mr + 1, kernel.tile().nr + 1, k);
            for blocking in tiny_blockings(kernel) {
                let plan = plan(kernel, &case, Some(blocking));
                let mut operands = Operands::new(case, 53);
                operands.c = Matrix::from_values(case.m, case.n, &vec![f32::NAN; case.m * case.n]);
                let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
                run_packed(&plan, &operands.a, &packed, &mut operands.c, &Epilogue::default(), &Serial)
                    .expect("sizes agree");
                assert_nan_where(&operands, kernel.record().name(), |_, _| false);
            }
        }
    }
}
