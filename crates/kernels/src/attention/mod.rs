//! Scaled dot-product attention: softmax(scale · Q·Kᵀ + mask)·V for each head, of several sequences at once.
//!
//! [`AttentionPlan`] is made once for a model, a [`KvCache`] holds the keys and values of a sequence, and a call gets the new rows of
//! each sequence ([`SequenceRows`], [`Operands`]) with a [`Mask`]. [`KvPool`] is for caches that share memory, [`KvDtype`] for keys and
//! values in 16 or 8 bits.
//!
//! Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2. Both products run on the matrix microkernels: keys
//! and values are packed into panels once, by the task that computes their head, and a prompt and a single token read the same
//! panels. `head.rs` has the arithmetic, `schedule.rs` who computes what.

mod append;
mod cache;
mod dtype;
mod head;
mod mask;
mod parts;
mod pool;
mod queries;
mod rounded;
mod schedule;
mod weights;
mod widened;

pub use cache::{KvCache, KvFormat};
pub use dtype::KvDtype;
pub use mask::Mask;
pub use pool::KvPool;

use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::gemm::microkernel::Ready;
use crate::view::{MatMut, MatRef};
use std::ops::Range;
use weights::{Scaling, SoftCap};

/// The sizes of an attention layer and the kernel that computes it.
#[derive(Clone, Copy, Debug)]
pub struct AttentionPlan {
    cpu: Cpu,
    kernel: Ready<f32>,
    heads: usize,
    /// Query heads that share a key head.
    group: usize,
    format: KvFormat,
    /// Keys of a KV block: whole panels.
    kv_block: usize,
    scaling: Scaling,
}

/// What one sequence has in a call.
#[derive(Debug)]
pub struct SequenceRows<'a> {
    /// The number of its new positions: rows of the call, after those of the sequences before it.
    pub rows: usize,
    /// What came before them, and where they are kept for what comes later; `None` for a sequence that is whole.
    pub cache: Option<&'a mut KvCache>,
}

/// Operands of a call: a row for each new position of each sequence. Columns are contiguous.
#[derive(Debug)]
pub struct Operands<'a> {
    /// (rows, heads · head_dim)
    pub queries: MatRef<'a, f32>,
    /// (rows, kv_heads · head_dim)
    pub keys: MatRef<'a, f32>,
    /// (rows, kv_heads · head_dim)
    pub values: MatRef<'a, f32>,
    /// (rows, heads · head_dim)
    pub out: MatMut<'a, f32>,
}

/// Queries that are computed at a time, in tiles of the kernel's mr rows: scores of that many rows and one KV block stay in
/// the first cache levels.
const TILES_PER_BLOCK: usize = 4;

/// Keys of a KV block, about: its scores are computed, weighed and forgotten before the next, so memory grows with the number of
/// queries and keys, not with their product.
const KV_BLOCK: usize = 512;

impl AttentionPlan {
    /// A plan for `heads` query heads of `head_dim` that share `kv_heads` key and value heads, with scores multiplied by `scale`.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if a size is 0, `kv_heads` does not divide `heads`, or heads · head_dim elements are
    /// more than an address space has.
    pub fn new(cpu: &Cpu, heads: usize, kv_heads: usize, head_dim: usize, scale: f32) -> Result<Self, Error> {
        if heads == 0 || head_dim == 0 || kv_heads == 0 {
            return Err(Error::Size { what: "heads times head dimension, at least", wanted: 1, found: 0 });
        }
        expect_size("query heads left over by the key heads", 0, heads % kv_heads)?;
        let (width, most) = (heads.saturating_mul(head_dim), isize::MAX as usize / size_of::<f32>());
        if width > most {
            return Err(Error::Size { what: "heads times head dimension, at most", wanted: most, found: width });
        }
        let dtype = KvDtype::F32;
        let kernel = dtype.kernel(cpu, head_dim);
        let format = KvFormat { key_heads: kv_heads, head_dim, dtype, panel: kernel.panel_format() };
        let (group, kv_block) = (heads / kv_heads, kv_block(format));
        Ok(AttentionPlan {
            cpu: *cpu,
            kernel,
            heads,
            group,
            format,
            kv_block,
            scaling: Scaling { scale, soft_cap: None },
        })
    }

