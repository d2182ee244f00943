//! Keys and values as packed panels, which the matrix microkernels read.
//!
//! Per key head: keys as panels of nr positions, each (head_dim, nr); values as panels of nr dimensions, each (capacity, nr).

use super::AttentionPlan;
use crate::error::Error;
use crate::scratch::AlignedBuf;
use std::fmt;

/// Where a cache has which element, for a capacity: a cache serves the plans of its own format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvFormat {
    pub(super) key_heads: usize,
    pub(super) head_dim: usize,
    /// Positions of a panel of keys, dimensions of a panel of values.
    pub(super) panel: usize,
}

impl fmt::Display for KvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KvFormat { key_heads, head_dim, panel } = self;
        write!(f, "{key_heads} key heads of {head_dim} in panels of {panel}")
    }
}

impl KvFormat {
    /// Elements of the keys of one head. Saturates.
    pub(super) fn keys_len(self, capacity: usize) -> usize {
        padded(capacity, self.panel).saturating_mul(self.head_dim)
    }

    /// Elements of the values of one head. Saturates.
    pub(super) fn values_len(self, capacity: usize) -> usize {
        padded(self.head_dim, self.panel).saturating_mul(capacity)
    }
}

/// `len` rounded up to whole panels. Saturates.
fn padded(len: usize, panel: usize) -> usize {
    len.checked_next_multiple_of(panel).unwrap_or(usize::MAX)
}

/// Keys and values of one sequence in one layer, for a fixed number of positions.
#[derive(Debug)]
pub struct KvCache {
    format: KvFormat,
    keys: AlignedBuf<f32>,
    values: AlignedBuf<f32>,
    capacity: usize,
    pub(super) len: usize,
}

impl KvCache {
    fn new(format: KvFormat, capacity: usize) -> Result<Self, Error> {
        let keys = AlignedBuf::zeroed(format.key_heads.saturating_mul(format.keys_len(capacity)))?;
        let values = AlignedBuf::zeroed(format.key_heads.saturating_mul(format.values_len(capacity)))?;
        Ok(KvCache { format, keys, values, capacity, len: 0 })
    }

    /// What the cache was made for.
    pub fn format(&self) -> KvFormat {
        self.format
    }

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

    /// Where the panels of one key head are.
    pub(super) fn panels(&self, kv_head: usize) -> Panels {
        debug_assert!(kv_head < self.format.key_heads);
        Panels {
            keys: self.keys.as_raw().wrapping_add(kv_head * self.format.keys_len(self.capacity)),
            values: self.values.as_raw().wrapping_add(kv_head * self.format.values_len(self.capacity)),
            capacity: self.capacity,
        }
    }
}

/// The packed keys and values of one head, with room for `capacity` positions.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) keys: *mut f32,
    pub(super) values: *mut f32,
    pub(super) capacity: usize,
}

impl AttentionPlan {
    /// An empty cache for `capacity` positions.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the allocation fails.
    pub fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        KvCache::new(self.format, capacity)
    }

    /// Bytes of a cache for `capacity` positions; no memory is allocated for the answer. Saturates.
    pub fn cache_bytes(&self, capacity: usize) -> usize {
        let elements = self.format.keys_len(capacity).saturating_add(self.format.values_len(capacity));
        elements.saturating_mul(self.format.key_heads).saturating_mul(size_of::<f32>())
    }
}
