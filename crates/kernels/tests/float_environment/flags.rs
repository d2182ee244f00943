//! Exceptions: none for clean data, and none for infinities that meet no zero.

use crate::cpus;
use crate::environment::{ALL, DIVISION_BY_ZERO, INEXACT, INVALID, OVERFLOW, raised_by, with_traps};
use crate::routines::{Case, whole_numbers};
use cke_kernels::attention::{AttentionPlan, KvDtype, Mask, Operands, SequenceRows};
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::grouped::{Q4_K, Q6_K, Q8_0};
use cke_kernels::gemm::{Ctx, Epilogue};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::{Bf16, F16, F32, F64, Grouped, Int4, Int8, Int8PerChannel, Scheme, Uniform};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use std::ffi::c_int;

/// Sizes on both sides of every choice of a path: rows up to which products of rows with columns pay, tiles, vectors, single rows.
const SIZES: [usize; 9] = [1, 2, 7, 12, 13, 14, 17, 40, 101];
const DEPTHS: [usize; 6] = [1, 2, 31, 129, 193, 300];

fn cases() -> impl Iterator<Item = Case> {
    let transposes = [(false, false), (false, true), (true, false), (true, true)];
    let sizes = SIZES.iter().flat_map(|&m| SIZES.map(|n| (m, n)));
    sizes.flat_map(move |(m, n)| {
        DEPTHS.iter().flat_map(move |&k| transposes.map(|transposed| Case { m, n, k, transposed }))
    })
}

fn check_products<S: Uniform<E: From<f32>>>(cpu: &Cpu, pool: &dyn Parallel, check: impl Fn(&Case, &dyn Fn())) {
    for case in cases() {
        let (a, b) = (whole_numbers::<S::E>(case.m * case.k), whole_numbers::<S::E>(case.k * case.n));
        for factors in [(1.0, 0.0), (2.0, -0.5)] {
            check(&case, &|| {
                let mut c = whole_numbers::<S::E>(case.m * case.n);
                case.product::<S>(cpu, (&a, &b), factors, &mut c, pool);
            });
        }
    }
}

/// Calls `check` with every routine on clean data whose results are exact.
fn for_each_routine(check: impl Fn(&str, &Case, &dyn Fn()) + Copy) {
    let pool = ThreadPool::new(2).expect("threads start");
    for cpu in cpus() {
        let name = |routine: &str| format!("{routine}, {}", cpu.isa());
        check_products::<F32>(&cpu, &Serial, |case, run| check(&name("f32"), case, run));
        check_products::<F64>(&cpu, &Serial, |case, run| check(&name("f64"), case, run));
        check_products::<F32>(&cpu, &pool, |case, run| check(&name("f32, 2 threads"), case, run));
        for case in cases() {
            let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
            check(&name("plans"), &case, &|| case.plans(&cpu, &epilogue, &pool));
            if case.transposed == (false, false) {
                check(&name("batch"), &case, &|| case.batch::<F32>(&cpu, &pool));
                check(&name("batch of f64"), &case, &|| case.batch::<F64>(&cpu, &pool));
            }
        }
    }
}

#[test]
fn exact_products_raise_no_exception_on_any_path() {
    for_each_routine(|routine, case, run| assert_eq!(raised_by(run), 0, "{routine}, {case:?}"));
}

#[test]
fn clean_products_run_while_exceptions_trap() {
    with_traps(ALL & !INEXACT, || for_each_routine(|_, _, run| run()));
}

fn check_quantizing<S: Scheme<A = f32, B = f32, C = f32>>(check: impl Fn(&str, &Case, &dyn Fn())) {
    let pool = ThreadPool::new(2).expect("threads start");
    for cpu in cpus() {
        for case in cases().filter(|case| case.transposed.0 == case.transposed.1) {
            let (a, b) = (whole_numbers(case.m * case.k), whole_numbers(case.k * case.n));
            check(&format!("{}, {}", S::NAME, cpu.isa()), &case, &|| {
                case.packed::<S>(&cpu, (&a, &b), &Epilogue::default(), &pool);
            });
        }
    }
}

/// Calls `check` with products on clean data in schemes that quantise: their scales are quotients, and so inexact.
fn for_each_quantizing_product(check: impl Fn(&str, &Case, &dyn Fn()) + Copy) {
    check_quantizing::<Int8>(check);
    check_quantizing::<Int8PerChannel>(check);
    check_quantizing::<Int4>(check);
    check_quantizing::<Grouped<Q4_K>>(check);
    check_quantizing::<Grouped<Q8_0>>(check);
    check_quantizing::<Grouped<Q6_K>>(check);
}

#[test]
fn products_that_quantize_clean_data_raise_nothing_but_inexact() {
    for_each_quantizing_product(|scheme, case, run| assert_eq!(raised_by(run) & !INEXACT, 0, "{scheme}, {case:?}"));
}

#[test]
fn products_that_quantize_clean_data_run_while_exceptions_trap() {
    with_traps(ALL & !INEXACT, || for_each_quantizing_product(|_, _, run| run()));
}

fn check_infinities<S: Uniform<E: From<f32>>>(cpu: &Cpu) {
    for case in cases() {
        let mut a = whole_numbers::<S::E>(case.m * case.k);
        let b = vec![S::E::from(2.0); case.k * case.n];
        a[case.k / 2] = f32::INFINITY.into();
        let mut c = whole_numbers::<S::E>(case.m * case.n);
        let raised = raised_by(|| case.product::<S>(cpu, (&a, &b), (1.0, 1.0), &mut c, &Serial));
        assert_eq!(raised, 0, "infinity in A, {}, {case:?}", cpu.isa());
        let (a, mut b) = (vec![S::E::from(3.0); case.m * case.k], whole_numbers::<S::E>(case.k * case.n));
        b[case.k * case.n / 2] = f32::NEG_INFINITY.into();
        let raised = raised_by(|| case.product::<S>(cpu, (&a, &b), (1.0, 0.0), &mut c, &Serial));
        assert_eq!(raised, 0, "infinity in B, {}, {case:?}", cpu.isa());
    }
}

