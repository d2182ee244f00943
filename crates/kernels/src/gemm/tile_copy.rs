//! Room for a copy of one tile, which each thread keeps from call to call: it would be much of a small stack.

use super::macro_kernel::MAX_TILE_BYTES;
use crate::scratch::{AlignedBuf, Zeroable};
use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Option<AlignedBuf<f64>>> = const { RefCell::new(None) };
}

/// Numbers of [`KEPT`].
const LEN: usize = MAX_TILE_BYTES / size_of::<f64>();

/// Calls `work` with room for [`MAX_TILE_BYTES`], aligned to a cache line, that holds some numbers.
pub(super) fn with_tile_copy<T: Zeroable>(mut work: impl FnMut(*mut T)) {
    let done = KEPT.try_with(|kept| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return false };
        if kept.is_none() {
            *kept = AlignedBuf::zeroed(LEN).ok();
        }
        kept.as_mut().map(|copy| work(copy.as_mut_ptr().cast())).is_some()
    });
    // There is no memory, or the thread ends.
    if done != Ok(true) {
        on_stack(work);
    }
}

#[cold]
#[inline(never)]
fn on_stack<T: Zeroable>(mut work: impl FnMut(*mut T)) {
    #[repr(align(64))]
    struct Room([f64; LEN]);
    let mut room = Room([0.0; LEN]);
    work(room.0.as_mut_ptr().cast());
}
