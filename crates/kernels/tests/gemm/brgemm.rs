//! Batch-reduce products: the oracle's sums, and the bits of one long product.

use crate::kernels::{cpu, kernels};
use crate::operands::{uniform, view, view_mut};
use cke_kernels::Error;
use cke_kernels::gemm::{
    BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, Form, GemmPlan, Layout, Matrices, Multiplier, Scale,
    Shape, Supported,
};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::{Data, Matrix, View, oracle, tolerance};

/// More blocks than one call of the microkernel takes.
const MANY: usize = 131;

/// Blocks of A side by side in one matrix, blocks of B one below the other, and what C holds before.
struct Blocks {
    shape: Shape,
    count: usize,
    a: Matrix<f32>,
    b: Matrix<f32>,
    before: Matrix<f32>,
}

impl Blocks {
    fn new((m, n, k): (usize, usize, usize), count: usize, seed: u64) -> Self {
        let mut data = Data::new(seed);
        Blocks {
            shape: Shape { m, n, k },
            count,
            a: uniform(cke_testkit::Layout::padded(m, count * k, 3), &mut data),
            b: uniform(cke_testkit::Layout::padded(count * k, n, 5), &mut data),
            before: uniform(cke_testkit::Layout::padded(m, n, 19), &mut data),
        }
    }

    fn a(&self) -> Matrices<'_, f32> {
        let layout =
            Layout { rows: self.shape.m, cols: self.shape.k, row_stride: self.a.layout().row_stride, col_stride: 1 };
        Matrices::by_stride(self.a.as_slice(), layout, self.shape.k, self.count).expect("A fits")
    }

    fn b(&self) -> Matrices<'_, f32> {
        let row_stride = self.b.layout().row_stride;
        let layout = Layout { rows: self.shape.k, cols: self.shape.n, row_stride, col_stride: 1 };
        Matrices::by_stride(self.b.as_slice(), layout, self.shape.k * row_stride, self.count).expect("B fits")
    }

    fn operands(&self, beta: f32) -> Brgemm<'_, F32> {
        Brgemm { a: BlocksOfA::Strided(self.a()), b: BlocksOfB::RowMajor(self.b()), beta }
    }

    /// C after the batch, its gaps and surroundings checked.
    fn run(&self, plan: &BrgemmPlan<F32>, operands: &Brgemm<'_, F32>, pool: &dyn Parallel) -> Vec<f32> {
        self.run_finished(plan, operands, &Epilogue::default(), pool)
    }

    fn run_finished(
        &self,
        plan: &BrgemmPlan<F32>,
        operands: &Brgemm<'_, F32>,
        epilogue: &Epilogue<'_>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let mut c = Matrix::with_layout(self.before.layout(), &self.before.to_row_major());
        plan.run_with_epilogue(operands, epilogue, view_mut(&mut c), pool).expect("sizes agree");
        c.check();
        c.to_row_major()
    }

    /// The sums as the oracle has them.
    fn check(&self, name: &str, beta: f32, found: &[f32]) {
        let (a, b, c) = (self.a.view(), self.b.view(), self.before.view());
        let wanted = oracle::Gemm { alpha: 1.0, a, b, beta, c };
        tolerance::assert_close(name, found, &wanted.exact(), &wanted.bound());
    }

    /// One long product over all blocks.
    fn concatenated(&self, kernel: Supported<F32>, epilogue: &Epilogue<'_>) -> Vec<f32> {
        let Shape { m, n, k } = self.shape;
        let plan = GemmPlan::with_kernel(cpu(), kernel, Shape { m, n, k: k * self.count });
        let packed = plan.pack_b(view(&self.b)).expect("B fits");
        let mut c = Matrix::with_layout(self.before.layout(), &vec![0.0; m * n]);
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        plan.run(view(&self.a), &packed, view_mut(&mut c), epilogue, ctx).expect("sizes agree");
        c.to_row_major()
    }
}

fn outer_kernels() -> impl Iterator<Item = Supported<F32>> {
    kernels().into_iter().filter(|kernel| kernel.record().form() == Form::Outer)
}

