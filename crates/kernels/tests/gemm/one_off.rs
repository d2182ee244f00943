//! One-off products, for every ISA, on every way through them: shapes, layouts and factors against the oracle.

mod determinism;
mod long_rows;
mod memory;
mod properties;
mod special_values;

use crate::kernels::{cpu, cpus};
use crate::numbers::{Exact, Number, Tested, assert_same_bits};
use crate::operands::{uniform, unwritten, view, view_mut};
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::{F32, F64};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial};
use cke_kernels::{Error, Isa};
use cke_testkit::{Data, Layout, Matrix, shapes};

/// How an operand of a size lies.
type Storage = fn(usize, usize) -> Layout;

/// Rows or columns one after the other, without and with gaps after each and between their elements.
const STORAGES: [Storage; 6] = [
    Layout::row_major,
    Layout::col_major,
    |rows, cols| Layout::padded(rows, cols, 5),
    |rows, cols| Layout::padded(cols, rows, 3).transposed(),
    |rows, cols| Layout::strided(rows, cols, 2, 3),
    |rows, cols| Layout::strided(cols, rows, 3, 1).transposed(),
];

const FACTORS: [f32; 4] = [0.0, 1.0, -1.0, 0.7];

/// C ← α · A·B + β · C: the factors and where the operands lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) a: Layout,
    pub(crate) b: Layout,
    pub(crate) c: Layout,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
}

impl Case {
    fn new((m, n, k): (usize, usize, usize), [a, b, c]: [Storage; 3], (alpha, beta): (f32, f32)) -> Self {
        Case { a: a(m, k), b: b(k, n), c: c(m, n), alpha, beta }
    }

    /// A · B with rows one after the other.
    pub(crate) fn plain(size: (usize, usize, usize)) -> Self {
        Case::new(size, [Layout::row_major; 3], (1.0, 0.0))
    }

    /// The size with all else drawn by lot.
    fn any(size: (usize, usize, usize), data: &mut Data) -> Self {
        let storages = [(); 3].map(|()| data.choose(&STORAGES));
        Case::new(size, storages, (data.choose(&FACTORS), data.choose(&FACTORS)))
    }

    /// As [`Case::any`], with a product that is not 0 times itself.
    pub(crate) fn any_product(size: (usize, usize, usize), data: &mut Data) -> Self {
        Case { alpha: data.choose(&FACTORS[1..]), ..Case::any(size, data) }
    }
}

/// The operands of a case, and what C holds before: canaries where that is not to be read.
pub(crate) struct Operands<E: Number> {
    case: Case,
    a: Matrix<E>,
    b: Matrix<E>,
    before: Matrix<E>,
}

impl<E: Number> Operands<E> {
    pub(crate) fn new(case: Case, data: &mut Data) -> Self {
        let before = if case.beta == 0.0 { unwritten(case.c) } else { uniform(case.c, data) };
        Operands { case, a: uniform(case.a, data), b: uniform(case.b, data), before }
    }

    fn gemm<S: Tested<E = E>>(&self) -> Gemm<'_, S> {
        let (alpha, beta) = (self.case.alpha.into(), self.case.beta.into());
        Gemm { alpha, a: view(&self.a), b: view(&self.b), beta }
    }

    fn c(&self) -> Matrix<E> {
        Matrix::with_layout(self.case.c, &self.before.to_row_major())
    }

    /// C after the product, whose surroundings are checked.
    pub(crate) fn run<S: Tested<E = E>>(&self, cpu: &Cpu, pool: &dyn Parallel) -> Matrix<E> {
        let mut c = self.c();
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        self.gemm::<S>().run(cpu, view_mut(&mut c), ctx).expect("sizes agree");
        c.check();
        c
    }

    #[track_caller]
    fn check(&self, name: &str, after: &Matrix<E>) {
        let exact = Exact {
            alpha: self.case.alpha.into(),
            pairs: vec![(self.a.view(), self.b.view())],
            beta: self.case.beta.into(),
            c: self.before.view(),
        };
        exact.check(&format!("{name}, {:?}", self.case), after.view());
    }
}

/// Sizes too large for some cache, which decide the way through a product: deep, deeper than a few columns' share of L2, with a
/// large B, and with a large A beside a narrow and a wide C.
fn large_sizes<E>() -> Vec<(usize, usize, usize)> {
    // Elements of half of L2, which a block of an operand may take.
    let half = cpu().caches().l2 / 2 / size_of::<E>();
    vec![
        (1, 270, 3000),
        (270, 1, 3000),
        (7, 40, 4001),
        (3, 5, half / 4),
        (13, 70, 3000),
        (70, 300, half / 300 + 1),
        (40, 30, half / 40 + 1),
        (33, 270, half / 33 + 1),
    ]
}

#[track_caller]
fn check<S: Tested>(cpu: &Cpu, case: Case, data: &mut Data) {
    let operands = Operands::new(case, data);
    operands.check(cpu.isa().name(), &operands.run::<S>(cpu, &Serial));
}

fn check_shapes<S: Tested>() {
    let mut data = Data::new(101);
    for cpu in cpus() {
        for case in shapes::all(6, 32).into_iter().chain(shapes::tile_edges(8, 5)) {
            check::<S>(&cpu, Case::any_product((case.m, case.n, case.k), &mut data), &mut data);
        }
    }
}

#[test]
fn product_of_every_shape_matches_the_oracle() {
    check_shapes::<F32>();
    check_shapes::<F64>();
}

