//! Scales of groups of any length, and of whole rows and columns, against sums in i64.

use super::bits;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, Shape, Supported};
use cke_kernels::scheme::{Int8By, Int8Kernels, Scheme};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use cke_testkit::Data;

/// Steps of K whose products one sum of 32 bits holds; longer sums go on in f32.
const EXACT_STEPS: usize = 1 << 16;

/// A number of each block of 32 or, from 128 elements on, of 128 replaced by sums and differences of four, as the definition says.
fn spread(group: &[f32]) -> Vec<f32> {
    let mut numbers = group.to_vec();
    for stride in [8, 32] {
        let before = numbers.clone();
        let whole = group.len() / (4 * stride) * 4 * stride;
        for (place, x) in numbers[..whole].iter_mut().enumerate() {
            let digit = place / stride % 4;
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| before[place - digit * stride + i * stride]);
            *x = 0.5 * [(a + b) + (c + d), (a - b) + (c - d), (a + b) - (c + d), (a - b) - (c - d)][digit];
        }
    }
    numbers
}

fn quantized(group: &[f32]) -> (f32, Vec<i64>) {
    let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return (0.0, vec![0; group.len()]);
    }
    let factor = 127.0 / largest;
    (largest / 127.0, group.iter().map(|x| (x * factor).round_ties_even() as i64).collect())
}

/// The runs of a row or column that have one scale and one sum in 32 bits.
fn runs<const GROUP: usize, const WHOLE: bool>(x: &[f32]) -> Vec<(f32, Vec<i64>)> {
    if !WHOLE {
        return x.chunks(GROUP).map(|group| quantized(&spread(group))).collect();
    }
    let (scale, numbers) = quantized(x);
    numbers.chunks(EXACT_STEPS).map(|numbers| (scale, numbers.to_vec())).collect()
}

/// A (m, k) and B (k, n) of one product.
pub(crate) struct Case {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

impl Case {
    pub(crate) fn new((m, n, k): (usize, usize, usize), seed: u64) -> Case {
        let mut data = Data::new(seed);
        Case { m, n, k, a: data.uniform(m * k), b: data.uniform(k * n) }
    }

    pub(crate) fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, self.n).unwrap()
    }

    pub(crate) fn plan<S: Scheme>(&self, kernel: Supported<S>) -> GemmPlan<S> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    fn column(&self, j: usize) -> Vec<f32> {
        (0..self.k).map(|p| self.b[p * self.n + j]).collect()
    }

    pub(crate) fn wanted<const GROUP: usize, const WHOLE: bool>(&self) -> Vec<f32> {
        let runs = runs::<GROUP, WHOLE>;
        let rows: Vec<_> = (0..self.m).map(|i| runs(&self.a[i * self.k..(i + 1) * self.k])).collect();
        let columns: Vec<_> = (0..self.n).map(|j| runs(&self.column(j))).collect();
        let element = |row: &[(f32, Vec<i64>)], column: &[(f32, Vec<i64>)]| {
            row.iter().zip(column).fold(0f32, |total, ((a_scale, a), (b_scale, b))| {
                let sum: i64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                (a_scale * b_scale).mul_add(sum as f32, total)
            })
        };
        rows.iter().flat_map(|row| columns.iter().map(|column| element(row, column)).collect::<Vec<_>>()).collect()
    }

    pub(crate) fn run<S: Scheme<A = f32, B = f32, C = f32>>(
        &self,
        plan: &GemmPlan<S>,
        packed: &PackedB<S>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let a = MatRef::new(&self.a, self.m, self.k).unwrap();
        plan.run(a, packed, MatMut::new(&mut c, self.m, self.n).unwrap(), &Epilogue::default(), ctx).unwrap();
        c
    }
}

/// On both sides of tiles, panels, quads and of groups of every length.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 16, 128),
    (4, 17, 129),
    (5, 15, 63),
    (9, 33, 255),
    (17, 49, 257),
    (13, 40, 1000),
    (1, 100, 770),
    (3, 8, 0),
];

pub(crate) fn kernels<const GROUP: usize, const WHOLE: bool>() -> impl Iterator<Item = Supported<Int8By<GROUP, WHOLE>>>
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    Int8By::<GROUP, WHOLE>::records().filter_map(|kernel| kernel.on(Cpu::host().unwrap()))
}

