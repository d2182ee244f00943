//! Keys and values as packed panels, which the matrix microkernels read.
//!
//! A cache is a list of pages, one for each KV block of positions, which it takes from a pool as it grows. In a page lie, per key head, keys as
//! panels of nr positions, each (head_dim, nr), and values as panels of nr dimensions, each (positions, nr). In bf16 two steps of a
//! panel, dimensions of keys or positions of values, are a block of nr pairs; a last step alone has zeros beside it. In int8 panels are those
//! of f32 with a byte for each number, and behind them lie the scales of keys and those of values, one for each position.
//!
//! Caches that begin with the same text share its pages: [`KvCache::fork`] counts references, and what is written to is copied before if
//! others have it too. Which pages are shared changes no bit, since attention goes from KV block to KV block anyway.

use super::pool::{KvPool, Page};
use super::{AttentionPlan, KvDtype, kv_block};
use crate::error::Error;
use crate::gemm::PanelFormat;
use std::fmt;
use std::sync::Arc;

/// Where a page has which element, for a number of positions: a cache serves the plans of its own format.
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
        write!(f, "{key_heads} key heads of {head_dim} as {panel}")?;
        if self.is_quantized() { f.write_str(" in int8") } else { Ok(()) }
    }
}

impl KvFormat {
    /// What keys and values are kept as.
    pub fn dtype(self) -> KvDtype {
        self.dtype
    }

    /// Whether panels hold numbers of eight bits, which are widened to what the kernel reads.
    pub(super) fn is_quantized(self) -> bool {
        self.dtype == KvDtype::Int8
    }

    /// Bytes that what has this many bytes in the kernel's panels has in a cache.
    pub(super) fn stored(self, bytes: usize) -> usize {
        if self.is_quantized() { bytes / size_of::<f32>() } else { bytes }
    }

    /// The same with room for what stands behind to begin at a cache line. Saturates.
    fn room(self, bytes: usize) -> usize {
        if self.is_quantized() { whole_lines(self.stored(bytes)) } else { bytes }
    }

    /// Bytes of the keys of one head. Saturates.
    fn keys_bytes(self, capacity: usize) -> usize {
        self.room(self.panel.bytes(self.head_dim, capacity))
    }

    /// Bytes of the values of one head. Saturates.
    fn values_bytes(self, capacity: usize) -> usize {
        self.room(self.panel.bytes(capacity, self.head_dim))
    }

    /// Bytes of the scales of one head's keys, and of its values. Saturates.
    fn scales_bytes(self, capacity: usize) -> usize {
        if self.is_quantized() { whole_lines(capacity.saturating_mul(size_of::<f32>())) } else { 0 }
    }

    /// Bytes of the keys and values of one head. Saturates.
    pub(super) fn head_bytes(self, capacity: usize) -> usize {
        let panels = self.keys_bytes(capacity).saturating_add(self.values_bytes(capacity));
        panels.saturating_add(self.scales_bytes(capacity).saturating_mul(2))
    }

    /// What lies where in [`KvFormat::head_bytes`] from an address on.
    pub(super) fn panels(self, start: *mut u8, capacity: usize) -> Panels {
        let values = start.wrapping_add(self.keys_bytes(capacity));
        let scales = values.wrapping_add(self.values_bytes(capacity));
        let value_scales = scales.wrapping_add(self.scales_bytes(capacity)).cast();
        Panels { keys: start, values, key_scales: scales.cast(), value_scales, capacity }
    }

    /// Bytes of the keys and values of all heads. Saturates.
    pub(super) fn bytes(self, capacity: usize) -> usize {
        self.head_bytes(capacity).saturating_mul(self.key_heads)
    }
}

/// Bytes rounded up to whole cache lines. Saturates.
fn whole_lines(bytes: usize) -> usize {
    const LINE: usize = 64;
    bytes.checked_next_multiple_of(LINE).unwrap_or(usize::MAX)
}

/// Keys and values of one sequence in one layer, for a number of positions at most.
#[derive(Debug)]
pub struct KvCache {
    format: KvFormat,
    pool: KvPool,
    /// One for each KV block, from the first position on; there may be more than the positions held need.
    pages: Vec<Arc<Page>>,
    capacity: usize,
    pub(super) len: usize,
}

impl KvCache {
    fn new(format: KvFormat, pool: KvPool, capacity: usize) -> Result<Self, Error> {
        Ok(KvCache { format, pool, pages: page_list(format, capacity)?, capacity, len: 0 })
    }

    /// A cache that holds the same, in the same pages: those that one of both writes to are copied then.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the list of pages cannot be allocated.
    pub fn fork(&self) -> Result<KvCache, Error> {
        let mut pages = page_list(self.format, self.capacity)?;
        let held = self.len.div_ceil(kv_block(self.format));
        pages.extend(self.pages[..held].iter().map(Arc::clone));
        Ok(KvCache { pages, pool: self.pool.clone(), ..*self })
    }