fn check_storages<S: Tested>() {
    let mut data = Data::new(102);
    for cpu in cpus() {
        for size in [(1, 67, 13), (67, 1, 13), (5, 19, 20), (29, 70, 13), (53, 3, 1)] {
            for storages in STORAGES.iter().flat_map(|a| STORAGES.iter().map(move |b| (a, b))) {
                for c in STORAGES {
                    let any = Case::any_product(size, &mut data);
                    let case = Case::new(size, [*storages.0, *storages.1, c], (any.alpha, any.beta));
                    check::<S>(&cpu, case, &mut data);
                }
            }
        }
    }
}

#[test]
fn product_of_every_storage_matches_the_oracle() {
    check_storages::<F32>();
    check_storages::<F64>();
}

fn check_factors<S: Tested>() {
    let mut data = Data::new(103);
    for cpu in cpus() {
        for (alpha, beta) in FACTORS.iter().flat_map(|&alpha| FACTORS.map(|beta| (alpha, beta))) {
            for size in [(1, 1, 1), (1, 40, 13), (40, 1, 13), (6, 70, 13), (31, 33, 7), (5, 7, 0), (15, 30, 1500)] {
                for _ in 0..4 {
                    check::<S>(&cpu, Case { alpha, beta, ..Case::any(size, &mut data) }, &mut data);
                }
            }
        }
    }
}

#[test]
fn product_with_every_pair_of_factors_matches_the_oracle() {
    check_factors::<F32>();
    check_factors::<F64>();
}

fn check_large_sizes<S: Tested>() {
    let mut data = Data::new(104);
    for cpu in cpus() {
        let count = if cpu.isa() == Isa::Scalar { 1 } else { 4 };
        for size in large_sizes::<S::E>() {
            for _ in 0..count {
                check::<S>(&cpu, Case::any_product(size, &mut data), &mut data);
            }
        }
    }
}

#[test]
fn product_too_large_for_the_caches_matches_the_oracle() {
    check_large_sizes::<F32>();
    check_large_sizes::<F64>();
}

/// A in columns and of more bytes than are copied at a time.
fn check_huge_a<S: Tested>() {
    let (m, n) = (150, 260);
    let k = (17 << 20) / size_of::<S::E>() / m;
    let case = Case::new((m, n, k), [Layout::col_major, Layout::col_major, Layout::row_major], (0.7, -1.0));
    check::<S>(cpu(), case, &mut Data::new(108));
}

#[test]
fn product_of_an_a_too_large_to_be_copied_at_once_matches_the_oracle() {
    check_huge_a::<F32>();
    check_huge_a::<F64>();
}

fn check_repeated_operands<S: Tested>() {
    let mut data = Data::new(105);
    let repeat_rows: Storage = |rows, cols| Layout { row_stride: 0, ..Layout::row_major(rows, cols) };
    let repeat_cols: Storage = |rows, cols| Layout { col_stride: 0, ..Layout::col_major(rows, cols) };
    let one: Storage = |rows, cols| Layout { rows, cols, row_stride: 0, col_stride: 0 };
    for cpu in cpus() {
        for size in [(1, 20, 9), (20, 1, 9), (5, 37, 20), (40, 41, 18)] {
            for a in [repeat_rows, repeat_cols, one] {
                for b in [repeat_rows, repeat_cols, one] {
                    let c = data.choose(&STORAGES);
                    check::<S>(&cpu, Case::new(size, [a, b, c], (0.7, -1.0)), &mut data);
                }
            }
        }
    }
}

#[test]
fn product_of_repeated_rows_and_columns_matches_the_oracle() {
    check_repeated_operands::<F32>();
    check_repeated_operands::<F64>();
}

fn check_small<S: Tested>() {
    let mut data = Data::new(106);
    for cpu in cpus() {
        let sizes = [(1, 1, 1), (5, 70, 13), (70, 5, 13), (40, 1, 20), (13, 70, 3000)];
        for case in sizes.into_iter().flat_map(|size| [size; 6].map(|size| Case::any(size, &mut data))) {
            let operands = Operands::<S::E>::new(case, &mut Data::new(107));
            let mut c = operands.c();
            let is_done = operands.gemm::<S>().run_if_small(&cpu, view_mut(&mut c)).expect("sizes agree");
            let wanted = if is_done { operands.run::<S>(&cpu, &Serial) } else { operands.c() };
            assert_same_bits(&format!("{is_done}, {case:?}"), c.as_slice(), wanted.as_slice());
        }
    }
}

#[test]
fn product_run_if_small_has_the_bits_of_any_run_or_is_not_begun() {
    check_small::<F32>();
    check_small::<F64>();
}

#[test]
fn product_of_sizes_that_disagree_is_refused_and_c_untouched() {
    let refused = |a: (usize, usize), b: (usize, usize), c: (usize, usize), wanted: usize, found: usize| {
        let [a, b] = [a, b].map(|(rows, cols)| unwritten::<f32>(Layout::row_major(rows, cols)));
        let mut c = unwritten(Layout::row_major(c.0, c.1));
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        let error = Gemm::<F32>::new(view(&a), view(&b)).run(cpu(), view_mut(&mut c), ctx).expect_err("sizes disagree");
        assert!(matches!(error, Error::Size { wanted: w, found: f, .. } if (w, f) == (wanted, found)), "{error}");
        assert!(c.as_slice().iter().all(|&x| cke_testkit::Element::is_canary(x)), "{error}: C was written");
    };
    refused((3, 4), (5, 2), (3, 2), 4, 5);
    refused((3, 4), (4, 2), (4, 2), 3, 4);
    refused((3, 4), (4, 2), (3, 1), 2, 1);
    refused((3, 0), (4, 2), (3, 2), 0, 4);
    refused((0, 4), (4, 2), (3, 2), 0, 3);
}
