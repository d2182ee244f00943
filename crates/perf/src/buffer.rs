//! Memory to measure with, on pages of a chosen kind.

#![allow(unsafe_code, reason = "an allocation that is written late, and the kind of pages by a system call")]

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

use serde::Serialize;

use crate::throughput::MeasureError;

/// Size and alignment of a huge page; alignment lets the kernel use them from the first byte.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// The kind of pages that the system is asked for. It may refuse, which changes only the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// The smallest, 4 KiB on x86-64.
    Small,
    /// 2 MiB, by transparent huge pages.
    Huge,
}

/// Whole words of memory, aligned to [`HUGE_PAGE`]. The first [`words`](Buffer::words) writes them all, so that every page
/// is a real one, not the kernel's shared page of zeros, and lies near the CPU that asked first.
pub(crate) struct Buffer {
    start: NonNull<u64>,
    layout: Layout,
    is_filled: bool,
}

// SAFETY: the buffer owns its memory alone, and u64 may be sent.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Reserves `bytes`, rounded down to whole words but at least one, and touches none of them.
    ///
    /// # Errors
    ///
    /// Returns [`MeasureError::Memory`] if the memory cannot be allocated.
    pub(crate) fn reserve(bytes: usize, pages: Pages) -> Result<Self, MeasureError> {
        let refused = MeasureError::Memory { bytes };
        let words = (bytes / size_of::<u64>()).max(1);
        let Ok(layout) = Layout::from_size_align(words * size_of::<u64>(), HUGE_PAGE) else { return Err(refused) };
        // SAFETY: the size of `layout` is at least one word.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { return Err(refused) };
        advise(start, layout.size(), pages);
        Ok(Self { start: start.cast(), layout, is_filled: false })
    }

    /// The words, written with their numbers if this is the first call.
    pub(crate) fn words(&mut self) -> &mut [u64] {
        let words = self.layout.size() / size_of::<u64>();
        if !self.is_filled {
            for i in 0..words {
                // SAFETY: word `i` lies within the allocation, which is aligned for u64.
                unsafe { self.start.add(i).write(i as u64) };
            }
            self.is_filled = true;
        }
        // SAFETY: `reserve` allocated all these words and the loop above wrote them; `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), words) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `reserve` got this pointer from `alloc` with this layout, and nothing borrows it any more.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

#[cfg(target_os = "linux")]
fn advise(start: NonNull<u8>, bytes: usize, pages: Pages) {
    let advice = match pages {
        Pages::Small => libc::MADV_NOHUGEPAGE,
        Pages::Huge => libc::MADV_HUGEPAGE,
    };
    // SAFETY: the range is one live allocation of this type, and the advice changes no contents.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: NonNull<u8>, _bytes: usize, _pages: Pages) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_words_are_numbered_once() {
        let mut buffer = Buffer::reserve(100, Pages::Small).expect("a few words");
        assert_eq!(buffer.words().len(), 12);
        buffer.words()[3] = 99;
        assert_eq!(buffer.words()[2..5], [2, 99, 4]);
    }

    #[test]
    fn buffer_impossible_size_is_refused() {
        for bytes in [usize::MAX, usize::MAX / 2] {
            assert!(matches!(Buffer::reserve(bytes, Pages::Huge), Err(MeasureError::Memory { .. })));
        }
    }
}