    /// The same with keys and values kept as `dtype`: its caches are other ones.
    #[must_use]
    pub fn with_kv(mut self, dtype: KvDtype) -> Self {
        self.kernel = dtype.kernel(&self.cpu, self.format.head_dim);
        self.format = KvFormat { dtype, panel: self.kernel.panel_format(), ..self.format };
        self.kv_block = kv_block(self.format);
        self
    }

    /// The same with a soft cap c above 0: a scaled score s becomes c · tanh(s / c) before the softmax. Source: Gemma Team, "Gemma 2", 2024,
    /// section 2.
    #[must_use]
    pub fn with_soft_cap(mut self, cap: f32) -> Self {
        self.scaling.soft_cap = Some(SoftCap::new(self.scaling.scale, cap));
        self
    }

    /// The name of the kernel of both products.
    pub fn kernel_name(&self) -> &'static str {
        self.kernel.name()
    }

    /// Columns of the queries and of the output: heads · head_dim.
    pub fn width(&self) -> usize {
        self.heads * self.format.head_dim
    }

    /// Columns of the keys and of the values: kv_heads · head_dim.
    pub fn kv_width(&self) -> usize {
        self.format.key_heads * self.format.head_dim
    }

    /// What this plan's caches are made for.
    pub fn format(&self) -> KvFormat {
        self.format
    }

    /// Whether the kernel reads pairs of rounded numbers in place of rows of f32.
    fn rounds_rows(&self) -> bool {
        !self.kernel.row_format().is_in_place
    }

    /// Elements of a KV block's keys or values in f32, if they are widened.
    fn widened_len(&self) -> usize {
        if !self.format.is_quantized() {
            return 0;
        }
        let [keys, values] = [(self.format.head_dim, self.kv_block), (self.kv_block, self.format.head_dim)];
        let bytes = |(k, n)| self.format.panel.bytes(k, n);
        bytes(keys).max(bytes(values)) / size_of::<f32>()
    }

    /// Queries that are computed at a time.
    fn block(&self) -> usize {
        TILES_PER_BLOCK * self.kernel.tile().mr
    }

    /// The KV blocks that hold these keys.
    fn kv_blocks(&self, keys: Range<usize>) -> Range<usize> {
        keys.start / self.kv_block..keys.end.div_ceil(self.kv_block)
    }

    fn check(&self, operands: &Operands<'_>) -> Result<(), Error> {
        let Operands { queries, keys, values, out } = operands;
        let rows = queries.rows();
        expect_size("columns of the queries", self.width(), queries.cols())?;
        expect_size("columns of the keys", self.kv_width(), keys.cols())?;
        expect_size("columns of the values", self.kv_width(), values.cols())?;
        expect_size("columns of the attention's output", self.width(), out.cols())?;
        expect_size("rows of the keys", rows, keys.rows())?;
        expect_size("rows of the values", rows, values.rows())?;
        expect_size("rows of the attention's output", rows, out.rows())?;
        for (what, stride) in [
            ("column stride of the queries", queries.col_stride()),
            ("column stride of the keys", keys.col_stride()),
            ("column stride of the values", values.col_stride()),
            ("column stride of the attention's output", out.col_stride()),
        ] {
            expect_size(what, 1, stride)?;
        }
        Ok(())
    }
}

/// Keys of a KV block: whole panels.
fn kv_block(format: KvFormat) -> usize {
    let panel = format.panel.cols;
    (KV_BLOCK / panel).max(1) * panel
}

/// The naive twin for one head: q (m, d), k and v (n, d), row-major; query i sees the keys `visible(i)`, and `score` is what becomes of a
/// product of a query and a key before the softmax. Returns (m, d).
pub fn attention_reference(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    d: usize,
    score: impl Fn(f32) -> f32,
    visible: impl Fn(usize) -> Range<usize>,
) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut out = Vec::with_capacity(q.len());
    for (i, query) in q.chunks_exact(d).enumerate() {
        let seen = visible(i);
        let scores: Vec<f32> = seen.clone().map(|t| score(dot(query, &k[t * d..][..d]))).collect();
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f32 = weights.iter().sum();
        let seen = || seen.clone().zip(&weights);
        out.extend((0..d).map(|j| seen().map(|(t, w)| w / sum * v[t * d + j]).sum::<f32>()));
    }
    out
}
