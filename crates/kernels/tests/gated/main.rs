//! A gate in the epilogue against the product of all columns followed by the gate of its rows: equal bits in every scheme, on every kernel
//! and instruction set of this CPU, for every number of rows, any threads and any blocks.

#[path = "../support/schemes.rs"]
mod schemes;

use cke_kernels::gemm::{
    Blocking, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, GemmPlan, Layout, Matrices, Multiplier, PackedB,
    RowBuf, Scale, Shape,
};
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::gate::gate_joined;
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use cke_testkit::Data;
use schemes::{Floats, Test, bits, cpus, for_each_scheme, kernels};

/// A (m, k), B (k, 2n) and what the epilogue has.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
}

impl Case {
    fn new((m, n, k): (usize, usize, usize)) -> Case {
        let mut data = Data::new(230);
        Case {
            m,
            n,
            k,
            a: data.uniform(m * k),
            b: data.uniform(k * 2 * n),
            scale: data.uniform_in(2 * n, -2.0, 2.0),
            bias: data.uniform(2 * n),
            residual: data.uniform(m * n),
        }
    }

    fn shape(&self) -> Shape {
        Shape { m: self.m, n: 2 * self.n, k: self.k }
    }

    fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, 2 * self.n).unwrap()
    }

    /// The same with the first rows alone.
    fn first_rows(&self, m: usize) -> Case {
        let (a, residual) = (self.a[..m * self.k].to_vec(), self.residual[..m * self.n].to_vec());
        Case { m, a, residual, b: vec![], scale: self.scale.clone(), bias: self.bias.clone(), ..*self }
    }

    /// The gate alone, and with everything else that an epilogue may have.
    fn epilogues(&self) -> [Epilogue<'_>; 2] {
        let gate = Epilogue { activation: Activation::Silu, multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
        let full = Epilogue {
            scale: Scale::PerColumn(&self.scale),
            bias: Some(&self.bias),
            activation: Activation::GeluTanh,
            residual: Some(MatRef::new(&self.residual, self.m, self.n).unwrap()),
            ..gate
        };
        [gate, full]
    }

    /// C by the product of all columns, the gate and an addition, one after the other.
    fn apart<S: Floats>(&self, cpu: &Cpu, plan: &GemmPlan<S>, b: &PackedB<S>, whole: &Epilogue<'_>) -> Vec<f32> {
        let (mut joined, mut c) = (vec![f32::NAN; self.m * 2 * self.n], vec![f32::NAN; self.m * self.n]);
        let linear = Epilogue { scale: whole.scale, bias: whole.bias, ..Epilogue::default() };
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        plan.run(self.a(), b, MatMut::new(&mut joined, self.m, 2 * self.n).unwrap(), &linear, ctx).unwrap();
        gate_joined(cpu, whole.activation, &joined, self.n, &mut c).unwrap();
        if whole.residual.is_some() {
            c.iter_mut().zip(&self.residual).for_each(|(c, residual)| *c += residual);
        }
        c
    }

    /// The same in one call.
    fn at_once<S: Floats>(
        &self,
        plan: &GemmPlan<S>,
        b: &PackedB<S>,
        epilogue: &Epilogue<'_>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        plan.run(self.a(), b, MatMut::new(&mut c, self.m, self.n).unwrap(), epilogue, ctx).unwrap();
        c
    }

    /// Compares both ways, for the gate alone and with everything else.
    #[track_caller]
    fn check<S: Floats>(&self, cpu: &Cpu, plan: &GemmPlan<S>, b: &PackedB<S>, pool: &dyn Parallel) {
        for (epilogue, what) in self.epilogues().iter().zip(["gate", "everything"]) {
            let found = self.at_once(plan, b, epilogue, pool);
            let wanted = self.apart(cpu, plan, b, epilogue);
            let (name, threads) = (plan.kernel().record().name(), pool.threads());
            assert_eq!(bits(&found), bits(&wanted), "{what}, {name}, {:?}, {threads} threads", self.shape());
        }
    }
}

/// Halves that end within a panel, at its end and just behind it.
fn widths(cols: usize) -> [usize; 5] {
    [1, cols - cols / 3, cols, cols + 1, 3 * cols]
}

#[test]
fn every_kernel_at_every_height_gives_the_bits_of_the_gate_apart() {
    struct EveryHeight;
    impl Test for EveryHeight {
        fn run<S: Floats>(&self) {
            let cpu = Cpu::host().unwrap();
            for kernel in kernels::<S>() {
                for n in widths(kernel.record().panel_format().cols) {
                    let case = Case::new((2 * kernel.tile().mr + 1, n, 70));
                    let plan = GemmPlan::with_kernel(cpu, kernel, case.shape());
                    let b = plan.pack_b(case.b()).unwrap();
                    for m in 1..=case.m {
                        case.first_rows(m).check(cpu, &plan, &b, &Serial);
                    }
                }
            }
        }
    }
    for_each_scheme(&EveryHeight);
}

