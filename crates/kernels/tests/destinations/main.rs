//! Products into other numbers than f32, and into rows of the next product, against the product into f32 that is converted afterwards:
//! equal bits in every scheme, on every kernel and instruction set of this CPU, for every number of rows, any threads and any blocks.

#[path = "../support/schemes.rs"]
mod schemes;

use cke_kernels::gemm::{
    Blocking, Ctx, Destination, Epilogue, GemmPlan, Input, Multiplier, PackedB, RowBuf, Shape, Supported,
};
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::quantize::to_bf16;
use cke_kernels::scheme::{Bf16, F32, Int8, Int8PerChannel};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};
use cke_testkit::Data;
use schemes::{Floats, Test, bits, cpus, for_each_scheme, kernels};
use std::marker::PhantomData;

/// A (m, k), B (k, n) and an addend.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
}

impl Case {
    fn new((m, n, k): (usize, usize, usize)) -> Case {
        let mut data = Data::new(240);
        let (a, b) = (data.normal(m * k, 0.0, 1.0), data.normal(k * n, 0.0, 1.0));
        Case { m, n, k, a, b, bias: data.uniform(n), residual: data.uniform(m * n) }
    }

    fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    fn plan<S: Floats>(&self, cpu: &Cpu) -> (GemmPlan<S>, PackedB<S>) {
        self.packed(GemmPlan::new(cpu, Shape { m: self.m, n: self.n, k: self.k }))
    }

    fn packed<S: Floats>(&self, plan: GemmPlan<S>) -> (GemmPlan<S>, PackedB<S>) {
        let b = plan.pack_b(MatRef::new(&self.b, self.k, self.n).unwrap()).unwrap();
        (plan, b)
    }

    /// Nothing, everything but a gate, and with an even number of columns a gate.
    fn epilogues(&self) -> impl Iterator<Item = (Epilogue<'_>, usize)> {
        let residual = |cols: usize| Some(MatRef::new(&self.residual[..self.m * cols], self.m, cols).unwrap());
        let all = Epilogue { bias: Some(&self.bias), activation: Activation::GeluTanh, ..Epilogue::default() };
        let gate = Epilogue { multiplier: Multiplier::SecondHalf, residual: residual(self.n / 2), ..all };
        let has_halves = self.n.is_multiple_of(2);
        [(Epilogue::default(), self.n), (Epilogue { residual: residual(self.n), ..all }, self.n)]
            .into_iter()
            .chain(has_halves.then_some((gate, self.n / 2)))
    }

    /// C in f32.
    fn floats<S: Floats>(&self, plan: &GemmPlan<S>, b: &PackedB<S>, epilogue: &Epilogue<'_>, n: usize) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * n];
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        plan.run(self.a(), b, MatMut::new(&mut c, self.m, n).unwrap(), epilogue, ctx).unwrap();
        c
    }

    /// Rows for `next` made of C in both ways, as what a product by `next` makes of them.
    #[track_caller]
    fn check_rows<S: Floats, T: Floats>(
        &self,
        plan: &GemmPlan<S>,
        b: &PackedB<S>,
        next: Supported<T>,
        pool: &dyn Parallel,
    ) {
        for (epilogue, n) in self.epilogues() {
            let c = self.floats(plan, b, &epilogue, n);
            let (mut wanted, mut found) = (RowBuf::new(), RowBuf::new());
            wanted.prepare(next, MatRef::new(&c, self.m, n).unwrap(), &Serial).unwrap();
            let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
            let rows = Destination::Rows(found.rows_for(next));
            plan.run_into(Input::Matrix(self.a()), b, rows, &epilogue, ctx).unwrap();
            assert_eq!((found.rows(), found.k(), found.format()), (self.m, n, wanted.format()));
            let [found, wanted] = [&found, &wanted].map(|rows| bits(&self.multiplied(rows, next)));
            let [name, next] = [plan.kernel().record().name(), next.record().name()];
            assert_eq!(found, wanted, "{name} for {next}, {} x {n} x {}, {} threads", self.m, self.k, pool.threads());
        }
    }

    /// Rows by a matrix that tells all of their elements apart.
    fn multiplied<T: Floats>(&self, rows: &RowBuf, kernel: Supported<T>) -> Vec<f32> {
        const COLS: usize = 9;
        let k = rows.k();
        let plan = GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m: self.m, n: COLS, k });
        let weights = Data::new(241).normal(k * COLS, 0.0, 1.0);
        let b = plan.pack_b(MatRef::new(&weights, k, COLS).unwrap()).unwrap();
        let mut c = vec![f32::NAN; self.m * COLS];
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, COLS).unwrap();
        plan.run_prepared(rows, &b, place, &Epilogue::default(), ctx).unwrap();
        c
    }
}

