//! The body of every decoder: a causal transformer with its norms before its layers, driven by data.
//!
//! ```text
//! x = scale · table[token] (+ positions[position])
//! for each block:
//!     q, k, v = norm(x)·W_qkv (+ b)          (q, k = norm(q), norm(k))          (q, k turned by their positions)
//!     x += (norm of) softmax(mask(cap(scale · q·kᵀ)))·v·W_o (+ b)
//!     x += (norm of) (act(norm(x)·W_up) or act(norm(x)·W_gate) · norm(x)·W_up)·W_down (+ b)
//! logits = cap(norm(x)·W_head)
//! ```
//!
//! What stands in parentheses some models have and others do not. `gpt2.rs` and `llama.rs` say which have what, and under which names
//! their weights are found.

mod block;
mod embedding;
mod rotary;

pub(super) use self::block::{Block, FeedForward, HeadNorms};
pub(super) use self::embedding::{Embedding, TokenTable};
pub(super) use self::rotary::Rotary;

use super::AttentionWork;
use super::causal::{CausalModel, MAX_ROWS, Results, Sequence};
use crate::activations::{Activations, Cut, OpContext, Widths};
use crate::error::Error;
use crate::kernel_names::KernelNames;
use crate::kv_cache::KvCache;
use crate::linear::Linear;
use crate::norm::Norm;
use crate::profile::Step;
use crate::runtime::Runtime;
use cke_kernels::attention::KvPool;
use cke_kernels::gemm::Epilogue;
use cke_kernels::ops::soft_cap::soft_cap;
use cke_kernels::threads::for_each_chunk;
use std::ops::Range;

/// A decoder of any kind, its weights packed.
#[derive(Debug)]
pub struct Decoder {
    pub(super) architecture: &'static str,
    pub(super) vocabulary: usize,
    pub(super) context: usize,
    pub(super) widths: Widths,
    pub(super) embedding: Embedding,
    /// Every way in which blocks turn queries and keys.
    pub(super) rotaries: Vec<Rotary>,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Norm,
    pub(super) head: Linear,
    /// Largest absolute value that logits are bent to.
    pub(super) logit_cap: Option<f32>,
}

impl Decoder {
    fn check_context(&self, wanted: usize) -> Result<(), Error> {
        let limit = self.context;
        if wanted <= limit { Ok(()) } else { Err(Error::Context { wanted, limit, hint: "" }) }
    }

    /// Runs every block over the pending tokens. Returns how many rows the stream has then.
    fn run_blocks(
        &self,
        sequences: &mut [Sequence],
        results: Results,
        mut cut: Cut,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<usize, Error> {
        let work = AttentionWork::of(sequences);
        for (index, block) in self.blocks.iter().enumerate() {
            state.check_cancelled()?;
            block.attend(work, sequences, cut, state, runtime)?;
            if results == Results::Last && index + 1 == self.blocks.len() {
                cut = Cut::new(keep_last_rows(sequences, state), runtime.threads());
            }
            block.finish(cut, state, runtime)?;
        }
        Ok(cut.rows())
    }

    fn check_sequence(&self, sequence: &Sequence) -> Result<(), Error> {
        let (first, vocabulary) = (sequence.cache.len(), self.vocabulary);
        let wanted = first + sequence.pending.len();
        self.check_context(wanted)?;
        if wanted > sequence.cache.capacity() {
            return Err(Error::Context { wanted, limit: sequence.cache.capacity(), hint: " (of its cache)" });
        }
        match sequence.pending.iter().position(|&id| id as usize >= vocabulary) {
            Some(i) => Err(Error::UnknownToken { id: sequence.pending[i], position: first + i, vocabulary }),
            None => Ok(()),
        }
    }
}

impl CausalModel for Decoder {
    fn architecture(&self) -> &'static str {
        self.architecture
    }

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> usize {
        self.context
    }

    fn width(&self) -> usize {
        self.widths.stream
    }

    fn weight_bytes(&self) -> usize {
        self.embedding.bytes() + self.bytes_per_token()
    }

    fn kernels(&self) -> KernelNames {
        let linears = self.blocks.iter().flat_map(Block::linears).chain([&self.head]);
        KernelNames::new(linears.flat_map(Linear::kernels), self.blocks.iter().map(Block::attention))
    }

    fn bytes_per_token(&self) -> usize {
        self.head.bytes() + self.blocks.iter().map(Block::bytes).sum::<usize>()
    }

