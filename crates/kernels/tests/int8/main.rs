//! Products in eight bits against sums in i64 over operands that are quantised here once more.
//!
//! The kernel's definition leaves no freedom: results are compared bit by bit, on every instruction set of this CPU.

mod case;
#[path = "../support/page_borders.rs"]
mod page_borders;
mod scales;
mod sweep;

use cke_kernels::Cpu;
use cke_kernels::gemm::int8::GROUP;
use cke_kernels::gemm::{
    Blocking, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, Form, GemmPlan, PackedB, RowBuf, Shape,
    Supported, supported,
};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::Int8;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;

/// A group multiplied by the matrix of Walsh and Hadamard over the bits of the index from that of 8 on: both bits of blocks of 32, and
/// those of 32 and 64 too if the group is whole. By the definition, but with sums of four at a time as the kernel makes them.
fn spread(group: &[f32]) -> Vec<f32> {
    let mut numbers = group.to_vec();
    let strides = if group.len() == GROUP { &[8, 32][..] } else { &[8] };
    for &stride in strides {
        let whole = group.len() / (4 * stride) * 4 * stride;
        let before = numbers.clone();
        for (place, x) in numbers[..whole].iter_mut().enumerate() {
            let first = place - place / stride % 4 * stride;
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| before[first + i * stride]);
            *x = 0.5
                * match place / stride % 4 {
                    0 => (a + b) + (c + d),
                    1 => (a - b) + (c - d),
                    2 => (a + b) - (c + d),
                    _ => (a - b) - (c - d),
                };
        }
    }
    numbers
}

/// The scale of a group and its numbers in eight bits, once it is spread.
fn quantized(group: &[f32]) -> (f32, Vec<i64>) {
    let group = spread(group);
    let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return (0.0, vec![0; group.len()]);
    }
    let factor = 127.0 / largest;
    (largest / 127.0, group.iter().map(|x| (x * factor).round_ties_even() as i64).collect())
}

/// A (m, k) and B (k, n) of one product.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn new((m, n, k): (usize, usize, usize), seed: u64) -> Case {
        let mut data = Data::new(seed);
        Case { m, n, k, a: data.uniform(m * k), b: data.uniform(k * n) }
    }

    fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, self.n).unwrap()
    }

    fn plan(&self, kernel: Supported<Int8>) -> GemmPlan<Int8> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    /// Each row of A in the groups of a row.
    fn rows(&self) -> Vec<Vec<(f32, Vec<i64>)>> {
        let rows = self.a.chunks(self.k.max(1)).take(self.m);
        rows.map(|row| row.chunks(GROUP).map(quantized).collect()).collect()
    }

    /// Each column of B in the groups of a column.
    fn columns(&self) -> Vec<Vec<(f32, Vec<i64>)>> {
        let column = |j: usize| (0..self.k).map(|p| self.b[p * self.n + j]).collect::<Vec<_>>();
        (0..self.n).map(|j| column(j).chunks(GROUP).map(quantized).collect()).collect()
    }

    fn wanted(&self) -> Vec<f32> {
        let (rows, columns) = (self.rows(), self.columns());
        let element = |i: usize, j: usize| {
            let mut total = 0.0;
            for (group, (b_scale, b)) in columns[j].iter().enumerate() {
                let (a_scale, a) = &rows[i][group];
                let sum: i64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                total = (a_scale * b_scale).mul_add(sum as f32, total);
            }
            total
        };
        (0..self.m * self.n).map(|at| element(at / self.n, at % self.n)).collect()
    }

    fn run(&self, plan: &GemmPlan<Int8>, pool: &dyn Parallel) -> Vec<f32> {
        let packed = plan.pack_b(self.b()).unwrap();
        self.run_packed(plan, &packed, pool)
    }

    fn run_packed(&self, plan: &GemmPlan<Int8>, packed: &PackedB<Int8>, pool: &dyn Parallel) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, self.n).unwrap();
        plan.run(self.a(), packed, place, &Epilogue::default(), ctx).unwrap();
        c
    }
}