/// Calls `check` with every kernel of every scheme.
struct EveryKernel<F>(F);

trait Check {
    fn check<S: Floats>(&self, kernel: Supported<S>);
}

impl<F: Check> Test for EveryKernel<F> {
    fn run<S: Floats>(&self) {
        kernels::<S>().for_each(|kernel| self.0.check(kernel));
    }
}

#[test]
fn rows_for_every_kernel_have_the_bits_of_rows_prepared_afterwards() {
    struct AsNext;
    impl Check for AsNext {
        fn check<T: Floats>(&self, next: Supported<T>) {
            for size in [(1, 300, 64), (5, 262, 70), (37, 700, 33)] {
                let case = Case::new(size);
                let (plan, b) = case.plan::<F32>(Cpu::host().unwrap());
                case.check_rows(&plan, &b, next, &Serial);
            }
        }
    }
    for_each_scheme(&EveryKernel(AsNext));
}

#[test]
fn every_kernel_makes_rows_at_every_height() {
    struct AsFirst;
    impl Check for AsFirst {
        fn check<S: Floats>(&self, kernel: Supported<S>) {
            let cpu = Cpu::host().unwrap();
            let most = kernel.tile().mr + 1;
            for m in [1, 2, most - 1, most, 2 * most] {
                let case = Case::new((m, 2 * kernel.tile().nr + 140, 40));
                let plan = GemmPlan::with_kernel(cpu, kernel, Shape { m, n: case.n, k: case.k });
                let (plan, b) = case.packed(plan);
                case.check_rows(&plan, &b, Int8PerChannel::best(), &Serial);
                case.check_rows(&plan, &b, Int8::best(), &Serial);
            }
        }
    }
    for_each_scheme(&EveryKernel(AsFirst));
}

/// The kernel that this CPU takes.
trait Best: Floats {
    fn best() -> Supported<Self> {
        kernels::<Self>().next().unwrap()
    }
}
impl<S: Floats> Best for S {}

#[test]
fn any_threads_and_blocks_give_the_same_rows() {
    struct Anyhow<T>(PhantomData<T>);
    impl<T: Floats> Test for Anyhow<T> {
        fn run<S: Floats>(&self) {
            for cpu in cpus() {
                for size in [(1, 1000, 300), (3, 262, 512), (130, 700, 65)] {
                    let case = Case::new(size);
                    let (plan, b) = case.plan::<S>(&cpu);
                    let nr = plan.kernel().tile().nr;
                    for threads in 1..=3 {
                        case.check_rows(&plan, &b, T::best(), &ThreadPool::new(threads).unwrap());
                    }
                    for (mc, kc, panels) in [(4, 1, 1), (usize::MAX, usize::MAX, 7)] {
                        let plan = plan.with_blocking(Blocking { mc, kc, nc: panels * nr }).unwrap();
                        case.check_rows(&plan, &b, T::best(), &ThreadPool::new(2).unwrap());
                    }
                }
            }
        }
    }
    Anyhow::<Int8>(PhantomData).run::<F32>();
    Anyhow::<Int8>(PhantomData).run::<Int8>();
    Anyhow::<Int8PerChannel>(PhantomData).run::<Bf16>();
    Anyhow::<Bf16>(PhantomData).run::<Bf16>();
    Anyhow::<F32>(PhantomData).run::<Int8>();
}

#[test]
fn bf16_is_rounded_into_any_strides_and_nowhere_else() {
    struct Rounded;
    impl Test for Rounded {
        fn run<S: Floats>(&self) {
            for cpu in cpus() {
                let case = Case::new((9, 78, 130));
                let (plan, b) = case.plan::<S>(&cpu);
                for (epilogue, n) in case.epilogues() {
                    let m = case.m;
                    let mut wanted = vec![0; m * n];
                    to_bf16(&cpu, &case.floats(&plan, &b, &epilogue, n), &mut wanted).unwrap();
                    for (row_stride, col_stride) in [(n, 1), (n + 5, 1), (1, m), (3 * n, 3)] {
                        const GAP: u16 = 0x7fab;
                        let mut c = vec![GAP; (m - 1) * row_stride + (n - 1) * col_stride + 1];
                        let place = MatMut::with_strides(&mut c, m, n, row_stride, col_stride).unwrap();
                        let ctx = &mut Ctx { pool: &ThreadPool::new(2).unwrap(), scratch: &mut Scratch::new() };
                        plan.run_into(Input::Matrix(case.a()), &b, Destination::Bf16(place), &epilogue, ctx).unwrap();
                        for (at, &wanted) in wanted.iter().enumerate() {
                            let place = &mut c[at / n * row_stride + at % n * col_stride];
                            assert_eq!(*place, wanted, "{}, {}", S::NAME, at);
                            *place = GAP;
                        }
                        assert!(c.iter().all(|&x| x == GAP), "{}: written between the elements of C", S::NAME);
                    }
                }
            }
        }
    }
    for_each_scheme(&Rounded);
}

