//! Scaled dot-product attention over a cache of keys and values: softmax(scale · Q·Kᵀ + mask)·V for each head.
//!
//! Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2. Both products run on the matrix microkernels: keys
//! and values are stored as packed panels while they are appended, so a prompt and a single token read the same memory.

use super::softmax::softmax_row;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::gemm::loops::{WholeA, WholeB};
use crate::gemm::macro_kernel::Product;
use crate::gemm::{Ctx, Shape, Supported, cycles, rivals};
use crate::scheme::F32;
use crate::scratch::AlignedBuf;
use crate::simd::{Op, Simd, dispatch};
use crate::threads::{Parallel, for_each_chunk};
use crate::view::{MatMut, MatRef};

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    Full,
    /// Query i stands at position `first + i` and sees the keys up to its own position.
    Causal {
        /// Position of the first query.
        first: usize,
    },
}

/// The sizes of an attention layer and the kernel that computes it.
#[derive(Clone, Copy, Debug)]
pub struct AttentionPlan {
    cpu: Cpu,
    kernel: Supported<F32>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    scale: f32,
}

/// Keys and values of one sequence in one layer, for a fixed number of positions.
///
/// Per key head: keys as panels of nr positions, each (head_dim, nr); values as panels of nr dimensions, each (capacity, nr).
#[derive(Debug)]
pub struct KvCache {
    keys: AlignedBuf<f32>,
    values: AlignedBuf<f32>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.values)
    }

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Queries that one task computes at a time, in tiles of the kernel's mr rows: scores of that many rows stay in L2.
const TILES_PER_TASK: usize = 4;

impl AttentionPlan {
    /// A plan for `heads` query heads of `head_dim` that share `kv_heads` key and value heads, with scores multiplied by `scale`.
    ///
    /// # Errors
    /// Where a size is 0 or `kv_heads` does not divide `heads`.
    pub fn new(cpu: &Cpu, heads: usize, kv_heads: usize, head_dim: usize, scale: f32) -> Result<Self, Error> {
        if heads == 0 || head_dim == 0 || kv_heads == 0 {
            return Err(Error::Size { what: "heads times head dimension, at least", wanted: 1, found: 0 });
        }
        expect_size("query heads left over by the key heads", 0, heads % kv_heads)?;
        // A panel wider than the head would waste memory; then the fastest for a prompt of middling length counts.
        let cost = |kernel: Supported<F32>| {
            let scores = Shape { m: 64, n: 256, k: head_dim };
            let values = Shape { m: 64, n: head_dim, k: 256 };
            let width = head_dim.next_multiple_of(kernel.tile().nr);
            (width, cycles(kernel.record(), scores) + cycles(kernel.record(), values))
        };
        let kernel = rivals::<F32>(cpu)
            .filter(|kernel| kernel.record().isa == cpu.isa())
            .min_by_key(|&kernel| cost(kernel))
            .expect("every ISA has a kernel");
        Ok(AttentionPlan { cpu: *cpu, kernel, heads, kv_heads, head_dim, scale })
    }

    /// The kernel of both products.
    pub fn kernel(&self) -> Supported<F32> {
        self.kernel
    }

    /// Columns of the queries and of the output: heads · head_dim.
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn nr(&self) -> usize {
        self.kernel.tile().nr
    }

    /// Elements of the keys of one head.
    fn keys_len(&self, capacity: usize) -> usize {
        capacity.next_multiple_of(self.nr()) * self.head_dim
    }

    /// Elements of the values of one head.
    fn values_len(&self, capacity: usize) -> usize {
        self.head_dim.next_multiple_of(self.nr()) * capacity
    }

