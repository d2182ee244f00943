//! Keys and values of one sequence in every layer.

use crate::error::Error;
use cke_kernels::attention::{self, AttentionPlan};

/// What a sequence has said so far, as the attention layers remember it.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<attention::KvCache>,
}

impl KvCache {
    pub(crate) fn new<'p>(plans: impl Iterator<Item = &'p AttentionPlan>, capacity: usize) -> Result<KvCache, Error> {
        let layers = plans.map(|plan| plan.cache(capacity)).collect::<Result<_, _>>()?;
        Ok(KvCache { layers })
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

    /// Positions that it has room for.
    pub fn capacity(&self) -> usize {
        self.layers.first().map_or(0, attention::KvCache::capacity)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(attention::KvCache::bytes).sum()
    }

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(len));
    }
}
