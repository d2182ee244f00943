//! Memory that can be refused to the library, to see what it does without.

use cke_testkit::CountingAllocator;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

/// Buffers of the library start on a cache line; nothing else in a test does.
const ALIGNMENT: usize = 64;

thread_local! {
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

/// The counting allocator, which refuses aligned buffers to a thread inside [`without_buffers`].
pub(crate) struct RefusingAllocator;

// SAFETY: a null pointer is an answer that every caller has to expect; all else goes to the other allocator unchanged. The flag is
// a constant-initialised thread-local without destructor, whose use allocates nothing.
unsafe impl GlobalAlloc for RefusingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if REFUSES.get() && layout.align() >= ALIGNMENT {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about `layout`, passed on.
        unsafe { CountingAllocator.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` with this layout, hence from the other allocator.
        unsafe { CountingAllocator.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; the caller promises a valid `new_size`.
        unsafe { CountingAllocator.realloc(pointer, layout, new_size) }
    }
}

/// Runs `work`, during which this thread gets no aligned buffer.
pub(crate) fn without_buffers<T>(work: impl FnOnce() -> T) -> T {
    /// Ends the refusal also where `work` panics.
    struct Refusal;
    impl Drop for Refusal {
        fn drop(&mut self) {
            REFUSES.set(false);
        }
    }
    REFUSES.set(true);
    let _refusal = Refusal;
    work()
}
