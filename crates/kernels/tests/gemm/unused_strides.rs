//! Strides that are never taken, of single rows and columns and of empty matrices: any number will do, and nothing overflows.

use crate::kernels::cpus;
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::{
    BatchCtx, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, Gemm, GemmBatch, GemmPlan, Layout, Matrices,
    MatricesMut, Shape,
};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};

/// Numbers whose products with sizes and tiles overflow.
const ABSURD: [usize; 3] = [usize::MAX, usize::MAX / 3, 1 << 60];

/// Deep and wide enough for every way through a product.
const SIZES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 1, 0),
    (3, 1, 0),
    (1, 5, 0),
    (3, 5, 0),
    (1, 40, 3),
    (40, 1, 3),
    (1, 1, 300_000),
    (1, 70, 20_000),
    (70, 1, 20_000),
    (20, 30, 1),
    (600, 500, 1),
    (0, 5, 3),
    (5, 0, 3),
];

/// Row-major or column-major, with strides in place of those that are never taken.
fn layout(rows: usize, cols: usize, is_transposed: bool, unused: usize) -> Layout {
    let (row_stride, col_stride) = if is_transposed { (1, rows) } else { (cols, 1) };
    let is_empty = rows == 0 || cols == 0;
    Layout {
        rows,
        cols,
        row_stride: if is_empty || rows == 1 { unused } else { row_stride },
        col_stride: if is_empty || cols == 1 { unused } else { col_stride },
    }
}

fn view(data: &[f32], Layout { rows, cols, row_stride, col_stride }: Layout) -> MatRef<'_, f32> {
    MatRef::with_strides(data, rows, cols, row_stride, col_stride).expect("no element is outside")
}

fn view_mut(data: &mut [f32], Layout { rows, cols, row_stride, col_stride }: Layout) -> MatMut<'_, f32> {
    MatMut::with_strides(data, rows, cols, row_stride, col_stride).expect("no element is outside, none is there twice")
}

/// A and B of a size: 1, 2, 3, 1, …
fn operands((m, n, k): (usize, usize, usize)) -> (Vec<f32>, Vec<f32>) {
    let numbers = |len: usize| (0..len).map(|i| (i % 3 + 1) as f32).collect();
    (numbers(m * k), numbers(k * n))
}

/// C of 7s ← A · B, by `multiply`.
fn product(size: (usize, usize, usize), multiply: impl FnOnce(&[f32], &[f32], &mut [f32])) -> Vec<f32> {
    let (a, b) = operands(size);
    let mut c = vec![7.0; size.0 * size.1];
    multiply(&a, &b, &mut c);
    c
}

/// All layouts of A, B and C with one stride in place of those that are never taken, beside the same with small ones.
fn for_each_layout((m, n, k): (usize, usize, usize), mut run: impl FnMut([Layout; 3])) {
    for unused in ABSURD {
        for turned in 0..8 {
            let is_turned = |operand: u32| turned >> operand & 1 == 1;
            run([
                layout(m, k, is_turned(0), unused),
                layout(k, n, is_turned(1), unused),
                layout(m, n, is_turned(2), unused),
            ]);
        }
    }
}

fn one_off(cpu: &Cpu, pool: &dyn Parallel, size: (usize, usize, usize), [a, b, c]: [Layout; 3]) -> Vec<f32> {
    product(size, |a_data, b_data, c_data| {
        let gemm = Gemm::<F32> { alpha: 1.0, a: view(a_data, a), b: view(b_data, b), beta: 0.5 };
        gemm.run(cpu, view_mut(c_data, c), &mut Ctx { pool, scratch: &mut Scratch::new() }).expect("sizes agree");
    })
}

#[test]
fn product_with_absurd_unused_strides_is_that_with_small_ones() {
    let pool = ThreadPool::new(2).expect("threads start");
    for cpu in cpus() {
        for size in SIZES {
            for_each_layout(size, |layouts| {
                let small = layouts.map(|layout| Layout {
                    row_stride: if layout.row_stride >= 1 << 60 { 9 } else { layout.row_stride },
                    col_stride: if layout.col_stride >= 1 << 60 { 9 } else { layout.col_stride },
                    ..layout
                });
                for pool in [&Serial as &dyn Parallel, &pool] {
                    let found = one_off(&cpu, pool, size, layouts);
                    assert_eq!(found, one_off(&cpu, pool, size, small), "{}, {layouts:?}", cpu.isa());
                }
            });
        }
    }
}

