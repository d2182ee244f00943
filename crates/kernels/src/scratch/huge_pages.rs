//! Memory for many buffers side by side on huge pages.

use super::{HUGE_PAGE, LINE, ask_for_huge_pages};
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are asked for at a time. What is not used of them is never touched, and so takes no memory.
const CHUNK: usize = 16 << 20;

/// Where buffers come from that live equally long and are too small for huge pages of their own, such as the packed weights of a model's
/// layers: on pages of 4 KB a layer of one megabyte is read from memory at two thirds of the speed. Clones are the same place. Memory is
/// given back 16 MB at a time, when the last buffer in it is dropped.
#[derive(Clone, Debug, Default)]
pub struct HugePages {
    open: Arc<Mutex<Option<Open>>>,
}

/// The chunk that the next buffers are taken from.
#[derive(Debug)]
struct Open {
    chunk: Arc<Chunk>,
    used: usize,
}

/// Memory of [`CHUNK`] bytes.
#[derive(Debug)]
pub(super) struct Chunk {
    memory: NonNull<u8>,
}

// SAFETY: it owns its memory, of which each part is handed out once.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl HugePages {
    /// A place that holds nothing yet.
    pub fn new() -> HugePages {
        HugePages::default()
    }

    /// So many bytes on a cache line, not yet written to, that nobody else has while the chunk lives; `None` for buffers that are large
    /// enough to have huge pages of their own, and where there is no memory for a chunk.
    pub(super) fn take(&self, bytes: usize) -> Option<(NonNull<u8>, Arc<Chunk>)> {
        let bytes = bytes.checked_next_multiple_of(LINE).filter(|&bytes| bytes < HUGE_PAGE)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_none_or(|open| CHUNK - open.used < bytes) {
            *open = Some(Open { chunk: Arc::new(Chunk::new()?), used: 0 });
        }
        let Open { chunk, used } = open.as_mut()?;
        // SAFETY: inside the chunk, as was just checked.
        let memory = unsafe { chunk.memory.add(*used) };
        *used += bytes;
        Some((memory, Arc::clone(chunk)))
    }
}

impl Chunk {
    const LAYOUT: Layout = match Layout::from_size_align(CHUNK, HUGE_PAGE) {
        Ok(layout) => layout,
        Err(_) => panic!("wanted a size and an alignment"),
    };

    fn new() -> Option<Chunk> {
        // SAFETY: the layout has a size above zero.
        let memory = NonNull::new(unsafe { alloc(Self::LAYOUT) })?;
        ask_for_huge_pages(memory.as_ptr(), CHUNK);
        Some(Chunk { memory })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout; buffers in it hold a count of it.
        unsafe { dealloc(self.memory.as_ptr(), Self::LAYOUT) }
    }
}
