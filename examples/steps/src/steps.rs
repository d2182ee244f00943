//! The list of steps.

use crate::product::Product;
use crate::step6_three_levels::blocking;
use crate::step8_library::{self, Planned};
use crate::{step1_naive, step2_loop_order, step3_cache_blocks, step4_register_tile};
use crate::{step5_packed_panels, step6_three_levels, step7_threads};
use cke_kernels::Error;
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;

/// One way to compute the product.
pub(crate) struct Step<'a> {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    /// What it does that the step before does not.
    pub(crate) why: &'static str,
    /// Threads that it uses.
    pub(crate) threads: usize,
    pub(crate) multiply: Multiply<'a>,
}

/// C ← A·B.
type Multiply<'a> = Box<dyn FnMut(&mut [f32]) -> Result<(), Error> + 'a>;

/// The numbers of the first and the last step.
pub(crate) const NUMBERS: std::ops::RangeInclusive<i64> = 1..=9;

/// The steps of these numbers; every step where there are none.
pub(crate) fn steps<'a>(product: &'a Product<'a>, pool: &'a dyn Parallel, only: &[u8]) -> Result<Vec<Step<'a>>, Error> {
    let (mut panel, mut block, mut blocks) = (Scratch::new(), Scratch::new(), Scratch::new());
    let (mut one_off, mut planned) = (Scratch::new(), Scratch::new());
    let plan = Planned::new(product)?;
    let mut steps = vec![
        Step::plain(1, "naive i j p", "the formula; a column of B is a jump for each element", |c| {
            step1_naive::multiply(product, c);
        }),
        Step::plain(2, "loops i p j", "rows of B and C are read from left to right, a vector at a time", |c| {
            step2_loop_order::multiply(product, c);
        }),
        Step::plain(3, "blocks of 64×64", "three blocks fit the first cache level", |c| {
            step3_cache_blocks::multiply(product, c);
        }),
        Step::plain(4, "register tile", "C stays in registers while all of K goes by", |c| {
            step4_register_tile::multiply(product, c);
        }),
        Step::new(
            5,
            "packed panels of B",
            "a tile reads one stretch of memory, not a piece of each row",
            1,
            move |c| step5_packed_panels::multiply(product, c, &mut panel),
        ),
        Step::new(6, "three-level blocking", "rows of A are read again from L2, not from beyond", 1, move |c| {
            step6_three_levels::multiply(product, blocking(product, 1), c, &mut block)
        }),
        Step::new(
            7,
            "threads",
            "blocks of rows of C, one after the other to whoever is free",
            pool.threads(),
            move |c| {
                let ctx = &mut Ctx { pool, scratch: &mut blocks };
                step7_threads::multiply(product, blocking(product, pool.threads()), c, ctx)
            },
        ),
        Step::new(8, "library: Gemm", "prefetch, tiles of even height, packing by the first tile", pool.threads(), {
            move |c| step8_library::multiply(product, c, &mut Ctx { pool, scratch: &mut one_off })
        }),
        Step::new(9, "library: GemmPlan", "B was packed ahead, outside the time", pool.threads(), move |c| {
            plan.multiply(product, c, &mut Ctx { pool, scratch: &mut planned })
        }),
    ];
    steps.retain(|step| only.is_empty() || only.contains(&step.number));
    Ok(steps)
}

impl<'a> Step<'a> {
    fn new(
        number: u8,
        name: &'static str,
        why: &'static str,
        threads: usize,
        multiply: impl FnMut(&mut [f32]) -> Result<(), Error> + 'a,
    ) -> Self {
        Step { number, name, why, threads, multiply: Box::new(multiply) }
    }

    /// A step of one thread that asks for no memory.
    fn plain(number: u8, name: &'static str, why: &'static str, mut multiply: impl FnMut(&mut [f32]) + 'a) -> Self {
        Step::new(number, name, why, 1, move |c| {
            multiply(c);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{Reference, random_matrix};
    use crate::step6_three_levels::panel_width;
    use cke_kernels::gemm::Blocking;
    use cke_kernels::threads::ThreadPool;
    use cke_kernels::{Cpu, Isa};

    /// The product of two seeded matrices on each ISA that this machine has.
    fn for_each_isa(n: usize, check: impl Fn(&Product<'_>, &Reference)) {
        let (a, b) = (random_matrix(n, 1).unwrap(), random_matrix(n, 2).unwrap());
        for isa in Isa::ALL {
            let cpu = Cpu::host().unwrap().capped(isa);
            let product = Product { cpu: &cpu, n, a: &a, b: &b };
            check(&product, &Reference::of(&product));
        }
    }

    #[test]
    fn every_step_odd_sizes_matches_the_exact_product() {
        let pool = ThreadPool::new(3).unwrap();
        for n in [1, 2, 5, 6, 17, 63, 64, 65, 131, 200] {
            for_each_isa(n, |product, reference| {
                for mut step in steps(product, &pool, &[]).unwrap() {
                    let mut c = vec![f32::NAN; n * n];
                    (step.multiply)(&mut c).unwrap();
                    let result = reference.check(&c);
                    assert_eq!(result, Ok(()), "step {}, {}, n = {n}", step.number, product.cpu.isa());
                }
            });
        }
    }

    #[test]
    fn blocked_steps_many_small_blocks_match_the_exact_product() {
        let pool = ThreadPool::new(3).unwrap();
        for_each_isa(150, |product, reference| {
            let blocking = Blocking { mc: 12, kc: 40, nc: 2 * panel_width(product.cpu) };
            let (mut scratch, mut c) = (Scratch::new(), vec![f32::NAN; 150 * 150]);
            step6_three_levels::multiply(product, blocking, &mut c, &mut scratch).unwrap();
            assert_eq!(reference.check(&c), Ok(()), "one thread, {}", product.cpu.isa());

            let mut of_threads = vec![f32::NAN; 150 * 150];
            let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
            step7_threads::multiply(product, blocking, &mut of_threads, &mut ctx).unwrap();
            assert_eq!(c, of_threads, "three threads, {}: not the same bits", product.cpu.isa());
        });
    }

    #[test]
    fn reference_wrong_element_is_found() {
        let n = 20;
        let (a, b) = (random_matrix(n, 1).unwrap(), random_matrix(n, 2).unwrap());
        let product = Product { cpu: Cpu::host().unwrap(), n, a: &a, b: &b };
        let mut c = vec![0.0; n * n];
        step1_naive::multiply(&product, &mut c);
        // One term of one sum left out.
        c[7 * n + 3] -= a[7 * n + 19] * b[19 * n + 3];
        assert_eq!(Reference::of(&product).check(&c).unwrap_err().index, 7 * n + 3);
    }
}
