//! Memory for keys and values, in pages of a KV block.

use super::KvFormat;
use super::cache::Panels;
use crate::error::Error;
use crate::scratch::AlignedBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the caches that take their memory from it may hold together. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct KvPool {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    used: AtomicUsize,
}

impl KvPool {
    /// A pool of at most `limit` bytes, which are allocated as caches need them.
    pub fn of_bytes(limit: usize) -> KvPool {
        KvPool { state: Arc::new(State { limit, used: AtomicUsize::new(0) }) }
    }

    /// A pool that has what the machine has.
    pub fn unbounded() -> KvPool {
        KvPool::of_bytes(usize::MAX)
    }

    /// Bytes that caches may hold together.
    pub fn limit(&self) -> usize {
        self.state.limit
    }

    /// Bytes that caches hold now; what several share counts once.
    pub fn used(&self) -> usize {
        self.state.used.load(Ordering::Relaxed)
    }

    /// A page of zeros for `positions` positions.
    ///
    /// # Errors
    /// Returns [`Error::CacheFull`] if the pool has not that much left, [`Error::OutOfMemory`] if the allocation fails.
    pub(super) fn page(&self, format: KvFormat, positions: usize) -> Result<Page, Error> {
        let (wanted, limit) = (format.bytes(positions), self.state.limit);
        let take = |used: usize| used.checked_add(wanted).filter(|&used| used <= limit);
        self.state.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|used| Error::CacheFull {
            unit: "bytes",
            wanted,
            free: limit - used,
            limit,
        })?;
        // What is taken is given back when it is dropped.
        let mut page = Page { bytes: AlignedBuf::empty(0), taken: wanted, positions, pool: self.clone() };
        page.bytes = AlignedBuf::zeroed(wanted)?;
        Ok(page)
    }
}

/// The keys and values of all key heads of a layer for the positions of a KV block: head by head its keys and its values.
#[derive(Debug)]
pub(super) struct Page {
    bytes: AlignedBuf<u8>,
    /// Bytes that the pool has given.
    taken: usize,
    positions: usize,
    pool: KvPool,
}

impl Page {
    pub(super) fn bytes(&self) -> usize {
        self.taken
    }

    /// A page of the same pool with the same content.
    pub(super) fn copy(&self, format: KvFormat) -> Result<Page, Error> {
        let mut copy = self.pool.page(format, self.positions)?;
        copy.bytes.copy_from_slice(&self.bytes);
        Ok(copy)
    }

    /// Where the panels of one key head are.
    pub(super) fn panels(&self, format: KvFormat, kv_head: usize) -> Panels {
        debug_assert!(kv_head < format.key_heads);
        let start = self.bytes.as_raw().wrapping_add(kv_head * format.head_bytes(self.positions));
        format.panels(start, self.positions)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.pool.state.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}