fn kernels() -> impl Iterator<Item = Supported<Int8>> {
    supported(Cpu::host().unwrap(), Form::Blocks)
}

fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}

/// On both sides of tiles, panels, quads, groups and of the blocks that a cache would have room for.
const SIZES: [(usize, usize, usize); 12] = [
    (1, 1, 1),
    (1, 16, 128),
    (4, 17, 129),
    (5, 15, 64),
    (9, 33, 255),
    (6, 3, 257),
    (13, 40, 1000),
    (1, 100, 3072),
    (33, 64, 515),
    (12, 31, 384),
    (70, 5, 300),
    (3, 8, 0),
];

#[test]
fn products_have_the_bits_of_plain_loops_on_every_kernel_and_any_number_of_threads() {
    for kernel in kernels() {
        for (seed, size) in (0..).zip(SIZES) {
            let case = Case::new(size, seed);
            let plan = case.plan(kernel);
            let wanted = bits(&case.wanted());
            for threads in 1..=3 {
                let pool = ThreadPool::new(threads).unwrap();
                let found = bits(&case.run(&plan, &pool));
                assert_eq!(found, wanted, "{}, {size:?}, {threads} threads", kernel.record().name());
            }
        }
    }
}

#[test]
fn blocks_of_any_size_leave_the_bits_alone() {
    for kernel in kernels() {
        let case = Case::new((9, 40, 1100), 7);
        let wanted = bits(&case.wanted());
        for kc in [1, 256, 700] {
            let plan = case.plan(kernel).with_blocking(Blocking { mc: 4, kc, nc: kernel.tile().nr }).unwrap();
            assert_eq!(bits(&case.run(&plan, &Serial)), wanted, "{}, {kc}", kernel.record().name());
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_company() {
    for kernel in kernels() {
        let case = Case::new((37, 50, 700), 3);
        let plan = case.plan(kernel);
        let all = case.run(&plan, &Serial);
        let packed = plan.pack_b(case.b()).unwrap();
        for i in 0..case.m {
            let alone = Case { m: 1, a: case.a[i * case.k..(i + 1) * case.k].to_vec(), b: vec![], ..case };
            let found = alone.run_packed(&plan, &packed, &Serial);
            assert_eq!(bits(&found), bits(&all[i * case.n..(i + 1) * case.n]), "row {i}");
        }
    }
}

#[test]
fn extreme_bytes_do_not_saturate() {
    let (m, n, k) = (4, 16, 512);
    for kernel in kernels() {
        for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
            // What is spread twice is as before: bytes are all 127 or −127.
            let row = |x: f32| -> Vec<f32> { (0..k / GROUP).flat_map(|_| spread(&[x; GROUP])).collect() };
            let b = row(y).into_iter().flat_map(|y| vec![y; n]).collect();
            let case = Case { m, n, k, a: (0..m).flat_map(|_| row(x)).collect(), b };
            assert!(case.rows()[0][0].1.iter().all(|q| q.abs() == 127));
            let found = case.run(&case.plan(kernel), &Serial);
            assert_eq!(bits(&found), bits(&case.wanted()), "{} {x} {y}", kernel.record().name());
            assert!(found.iter().all(|c| (c - x * y * k as f32).abs() < 0.01));
        }
    }
}

#[test]
fn numbers_that_are_not_finite_reach_their_row_or_column_and_no_other() {
    for kernel in kernels() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut case = Case::new((5, 20, 600), 4);
            case.a[2 * 600 + 300] = bad;
            case.b[500 * 20 + 7] = bad;
            let found = case.run(&case.plan(kernel), &Serial);
            for (at, x) in found.iter().enumerate() {
                assert_eq!(x.is_nan(), at / 20 == 2 || at % 20 == 7, "{at}: {x}");
            }
        }
    }
}

