//! Random products: any shape, strides, kernel, blocks, threads and epilogue, from a fixed seed.

use crate::epilogue::{EpilogueKind, EpilogueOperands};
use crate::kernels::kernels;
use crate::operands::{Operands, plan, uniform, unwritten};
use cke_kernels::gemm::{Blocking, Supported};
use cke_kernels::scheme::F32;
use cke_kernels::threads::ThreadPool;
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Data, Layout};
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

const CASES: u32 = 1500;

/// Gaps and order of one operand.
#[derive(Clone, Copy, Debug)]
struct Strides {
    step: usize,
    padding: usize,
    transposed: bool,
}

impl Strides {
    fn any() -> impl Strategy<Value = Strides> {
        (1..4usize, 0..6usize, any::<bool>()).prop_map(|(step, padding, transposed)| Strides {
            step,
            padding,
            transposed,
        })
    }

    fn layout(self, rows: usize, cols: usize) -> Layout {
        let strided = |rows, cols| Layout::strided(rows, cols, self.step, self.padding);
        if self.transposed { strided(cols, rows).transposed() } else { strided(rows, cols) }
    }
}

#[derive(Clone, Debug)]
struct RandomProduct {
    kernel: Supported<F32>,
    size: (usize, usize, usize),
    strides: [Strides; 3],
    blocking: Option<Blocking>,
    threads: usize,
    epilogue: EpilogueKind,
    seed: u64,
}

fn any_blocking(kernel: Supported<F32>) -> impl Strategy<Value = Option<Blocking>> {
    let nr = kernel.tile().nr;
    let blocking = (1..=3 * kernel.tile().mr, 1..20usize, 1..4usize).prop_map(move |(mc, kc, panels)| Blocking {
        mc,
        kc,
        nc: panels * nr,
    });
    proptest::option::weighted(0.8, blocking)
}

fn any_product() -> impl Strategy<Value = RandomProduct> {
    let size = (0..40usize, 0..140usize, 0..40usize);
    let strides = [Strides::any(), Strides::any(), Strides::any()];
    let kernel = select(kernels()).prop_flat_map(|kernel| (Just(kernel), any_blocking(kernel)));
    (kernel, size, strides, 1..=3usize, select(EpilogueKind::all()), any::<u64>()).prop_map(
        |((kernel, blocking), size, strides, threads, epilogue, seed)| RandomProduct {
            kernel,
            size,
            strides,
            blocking,
            threads,
            epilogue,
            seed,
        },
    )
}

/// Computes the product and compares it, and the surroundings of C, with the oracle.
fn check(product: &RandomProduct, pools: &[ThreadPool]) {
    let (m, n, k) = product.size;
    let mut data = Data::new(product.seed);
    let [a, b, c] = product.strides;
    let mut operands = Operands {
        case: GemmCase::row_major(m, n, k),
        a: uniform(a.layout(m, k), &mut data),
        b: uniform(b.layout(k, n), &mut data),
        c: unwritten(c.layout(m, n)),
    };
    let extra = EpilogueOperands::new(product.epilogue, m, n, data.bits());
    let plan = plan(product.kernel, &operands.case, product.blocking);
    operands.run_on(&plan, &extra.epilogue(), &pools[product.threads - 1]).expect("sizes agree");
    extra.check(&operands, product.kernel.record().name());
}

#[test]
fn random_product_matches_the_oracle() {
    let pools: Vec<_> = (1..=3).map(|threads| ThreadPool::new(threads).expect("threads start")).collect();
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(81),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any_product(), |product| {
        check(&product, &pools);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
