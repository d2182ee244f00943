//! This project's own products, as contestants.

use super::attention::{Attention, Head};
use super::operands::{self, Element, Operands};
use super::product::Product;
use super::session::{Multiply, Route};
use super::stored::{Leading, Stored};
use super::worker::WorkerError;
use cke_kernels::attention::{self, AttentionPlan, Mask, SequenceRows};
use cke_kernels::gemm::{
    BatchCtx, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Explanation, Gemm, GemmBatch, Layout, Matrices,
    MatricesMut, Shape,
};
use cke_kernels::scratch::{AlignedBuf, Scratch};
use cke_kernels::threads::{Parallel as _, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};

/// What every call works with.
pub(super) struct Workplace {
    pub(super) cpu: &'static Cpu,
    pub(super) pool: ThreadPool,
    pub(super) scratch: Scratch,
}

impl Workplace {
    pub(super) fn new(threads: usize) -> Result<Workplace, WorkerError> {
        Ok(Workplace { cpu: Cpu::host()?, pool: ThreadPool::new(threads)?, scratch: Scratch::new() })
    }
}

/// `Gemm`: the operands as they come.
pub(super) struct Unpacked {
    workplace: Workplace,
    /// What the product prepared last runs on.
    explanation: Option<Explanation>,
}

impl Unpacked {
    /// With `threads` threads.
    ///
    /// # Errors
    /// If they cannot be started.
    pub(super) fn new(threads: usize) -> Result<Unpacked, WorkerError> {
        Ok(Unpacked { workplace: Workplace::new(threads)?, explanation: None })
    }
}

impl<T: Element> Multiply<T> for Unpacked {
    fn prepare(&mut self, operands: &mut Operands<T>) -> Result<(), WorkerError> {
        let Workplace { cpu, pool, .. } = &self.workplace;
        let Views { a, b, c } = Views::new(operands)?;
        self.explanation = Gemm::<T::Scheme>::new(a, b).explain(cpu, c, pool.threads());
        Ok(())
    }

    fn route(&self) -> Route {
        let explanation = self.explanation.as_ref();
        Route {
            kernel: explanation.map(|found| found.kernel.to_owned()),
            path: explanation.map(Explanation::to_string),
        }
    }

    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
        let Workplace { cpu, pool, scratch } = &mut self.workplace;
        let Views { a, b, mut c } = Views::new(operands)?;
        let gemm = Gemm::<T::Scheme>::new(a, b);
        let mut ctx = Ctx { pool, scratch };
        for _ in 0..times {
            gemm.run(cpu, c.reborrow(), &mut ctx)?;
        }
        Ok(())
    }

    fn attend(&mut self, operands: &Attention<T>) -> Result<AlignedBuf<T>, WorkerError> {
        T::attend(&mut self.workplace, operands)
    }
}

/// `GemmBatch`: blocks of rows of A and C, each a product with the same B.
pub(super) struct Batched {
    workplace: Workplace,
    scratch: Vec<Scratch>,
}

/// Most rows of a product of the batch.
const ROWS: usize = 16;

impl Batched {
    /// With `threads` threads.
    ///
    /// # Errors
    /// If they cannot be started.
    pub(super) fn new(threads: usize) -> Result<Batched, WorkerError> {
        let workplace = Workplace::new(threads)?;
        let scratch = (0..workplace.pool.threads()).map(|_| Scratch::new()).collect();
        Ok(Batched { workplace, scratch })
    }
}

impl<T: Element> Multiply<T> for Batched {
    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
        let product = operands.product();
        let Product { m, n, k, transpose_a, transpose_b, .. } = product;
        let Leading { a: lda, b: ldb, c: ldc } = product.leading_dimensions();
        let rows = largest_divisor(m, ROWS);
        let (row_stride, col_stride) = if transpose_a { (1, lda) } else { (lda, 1) };
        let a = Layout { rows, cols: k, row_stride, col_stride };
        let (row_stride, col_stride) = if transpose_b { (1, ldb) } else { (ldb, 1) };
        let b = Layout { rows: k, cols: n, row_stride, col_stride };
        let c_layout = Layout { rows, cols: n, row_stride: ldc, col_stride: 1 };
        let matrices = operands.matrices();
        let batch = GemmBatch::<T::Scheme>::new(
            Matrices::by_stride(matrices.a, a, rows * a.row_stride, m / rows)?,
            Matrices::by_stride(matrices.b, b, 0, m / rows)?,
        );
        let mut ctx = BatchCtx { pool: &self.workplace.pool, scratch: &mut self.scratch };
        for _ in 0..times {
            let c = MatricesMut::by_stride(matrices.c, c_layout, rows * ldc, m / rows)?;
            batch.run(self.workplace.cpu, c, &mut ctx)?;
        }
        Ok(())
    }
}