/// Shapes at the borders of a kernel's tile, with counts of blocks from none to more than one call takes.
fn cases(kernel: Supported<F32>) -> Vec<((usize, usize, usize), usize)> {
    let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
    let shapes = [(1, 1, 1), (mr, nr, 4), (mr + 1, nr + 1, 3), (3 * mr - 1, 2 * nr - 1, 5), (2, 3, 0)];
    let mut cases: Vec<_> = shapes.into_iter().flat_map(|shape| [0, 1, 2, 7].map(|count| (shape, count))).collect();
    cases.extend([((mr + 1, nr + 1, 2), MANY), ((0, 5, 3), 2), ((5, 0, 3), 2), ((2 * mr, nr, 1500), 3)]);
    cases
}

fn plan(kernel: Supported<F32>, blocks: &Blocks) -> BrgemmPlan<F32> {
    BrgemmPlan::with_kernel(cpu(), kernel, blocks.shape)
}

#[test]
fn sum_over_many_small_blocks_has_the_bits_of_one_long_product() {
    for kernel in outer_kernels() {
        // Chains that end inside blocks, and chains of more blocks than have room on the stack.
        for (k, count) in [(100, 11), (7, 120), (1, 700), (3, 6000)] {
            let blocks = Blocks::new((kernel.tile().mr + 1, 3, k), count, 40);
            let found = blocks.run(&plan(kernel, &blocks), &blocks.operands(0.0), &Serial);
            let wanted = blocks.concatenated(kernel, &Epilogue::default());
            tolerance::assert_identical(&format!("{}, {count} of k = {k}", kernel.record().name()), &found, &wanted);
        }
    }
}

#[test]
fn sum_over_blocks_matches_the_oracle_for_every_beta() {
    for kernel in outer_kernels() {
        for (seed, (shape, count)) in cases(kernel).into_iter().enumerate() {
            let blocks = Blocks::new(shape, count, seed as u64);
            for beta in [0.0, 1.0, -0.75] {
                let found = blocks.run(&plan(kernel, &blocks), &blocks.operands(beta), &Serial);
                blocks.check(&format!("{}, {count} of {shape:?}", kernel.record().name()), beta, &found);
            }
        }
    }
}

#[test]
fn sum_over_blocks_has_the_bits_of_one_long_product() {
    for kernel in outer_kernels() {
        for (seed, (shape, count)) in cases(kernel).into_iter().enumerate() {
            let blocks = Blocks::new(shape, count, seed as u64);
            let found = blocks.run(&plan(kernel, &blocks), &blocks.operands(0.0), &Serial);
            let name = format!("{}, {count} of {shape:?}", kernel.record().name());
            tolerance::assert_identical(&name, &found, &blocks.concatenated(kernel, &Epilogue::default()));
        }
    }
}

#[test]
fn packed_blocks_give_the_bits_of_blocks_in_place() {
    for kernel in outer_kernels() {
        let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
        for count in [1, 5, MANY] {
            let blocks = Blocks::new((2 * mr + 1, 2 * nr + 3, 6), count, 71);
            let one = GemmPlan::with_kernel(cpu(), kernel, blocks.shape);
            let packed: Vec<_> =
                (0..count).map(|index| one.pack_b(blocks.b().get(index).expect("a block")).expect("memory")).collect();
            let packed: Vec<_> = packed.iter().collect();
            let operands = Brgemm { b: BlocksOfB::Packed(&packed), ..blocks.operands(0.5) };
            let plan = plan(kernel, &blocks);
            let wanted = blocks.run(&plan, &blocks.operands(0.5), &Serial);
            tolerance::assert_identical(kernel.record().name(), &blocks.run(&plan, &operands, &Serial), &wanted);
        }
    }
}