#[test]
fn every_instruction_set_gives_its_own_bits_on_any_number_of_threads() {
    struct EveryIsa;
    impl Test for EveryIsa {
        fn run<S: Floats>(&self) {
            for cpu in cpus() {
                for size in [(1, 200, 512), (3, 64, 300), (40, 96, 515), (130, 83, 65)] {
                    let case = Case::new(size);
                    let plan = GemmPlan::<S>::new(&cpu, case.shape());
                    let b = plan.pack_b(case.b()).unwrap();
                    for threads in 1..=3 {
                        case.check(&cpu, &plan, &b, &ThreadPool::new(threads).unwrap());
                    }
                }
            }
        }
    }
    for_each_scheme(&EveryIsa);
}

#[test]
fn blocks_of_any_size_leave_the_bits_alone() {
    struct AnyBlocks;
    impl Test for AnyBlocks {
        fn run<S: Floats>(&self) {
            let cpu = Cpu::host().unwrap();
            for kernel in kernels::<S>() {
                let (nr, cols) = (kernel.tile().nr, kernel.record().panel_format().cols);
                let case = Case::new((21, 4 * nr + cols / 2 + 1, 600));
                let whole = GemmPlan::with_kernel(cpu, kernel, case.shape());
                let b = whole.pack_b(case.b()).unwrap();
                for (mc, kc, panels) in [(4, 1, 1), (7, 256, 3), (30, 300, 2), (usize::MAX, usize::MAX, 7)] {
                    let plan = whole.with_blocking(Blocking { mc, kc, nc: panels * nr }).unwrap();
                    case.check(cpu, &plan, &b, &ThreadPool::new(2).unwrap());
                }
            }
        }
    }
    for_each_scheme(&AnyBlocks);
}

#[test]
fn long_products_are_made_portion_by_portion() {
    // So many columns and rows that a task has several portions, with K whole and cut, and halves that end anywhere in a panel.
    for (m, n, k) in [(1, 20_000, 8), (150, 1500, 40), (70, 700, 3000)] {
        let (case, cpu) = (Case::new((m, n, k)), Cpu::host().unwrap());
        let plan = GemmPlan::<F32>::new(cpu, case.shape());
        case.check(cpu, &plan, &plan.pack_b(case.b()).unwrap(), &ThreadPool::new(2).unwrap());
    }
    struct AnyEnd;
    impl Test for AnyEnd {
        fn run<S: Floats>(&self) {
            let cpu = Cpu::host().unwrap();
            for kernel in kernels::<S>() {
                let cols = kernel.record().panel_format().cols;
                for behind in [1, cols / 2, cols - 1] {
                    let case = Case::new((100, 10 * kernel.tile().nr + behind, 20));
                    let plan = GemmPlan::with_kernel(cpu, kernel, case.shape());
                    case.check(cpu, &plan, &plan.pack_b(case.b()).unwrap(), &Serial);
                }
            }
        }
    }
    for_each_scheme(&AnyEnd);
}

#[test]
fn prepared_rows_and_any_strides_of_c_give_the_same_bits() {
    struct Places;
    impl Test for Places {
        fn run<S: Floats>(&self) {
            let (case, cpu) = (Case::new((9, 37, 130)), Cpu::host().unwrap());
            let (m, n) = (case.m, case.n);
            let plan = GemmPlan::<S>::new(cpu, case.shape());
            let (b, mut rows, ctx) = (
                plan.pack_b(case.b()).unwrap(),
                RowBuf::new(),
                &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() },
            );
            rows.prepare(plan.kernel(), case.a(), &Serial).unwrap();
            for epilogue in case.epilogues() {
                let wanted = case.apart(cpu, &plan, &b, &epilogue);
                let element = |i: usize, j: usize| wanted[i * n + j].to_bits();
                for (row_stride, col_stride) in [(n, 1), (n + 5, 1), (1, m), (1, m + 2), (3 * n, 3)] {
                    const GAP: f32 = 7.0;
                    let mut c = vec![GAP; (m - 1) * row_stride + (n - 1) * col_stride + 1];
                    let view = MatMut::with_strides(&mut c, m, n, row_stride, col_stride).unwrap();
                    plan.run_prepared(&rows, &b, view, &epilogue, ctx).unwrap();
                    for i in 0..m {
                        for j in 0..n {
                            let place = &mut c[i * row_stride + j * col_stride];
                            assert_eq!(place.to_bits(), element(i, j), "{}, ({i}, {j})", S::NAME);
                            *place = GAP;
                        }
                    }
                    assert!(c.iter().all(|&x| x == GAP), "{}: written between the elements of C", S::NAME);
                }
            }
        }
    }
    for_each_scheme(&Places);
}

