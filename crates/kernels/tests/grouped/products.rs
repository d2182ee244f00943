//! Products, bit by bit.

use crate::definitions::Definition;
use crate::{bits, for_each_format, kernels};
use cke_kernels::Cpu;
use cke_kernels::gemm::grouped::ROW_GROUP;
use cke_kernels::gemm::{Blocking, Ctx, Epilogue, GemmPlan, PackedB, RowBuf, Shape, Supported};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::Grouped;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;
use std::marker::PhantomData;
use std::sync::Arc;

/// A (m, k) in f32 and B (k, n) in blocks, the last of which may reach beyond k.
pub(crate) struct Case<F> {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<u8>,
    format: PhantomData<F>,
}

/// The scale of some of a row's elements and their numbers.
fn quantized(group: &[f32]) -> (f32, Vec<i64>) {
    let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let factor = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    (largest / 127.0, group.iter().map(|x| (x * factor).round_ties_even() as i64).collect())
}

impl<F: Definition> Case<F> {
    fn new(m: usize, n: usize, blocks: usize, seed: u64) -> Case<F> {
        Case::of_depth(m, n, blocks * F::BLOCK, seed)
    }

    pub(crate) fn of_depth(m: usize, n: usize, k: usize, seed: u64) -> Case<F> {
        let (mut data, blocks) = (Data::new(seed), k.div_ceil(F::BLOCK));
        Case { m, n, k, a: data.uniform(m * k), b: F::random_blocks(n * blocks, &mut data), format: PhantomData }
    }

    /// The first rows of A.
    pub(crate) fn first_rows(&self, m: usize) -> Case<F> {
        Case { m, a: self.a[..m * self.k].to_vec(), b: vec![], ..*self }
    }

    pub(crate) fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    pub(crate) fn plan(&self, kernel: Supported<Grouped<F>>) -> GemmPlan<Grouped<F>> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    /// The sum of a row and a column of blocks.
    fn element(&self, row: &[f32], blocks: &[u8]) -> f32 {
        let mut groups = blocks.chunks(F::BLOCK_BYTES).flat_map(F::groups);
        let mut sum = 0f32;
        for part in row.chunks(ROW_GROUP) {
            let (scale, numbers) = quantized(part);
            let mut numbers = &numbers[..];
            while !numbers.is_empty() {
                let group = groups.next().unwrap();
                let (now, rest) = numbers.split_at(group.levels.len().min(numbers.len()));
                let products: i64 = now.iter().zip(&group.levels).map(|(a, b)| a * b).sum();
                sum = (group.scale * scale).mul_add(products as f32, sum);
                if let Some(minimum) = group.minimum {
                    sum = minimum.mul_add(scale * now.iter().sum::<i64>() as f32, sum);
                }
                numbers = rest;
            }
        }
        sum
    }

    pub(crate) fn wanted(&self) -> Vec<f32> {
        let column_bytes = self.k.div_ceil(F::BLOCK) * F::BLOCK_BYTES;
        let column = |j: usize| &self.b[j * column_bytes..][..column_bytes];
        let rows = (0..self.m).map(|i| &self.a[i * self.k..][..self.k]);
        rows.flat_map(|row| (0..self.n).map(move |j| self.element(row, column(j)))).collect()
    }

    /// B packed from its blocks, for a K that may end within one of them.
    pub(crate) fn pack(&self, plan: &GemmPlan<Grouped<F>>) -> PackedB<Grouped<F>> {
        let (kernel, n, k) = (plan.kernel(), self.n, self.k.next_multiple_of(F::BLOCK));
        let whole = GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m: 1, n, k });
        let bytes = whole.pack_blocks(&self.b).unwrap().as_bytes().to_vec();
        PackedB::from_shared(kernel, self.k, n, Arc::new(bytes)).unwrap()
    }

    pub(crate) fn run(
        &self,
        plan: &GemmPlan<Grouped<F>>,
        packed: &PackedB<Grouped<F>>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, self.n).unwrap();
        plan.run(self.a(), packed, place, &Epilogue::default(), ctx).unwrap();
        c
    }
}