#[test]
fn errors_stay_within_half_a_step_of_each_operand() {
    let case = Case::new((8, 24, 2000), 11);
    for kernel in kernels() {
        let found = case.run(&case.plan(kernel), &Serial);
        for (at, &found) in found.iter().enumerate() {
            let (i, j) = (at / case.n, at % case.n);
            let products = (0..case.k).map(|p| f64::from(case.a[i * case.k + p]) * f64::from(case.b[p * case.n + j]));
            let exact: f64 = products.sum();
            // Two operands with a deviation of 0.58, below 2.2 when they are spread, and so each off by 2.2/254 at most, evenly: some 2000
            // errors with a deviation below 1/240.
            assert!((f64::from(found) - exact).abs() < 6.0 * (2000f64).sqrt() / 240.0, "{at}: {found} {exact}");
        }
    }
}

#[test]
fn packed_weights_serve_every_kernel_and_read_back() {
    let case = Case::new((7, 37, 400), 9);
    let wanted = bits(&case.wanted());
    let columns = case.columns();
    for packer in kernels() {
        let packed = case.plan(packer).pack_b(case.b()).unwrap();
        for kernel in kernels() {
            assert_eq!(bits(&case.run_packed(&case.plan(kernel), &packed, &Serial)), wanted);
        }
        let mut column = vec![0.0; case.k];
        for j in 0..case.n {
            packed.copy_column(j, &mut column).unwrap();
            // The exact product of the scale and the sums, rounded once.
            let stored = |(scale, q): &(f32, Vec<i64>)| {
                let sums = spread(&q.iter().map(|&q| q as f32).collect::<Vec<_>>());
                sums.into_iter().map(|sum| (f64::from(*scale) * f64::from(sum)) as f32).collect::<Vec<_>>()
            };
            assert_eq!(columns[j].iter().flat_map(stored).collect::<Vec<_>>(), column, "column {j}");
        }
    }
}

#[test]
fn rows_prepared_once_serve_products_with_epilogues() {
    for kernel in kernels() {
        let case = Case::new((5, 20, 300), 2);
        let plan = case.plan(kernel);
        let (packed, mut rows) = (plan.pack_b(case.b()).unwrap(), RowBuf::new());
        rows.prepare(kernel, case.a(), &Serial).unwrap();
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
fn batches_are_reduced() {
    let (m, n, k) = (6, 19, 130);
    let cases: Vec<Case> = (0..5).map(|seed| Case::new((m, n, k), seed)).collect();
    let plan = BrgemmPlan::<Int8>::new(Cpu::host().unwrap(), Shape { m, n, k });
    let packed: Vec<_> = cases.iter().map(|case| case.plan(plan.kernel()).pack_b(case.b()).unwrap()).collect();
    let rows: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut rows = RowBuf::new();
            rows.prepare(plan.kernel(), case.a(), &Serial).unwrap();
            rows
        })
        .collect();
    let (packed, rows): (Vec<_>, Vec<_>) = (packed.iter().collect(), rows.iter().collect());
    let mut c = vec![1.0; m * n];
    let operands = Brgemm { a: BlocksOfA::Prepared(&rows), b: BlocksOfB::Packed(&packed), beta: 2.0 };
    plan.run(&operands, MatMut::new(&mut c, m, n).unwrap(), &ThreadPool::new(2).unwrap()).unwrap();
    let wanted = cases.iter().fold(vec![2.0; m * n], |sums, case| {
        sums.iter().zip(case.wanted()).map(|(sum, x)| sum + f64::from(x)).collect()
    });
    for (found, wanted) in c.iter().zip(wanted) {
        assert!((f64::from(*found) - wanted).abs() < 1e-4, "{found} {wanted}");
    }
}

#[cfg(target_arch = "aarch64")]
#[test]
fn instructions_for_more_products_at_a_time_come_first() {
    use cke_kernels::cpu::Features;
    let cpu = Cpu::host().unwrap();
    let family = match cpu {
        cpu if cpu.has(Features::I8MM.union(Features::DOTPROD)) => "neon_i8mm_int8_",
        cpu if cpu.has(Features::DOTPROD) => "neon_dotprod_int8_",
        _ => "neon_int8_",
    };
    for m in [1, 5, 512] {
        let kernel = cke_kernels::gemm::choose::<Int8>(cpu, Shape { m, n: 768, k: 768 });
        assert!(kernel.record().name().starts_with(family), "{}, wanted {family}", kernel.record().name());
    }
}