    /// An empty cache for `capacity` positions.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        let keys = AlignedBuf::zeroed(self.kv_heads * self.keys_len(capacity))?;
        let values = AlignedBuf::zeroed(self.kv_heads * self.values_len(capacity))?;
        Ok(KvCache { keys, values, capacity, len: 0 })
    }

    /// Bytes of a cache for `capacity` positions; no memory is allocated for the answer.
    pub fn cache_bytes(&self, capacity: usize) -> usize {
        self.kv_heads * (self.keys_len(capacity) + self.values_len(capacity)) * size_of::<f32>()
    }

    /// Bytes of working memory that `threads` threads take to run `rows` queries against a cache for `capacity` positions.
    pub fn scratch_bytes(&self, threads: usize, rows: usize, capacity: usize) -> usize {
        threads * self.rows_per_task().min(rows) * capacity * size_of::<f32>()
    }

    /// Queries that one task computes.
    fn rows_per_task(&self) -> usize {
        TILES_PER_TASK * self.kernel.tile().mr
    }

    /// Appends the keys and values (t, kv_heads · head_dim), columns next to each other, of the next t positions.
    ///
    /// # Errors
    /// Where sizes do not belong together or the cache has no room; it is then unchanged.
    pub fn append(
        &self,
        cache: &mut KvCache,
        keys: MatRef<'_, f32>,
        values: MatRef<'_, f32>,
        pool: &dyn Parallel,
    ) -> Result<(), Error> {
        let (width, count, first) = (self.kv_heads * self.head_dim, keys.rows(), cache.len);
        expect_size("columns of the keys", width, keys.cols())?;
        expect_size("columns of the values", width, values.cols())?;
        expect_size("rows of the values", count, values.rows())?;
        expect_size("column stride of the keys", 1, keys.col_stride())?;
        expect_size("column stride of the values", 1, values.col_stride())?;
        if count > cache.capacity - first {
            return Err(Error::Size {
                what: "free positions in the cache",
                wanted: count,
                found: cache.capacity - first,
            });
        }
        if count == 0 {
            return Ok(());
        }
        let (nr, dim) = (self.nr(), self.head_dim);
        let (keys_len, values_len) = (self.keys_len(cache.capacity), self.values_len(cache.capacity));
        // Positions outside, so that a row is read once, in order, while the panel that it is scattered over stays in L1.
        for_each_chunk(pool, &mut cache.keys, keys_len, |head, panels| {
            for position in first..first + count {
                let panel = &mut panels[position / nr * dim * nr..][..dim * nr];
                let key = &row(&keys, position - first)[head * dim..][..dim];
                for (x, line) in key.iter().zip(panel.chunks_exact_mut(nr)) {
                    line[position % nr] = *x;
                }
            }
        });
        for_each_chunk(pool, &mut cache.values, values_len, |head, panels| {
            for (index, panel) in panels.chunks_exact_mut(values_len / dim.div_ceil(nr)).enumerate() {
                let columns = head * dim + index * nr..head * dim + dim.min((index + 1) * nr);
                for (i, line) in panel.chunks_exact_mut(nr).skip(first).take(count).enumerate() {
                    line[..columns.len()].copy_from_slice(&row(&values, i)[columns.clone()]);
                }
            }
        });
        cache.len += count;
        Ok(())
    }

    /// out (m, heads · head_dim) = attention of the queries (m, heads · head_dim) over what the cache holds.
    ///
    /// A row's result has the same bits whatever the other rows and the number of threads are, as long as no key or value that
    /// it must not see is infinite or NaN.
    ///
    /// # Errors
    /// Where sizes do not belong together, or a causal query stands behind the last key.
    pub fn run(
        &self,
        queries: MatRef<'_, f32>,
        cache: &KvCache,
        mask: Mask,
        mut out: MatMut<'_, f32>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        let (m, width) = (queries.rows(), self.width());
        expect_size("columns of the queries", width, queries.cols())?;
        expect_size("rows of the attention's output", m, out.rows())?;
        expect_size("columns of the attention's output", width, out.cols())?;
        if let Mask::Causal { first } = mask
            && first + m > cache.len
        {
            return Err(Error::Size { what: "keys for the last causal query", wanted: first + m, found: cache.len });
        }
        if cache.is_empty() && m > 0 {
            return Err(Error::Size { what: "keys in the cache, at least", wanted: 1, found: 0 });
        }
        let rows_per_task = self.rows_per_task();
        let blocks = m.div_ceil(rows_per_task);
        // By capacity, so that a growing cache asks for the same memory at every step.
        let scores = ctx.scratch.take_per_worker(ctx.pool.threads(), rows_per_task.min(m) * cache.capacity)?;
        let task = HeadTask {
            plan: self,
            cache,
            mask,
            queries,
            out: out.as_mut_ptr(),
            out_row_stride: out.row_stride(),
            out_col_stride: out.col_stride(),
        };
        ctx.pool.run(self.heads * blocks, &|index, worker| {
            let (head, block) = (index / blocks, index % blocks);
            let rows = block * rows_per_task..m.min((block + 1) * rows_per_task);
            // SAFETY: a worker runs one task at a time, and tasks write disjoint blocks of `out`, checked to be (m, width).
            unsafe { task.run(head, rows, scores.get(worker)) };
        });
        Ok(())
    }
}

/// Row `i` of a matrix whose columns are next to each other.
fn row<'a>(x: &MatRef<'a, f32>, i: usize) -> &'a [f32] {
    assert!(i < x.rows() && x.col_stride() == 1);
    // SAFETY: the row lies inside the view, whose elements are borrowed for 'a.
    unsafe { std::slice::from_raw_parts(x.as_ptr().add(i * x.row_stride()), x.cols()) }
}

