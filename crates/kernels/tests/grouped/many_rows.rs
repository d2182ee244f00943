//! As many rows as panels are expanded for, by kernels that do so.

use crate::definitions::Definition;
use crate::page_borders::{Border, product_at};
use crate::products::Case;
use crate::{bits, for_each_format, kernels};
use cke_kernels::gemm::{Blocking, Ctx, Epilogue, GemmPlan, Multiplier};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::Grouped;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Serial, ThreadPool};
use cke_kernels::view::MatMut;

/// Rows of a few tiles and the rest of one.
const ROWS: usize = 67;

/// Columns of a panel to several tiles, and K of whole blocks of rows and not.
const SIZES: [(usize, usize); 5] = [(2, 96), (18, 131), (35, 300), (48, 512), (157, 777)];

fn check_bits<F: Definition>() {
    for (n, k) in SIZES {
        let case = Case::<F>::of_depth(ROWS, n, k, (n + k) as u64);
        let wanted = bits(&case.wanted());
        for kernel in kernels() {
            let (plan, name) = (case.plan(kernel), kernel.record().name());
            let packed = case.pack(&plan);
            for threads in 1..=2 {
                let found = case.run(&plan, &packed, &ThreadPool::new(threads).unwrap());
                assert_eq!(bits(&found), wanted, "{name}, {n} columns of {k}, {threads} threads");
            }
            for mc in [2 * ROWS, 40] {
                let cut = Blocking { mc, kc: 256, nc: kernel.tile().nr };
                let cut = case.plan(kernel).with_blocking(cut).unwrap();
                for threads in 1..=2 {
                    let found = case.run(&cut, &packed, &ThreadPool::new(threads).unwrap());
                    assert_eq!(bits(&found), wanted, "{name}, {n} of {k} in parts of {mc} rows, {threads} threads");
                }
            }
            for border in Border::BOTH {
                assert_eq!(
                    bits(&product_at(border, &plan, &case.a, &packed)),
                    wanted,
                    "{name}, {n} of {k}, {border:?}"
                );
            }
        }
    }
}

#[test]
fn many_rows_have_the_bits_of_plain_loops() {
    for_each_format!(check_bits);
}

fn check_gates<F: Definition>() {
    for half in [16, 25, 61] {
        let case = Case::<F>::of_depth(ROWS, 2 * half, 512, half as u64);
        let few = case.first_rows(5);
        for kernel in kernels() {
            let (plan, cut) = (case.plan(kernel), Blocking { mc: ROWS, kc: 256, nc: kernel.tile().nr });
            let (packed, cut) = (case.pack(&plan), case.plan(kernel).with_blocking(cut).unwrap());
            let gate =
                Epilogue { activation: Activation::Silu, multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
            let run = |case: &Case<F>, plan: &GemmPlan<Grouped<F>>, threads: usize| {
                let mut c = vec![f32::NAN; case.m * half];
                let place = MatMut::new(&mut c, case.m, half).unwrap();
                let ctx = &mut Ctx { pool: &ThreadPool::new(threads).unwrap(), scratch: &mut Scratch::new() };
                plan.run(case.a(), &packed, place, &gate, ctx).unwrap();
                bits(&c)
            };
            let wanted = run(&few, &plan, 1);
            for (plan, threads) in [(&plan, 1), (&cut, 1), (&cut, 2)] {
                let found = run(&case, plan, threads);
                assert_eq!(found[..few.m * half], wanted, "{}, halves of {half}", kernel.record().name());
            }
        }
    }
}

#[test]
fn gates_of_many_rows_have_the_bits_of_those_of_few() {
    for_each_format!(check_gates);
}

fn check_columns_of_c<F: Definition>() {
    let case = Case::<F>::of_depth(ROWS, 37, 300, 3);
    let wanted = bits(&case.wanted());
    for kernel in kernels() {
        let plan = case.plan(kernel);
        let packed = case.pack(&plan);
        let mut c = vec![f32::NAN; case.m * case.n];
        let place = MatMut::new(&mut c, case.n, case.m).unwrap().transposed();
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        plan.run(case.a(), &packed, place, &Epilogue::default(), ctx).unwrap();
        let by_rows: Vec<f32> = (0..case.m * case.n).map(|at| c[at % case.n * case.m + at / case.n]).collect();
        assert_eq!(bits(&by_rows), wanted, "{}", kernel.record().name());
    }
}

#[test]
fn many_rows_go_into_a_c_that_is_transposed() {
    for_each_format!(check_columns_of_c);
}
