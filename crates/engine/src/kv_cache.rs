//! Keys and values of one sequence in every layer.

use crate::error::Error;
use cke_kernels::attention::{self, AttentionPlan, KvPool};

/// What a sequence has said so far, as the attention layers remember it.
///
/// Its memory grows with the text, a page for each layer and KV block of some 512 positions, and comes from a [`KvPool`].
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<attention::KvCache>,
}

impl KvCache {
    pub(crate) fn new<'p>(
        plans: impl Iterator<Item = &'p AttentionPlan>,
        pool: &KvPool,
        capacity: usize,
    ) -> Result<KvCache, Error> {
        let layers = plans.map(|plan| plan.cache_in(pool, capacity)).collect::<Result<_, _>>()?;
        Ok(KvCache { layers })
    }

    /// A cache that holds the same in the same memory. Pages that one of both writes to are copied then; results have the bits of a
    /// cache that shares nothing.
    ///
    /// # Errors
    /// Fails if an allocation fails.
    pub fn fork(&self) -> Result<KvCache, Error> {
        Ok(KvCache { layers: self.layers.iter().map(attention::KvCache::fork).collect::<Result<_, _>>()? })
    }

    /// Takes the memory that `rows` more positions need in every layer.
    ///
    /// # Errors
    /// Fails with [`cke_kernels::Error::CacheFull`] if the capacity or the pool has not that much left, or if an allocation fails.
    pub fn reserve(&mut self, rows: usize) -> Result<(), Error> {
        Ok(self.layers.iter_mut().try_for_each(|layer| layer.reserve(rows))?)
    }

    pub(crate) fn layer(&mut self, index: usize) -> &mut attention::KvCache {
        &mut self.layers[index]
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, attention::KvCache::len)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions that it may hold.
    pub fn capacity(&self) -> usize {
        self.layers.first().map_or(0, attention::KvCache::capacity)
    }

    /// Bytes of its pages, those that it shares among them.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(attention::KvCache::bytes).sum()
    }

    /// Gives memory back that no position needs.
    pub fn shrink(&mut self) {
        self.layers.iter_mut().for_each(attention::KvCache::shrink);
    }

    /// Forgets every position from `len` on. Their memory stays, for what comes in their place.
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(len));
    }
}