/// What the tasks of one call share.
struct HeadTask<'a> {
    plan: &'a AttentionPlan,
    cache: &'a KvCache,
    mask: Mask,
    queries: MatRef<'a, f32>,
    out: *mut f32,
    out_row_stride: usize,
    out_col_stride: usize,
}

// SAFETY: `out` stands for an exclusive borrow of f32 whose parts are written by one task each.
unsafe impl Sync for HeadTask<'_> {}

impl HeadTask<'_> {
    /// One head for some of the queries.
    ///
    /// # Safety
    /// The queries' rows exist, `out` is valid for their (rows, head_dim) block, and nobody else uses that block meanwhile.
    unsafe fn run(&self, head: usize, rows: std::ops::Range<usize>, scores: &mut [f32]) {
        let AttentionPlan { cpu, kernel, head_dim, scale, .. } = *self.plan;
        let nr = self.plan.nr();
        let kv_head = head / (self.plan.heads / self.plan.kv_heads);
        let (keys_len, values_len) =
            (self.plan.keys_len(self.cache.capacity), self.plan.values_len(self.cache.capacity));
        let keys = &self.cache.keys[kv_head * keys_len..][..keys_len];
        let values = &self.cache.values[kv_head * values_len..][..values_len];
        let (m, first_key_count, n) = match self.mask {
            Mask::Full => (rows.len(), self.cache.len, self.cache.len),
            Mask::Causal { first } => (rows.len(), first + rows.start + 1, first + rows.end),
        };
        let scores = &mut scores[..m * n];
        let query = rows.start * self.queries.row_stride() + head * head_dim * self.queries.col_stride();
        let out = rows.start * self.out_row_stride + head * head_dim * self.out_col_stride;

        let score = Product {
            kernel,
            m,
            n,
            k: head_dim,
            c: scores.as_mut_ptr(),
            c_row_stride: n,
            c_col_stride: 1,
            alpha: 1.0,
            beta: 0.0,
            epilogue: None,
        };
        let a = WholeA {
            data: self.queries.as_ptr().wrapping_add(query),
            row_stride: self.queries.row_stride(),
            col_stride: self.queries.col_stride(),
        };
        let b = WholeB { data: keys.as_ptr(), panel_stride: nr * head_dim, row_stride: nr, stride: nr, is_far: false };
        // SAFETY: the queries exist by the caller's promise, the keys are one head's panels, and the scores are m rows of n.
        unsafe { score.run_alone(a, b) };

        let step = usize::from(self.mask != Mask::Full);
        dispatch(&cpu, MaskedSoftmax { scores, n, first_key_count, step, scale });

        let weigh = Product {
            kernel,
            m,
            n: head_dim,
            k: n,
            c: self.out.wrapping_add(out),
            c_row_stride: self.out_row_stride,
            c_col_stride: self.out_col_stride,
            alpha: 1.0,
            beta: 0.0,
            epilogue: None,
        };
        let a = WholeA { data: scores.as_ptr(), row_stride: n, col_stride: 1 };
        let b = WholeB {
            data: values.as_ptr(),
            panel_stride: nr * self.cache.capacity,
            row_stride: nr,
            stride: nr,
            is_far: false,
        };
        // SAFETY: the scores are m rows of n, the values one head's panels, and `out` is valid for this block by the caller's promise.
        unsafe { weigh.run_alone(a, b) };
    }
}

/// Softmax over the first `first_key_count + i · step` scores of row i; zero behind them.
struct MaskedSoftmax<'a> {
    scores: &'a mut [f32],
    n: usize,
    first_key_count: usize,
    step: usize,
    scale: f32,
}

impl Op for MaskedSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for (i, row) in self.scores.chunks_exact_mut(self.n).enumerate() {
            let (seen, hidden) = row.split_at_mut(self.first_key_count + i * self.step);
            softmax_row(s, seen, self.scale);
            hidden.fill(0.0);
        }
    }
}

/// The naive twin for one head: q (m, d), k and v (n, d), row-major; `visible(i)` keys are seen by query i. Returns (m, d).
pub fn attention_reference(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    d: usize,
    scale: f32,
    visible: impl Fn(usize) -> usize,
) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut out = Vec::with_capacity(q.len());
    for (i, query) in q.chunks_exact(d).enumerate() {
        let seen = visible(i);
        let scores: Vec<f32> = k.chunks_exact(d).take(seen).map(|key| scale * dot(query, key)).collect();
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f32 = weights.iter().sum();
        out.extend((0..d).map(|j| weights.iter().enumerate().map(|(t, w)| w / sum * v[t * d + j]).sum::<f32>()));
    }
    out
}
