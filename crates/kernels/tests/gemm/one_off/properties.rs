//! Random one-off products: any shape, strides, factors, ISA and threads, from a fixed seed.

use super::{Case, FACTORS, Operands};
use crate::kernels::{cpu, cpus};
use crate::numbers::{Tested, assert_same_bits};
use cke_kernels::Isa;
use cke_kernels::scheme::{F32, F64};
use cke_kernels::threads::{Serial, ThreadPool};
use cke_testkit::{Data, Layout};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

const CASES: u32 = 1500;

#[derive(Clone, Debug)]
struct RandomProduct {
    isa: Isa,
    is_double: bool,
    case: Case,
    threads: usize,
    seed: u64,
}

/// Rows or columns with any gaps; those of an operand that is only read may repeat.
fn any_layout(rows: usize, cols: usize, least_step: usize) -> impl Strategy<Value = Layout> {
    (least_step..4usize, 0..6usize, any::<bool>()).prop_map(move |(step, padding, transposed)| {
        let strided = |rows, cols| Layout::strided(rows, cols, step, padding);
        if transposed { strided(cols, rows).transposed() } else { strided(rows, cols) }
    })
}

fn any_size() -> impl Strategy<Value = (usize, usize, usize)> {
    let length = || prop_oneof![0..4usize, 0..20usize, 0..90usize];
    (length(), length(), prop_oneof![4 => 0..70usize, 1 => 0..3000usize])
}

fn any_case() -> impl Strategy<Value = Case> {
    any_size().prop_flat_map(|(m, n, k)| {
        let layouts = (any_layout(m, k, 0), any_layout(k, n, 0), any_layout(m, n, 1));
        (layouts, select(&FACTORS[..]), select(&FACTORS[..])).prop_map(|((a, b, c), alpha, beta)| Case {
            a,
            b,
            c,
            alpha,
            beta,
        })
    })
}

fn any_product() -> impl Strategy<Value = RandomProduct> {
    let isas: Vec<_> = cpus().iter().map(|cpu| cpu.isa()).collect();
    (select(isas), any::<bool>(), any_case(), 1..=3usize, any::<u64>())
        .prop_map(|(isa, is_double, case, threads, seed)| RandomProduct { isa, is_double, case, threads, seed })
}

fn check<S: Tested>(product: &RandomProduct, pools: &[ThreadPool]) {
    let operands = Operands::<S::E>::new(product.case, &mut Data::new(product.seed));
    let cpu = cpu().capped(product.isa);
    let after = operands.run::<S>(&cpu, &pools[product.threads - 1]);
    operands.check(product.isa.name(), &after);
    let alone = operands.run::<S>(&cpu, &Serial);
    assert_same_bits(&format!("{product:?}"), after.as_slice(), alone.as_slice());
}

#[test]
fn random_product_matches_the_oracle_and_itself_on_one_thread() {
    let pools: Vec<_> = (1..=3).map(|threads| ThreadPool::new(threads).expect("threads start")).collect();
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(141),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any_product(), |product| {
        if product.is_double {
            check::<F64>(&product, &pools)
        } else {
            check::<F32>(&product, &pools)
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