#[test]
fn zeros_keep_their_signs_and_nan_its_place() {
    let (m, n, k) = (2, 40, 3);
    let mut case = Case::new((m, n, k));
    // Products below the smallest number, of both signs, and a NaN among the gates.
    case.a.fill(1e-30);
    for (at, b) in case.b.iter_mut().enumerate() {
        *b = if at % 3 == 0 { -1e-30 } else { 1e-30 };
    }
    case.b[5] = f32::NAN;
    for cpu in cpus() {
        let plan = GemmPlan::<F32>::new(&cpu, case.shape());
        let b = plan.pack_b(case.b()).unwrap();
        let [gate, _] = case.epilogues();
        let found = case.at_once(&plan, &b, &gate, &Serial);
        assert_eq!(bits(&found), bits(&case.apart(&cpu, &plan, &b, &gate)));
        assert!(found.iter().enumerate().all(|(at, x)| x.is_nan() == (at % n == 5)), "{found:?}");
    }
}

#[test]
fn products_without_rows_columns_or_steps_are_fine() {
    let cpu = Cpu::host().unwrap();
    for (m, n, k) in [(0, 5, 3), (4, 0, 3), (4, 5, 0)] {
        let case = Case::new((m, n, k));
        let plan = GemmPlan::<F32>::new(cpu, case.shape());
        case.check(cpu, &plan, &plan.pack_b(case.b()).unwrap(), &Serial);
    }
}

#[test]
fn sizes_that_do_not_fit_are_errors_and_write_nothing() {
    let (m, n, k) = (3, 8, 5);
    let (cpu, ones) = (Cpu::host().unwrap(), [1.0; 64]);
    let gate = Epilogue { multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
    let residual = |cols| Some(MatRef::new(&ones[..m * cols], m, cols).unwrap());
    let cases = [
        // Columns of B, columns of C, the epilogue, and what the error says.
        (2 * n + 1, n, gate, "columns of B that are left over from two halves: wanted 0, found 1"),
        (2 * n, 2 * n, gate, "columns of C: wanted 8, found 16"),
        (2 * n, n - 1, gate, "columns of C: wanted 8, found 7"),
        (2 * n, n, Epilogue { bias: Some(&ones[..n]), ..gate }, "elements of the epilogue's bias: wanted 16, found 8"),
        (
            2 * n,
            n,
            Epilogue { scale: Scale::PerColumn(&ones[..n]), ..gate },
            "elements of the epilogue's scale: wanted 16, found 8",
        ),
        (
            2 * n,
            n,
            Epilogue { residual: residual(2 * n), ..gate },
            "columns of the epilogue's residual: wanted 8, found 16",
        ),
    ];
    for (b_cols, c_cols, epilogue, wanted) in cases {
        let plan = GemmPlan::<F32>::new(cpu, Shape { m, n: b_cols, k });
        let b = plan.empty_b().unwrap();
        let mut c = vec![7.0; m * c_cols];
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        let a = MatRef::new(&ones[..m * k], m, k).unwrap();
        let error = plan.run(a, &b, MatMut::new(&mut c, m, c_cols).unwrap(), &epilogue, ctx).unwrap_err();
        assert_eq!(error.to_string(), wanted);
        assert!(c.iter().all(|&x| x == 7.0));
    }
}

#[test]
fn sums_of_products_have_no_halves() {
    let (plan, ones) = (BrgemmPlan::<F32>::new(Cpu::host().unwrap(), Shape { m: 2, n: 4, k: 3 }), [1.0; 12]);
    let blocks = |rows, cols| Matrices::by_stride(&ones[..rows * cols], Layout::row_major(rows, cols), 0, 1).unwrap();
    let operands = Brgemm { a: BlocksOfA::Strided(blocks(2, 3)), b: BlocksOfB::RowMajor(blocks(3, 4)), beta: 0.0 };
    let gate = Epilogue { multiplier: Multiplier::SecondHalf, ..Epilogue::default() };
    let mut c = [7.0; 8];
    let found = plan.run_with_epilogue(&operands, &gate, MatMut::new(&mut c, 2, 4).unwrap(), &Serial);
    assert_eq!((found, c), (Err(Error::HalvesOfASum), [7.0; 8]));
}
