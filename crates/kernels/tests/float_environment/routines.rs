//! The interfaces to products, each as one call.

use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::{
    BatchCtx, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, Gemm, GemmBatch, GemmPlan, Layout, Matrices,
    MatricesMut, Shape,
};
use cke_kernels::scheme::{Bf16, F16, F32, Scheme, Uniform};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};

/// A (m, k), B (k, n), each row-major or the transpose of a row-major matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) transposed: (bool, bool),
}

/// Small whole numbers, never zero, so that every sum is exact.
pub(crate) fn whole_numbers<E: From<f32>>(len: usize) -> Vec<E> {
    (0..len).map(|i| E::from([1.0, -2.0, 3.0, -1.0, 2.0][i % 5])).collect()
}

fn matrix<E>(data: &[E], rows: usize, cols: usize, transposed: bool) -> MatRef<'_, E> {
    let view = |rows, cols| MatRef::new(data, rows, cols).expect("the data is as large");
    if transposed { view(cols, rows).transposed() } else { view(rows, cols) }
}

impl Case {
    /// α·A·B + β·C with nothing prepared.
    pub(crate) fn product<S: Uniform<E: From<f32>>>(
        &self,
        cpu: &Cpu,
        (a, b): (&[S::E], &[S::E]),
        (alpha, beta): (f32, f32),
        c: &mut [S::E],
        pool: &dyn Parallel,
    ) {
        let Case { m, n, k, transposed } = *self;
        let (a, b) = (matrix(a, m, k, transposed.0), matrix(b, k, n, transposed.1));
        let gemm = Gemm::<S> { alpha: alpha.into(), a, b, beta: beta.into() };
        let c = MatMut::new(c, m, n).expect("C is as large");
        gemm.run(cpu, c, &mut Ctx { pool, scratch: &mut Scratch::new() }).expect("sizes agree");
    }

    /// Two products in one call.
    pub(crate) fn batch<S: Uniform<E: From<f32>>>(&self, cpu: &Cpu, pool: &dyn Parallel) {
        let Case { m, n, k, .. } = *self;
        let (a, b) = (whole_numbers::<S::E>(2 * m * k), whole_numbers::<S::E>(2 * k * n));
        let mut c = whole_numbers::<S::E>(2 * m * n);
        let batch = GemmBatch::<S>::new(
            Matrices::by_stride(&a, Layout::row_major(m, k), m * k, 2).expect("A is as large"),
            Matrices::by_stride(&b, Layout::row_major(k, n), k * n, 2).expect("B is as large"),
        );
        let c = MatricesMut::by_stride(&mut c, Layout::row_major(m, n), m * n, 2).expect("C is as large");
        let mut scratch: Vec<_> = (0..pool.threads()).map(|_| Scratch::new()).collect();
        batch.run(cpu, c, &mut BatchCtx { pool, scratch: &mut scratch }).expect("sizes agree");
    }

    /// A product with packed weights, and a sum of three products.
    pub(crate) fn plans(&self, cpu: &Cpu, epilogue: &Epilogue<'_>, pool: &dyn Parallel) {
        let Case { m, n, k, .. } = *self;
        let (a, b) = (whole_numbers::<f32>(m * k), whole_numbers::<f32>(k * n));
        self.packed::<F32>(cpu, (&a, &b), epilogue, pool);
        self.packed::<Bf16>(cpu, (&a, &b), epilogue, pool);
        self.packed::<F16>(cpu, (&a, &b), epilogue, pool);

        let mut c = vec![0.0; m * n];
        let plan = BrgemmPlan::<F32>::new(cpu, Shape { m, n, k });
        let operands = Brgemm {
            a: BlocksOfA::Strided(Matrices::by_stride(&a, Layout::row_major(m, k), 0, 3).expect("A is as large")),
            b: BlocksOfB::RowMajor(Matrices::by_stride(&b, Layout::row_major(k, n), 0, 3).expect("B is as large")),
            beta: 0.5,
        };
        plan.run(&operands, MatMut::new(&mut c, m, n).expect("C is as large"), pool).expect("sizes agree");
    }

    /// A·B with packed weights: C.
    pub(crate) fn packed<S: Scheme<A = f32, B = f32, C = f32>>(
        &self,
        cpu: &Cpu,
        (a, b): (&[f32], &[f32]),
        epilogue: &Epilogue<'_>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let Case { m, n, k, transposed } = *self;
        let mut c = vec![0.0; m * n];
        let plan = GemmPlan::<S>::new(cpu, Shape { m, n, k });
        let packed = plan.pack_b(matrix(b, k, n, transposed.1)).expect("little memory");
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, m, n).expect("C is as large");
        plan.run(matrix(a, m, k, transposed.0), &packed, place, epilogue, ctx).expect("sizes agree");
        c
    }
}