#[test]
fn infinity_that_meets_no_zero_raises_no_exception() {
    for cpu in cpus() {
        check_infinities::<F32>(&cpu);
        check_infinities::<F64>(&cpu);
    }
}

#[test]
fn infinity_beside_packed_weights_raises_no_exception() {
    for cpu in cpus() {
        check_infinities_beside_weights::<Bf16>(&cpu, ALL);
        check_infinities_beside_weights::<F16>(&cpu, ALL);
        check_infinities_beside_weights::<Int8>(&cpu, ALL & !INEXACT);
        check_infinities_beside_weights::<Int8PerChannel>(&cpu, ALL & !INEXACT);
        check_infinities_beside_weights::<Int4>(&cpu, ALL & !INEXACT);
        check_infinities_beside_weights::<Grouped<Q4_K>>(&cpu, ALL & !INEXACT);
        check_infinities_beside_weights::<Grouped<Q8_0>>(&cpu, ALL & !INEXACT);
        check_infinities_beside_weights::<Grouped<Q6_K>>(&cpu, ALL & !INEXACT);
    }
}

fn check_infinities_beside_weights<S: Scheme<A = f32, B = f32, C = f32>>(cpu: &Cpu, exceptions: c_int) {
    for case in cases() {
        let (mut a, b) = (whole_numbers::<f32>(case.m * case.k), vec![2.0; case.k * case.n]);
        a[case.k / 2] = f32::INFINITY;
        let raised = raised_by(|| drop(case.packed::<S>(cpu, (&a, &b), &Epilogue::default(), &Serial)));
        assert_eq!(raised & exceptions, 0, "infinity in A, {}, {}, {case:?}", S::NAME, cpu.isa());
        let (a, mut b) = (vec![3.0; case.m * case.k], whole_numbers::<f32>(case.k * case.n));
        b[case.k * case.n / 2] = f32::NEG_INFINITY;
        let raised = raised_by(|| drop(case.packed::<S>(cpu, (&a, &b), &Epilogue::default(), &Serial)));
        assert_eq!(raised & exceptions, 0, "infinity in B, {}, {}, {case:?}", S::NAME, cpu.isa());
    }
}

#[test]
fn infinite_factor_raises_no_exception_for_columns_that_do_not_exist() {
    for cpu in cpus() {
        for case in cases() {
            let (a, b) = (vec![1.0f32; case.m * case.k], vec![2.0f32; case.k * case.n]);
            let mut c = vec![1.0f32; case.m * case.n];
            let factors = (f32::INFINITY, f32::INFINITY);
            let raised = raised_by(|| case.product::<F32>(&cpu, (&a, &b), factors, &mut c, &Serial));
            assert_eq!(raised, 0, "{}, {case:?}", cpu.isa());
            assert!(c.iter().all(|&x| x == f32::INFINITY));
        }
    }
}

#[test]
fn epilogues_and_attention_on_clean_data_raise_nothing_invalid() {
    let pool = ThreadPool::new(2).expect("threads start");
    for cpu in cpus() {
        for activation in Activation::ALL {
            for (m, n, k) in [(1, 1, 2), (5, 17, 3), (13, 33, 40)] {
                let case = Case { m, n, k, transposed: (false, true) };
                let bias = vec![0.25; n];
                let epilogue = Epilogue { activation, bias: Some(&bias), ..Epilogue::default() };
                let raised = raised_by(|| case.plans(&cpu, &epilogue, &pool));
                // The exponential of an activation may overflow on its way to a limit.
                assert_eq!(raised & (INVALID | DIVISION_BY_ZERO), 0, "{activation:?}, {}, {case:?}", cpu.isa());
            }
        }
        for (heads, dim, rows) in [(1, 3, 1), (2, 5, 13), (3, 64, 40)] {
            for (dtype, mask) in [
                (KvDtype::F32, Mask::Causal),
                (KvDtype::F32, Mask::Window(3)),
                (KvDtype::Bf16, Mask::Causal),
                (KvDtype::Int8, Mask::Causal),
            ] {
                let raised = raised_by(|| attend(&cpu, (heads, dim, rows), (dtype, mask), &pool));
                assert_eq!(
                    raised & (INVALID | DIVISION_BY_ZERO | OVERFLOW),
                    0,
                    "attention, {}, {heads} {dim} {rows}, {dtype}, {mask:?}",
                    cpu.isa()
                );
            }
        }
    }
}

fn attend(cpu: &Cpu, (heads, dim, rows): (usize, usize, usize), (dtype, mask): (KvDtype, Mask), pool: &dyn Parallel) {
    let plan = AttentionPlan::new(cpu, heads, heads, dim, 0.5).expect("sizes are good").with_kv(dtype);
    let data = whole_numbers::<f32>(rows * heads * dim);
    let view = || MatRef::new(&data, rows, heads * dim).expect("as large");
    let mut out = vec![0.0; rows * heads * dim];
    let out = MatMut::new(&mut out, rows, heads * dim).expect("as large");
    let operands = Operands { queries: view(), keys: view(), values: view(), out };
    let sequences = [SequenceRows { rows, cache: None }].into_iter();
    let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
    plan.run(sequences, mask, operands, ctx).expect("sizes agree");
}