fn check<const GROUP: usize, const WHOLE: bool>()
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for (seed, size) in (0..).zip(SIZES) {
        let case = Case::new(size, seed);
        let wanted = bits(&case.wanted::<GROUP, WHOLE>());
        for kernel in kernels::<GROUP, WHOLE>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            for threads in 1..=2 {
                let found = bits(&case.run(&plan, &packed, &ThreadPool::new(threads).unwrap()));
                assert_eq!(found, wanted, "{}, {size:?}, {threads} threads", kernel.record().name());
            }
        }
    }
}

#[test]
fn products_have_the_bits_of_plain_loops_whatever_one_scale_is_of() {
    check::<16, false>();
    check::<32, false>();
    check::<64, false>();
    check::<128, false>();
    check::<256, false>();
    check::<128, true>();
}

#[test]
fn sums_longer_than_32_bits_hold_go_on_in_f32() {
    let k = EXACT_STEPS + 70;
    for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)] {
        let case = Case { m: 2, n: 17, k, a: vec![x; 2 * k], b: vec![y; 17 * k] };
        let wanted = bits(&case.wanted::<128, true>());
        for kernel in kernels::<128, true>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            assert_eq!(bits(&case.run(&plan, &packed, &Serial)), wanted, "{}", kernel.record().name());
        }
    }
}

#[test]
fn columns_of_one_scale_are_packed_whole_and_read_back() {
    let case = Case::new((3, 20, 300), 5);
    for kernel in kernels::<128, true>() {
        let plan = case.plan(kernel);
        let mut packed = plan.empty_b().unwrap();
        let part = case.b().block(0..128, 0..20);
        let error = packed.write(0, 0, part).unwrap_err();
        assert!(matches!(error, Error::Size { wanted: 300, found: 128, .. }), "{error}");
        packed.write(0, 3, case.b().block(0..300, 3..20)).unwrap();
        packed.write(0, 0, case.b().block(0..300, 0..3)).unwrap();
        assert_eq!(packed.as_bytes(), plan.pack_b(case.b()).unwrap().as_bytes());
        let mut column = vec![0.0; 300];
        for j in 0..20 {
            packed.copy_column(j, &mut column).unwrap();
            let (scale, numbers) = quantized(&case.column(j));
            assert_eq!(column, numbers.iter().map(|&q| scale * q as f32).collect::<Vec<_>>(), "column {j}");
        }
    }
}

fn check_columns<const GROUP: usize>()
where
    Int8By<GROUP, false>: Int8Kernels,
{
    let case = Case::new((1, 20, 2 * GROUP + 45), 6);
    for kernel in kernels::<GROUP, false>() {
        let packed = case.plan(kernel).pack_b(case.b()).unwrap();
        let mut column = vec![0.0; case.k];
        for j in 0..case.n {
            packed.copy_column(j, &mut column).unwrap();
            let runs = runs::<GROUP, false>(&case.column(j));
            // The exact product of the scale and the sums of whole numbers, rounded once.
            let wanted = runs.iter().flat_map(|(scale, numbers)| {
                let sums = spread(&numbers.iter().map(|&q| q as f32).collect::<Vec<_>>());
                sums.into_iter().map(|sum| (f64::from(*scale) * f64::from(sum)) as f32)
            });
            assert_eq!(column, wanted.collect::<Vec<_>>(), "column {j} in groups of {GROUP}");
        }
    }
}

#[test]
fn columns_of_groups_read_back_rounded_once() {
    check_columns::<16>();
    check_columns::<32>();
    check_columns::<64>();
    check_columns::<128>();
    check_columns::<256>();
}

#[test]
fn numbers_that_are_not_finite_reach_their_row_or_column_and_no_other() {
    for kernel in kernels::<128, true>() {
        let mut case = Case::new((5, 20, 600), 4);
        (case.a[2 * 600 + 300], case.b[500 * 20 + 7]) = (f32::NAN, f32::INFINITY);
        let plan = case.plan(kernel);
        let found = case.run(&plan, &plan.pack_b(case.b()).unwrap(), &Serial);
        for (at, x) in found.iter().enumerate() {
            assert_eq!(x.is_nan(), at / 20 == 2 || at % 20 == 7, "{at}: {x}");
        }
    }
}
