//! Keys and values as packed panels, which the matrix microkernels read.
//!
//! Per key head: keys as panels of nr positions, each (head_dim, nr); values as panels of nr dimensions, each (capacity, nr). In bf16 two
//! steps of a panel, dimensions of keys or positions of values, are a block of nr pairs; a last step alone has zeros beside it.

use super::{AttentionPlan, KvDtype};
use crate::error::Error;
use crate::gemm::PanelFormat;
use crate::scratch::AlignedBuf;
use std::fmt;

/// Where a cache has which element, for a capacity: a cache serves the plans of its own format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvFormat {
    pub(super) key_heads: usize,
    pub(super) head_dim: usize,
    pub(super) dtype: KvDtype,
    /// Columns are positions of keys and dimensions of values, steps of K the other way round.
    pub(super) panel: &'static PanelFormat,
}

impl fmt::Display for KvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KvFormat { key_heads, head_dim, panel, .. } = self;
        write!(f, "{key_heads} key heads of {head_dim} as {panel}")
    }
}

impl KvFormat {
    /// What keys and values are kept as.
    pub fn dtype(self) -> KvDtype {
        self.dtype
    }

    /// Bytes of the keys of one head. Saturates.
    pub(super) fn keys_bytes(self, capacity: usize) -> usize {
        self.panel.bytes(self.head_dim, capacity)
    }

    /// Bytes of the values of one head. Saturates.
    pub(super) fn values_bytes(self, capacity: usize) -> usize {
        self.panel.bytes(capacity, self.head_dim)
    }
}

/// Keys and values of one sequence in one layer, for a fixed number of positions.
#[derive(Debug)]
pub struct KvCache {
    format: KvFormat,
    keys: AlignedBuf<u8>,
    values: AlignedBuf<u8>,
    capacity: usize,
    pub(super) len: usize,
}

impl KvCache {
    fn new(format: KvFormat, capacity: usize) -> Result<Self, Error> {
        let keys = AlignedBuf::zeroed(format.key_heads.saturating_mul(format.keys_bytes(capacity)))?;
        let values = AlignedBuf::zeroed(format.key_heads.saturating_mul(format.values_bytes(capacity)))?;
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
        self.keys.len() + self.values.len()
    }

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Where the panels of one key head are.
    pub(super) fn panels(&self, kv_head: usize) -> Panels {
        debug_assert!(kv_head < self.format.key_heads);
        Panels {
            keys: self.keys.as_raw().wrapping_add(kv_head * self.format.keys_bytes(self.capacity)),
            values: self.values.as_raw().wrapping_add(kv_head * self.format.values_bytes(self.capacity)),
            capacity: self.capacity,
        }
    }
}

/// The packed keys and values of one head, with room for `capacity` positions.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) keys: *mut u8,
    pub(super) values: *mut u8,
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
        let of_head = self.format.keys_bytes(capacity).saturating_add(self.format.values_bytes(capacity));
        of_head.saturating_mul(self.format.key_heads)
    }
}