#[test]
fn long_rows_of_one_scale_are_made_some_rows_at_a_time() {
    // One tile of the second takes more than a thread holds otherwise.
    for size in [(70, 20_000, 8), (37, 70_001, 2)] {
        let case = Case::new(size);
        let (plan, b) = case.plan::<F32>(Cpu::host().unwrap());
        case.check_rows(&plan, &b, Int8PerChannel::best(), &ThreadPool::new(2).unwrap());
    }
}

#[test]
fn products_without_rows_may_have_any_number_of_columns_and_steps() {
    let cpu = Cpu::host().unwrap();
    for n in [usize::MAX, usize::MAX - 1, usize::MAX / 2, 1 << 58] {
        let (plan, ctx) = (
            GemmPlan::<F32>::new(cpu, Shape { m: 0, n, k: 0 }),
            &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() },
        );
        let (a, b) = (Input::Matrix(MatRef::new(&[], 0, 0).unwrap()), plan.empty_b().unwrap());
        let mut rows = RowBuf::new();
        let halves = Destination::Bf16(MatMut::new(&mut [], 0, n).unwrap());
        plan.run_into(a, &b, halves, &Epilogue::default(), ctx).unwrap();
        plan.run_into(a, &b, Destination::Rows(rows.rows_for(Int8::best())), &Epilogue::default(), ctx).unwrap();
        plan.run_into(a, &b, Destination::Rows(rows.rows_for(Int8PerChannel::best())), &Epilogue::default(), ctx)
            .unwrap();
        assert_eq!((rows.rows(), rows.k()), (0, n));
        rows.prepare(Int8::best(), MatRef::new(&[], 0, n).unwrap(), &Serial).unwrap();
        let plan = GemmPlan::<Int8>::new(cpu, Shape { m: 0, n: 0, k: n });
        let (a, b, c) = (MatRef::new(&[], 0, n).unwrap(), plan.empty_b().unwrap(), MatMut::new(&mut [], 0, 0).unwrap());
        plan.run(a, &b, c, &Epilogue::default(), ctx).unwrap();
    }
}

#[test]
fn products_without_rows_columns_or_steps_make_rows_too() {
    for size in [(0, 5, 3), (4, 0, 3), (4, 5, 0)] {
        let case = Case::new(size);
        let (plan, b) = case.plan::<F32>(Cpu::host().unwrap());
        case.check_rows(&plan, &b, Int8::best(), &Serial);
    }
}

#[test]
fn rows_that_could_not_be_made_are_none() {
    let case = Case::new((3, 40, 20));
    let (plan, b) = case.plan::<F32>(Cpu::host().unwrap());
    let mut rows = RowBuf::new();
    rows.prepare(Int8::best(), case.a(), &Serial).unwrap();
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    let long = Epilogue { bias: Some(&case.a), ..Epilogue::default() };
    let (a, into) = (Input::Matrix(case.a()), Destination::Rows(rows.rows_for(Int8::best())));
    let error = plan.run_into(a, &b, into, &long, ctx).unwrap_err();
    assert_eq!(error, Error::Size { what: "elements of the epilogue's bias", wanted: 40, found: 60 });
    // Sizes are checked before the rows are touched.
    assert_eq!((rows.rows(), rows.k()), (3, 20));
    let mut c = [7; 3 * 39];
    let into = Destination::Bf16(MatMut::new(&mut c, 3, 39).unwrap());
    let error = plan.run_into(a, &b, into, &Epilogue::default(), ctx).unwrap_err();
    assert_eq!(error, Error::Size { what: "columns of C", wanted: 40, found: 39 });
    assert_eq!(c, [7; 3 * 39]);
    let prepared = rows.prepare(Int8::best(), MatRef::with_strides(&case.a, 1 << 40, 1 << 20, 0, 0).unwrap(), &Serial);
    assert!(matches!(prepared, Err(Error::OutOfMemory { .. })));
    assert_eq!((rows.rows(), rows.k(), rows.format()), (0, 0, None));
}
