//! What generation, evaluation, measurements and servers know of a model that continues texts.

use crate::activations::Activations;
use crate::error::Error;
use crate::fallible::{check_available, with_capacity};
use crate::kernel_names::KernelNames;
use crate::kv_cache::KvCache;
use crate::runtime::Runtime;
use cke_kernels::attention::{KvPool, SequenceRows};
use std::fmt::Debug;
use std::ops::Range;

/// Rows of one forward pass at most: longer prompts go through in pieces, which bounds the memory of activations.
pub const MAX_ROWS: usize = 512;

/// Rows whose logits are computed at a time where all are wanted: enough of them to read the head's weights seldom.
pub const LOGIT_ROWS: usize = 128;

/// A causal language model: each token's logits depend on that token and on those before it.
///
/// Its weights are constant, so that any number of threads may run it at once, each with run state and sequences of its own.
pub trait CausalModel: Send + Sync + Debug {
    /// The name of its architecture, as `model_type` of its configuration has it.
    fn architecture(&self) -> &'static str;

    /// Number of tokens: columns of the logits.
    fn vocabulary(&self) -> usize;

    /// Most positions of a sequence.
    fn context(&self) -> usize;

    /// Columns of the hidden states.
    fn width(&self) -> usize;

    /// Bytes of all weights as they are held.
    fn weight_bytes(&self) -> usize;

    /// The kernels that compute it.
    fn kernels(&self) -> KernelNames;

    /// Bytes of the weights that one token is multiplied with.
    fn bytes_per_token(&self) -> usize;

    /// Multiply-adds counted as two operations for one forward pass over `tokens` positions after `before` others, with the
    /// results and logits of `logits` of them.
    fn flops(&self, tokens: usize, before: usize, logits: usize) -> u64;

    /// An empty cache for `capacity` positions, whose memory is taken as they come.
    ///
    /// # Errors
    /// Fails if that is more than the model's context, or the machine has not the memory for all of them.
    fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        let cache = self.cache_in(&KvPool::unbounded(), capacity)?;
        check_available(self.cache_bytes(capacity))?;
        Ok(cache)
    }

    /// The same with memory of a pool, which several caches may have together.
    ///
    /// # Errors
    /// Fails if that is more than the model's context, or an allocation fails.
    fn cache_in(&self, pool: &KvPool, capacity: usize) -> Result<KvCache, Error>;

    /// Bytes of a cache of `capacity` positions; no memory is allocated for the answer.
    fn cache_bytes(&self, capacity: usize) -> usize;

    /// Fresh run state.
    ///
    /// # Errors
    /// Fails if an allocation fails.
    fn activations(&self) -> Result<Activations, Error> {
        Activations::new()
    }

    /// Runs the pending tokens of all sequences, at most [`MAX_ROWS`] in all, through every block, and appends them to the caches:
    /// prompts and single tokens mixed. [`CausalModel::hidden`] and [`CausalModel::logits`] then give the rows of `results`. A row has
    /// the same bits whatever else is wanted, and whatever the other sequences are.
    ///
    /// # Errors
    /// Fails if a token is unknown, a sequence outgrows its cache or the pool of its cache ([`cke_kernels::Error::CacheFull`]), there is no
    /// token or too many, or with [`Error::Cancelled`] if `state` has a [`Cancellation`](crate::cancel::Cancellation) that wants it. Sequences
    /// are as before then, and the same call may follow.
    fn forward(
        &self,
        sequences: &mut [Sequence],
        results: Results,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error>;

    /// The final hidden states (rows, width) of the last forward pass.
    fn hidden<'s>(&self, rows: usize, state: &'s Activations) -> &'s [f32] {
        state.normed.of(0..rows)
    }

    /// Logits (rows.len(), vocabulary) of the given rows of the last forward pass, into `out`.
    ///
    /// # Errors
    /// Fails if `out` has another size.
    fn logits(
        &self,
        rows: Range<usize>,
        out: &mut [f32],
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error>;
}

/// Of which pending tokens the results of a forward pass are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// Of all: a row for each token, in order.
    All,
    /// Of the last one of each sequence that has any: a row for each of those, in order. The others end with the keys and values of
    /// the last block, which saves them the rest of it.
    Last,
}

/// One text in the making.
#[derive(Debug)]
pub struct Sequence {
    /// Tokens that the next forward pass takes in; none where the sequence rests.
    pub pending: Vec<u32>,
    /// What came before them.
    pub cache: KvCache,
}

impl Sequence {
    /// A sequence with the same past, whose cache shares memory with this one's, and nothing pending.
    ///
    /// # Errors
    /// Fails if an allocation fails.
    pub fn fork(&self) -> Result<Sequence, Error> {
        Ok(Sequence { pending: with_capacity(MAX_ROWS)?, cache: self.cache.fork()? })
    }

    /// Its part in the attention of one layer.
    pub(super) fn new_rows(&mut self, layer: usize) -> SequenceRows<'_> {
        SequenceRows { rows: self.pending.len(), cache: Some(self.cache.layer(layer)) }
    }

    /// The positions of the pending tokens.
    pub(super) fn positions(&self) -> Range<u32> {
        let first = self.cache.len() as u32;
        first..first + self.pending.len() as u32
    }
}