/// `BrgemmPlan`: A and B cut along k.
pub(super) struct BatchReduced(Workplace);

/// Most steps of k of one block.
const STEPS: usize = 64;

impl BatchReduced {
    /// With `threads` threads.
    ///
    /// # Errors
    /// If they cannot be started.
    pub(super) fn new(threads: usize) -> Result<BatchReduced, WorkerError> {
        Workplace::new(threads).map(BatchReduced)
    }
}

impl<T: Element> Multiply<T> for BatchReduced {
    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
        let product = operands.product();
        let Product { m, n, k, transpose_a, transpose_b, .. } = product;
        let Leading { a: lda, b: ldb, c: ldc } = product.leading_dimensions();
        if transpose_a || transpose_b {
            return Err(WorkerError::Transposed);
        }
        let steps = largest_divisor(k, STEPS);
        let a = Layout { rows: m, cols: steps, row_stride: lda, col_stride: 1 };
        let b = Layout { rows: steps, cols: n, row_stride: ldb, col_stride: 1 };
        let matrices = operands.matrices();
        let blocks = Brgemm::<T::Scheme> {
            a: BlocksOfA::Strided(Matrices::by_stride(matrices.a, a, steps, k / steps)?),
            b: BlocksOfB::RowMajor(Matrices::by_stride(matrices.b, b, steps * ldb, k / steps)?),
            beta: T::zero(),
        };
        let plan = BrgemmPlan::new(self.0.cpu, Shape { m, n, k: steps });
        for _ in 0..times {
            plan.run(&blocks, MatMut::with_strides(matrices.c, m, n, ldc, 1)?, &self.0.pool)?;
        }
        Ok(())
    }
}

/// The largest divisor of `number` that is not above `most`.
fn largest_divisor(number: usize, most: usize) -> usize {
    (1..=most.min(number)).rev().find(|&divisor| number.is_multiple_of(divisor)).unwrap_or(1)
}

/// `AttentionPlan` with one head: all positions but the last ones go into a cache, then come the queries, as many as those.
/// Each of them sees all positions.
///
/// # Errors
/// If memory cannot be allocated, or there are more queries than positions.
pub(super) fn attend(workplace: &mut Workplace, operands: &Attention<f32>) -> Result<AlignedBuf<f32>, WorkerError> {
    let Workplace { cpu, pool, scratch } = workplace;
    let Head { queries, size, positions } = operands.shape;
    let before = positions.checked_sub(queries).ok_or(WorkerError::ManyQueries)?;
    let plan = AttentionPlan::new(cpu, 1, 1, size, operands.shape.scale() as f32)?;
    let mut cache = plan.cache(positions)?;
    let mut out = AlignedBuf::zeroed(positions.saturating_mul(size))?;
    let (keys, later_keys) = operands.keys.split_at(before * size);
    let (values, later_values) = operands.values.split_at(before * size);
    // The keys stand in for the queries of the positions that only fill the cache.
    for (rows, queries, keys, values) in
        [(before, keys, keys, values), (queries, &operands.queries[..], later_keys, later_values)]
    {
        let call = attention::Operands {
            queries: MatRef::new(queries, rows, size)?,
            keys: MatRef::new(keys, rows, size)?,
            values: MatRef::new(values, rows, size)?,
            out: MatMut::new(&mut out[..rows * size], rows, size)?,
        };
        let sequence = SequenceRows { rows, cache: Some(&mut cache) };
        plan.run([sequence].into_iter(), Mask::Full, call, &mut Ctx { pool, scratch })?;
    }
    let mut found = AlignedBuf::zeroed(queries * size)?;
    found.copy_from_slice(&out[..queries * size]);
    Ok(found)
}

/// The operands as the kernels see them.
pub(super) struct Views<'a, T> {
    /// op(A) (m, k).
    pub(super) a: MatRef<'a, T>,
    /// op(B) (k, n).
    pub(super) b: MatRef<'a, T>,
    /// (m, n).
    pub(super) c: MatMut<'a, T>,
}

impl<'a, T: Element> Views<'a, T> {
    pub(super) fn new(operands: &'a mut Operands<T>) -> Result<Views<'a, T>, Error> {
        let product = operands.product();
        let operands::Matrices { a, b, c } = operands.matrices();
        let Stored { rows, cols, leading } = product.stored_c();
        Ok(Views {
            a: view(a, product.stored_a(), product.transpose_a)?,
            b: view(b, product.stored_b(), product.transpose_b)?,
            c: MatMut::with_strides(c, rows, cols, leading, 1)?,
        })
    }
}

fn view<T>(numbers: &[T], Stored { rows, cols, leading }: Stored, is_transposed: bool) -> Result<MatRef<'_, T>, Error> {
    let stored = MatRef::with_strides(numbers, rows, cols, leading, 1)?;
    Ok(if is_transposed { stored.transposed() } else { stored })
}