    /// Takes the memory that `rows` more positions need, so that appending them cannot fail.
    ///
    /// # Errors
    /// Returns [`Error::CacheFull`] if the capacity or the pool has not that much left, [`Error::OutOfMemory`] if an
    /// allocation fails.
    pub fn reserve(&mut self, rows: usize) -> Result<(), Error> {
        let free = self.capacity - self.len;
        if rows > free {
            return Err(Error::CacheFull { unit: "positions", wanted: rows, free, limit: self.capacity });
        }
        let (block, pages) = (kv_block(self.format), self.pages.len());
        let taken = if rows == 0 { 0..0 } else { self.len / block..(self.len + rows).div_ceil(block) };
        for index in taken {
            if let Err(error) = self.own_page(index, block) {
                self.pages.truncate(pages);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the page of a KV block one that nobody else has, with what is held of it.
    fn own_page(&mut self, index: usize, block: usize) -> Result<(), Error> {
        let start = index * block;
        let empty = || self.pool.page(self.format, block.min(self.capacity - start));
        match self.pages.get_mut(index) {
            None => self.pages.push(Arc::new(empty()?)),
            Some(page) => {
                if Arc::get_mut(page).is_none() {
                    *page = Arc::new(if start < self.len { page.copy(self.format)? } else { empty()? });
                }
            }
        }
        Ok(())
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

    /// Positions that it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that its pages have, those that it shares among them.
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes()).sum()
    }

    /// Forgets every position from `len` on. Their memory stays, for what comes in their place.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Gives memory back that no position needs.
    pub fn shrink(&mut self) {
        self.pages.truncate(self.len.div_ceil(kv_block(self.format)));
    }

    /// Where the panels of one key head are for a KV block.
    pub(super) fn panels(&self, kv_head: usize, block: usize) -> Panels {
        self.pages[block].panels(self.format, kv_head)
    }
}

/// Room for the pages of all positions.
fn page_list(format: KvFormat, capacity: usize) -> Result<Vec<Arc<Page>>, Error> {
    let (mut pages, count) = (Vec::new(), capacity.div_ceil(kv_block(format)));
    let bytes = count.saturating_mul(size_of::<Arc<Page>>());
    pages.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes })?;
    Ok(pages)
}

/// Packed keys and values of one head, with room for `capacity` positions.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) keys: *mut u8,
    pub(super) values: *mut u8,
    /// Of the keys in eight bits, one for each position.
    pub(super) key_scales: *mut f32,
    /// Of the values likewise.
    pub(super) value_scales: *mut f32,
    pub(super) capacity: usize,
}

/// Those of one head, KV block by KV block.
#[derive(Clone, Copy)]
pub(super) enum HeadPanels<'a> {
    /// All positions together.
    Whole(Panels),
    /// In the pages of a cache.
    Paged { cache: &'a KvCache, kv_head: usize },
}

impl HeadPanels<'_> {
    /// The panels from the first position of a KV block on.
    #[inline]
    pub(super) fn of_block(self, format: KvFormat, block: usize) -> Panels {
        match self {
            HeadPanels::Paged { cache, kv_head } => cache.panels(kv_head, block),
            HeadPanels::Whole(Panels { keys, values, key_scales, value_scales, capacity }) => {
                let (start, panel) = (block * kv_block(format), format.panel);
                // KV blocks are whole panels, and whole blocks of panels.
                let keys_before = format.stored(start / panel.cols * panel.panel_bytes(format.head_dim));
                Panels {
                    keys: keys.wrapping_add(keys_before),
                    values: values.wrapping_add(format.stored(start / panel.block_k * panel.block_bytes)),
                    key_scales: key_scales.wrapping_add(start),
                    value_scales: value_scales.wrapping_add(start),
                    capacity,
                }
            }
        }
    }
}

impl AttentionPlan {
    /// An empty cache for `capacity` positions.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the list of its pages cannot be allocated.
    pub fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        self.cache_in(&KvPool::unbounded(), capacity)
    }

    /// The same with memory of a pool.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the list of its pages cannot be allocated.
    pub fn cache_in(&self, pool: &KvPool, capacity: usize) -> Result<KvCache, Error> {
        KvCache::new(self.format, pool.clone(), capacity)
    }

    /// Bytes of a cache of `capacity` positions, with nothing shared; no memory is allocated for the answer. Saturates.
    pub fn cache_bytes(&self, capacity: usize) -> usize {
        let block = kv_block(self.format);
        let whole = self.format.bytes(block).saturating_mul(capacity / block);
        whole.saturating_add(self.format.bytes(capacity % block))
    }
}
