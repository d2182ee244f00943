//! Counting what a piece of code allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counting what each thread asks of it, and what all of them hold. A test binary installs it:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: cke_testkit::CountingAllocator = cke_testkit::CountingAllocator;
///
/// assert_eq!(cke_testkit::allocations(|| drop(std::hint::black_box(vec![1u8; 100]))), 1);
/// assert!(cke_testkit::peak_bytes(|| drop(std::hint::black_box(vec![1u8; 100]))) >= 100);
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that are held, and the most since [`peak_bytes`] began.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are atomics and a constant-initialised thread-local
// without destructor, whose use allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `alloc` with this layout, hence from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as in `dealloc`; the caller promises a valid `new_size`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Allocations of this thread while `work` runs, where [`CountingAllocator`] is installed; 0 elsewhere.
pub fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// The most bytes that all threads together hold at a time while `work` runs, beyond those held before, where [`CountingAllocator`] is
/// installed; 0 elsewhere. Other tests must not run meanwhile.
pub fn peak_bytes(work: impl FnOnce()) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}
