//! Two threads that write one place, which ThreadSanitizer has to find; thread.sh compiles and runs it.

use std::cell::UnsafeCell;

struct Shared(UnsafeCell<u32>);
// SAFETY: none. Two threads write it at once, and that is what the sanitizer is to report.
unsafe impl Sync for Shared {}
static SHARED: Shared = Shared(UnsafeCell::new(0));

fn write() {
    // SAFETY: none, as above.
    (0..1000).for_each(|i| unsafe { SHARED.0.get().write_volatile(i) });
}

fn main() {
    let other = std::thread::spawn(write);
    write();
    let _ = other.join();
}
