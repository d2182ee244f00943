//! Room for a few kilobytes of copies, which each thread keeps from call to call: it would be much of a small stack.

use crate::scratch::{AlignedBuf, Zeroable};
use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Option<AlignedBuf<f64>>> = const { RefCell::new(None) };
}

/// Bytes of the largest tile.
pub(super) const MAX_TILE_BYTES: usize = 4 << 10;

/// Bytes of the room.
pub(super) const ROOM: usize = 16 << 10;
const _: () = assert!(ROOM >= MAX_TILE_BYTES);

/// Calls `work` with room for [`ROOM`] bytes, aligned to a cache line, that holds some numbers; `None` if there is no memory, the thread
/// ends, or the room is in use.
#[inline]
pub(super) fn with_room<T: Zeroable, R>(work: impl FnOnce(*mut T) -> R) -> Option<R> {
    let done = KEPT.try_with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        if kept.is_none() {
            *kept = allocate();
        }
        kept.as_mut().map(|room| work(room.as_mut_ptr().cast()))
    });
    done.ok().flatten()
}

#[cold]
fn allocate() -> Option<AlignedBuf<f64>> {
    AlignedBuf::zeroed(ROOM / size_of::<f64>()).ok()
}

/// Calls `work` with room for one tile, as [`with_room`] or else on the stack.
pub(super) fn with_tile_copy<T: Zeroable>(work: impl Fn(*mut T)) {
    if with_room(&work).is_none() {
        on_stack(work);
    }
}

#[cold]
#[inline(never)]
fn on_stack<T: Zeroable>(work: impl Fn(*mut T)) {
    const LEN: usize = MAX_TILE_BYTES / size_of::<f64>();
    #[repr(align(64))]
    struct Room([f64; LEN]);
    let mut room = Room([0.0; LEN]);
    work(room.0.as_mut_ptr().cast());
}