#[test]
fn plan_with_absurd_unused_strides_has_the_right_sums() {
    for (m, n, k) in SIZES.into_iter().chain([(7, 0, usize::MAX), (0, 0, usize::MAX)]) {
        let plan = GemmPlan::<F32>::new(crate::kernels::cpu(), Shape { m, n, k });
        if n == 0 {
            let b = view(&[], Layout { rows: k, cols: 0, row_stride: usize::MAX, col_stride: usize::MAX });
            let packed = plan.pack_b(b).expect("no memory at all");
            let a = view(&[1.0], Layout { rows: m, cols: k, row_stride: 0, col_stride: 0 });
            let (c, ctx) = (
                view_mut(&mut [], Layout { rows: m, cols: 0, row_stride: 1, col_stride: usize::MAX }),
                &mut Scratch::new(),
            );
            plan.run(a, &packed, c, &Epilogue::default(), &mut Ctx { pool: &Serial, scratch: ctx })
                .expect("sizes agree");
            continue;
        }
        let wanted = product((m, n, k), |a, b, c| {
            for (i, row) in c.chunks_exact_mut(n).enumerate() {
                row.iter_mut().enumerate().for_each(|(j, x)| *x = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum());
            }
        });
        for unused in ABSURD {
            let found = product((m, n, k), |a, b, c| {
                let packed = plan.pack_b(view(b, layout(k, n, false, unused))).expect("little memory");
                let (a, c) = (view(a, layout(m, k, false, unused)), view_mut(c, layout(m, n, false, unused)));
                let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
                plan.run(a, &packed, c, &Epilogue::default(), ctx).expect("sizes agree");
            });
            // Sums of small integers are exact.
            assert_eq!(found, wanted, "{m}×{n}×{k}, {unused}");
        }
    }
}

#[test]
fn batches_with_absurd_unused_strides_run() {
    let cpu = crate::kernels::cpu();
    for size in SIZES.into_iter().filter(|size| size.2 < 10_000) {
        let (m, n, k) = size;
        for unused in ABSURD {
            let [a, b, c] = [layout(m, k, false, unused), layout(k, n, false, unused), layout(m, n, false, unused)];
            let wanted = one_off(cpu, &Serial, size, [a, b, c]);
            let found = product(size, |a_data, b_data, c_data| {
                let a = Matrices::by_stride(a_data, a, usize::MAX, 1).expect("one matrix, inside");
                let b = Matrices::by_offset(b_data, b, &[0]).expect("one matrix, inside");
                let c = MatricesMut::by_stride(c_data, c, usize::MAX, 1).expect("one matrix, inside");
                let ctx = &mut BatchCtx { pool: &Serial, scratch: &mut [Scratch::new()] };
                GemmBatch::<F32> { alpha: 1.0, a, b, beta: 0.5 }.run(cpu, c, ctx).expect("sizes agree");
            });
            assert_eq!(found, wanted, "{size:?}, {unused}");
            let found = product(size, |a_data, b_data, c_data| {
                // Brgemm wants the columns of B and C contiguous, except single ones.
                let adjacent = |layout: Layout| Layout { col_stride: 1, ..layout };
                let a = Matrices::by_stride(a_data, a, usize::MAX, 1).expect("one matrix, inside");
                let b = Matrices::by_stride(b_data, adjacent(b), usize::MAX, 1).expect("one matrix, inside");
                let operands = Brgemm::<F32> { a: BlocksOfA::Strided(a), b: BlocksOfB::RowMajor(b), beta: 0.5 };
                let plan = BrgemmPlan::new(cpu, Shape { m, n, k });
                plan.run(&operands, view_mut(c_data, adjacent(c)), &Serial).expect("sizes agree");
            });
            let right = found.iter().zip(&wanted).all(|(found, wanted)| (found - wanted).abs() <= 1e-3 * wanted.abs());
            assert!(right, "{size:?}, {unused}");
        }
    }
}
