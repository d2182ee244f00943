//! The list of steps.

use crate::product::Product;
use crate::step9_panels::blocking;
use crate::{solutions, yours};
use crate::{step1_naive, step2_loop_order, step3_vectors, step4_cache_blocks, step5_register_tile};
use crate::{step9_panels, step10_library, step11_threads};
use cke_kernels::Error;
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial};

/// One way to compute the product.
pub(crate) struct Step<'a> {
    /// Its number in the book; products of exercises have none.
    pub(crate) number: Option<u8>,
    pub(crate) name: String,
    /// What it does that the step before does not.
    pub(crate) why: &'static str,
    /// Threads that it uses.
    pub(crate) threads: usize,
    pub(crate) multiply: Multiply<'a>,
}

/// C ← A·B.
type Multiply<'a> = Box<dyn FnMut(&mut [f32]) -> Result<(), Error> + 'a>;

/// The numbers of the first and the last step.
pub(crate) const NUMBERS: std::ops::RangeInclusive<i64> = 1..=12;

/// The steps of these numbers; every step if there are none.
pub(crate) fn steps<'a>(product: &'a Product<'a>, pool: &'a dyn Parallel, only: &[u8]) -> Vec<Step<'a>> {
    let mut steps = before_the_tile(product);
    steps.extend(tiles(product));
    steps.extend(blocks_and_threads(product, pool));
    for (step, number) in steps.iter_mut().zip(1..) {
        step.number = Some(number);
    }
    steps.retain(|step| only.is_empty() || step.number.is_some_and(|number| only.contains(&number)));
    steps
}

/// Steps 1 to 4.
fn before_the_tile<'a>(product: &'a Product<'a>) -> Vec<Step<'a>> {
    vec![
        Step::plain("loops i j p", "the formula; a column of B is a jump for each element", |c| {
            step1_naive::multiply(product, c);
        }),
        Step::plain("loops i p j", "rows of B and C are read from left to right", |c| {
            step2_loop_order::multiply(product, c);
        }),
        Step::plain("vectors", "the widest vectors of the CPU, and fused multiply-adds", |c| {
            step3_vectors::multiply(product, c);
        }),
        Step::plain("blocks of 64×64", "three blocks fit into L1", |c| {
            step4_cache_blocks::multiply(product, c);
        }),
    ]
}

/// Steps 5 to 8.
fn tiles<'a>(product: &'a Product<'a>) -> impl Iterator<Item = Step<'a>> {
    let nr = step5_register_tile::width(product.cpu.isa());
    let tiles = [
        (1, "C stays in registers while all of K goes by"),
        (2, "twice as many chains; each vector of B is used twice"),
        (4, "twice as many chains again"),
        (step5_register_tile::MR, "fewer loads for each multiply-add"),
    ];
    tiles.into_iter().map(move |(mr, why)| {
        let multiply = move |c: &mut [f32]| step5_register_tile::multiply(product, mr, c);
        Step::plain(&format!("tile of {mr}×{nr}"), why, multiply)
    })
}

/// Steps 9 to 12.
fn blocks_and_threads<'a>(product: &'a Product<'a>, pool: &'a dyn Parallel) -> Vec<Step<'a>> {
    let (mut blocks, mut of_threads) = (Scratch::new(), Scratch::new());
    vec![
        Step::new("panels and blocks", "a tile reads contiguous memory; A and B are read again from caches", 1, {
            move |c| step9_panels::multiply(product, blocking(product, 1), c, &mut blocks)
        }),
        library(product, &Serial),
        Step::new("step 9 on threads", "each free thread takes the next rows of C", pool.threads(), move |c| {
            let ctx = &mut Ctx { pool, scratch: &mut of_threads };
            step11_threads::multiply(product, blocking(product, pool.threads()), c, ctx)
        }),
        library(product, pool),
    ]
}

fn library<'a>(product: &'a Product<'a>, pool: &'a dyn Parallel) -> Step<'a> {
    let mut scratch = Scratch::new();
    Step::new("library", "prefetching, packing by the first tile, a kernel for each shape", pool.threads(), move |c| {
        step10_library::multiply(product, c, &mut Ctx { pool, scratch: &mut scratch })
    })
}

/// What a reader writes.
pub(crate) fn yours<'a>(product: &'a Product<'a>) -> Vec<Step<'a>> {
    vec![Step::plain("yours", "src/yours.rs", |c| yours::multiply(product, c))]
}

/// The solutions of exercises.
pub(crate) fn solutions<'a>(product: &'a Product<'a>) -> Vec<Step<'a>> {
    let mut scratch = Scratch::new();
    vec![
        Step::plain("four sums", "step 1 with four chains", |c| solutions::four_sums::multiply(product, c)),
        Step::plain("even tiles", "step 8 with tiles whose heights differ by one at most", |c| {
            solutions::even_tiles::multiply(product, c);
        }),
        Step::new("nothing to check", "A and B packed step by step: no index in the inner loop", 1, move |c| {
            solutions::packed_tile::multiply(product, c, &mut scratch)
        }),
    ]
}

impl<'a> Step<'a> {
    fn new(
        name: &str,
        why: &'static str,
        threads: usize,
        multiply: impl FnMut(&mut [f32]) -> Result<(), Error> + 'a,
    ) -> Self {
        Step { number: None, name: name.to_owned(), why, threads, multiply: Box::new(multiply) }
    }

    /// A step of one thread that asks for no memory.
    fn plain(name: &str, why: &'static str, mut multiply: impl FnMut(&mut [f32]) + 'a) -> Self {
        Step::new(name, why, 1, move |c| {
            multiply(c);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{Reference, random_matrix};
    use crate::step5_register_tile::width;
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
                let numbered = steps(product, &pool, &[]);
                for mut step in numbered.into_iter().chain(yours(product)).chain(solutions(product)) {
                    let mut c = vec![f32::NAN; n * n];
                    (step.multiply)(&mut c).unwrap();
                    let result = reference.check(&c);
                    assert_eq!(result, Ok(()), "{}, {}, n = {n}", step.name, product.cpu.isa());
                }
            });
        }
    }

    #[test]
    fn blocked_steps_many_small_blocks_match_the_exact_product() {
        let pool = ThreadPool::new(3).unwrap();
        for_each_isa(150, |product, reference| {
            let blocking = Blocking { mc: 12, kc: 40, nc: 2 * width(product.cpu.isa()) };
            let (mut scratch, mut c) = (Scratch::new(), vec![f32::NAN; 150 * 150]);
            step9_panels::multiply(product, blocking, &mut c, &mut scratch).unwrap();
            assert_eq!(reference.check(&c), Ok(()), "one thread, {}", product.cpu.isa());

            let mut of_threads = vec![f32::NAN; 150 * 150];
            let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
            step11_threads::multiply(product, blocking, &mut of_threads, &mut ctx).unwrap();
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