fn check_bits<F: Definition>() {
    // Rows and columns on both sides of tiles and panels, blocks on both sides of 256 steps, for blocks of 32 and of 256.
    let steps = |steps: usize| steps.div_ceil(F::BLOCK);
    let sizes = [(1, 1, 1), (1, 17, 9), (2, 15, 8), (3, 16, 7), (4, 33, 16), (5, 3, 2), (6, 20, 1), (7, 40, 17)];
    let sizes =
        sizes.into_iter().chain([(8, 5, 3), (13, 31, steps(1024)), (1, 100, steps(3072)), (25, 16, 2), (3, 8, 0)]);
    for (seed, (m, n, blocks)) in (0..).zip(sizes) {
        let case = Case::<F>::new(m, n, blocks, seed);
        let wanted = bits(&case.wanted());
        for kernel in kernels() {
            let plan = case.plan(kernel);
            let packed = plan.pack_blocks(&case.b).unwrap();
            for threads in 1..=3 {
                let found = case.run(&plan, &packed, &ThreadPool::new(threads).unwrap());
                let name = kernel.record().name();
                assert_eq!(bits(&found), wanted, "{name}, {m}×{n}, {blocks} blocks, {threads} threads");
            }
        }
    }
}

#[test]
fn products_have_the_bits_of_plain_loops_on_every_kernel_and_any_number_of_threads() {
    for_each_format!(check_bits);
}

fn check_blocking<F: Definition>() {
    let case = Case::<F>::new(9, 40, 1280 / F::BLOCK, 7);
    let wanted = bits(&case.wanted());
    for kernel in kernels() {
        for kc in [1, 256, 700] {
            let plan = case.plan(kernel).with_blocking(Blocking { mc: 4, kc, nc: kernel.tile().nr }).unwrap();
            let packed = plan.pack_blocks(&case.b).unwrap();
            assert_eq!(bits(&case.run(&plan, &packed, &Serial)), wanted, "{}, {kc}", kernel.record().name());
        }
    }
}

#[test]
fn blocks_of_any_size_leave_the_bits_alone() {
    for_each_format!(check_blocking);
}

fn check_extremes<F: Definition>() {
    for byte in [0, 0x0F, 0x7F, 0x80, 0x88, 0xF0, 0xFF] {
        for x in [1.0, -1.0] {
            let (mut case, blocks) = (Case::<F>::new(4, 16, 512 / F::BLOCK, 1), 16 * 512 / F::BLOCK);
            let scales = F::random_blocks(blocks, &mut Data::new(2));
            for (at, (b, scale)) in case.b.iter_mut().zip(scales).enumerate() {
                let within = at % F::BLOCK_BYTES;
                let is_scale = F::HALVES.iter().any(|&half| half == within || half + 1 == within);
                *b = if is_scale { scale } else { byte };
            }
            case.a.fill(x);
            for kernel in kernels() {
                let plan = case.plan(kernel);
                let found = case.run(&plan, &plan.pack_blocks(&case.b).unwrap(), &Serial);
                assert_eq!(bits(&found), bits(&case.wanted()), "{} {byte:#x} {x}", kernel.record().name());
            }
        }
    }
}

#[test]
fn extreme_levels_do_not_saturate() {
    for_each_format!(check_extremes);
}

fn check_not_finite<F: Definition>() {
    let (n, k) = (20, 1024);
    let blocks = k / F::BLOCK;
    for kernel in kernels() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut case = Case::<F>::new(5, n, blocks, 4);
            case.a[2 * k + 300] = bad;
            let at = (7 * blocks + 1) * F::BLOCK_BYTES + F::HALVES[0];
            case.b[at..at + 2].copy_from_slice(&half::f16::NAN.to_le_bytes());
            let plan = case.plan(kernel);
            let found = case.run(&plan, &plan.pack_blocks(&case.b).unwrap(), &Serial);
            for (at, x) in found.iter().enumerate() {
                assert_eq!(x.is_nan(), at / n == 2 || at % n == 7, "{at}: {x}");
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_reach_their_row_or_column_and_no_other() {
    for_each_format!(check_not_finite);
}

fn check_prepared_rows<F: Definition>() {
    for kernel in kernels() {
        let case = Case::<F>::new(5, 20, 2, 2);
        let plan = case.plan(kernel);
        let (packed, mut rows) = (plan.pack_blocks(&case.b).unwrap(), RowBuf::new());
        // Rows that another format's kernel has prepared serve as well.
        let other = kernels::<cke_kernels::scheme::Int4>().last().unwrap();
        rows.prepare(other, case.a(), &Serial).unwrap();
        let bias: Vec<f32> = Data::new(5).uniform(case.n);
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu, ..Epilogue::default() };
        let mut c = vec![f32::NAN; case.m * case.n];
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        plan.run_prepared(&rows, &packed, MatMut::new(&mut c, case.m, case.n).unwrap(), &epilogue, ctx).unwrap();
        let wanted = case.wanted();
        for (at, &found) in c.iter().enumerate() {
            assert_eq!(found, (wanted[at] + bias[at % case.n]).max(0.0));
        }
    }
}

#[test]
fn rows_prepared_once_serve_every_format_with_epilogues() {
    for_each_format!(check_prepared_rows);
}