#[test]
fn addresses_and_offsets_give_the_bits_of_strides() {
    let blocks = Blocks::new((17, 33, 8), 70, 72);
    let plan = BrgemmPlan::new(cpu(), blocks.shape);
    let wanted = blocks.run(&plan, &blocks.operands(1.0), &Serial);
    let views = |all: Matrices<'_, f32>| -> Vec<_> { (0..70).map(|i| all.get(i).expect("a block").as_ptr()).collect() };
    let offsets_of_b: Vec<_> = (0..70).map(|i| i * 8 * blocks.b.layout().row_stride).collect();
    let addresses = views(blocks.a());
    // SAFETY: the addresses are those of blocks with this very layout, which outlive the call.
    let a = unsafe { Matrices::from_addresses(&addresses, blocks.a().layout()) };
    let b = Matrices::by_offset(blocks.b.as_slice(), blocks.b().layout(), &offsets_of_b).expect("B fits");
    let operands = Brgemm { a: BlocksOfA::Strided(a), b: BlocksOfB::RowMajor(b), beta: 1.0 };
    tolerance::assert_identical("addresses, offsets", &blocks.run(&plan, &operands, &Serial), &wanted);
}

#[test]
fn epilogue_is_applied_once_after_the_last_block() {
    for kernel in outer_kernels() {
        for count in [0, 1, 3, MANY] {
            let (m, n) = (kernel.tile().mr + 1, kernel.tile().nr + 2);
            let blocks = Blocks::new((m, n, 3), count, 73);
            let mut data = Data::new(74);
            let (bias, multiplier, residual) = (data.uniform(n), data.uniform(m * n), data.uniform(m * n));
            let epilogue = Epilogue {
                scale: Scale::All(0.5),
                bias: Some(&bias),
                activation: Activation::Gelu,
                multiplier: Multiplier::Matrix(MatRef::new(&multiplier, m, n).expect("m · n elements")),
                residual: Some(MatRef::new(&residual, m, n).expect("m · n elements")),
            };
            let found = blocks.run_finished(&plan(kernel, &blocks), &blocks.operands(0.0), &epilogue, &Serial);
            let name = format!("{}, {count} blocks", kernel.record().name());
            tolerance::assert_identical(&name, &found, &blocks.concatenated(kernel, &epilogue));
        }
    }
}

#[test]
fn epilogue_after_old_c_takes_beta_into_account() {
    let blocks = Blocks::new((9, 21, 4), 6, 75);
    let plan = BrgemmPlan::new(cpu(), blocks.shape);
    let sums = blocks.run(&plan, &blocks.operands(-2.0), &Serial);
    let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
    let wanted: Vec<_> = sums.iter().map(|x| x.max(0.0)).collect();
    let found = blocks.run_finished(&plan, &blocks.operands(-2.0), &epilogue, &Serial);
    tolerance::assert_identical("relu", &found, &wanted);
}

#[test]
fn threads_do_not_change_a_bit() {
    for shape in [(100, 200, 16), (1, 700, 64), (700, 1, 64)] {
        let blocks = Blocks::new(shape, 9, 76);
        let plan = BrgemmPlan::new(cpu(), blocks.shape);
        let wanted = blocks.run(&plan, &blocks.operands(1.5), &Serial);
        for threads in 2..=4 {
            let pool = ThreadPool::new(threads).expect("threads");
            let found = blocks.run(&plan, &blocks.operands(1.5), &pool);
            tolerance::assert_identical(&format!("{shape:?} on {threads} threads"), &found, &wanted);
        }
    }
}

#[test]
fn nan_in_old_c_dies_where_beta_is_zero_and_lives_elsewhere() {
    let mut blocks = Blocks::new((3, 5, 2), 2, 77);
    let plan = BrgemmPlan::new(cpu(), blocks.shape);
    blocks.before.as_mut_slice()[0] = f32::NAN;
    assert!(!blocks.run(&plan, &blocks.operands(0.0), &Serial)[0].is_nan());
    assert!(blocks.run(&plan, &blocks.operands(2.0), &Serial)[0].is_nan());
}