    fn flops(&self, tokens: usize, before: usize, logits: usize) -> u64 {
        let pairs = tokens * before + tokens * (tokens + 1) / 2;
        let last = self.blocks.len().saturating_sub(1);
        let of_blocks = self.blocks.iter().enumerate().map(|(i, block)| {
            // The last block ends with the keys and values of rows without results.
            let results = if i == last { logits } else { tokens };
            block.multiply_adds(tokens, results, pairs)
        });
        2 * (of_blocks.sum::<usize>() + logits * self.head.elements()) as u64
    }

    fn cache_in(&self, pool: &KvPool, capacity: usize) -> Result<KvCache, Error> {
        self.check_context(capacity)?;
        KvCache::new(self.blocks.iter().map(Block::attention), pool, capacity)
    }

    fn cache_bytes(&self, capacity: usize) -> usize {
        self.blocks.iter().map(|block| block.attention().cache_bytes(capacity)).sum()
    }

    fn forward(
        &self,
        sequences: &mut [Sequence],
        results: Results,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let rows = sequences.iter().map(|sequence| sequence.pending.len()).sum::<usize>();
        if rows == 0 || rows > MAX_ROWS {
            return Err(
                cke_kernels::Error::Size { what: "rows of a forward pass", wanted: MAX_ROWS, found: rows }.into()
            );
        }
        sequences.iter().try_for_each(|sequence| self.check_sequence(sequence))?;
        reserve_caches(sequences)?;
        let cut = Cut::new(rows, runtime.threads());
        state.reserve(cut, self.widths)?;
        self.embedding.run(&self.head, sequences, state, runtime)?;
        rotary::angles(&self.rotaries, sequences, state)?;
        let rows = match self.run_blocks(sequences, results, cut, state, runtime) {
            Ok(rows) => rows,
            Err(error) => {
                forget_pending(sequences, state);
                return Err(error);
            }
        };
        sequences.iter_mut().for_each(|sequence| sequence.pending.clear());
        self.final_norm.run(state.stream.of(0..rows), state.normed.of_mut(0..rows), runtime);
        Ok(())
    }

    fn logits(
        &self,
        rows: Range<usize>,
        out: &mut [f32],
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let Activations { normed, workspace, .. } = state;
        self.head.run(normed.of(rows), out, Epilogue::default(), &mut OpContext { runtime, workspace })?;
        if let Some(cap) = self.logit_cap {
            let step = Step::other("cap logits", None, 2 * size_of_val(out));
            let cap_rows = |_, row: &mut [f32]| soft_cap(runtime.cpu(), row, cap);
            runtime.step(|| step, || for_each_chunk(runtime.pool(), out, self.vocabulary, cap_rows));
        }
        Ok(())
    }
}

/// Takes the memory that the pending tokens of all sequences need in their caches, or none.
fn reserve_caches(sequences: &mut [Sequence]) -> Result<(), Error> {
    let reserved = sequences.iter_mut().try_for_each(|sequence| sequence.cache.reserve(sequence.pending.len()));
    if reserved.is_err() {
        sequences.iter_mut().for_each(|sequence| sequence.cache.shrink());
    }
    reserved
}

/// Takes out of the caches what layers have put there of the pending tokens.
fn forget_pending(sequences: &mut [Sequence], state: &Activations) {
    let mut row = 0;
    for sequence in sequences.iter_mut().filter(|sequence| !sequence.pending.is_empty()) {
        sequence.cache.truncate(state.lookups[row].position as usize);
        row += sequence.pending.len();
    }
}

/// Moves the row of each sequence's last pending token, and its attention, to the front; returns how many there are.
fn keep_last_rows(sequences: &[Sequence], state: &mut Activations) -> usize {
    let (mut end, mut kept) = (0, 0);
    for sequence in sequences.iter().filter(|sequence| !sequence.pending.is_empty()) {
        end += sequence.pending.len();
        state.stream.copy_row(end - 1, kept);
        state.attended.copy_row(end - 1, kept);
        kept += 1;
    }
    kept
}

impl AttentionWork {
    /// What every layer has to do for the pending tokens.
    fn of(sequences: &[Sequence]) -> AttentionWork {
        sequences.iter().fold(AttentionWork::default(), |work, sequence| {
            let (rows, before) = (sequence.pending.len(), sequence.cache.len());
            let pairs = rows * before + rows * (rows + 1) / 2;
            AttentionWork { pairs: work.pairs + pairs, kept: work.kept + before }
        })
    }
}
