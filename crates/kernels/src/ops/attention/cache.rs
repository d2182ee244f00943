//! Keys and values as packed panels, which the matrix microkernels read.
//!
//! Per key head: keys as panels of nr positions, each (head_dim, nr); values as panels of nr dimensions, each (capacity, nr).

use super::AttentionPlan;
use crate::error::Error;
use crate::gemm::PackArgs;
use crate::scratch::AlignedBuf;

/// Keys and values of one sequence in one layer, for a fixed number of positions.
#[derive(Debug)]
pub struct KvCache {
    keys: AlignedBuf<f32>,
    values: AlignedBuf<f32>,
    capacity: usize,
    pub(super) len: usize,
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

    /// Where the panels of one key head are.
    pub(super) fn panels(&self, plan: &AttentionPlan, kv_head: usize) -> Panels {
        Panels {
            keys: self.keys.as_raw().wrapping_add(kv_head * plan.keys_len(self.capacity)),
            values: self.values.as_raw().wrapping_add(kv_head * plan.values_len(self.capacity)),
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
    /// [`Error::OutOfMemory`].
    pub fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        let keys = AlignedBuf::zeroed(self.kv_heads.saturating_mul(self.keys_len(capacity)))?;
        let values = AlignedBuf::zeroed(self.kv_heads.saturating_mul(self.values_len(capacity)))?;
        Ok(KvCache { keys, values, capacity, len: 0 })
    }

    /// Bytes of a cache for `capacity` positions; no memory is allocated for the answer.
    pub fn cache_bytes(&self, capacity: usize) -> usize {
        self.kv_heads * (self.keys_len(capacity) + self.values_len(capacity)) * size_of::<f32>()
    }

    /// Elements of the keys of one head.
    pub(super) fn keys_len(&self, capacity: usize) -> usize {
        capacity.next_multiple_of(self.nr()).saturating_mul(self.head_dim)
    }

    /// Elements of the values of one head.
    pub(super) fn values_len(&self, capacity: usize) -> usize {
        self.head_dim.next_multiple_of(self.nr()).saturating_mul(capacity)
    }

    /// Writes one head's keys and values of `count` positions, whose rows are contiguous, as the positions from `first` on. Each source
    /// is element (0, 0) of a (count, head_dim) matrix and its row stride.
    ///
    /// # Safety
    /// The sources are valid for reads; the panels have room, are valid for reads and writes, and nobody else uses these positions
    /// meanwhile.
    pub(super) unsafe fn pack(
        &self,
        panels: Panels,
        first: usize,
        count: usize,
        (keys, key_stride): (*const f32, usize),
        (values, value_stride): (*const f32, usize),
    ) {
        let (nr, dim) = (self.nr(), self.head_dim);
        let mut position = first;
        while position < first + count {
            let (panel, lane) = (position / nr, position % nr);
            let cols = (nr - lane).min(first + count - position);
            let args = PackArgs {
                source: keys.wrapping_add((position - first) * key_stride),
                rows: dim,
                cols,
                row_stride: 1,
                col_stride: key_stride,
                out: panels.keys.wrapping_add(panel * dim * nr + lane),
                out_stride: nr,
            };
            // SAFETY: `cols` positions of one panel, promised by the caller.
            unsafe { self.kernel.pack(&args) };
            position += cols;
        }
        for (index, start) in (0..dim).step_by(nr).enumerate() {
            let args = PackArgs {
                source: values.wrapping_add(start),
                rows: count,
                cols: nr.min(dim - start),
                row_stride: value_stride,
                col_stride: 1,
                out: panels.values.wrapping_add((index * panels.capacity + first) * nr),
                out_stride: nr,
            };
            // SAFETY: `count` positions of one panel, promised by the caller.
            unsafe { self.kernel.pack(&args) };
        }
    }
}