#[test]
fn transposed_blocks_of_a_match_the_oracle() {
    let (m, n, k, count) = (14, 30, 5, 4);
    let mut data = Data::new(78);
    // A as (count · k, m): block i is the transpose of its rows i·k to (i + 1)·k.
    let (a, b) = (data.uniform(count * k * m), data.uniform(count * k * n));
    let mut c = vec![0.0; m * n];
    let operands = Brgemm::<F32> {
        a: BlocksOfA::Strided(
            Matrices::by_stride(&a, Layout::row_major(k, m).transposed(), k * m, count).expect("A fits"),
        ),
        b: BlocksOfB::RowMajor(Matrices::by_stride(&b, Layout::row_major(k, n), k * n, count).expect("B fits")),
        beta: 0.0,
    };
    let place = MatMut::new(&mut c, m, n).expect("m · n elements");
    BrgemmPlan::new(cpu(), Shape { m, n, k }).run(&operands, place, &Serial).expect("sizes agree");
    let wanted = oracle::Gemm {
        alpha: 1.0,
        a: View::row_major(&a, count * k, m).transposed(),
        b: View::row_major(&b, count * k, n),
        beta: 0.0,
        c: View::row_major(&c, m, n),
    };
    tolerance::assert_close("Aᵀ", &c, &wanted.exact(), &wanted.bound());
}

#[test]
fn sizes_that_disagree_are_refused_and_c_untouched() {
    let blocks = Blocks::new((4, 6, 3), 5, 79);
    let plan = BrgemmPlan::new(cpu(), blocks.shape);
    let good = blocks.operands(0.0);
    let data = [0.0; 200];
    let matrices = |layout, count| Matrices::by_stride(&data, layout, 0, count).expect("one block suffices");
    let a = |layout, count| BlocksOfA::Strided(matrices(layout, count));
    let b = |layout, count| BlocksOfB::RowMajor(matrices(layout, count));
    let bad = [
        (Brgemm { a: a(Layout::row_major(4, 3), 4), ..good }, "matrices B"),
        (Brgemm { a: a(Layout::row_major(3, 3), 5), ..good }, "rows of each A"),
        (Brgemm { a: a(Layout::row_major(4, 2), 5), ..good }, "columns of each A"),
        (Brgemm { b: b(Layout::row_major(3, 6), 6), ..good }, "matrices B"),
        (Brgemm { b: b(Layout::row_major(2, 6), 5), ..good }, "rows of each B"),
        (Brgemm { b: b(Layout::row_major(3, 5), 5), ..good }, "columns of each B"),
        (Brgemm { b: b(Layout::row_major(6, 3).transposed(), 5), ..good }, "column stride of each B"),
        (Brgemm { b: BlocksOfB::Packed(&[]), ..good }, "packed matrices B"),
    ];
    for (operands, wanted) in bad {
        let mut c = [7.0; 24];
        let place = MatMut::new(&mut c, 4, 6).expect("24 elements");
        let error = plan.run(&operands, place, &Serial).expect_err("sizes disagree");
        assert!(matches!(error, Error::Size { what, .. } if what == wanted), "{error}, wanted {wanted}");
        assert_eq!(c, [7.0; 24]);
    }
    for (rows, cols, row_stride, col_stride, wanted) in
        [(3, 6, 6, 1, "rows of C"), (4, 5, 6, 1, "columns of C"), (4, 6, 1, 4, "column stride of C")]
    {
        let mut c = [7.0; 24];
        let place = MatMut::with_strides(&mut c, rows, cols, row_stride, col_stride).expect("fits");
        let error = plan.run(&good, place, &Serial).expect_err("sizes disagree");
        assert!(matches!(error, Error::Size { what, .. } if what == wanted), "{error}, wanted {wanted}");
    }
}

#[test]
fn blocks_packed_for_another_kernel_are_refused() {
    for (kernel, other) in outer_kernels().flat_map(|kernel| outer_kernels().map(move |other| (kernel, other))) {
        let blocks = Blocks::new((4, 6, 3), 1, 80);
        let packed = GemmPlan::with_kernel(cpu(), other, blocks.shape).pack_b(view(&blocks.b)).expect("memory");
        let packed = [&packed];
        let operands = Brgemm { b: BlocksOfB::Packed(&packed), ..blocks.operands(0.0) };
        let mut c = [7.0; 24];
        let place = MatMut::new(&mut c, 4, 6).expect("24 elements");
        let outcome = plan(kernel, &blocks).run(&operands, place, &Serial);
        if kernel.tile().nr == other.tile().nr {
            assert_eq!(outcome, Ok(()));
        } else {
            assert!(matches!(outcome, Err(Error::PackedForAnotherKernel { .. })), "{outcome:?}");
        }
    }
}
