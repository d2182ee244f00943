//! Operands of a product, seeded and guarded, and the comparison with the `f64` oracle.

use crate::kernels::cpu;
use crate::numbers::Number;
use cke_kernels::Error;
use cke_kernels::gemm::{Blocking, Ctx, Epilogue, GemmPlan, PackedB, Shape, Supported};
use cke_kernels::scheme::{F32, Scheme};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::shapes::GemmCase;
use cke_testkit::{Data, Element, Layout, Matrix, oracle, tolerance};

/// The matrix as the library's view.
pub(crate) fn view<E: Element>(matrix: &Matrix<E>) -> MatRef<'_, E> {
    view_of(matrix.as_slice(), matrix.layout())
}

/// `data`, laid out as given, as the library's view.
pub(crate) fn view_of<E>(data: &[E], layout: Layout) -> MatRef<'_, E> {
    let Layout { rows, cols, row_stride, col_stride } = layout;
    MatRef::with_strides(data, rows, cols, row_stride, col_stride).expect("the data covers the layout")
}

/// The matrix as the library's mutable view.
pub(crate) fn view_mut<E: Element>(matrix: &mut Matrix<E>) -> MatMut<'_, E> {
    let layout = matrix.layout();
    view_mut_of(matrix.as_mut_slice(), layout)
}

/// `data`, laid out as given, as the library's mutable view.
pub(crate) fn view_mut_of<E>(data: &mut [E], layout: Layout) -> MatMut<'_, E> {
    let Layout { rows, cols, row_stride, col_stride } = layout;
    MatMut::with_strides(data, rows, cols, row_stride, col_stride).expect("the data covers the layout, no overlap")
}

/// A matrix of canaries, which are NaN: what is not overwritten can be told.
pub(crate) fn unwritten<E: Element>(layout: Layout) -> Matrix<E> {
    Matrix::with_layout(layout, &vec![E::CANARY; layout.rows * layout.cols])
}

/// A matrix of values uniform in (−1, 1), with canaries in its gaps.
pub(crate) fn uniform<E: Number>(layout: Layout, data: &mut Data) -> Matrix<E> {
    Matrix::with_layout(layout, &E::uniform(data, layout.rows * layout.cols))
}

/// The plan of one kernel for a case, with blocks of the library's choice or the caller's.
pub(crate) fn plan(kernel: Supported<F32>, case: &GemmCase, blocking: Option<Blocking>) -> GemmPlan<F32> {
    let plan = GemmPlan::with_kernel(cpu(), kernel, Shape { m: case.m, n: case.n, k: case.k });
    match blocking {
        Some(blocking) => plan.with_blocking(blocking).expect("blocks are multiples of the tile"),
        None => plan,
    }
}

/// Blocks of one to three tiles and a few steps of k, so that small products cross every border.
pub(crate) fn tiny_blockings(kernel: Supported<F32>) -> Vec<Blocking> {
    let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
    vec![
        Blocking { mc: mr, kc: 1, nc: nr },
        Blocking { mc: 2 * mr, kc: 2, nc: 3 * nr },
        Blocking { mc: 3 * mr, kc: 5, nc: 2 * nr },
        Blocking { mc: 1, kc: 7, nc: nr },
        Blocking { mc: mr + 1, kc: usize::MAX, nc: 2 * nr },
        Blocking { mc: usize::MAX, kc: 3, nc: usize::MAX - usize::MAX % nr },
    ]
}

/// A (m, k), B (k, n) and C (m, n) of one case. C starts as canaries.
pub(crate) struct Operands {
    pub(crate) case: GemmCase,
    pub(crate) a: Matrix<f32>,
    pub(crate) b: Matrix<f32>,
    pub(crate) c: Matrix<f32>,
}

impl Operands {
    /// A and B uniform in (−1, 1).
    pub(crate) fn new(case: GemmCase, seed: u64) -> Self {
        let mut data = Data::new(seed);
        let (a, b) = (uniform(case.a_layout(), &mut data), uniform(case.b_layout(), &mut data));
        Operands { case, a, b, c: unwritten(case.c_layout()) }
    }

    /// C ← the product, on the calling thread.
    pub(crate) fn run(&mut self, plan: &GemmPlan<F32>, epilogue: &Epilogue<'_>) -> Result<(), Error> {
        self.run_on(plan, epilogue, &Serial)
    }

    /// C ← the product, on the threads of `pool`.
    pub(crate) fn run_on(
        &mut self,
        plan: &GemmPlan<F32>,
        epilogue: &Epilogue<'_>,
        pool: &dyn Parallel,
    ) -> Result<(), Error> {
        let packed = plan.pack_b(view(&self.b))?;
        run_packed(plan, &self.a, &packed, &mut self.c, epilogue, pool)
    }

    /// The sums without epilogue as the oracle has them.
    pub(crate) fn oracle(&self) -> oracle::Gemm<'_> {
        oracle::Gemm { alpha: 1.0, a: self.a.view(), b: self.b.view(), beta: 0.0, c: self.c.view() }
    }

    /// Compares C with the oracle and looks for writes outside it.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) {
        let oracle = self.oracle();
        let name = format!("{name}, {}", self.case);
        tolerance::assert_close(&name, &self.c.to_row_major(), &oracle.exact(), &oracle.bound());
        self.c.check();
    }
}

/// C ← the product of A and a packed B.
pub(crate) fn run_packed<S: Scheme<A = f32, C = f32>>(
    plan: &GemmPlan<S>,
    a: &Matrix<f32>,
    packed: &PackedB<S>,
    c: &mut Matrix<f32>,
    epilogue: &Epilogue<'_>,
    pool: &dyn Parallel,
) -> Result<(), Error> {
    plan.run(view(a), packed, view_mut(c), epilogue, &mut Ctx { pool, scratch: &mut Scratch::new() })
}
