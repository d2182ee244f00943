//! Aligned memory: buffers that hold packed weights, and scratch that is reused from call to call.
//!
//! Most programs make one [`Scratch`] for each thread that calls kernels and lend it to every call. [`AlignedBuf`] and [`HugePages`] are
//! for programs that place weights themselves.

mod huge_pages;

pub use huge_pages::HugePages;

use crate::error::Error;
use huge_pages::Chunk;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes of a cache line. Every buffer starts on one.
pub(crate) const LINE: usize = 64;
/// Buffers of at least this many bytes start on a huge page and ask for more of them.
const HUGE_PAGE: usize = 2 << 20;

/// The unit in which memory is held, so that it starts on a cache line, that of an empty buffer too.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; LINE],
}
// SAFETY: bytes, as many as the alignment says, so there is no padding.
unsafe impl Zeroable for Line {}

/// Types of which any bytes are a value, so that zeroed or reused memory may be used as it is.
///
/// # Safety
/// - Every bit pattern is a valid value.
/// - Every byte of a value is initialised: the type has no padding, since memory that held it may be read as another type next.
/// - The type is not stricter aligned than a cache line (64 bytes).
pub unsafe trait Zeroable: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The value whose bytes are all zero.
    fn zero() -> Self {
        // SAFETY: promised by the implementation.
        unsafe { std::mem::zeroed() }
    }
}
// SAFETY: a plain number.
unsafe impl Zeroable for f32 {}
// SAFETY: a plain number.
unsafe impl Zeroable for f64 {}
// SAFETY: a plain number.
unsafe impl Zeroable for u32 {}
// SAFETY: a plain number.
unsafe impl Zeroable for u8 {}
// SAFETY: a plain number.
unsafe impl Zeroable for i8 {}
// SAFETY: a plain number.
unsafe impl Zeroable for i32 {}

/// A fixed-length zeroed buffer on a cache line, or on huge pages where it is large.
#[derive(Debug)]
pub struct AlignedBuf<T: Zeroable> {
    data: NonNull<T>,
    len: usize,
    /// Where its memory is, if that is not an allocation of its own.
    chunk: Option<Arc<Chunk>>,
}

// SAFETY: the buffer owns its memory, or that part of a chunk, and Zeroable types are Send and Sync.
unsafe impl<T: Zeroable> Send for AlignedBuf<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroable> Sync for AlignedBuf<T> {}

impl<T: Zeroable> AlignedBuf<T> {
    /// No memory, on a cache line all the same.
    pub(crate) const fn empty(len: usize) -> Self {
        const { assert!(align_of::<T>() <= LINE, "wanted a type that is not stricter aligned than a cache line") };
        AlignedBuf { data: NonNull::<Line>::dangling().cast(), len, chunk: None }
    }

    /// `len` zeros.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the allocation fails.
    pub fn zeroed(len: usize) -> Result<Self, Error> {
        let bytes = len.saturating_mul(size_of::<T>());
        if bytes == 0 {
            return Ok(Self::empty(len));
        }
        let layout = Self::layout(len).ok_or(Error::OutOfMemory { bytes })?;
        // SAFETY: the layout has a size above zero.
        let memory = unsafe { alloc(layout) };
        let data = NonNull::new(memory.cast::<T>()).ok_or(Error::OutOfMemory { bytes })?;
        // Before the first touch, which decides the size of the pages.
        ask_for_huge_pages(memory, bytes);
        // SAFETY: the memory was just allocated with this size.
        unsafe { memory.write_bytes(0, bytes) };
        Ok(AlignedBuf { data, len, chunk: None })
    }

    /// As [`AlignedBuf::zeroed`], beside the other buffers of `pages` unless it is large.
    ///
    /// # Errors
    /// Those of [`AlignedBuf::zeroed`].
    pub fn zeroed_in(pages: &HugePages, len: usize) -> Result<Self, Error> {
        let bytes = len.saturating_mul(size_of::<T>());
        let taken = if bytes == 0 { None } else { pages.take(bytes) };
        let Some((memory, chunk)) = taken else { return Self::zeroed(len) };
        // SAFETY: `memory` points to the `bytes` bytes that `take` just reserved for this buffer.
        unsafe { memory.write_bytes(0, bytes) };
        Ok(AlignedBuf { data: memory.cast(), len, chunk: Some(chunk) })
    }

    /// Where the elements are, for parts that are written by several threads.
    pub(crate) fn as_raw(&self) -> *mut T {
        self.data.as_ptr()
    }

    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.checked_mul(size_of::<T>())?;
        Layout::from_size_align(bytes, if bytes >= HUGE_PAGE { HUGE_PAGE } else { LINE }).ok()
    }
}

#[cfg(target_os = "linux")]
fn ask_for_huge_pages(memory: *mut u8, bytes: usize) {
    if bytes >= HUGE_PAGE {
        // SAFETY: the range was just allocated and starts on a page; the advice changes no contents, and a refusal is harmless.
        unsafe { libc::madvise(memory.cast(), bytes, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_memory: *mut u8, _bytes: usize) {}

impl<T: Zeroable> Drop for AlignedBuf<T> {
    fn drop(&mut self) {
        if self.chunk.is_some() {
            return;
        }
        if let Some(layout) = Self::layout(self.len).filter(|layout| layout.size() > 0) {
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.data.as_ptr().cast(), layout) }
        }
    }
}

impl<T: Zeroable> Deref for AlignedBuf<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: data is aligned and valid for len initialised elements (zeroed at birth); where these have no bytes it may dangle.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> DerefMut for AlignedBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in deref, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }
}

/// Working memory that grows to the largest demand and is then reused: no allocation in the steady state.
#[derive(Debug)]
pub struct Scratch {
    small: Arena,
    rest: Arena,
}

impl Scratch {
    /// Scratch that holds nothing yet.
    pub const fn new() -> Self {
        Scratch { small: Arena::new(), rest: Arena::new() }
    }

    /// Runs `work` with the scratch that the calling thread keeps from call to call.
    pub fn of_thread<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        thread_local! {
            static KEPT: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
        }
        // While the thread ends, its memory is gone already.
        let mut scratch = KEPT.try_with(RefCell::take).unwrap_or_default();
        let result = work(&mut scratch);
        let _ = KEPT.try_with(|kept| kept.replace(scratch));
        result
    }

    /// `len` elements with unspecified contents.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if it has to grow and the allocation fails.
    pub fn take<T: Zeroable>(&mut self, len: usize) -> Result<&mut [T], Error> {
        self.rest.take(len)
    }

    /// For each of `workers` a buffer of `len` elements with unspecified contents.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if it has to grow and the allocation fails.
    pub fn take_per_worker<T: Zeroable>(&mut self, workers: usize, len: usize) -> Result<PerWorker<'_, T>, Error> {
        self.rest.take_per_worker(workers, len)
    }

    /// Two parts, for calls that need memory of two kinds; the first is for the smaller one.
    pub(crate) fn two_parts(&mut self) -> (&mut Arena, &mut Arena) {
        (&mut self.small, &mut self.rest)
    }
}

/// One piece of memory of a [`Scratch`].
#[derive(Debug)]
pub(crate) struct Arena {
    buffer: AlignedBuf<Line>,
}

impl Arena {
    const fn new() -> Self {
        Arena { buffer: AlignedBuf::empty(0) }
    }

    /// As [`Scratch::take`].
    pub(crate) fn take<T: Zeroable>(&mut self, len: usize) -> Result<&mut [T], Error> {
        const { assert!(align_of::<T>() <= LINE, "wanted a type that is not stricter aligned than a cache line") };
        let lines = len.saturating_mul(size_of::<T>()).div_ceil(LINE);
        if self.buffer.len < lines {
            self.buffer = AlignedBuf::zeroed(lines)?;
        }
        // SAFETY: the buffer starts on a cache line even if it is empty, holds `len` elements, every byte of it is initialised (zeroed
        // at birth, and no Zeroable type has padding), and any bytes are a T; the borrow is exclusive.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.buffer.as_mut_ptr().cast(), len) })
    }

    /// As [`Scratch::take_per_worker`].
    pub(crate) fn take_per_worker<T: Zeroable>(
        &mut self,
        workers: usize,
        len: usize,
    ) -> Result<PerWorker<'_, T>, Error> {
        Ok(PerWorker::new(self.take(workers.saturating_mul(PerWorker::<T>::padded(len)))?, len))
    }
}

/// One buffer per worker of a pool, borrowed from a [`Scratch`].
#[derive(Debug)]
pub struct PerWorker<'a, T> {
    data: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: an exclusive borrow of a slice, whose parts are handed out under the contract of `get`.
unsafe impl<T: Send> Sync for PerWorker<'_, T> {}

impl<'a, T> PerWorker<'a, T> {
    /// As many buffers of `len` elements as `data` has room for.
    pub(crate) fn new(data: &'a mut [T], len: usize) -> Self {
        PerWorker { data: data.as_mut_ptr(), len: Self::padded(len), borrow: PhantomData }
    }

    /// `len` rounded up to whole cache lines. Saturates.
    pub(crate) fn padded(len: usize) -> usize {
        let line = (LINE / size_of::<T>().max(1)).max(1);
        len.checked_next_multiple_of(line).unwrap_or(usize::MAX)
    }

    /// The buffer of one worker.
    ///
    /// # Safety
    /// `worker` is below the number of workers asked for, and its buffer is in use nowhere else.
    #[allow(clippy::mut_from_ref, reason = "each worker has a buffer of its own, as the contract says")]
    pub unsafe fn get(&self, worker: usize) -> &mut [T] {
        // SAFETY: the scratch holds `len` elements for each worker; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(worker * self.len), self.len) }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_is_aligned_and_zero() {
        for len in [1, 15, 4096, 1 << 20] {
            let buffer = AlignedBuf::<f32>::zeroed(len).unwrap();
            assert_eq!(buffer.as_ptr() as usize % LINE, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
        }
        assert!(AlignedBuf::<f32>::zeroed(0).unwrap().is_empty());
    }

    #[test]
    fn buffers_on_huge_pages_lie_side_by_side_and_outlive_them() {
        let pages = HugePages::new();
        let mut buffers: Vec<_> = [1, 70, 1 << 18].map(|len| AlignedBuf::<f32>::zeroed_in(&pages, len).unwrap()).into();
        assert!(buffers.iter().all(|buffer| is_on_a_line(buffer) && buffer.iter().all(|&x| x == 0.0)));
        let addresses: Vec<_> = buffers.iter().map(|buffer| buffer.as_ptr().addr()).collect();
        assert!(addresses[0].is_multiple_of(HUGE_PAGE));
        assert_eq!(addresses[1..], [addresses[0] + 64, addresses[0] + 64 + 320]);
        drop(pages);
        buffers.remove(1);
        buffers[1].fill(1.0);
        assert_eq!(buffers[0][..], [0.0]);
    }

    #[test]
    fn chunks_follow_each_other_and_large_buffers_stand_alone() {
        let pages = HugePages::new();
        let take = |len| AlignedBuf::<u8>::zeroed_in(&pages, len).unwrap();
        let (large, empty) = (take(2 << 20), take(0));
        assert!(large.chunk.is_none() && empty.chunk.is_none());
        let small: Vec<_> = (0..12).map(|_| take(3 << 19)).collect();
        let chunk = |index: usize| small[index].chunk.as_ref().map(Arc::as_ptr);
        assert!(chunk(0).is_some() && chunk(9) == chunk(0) && chunk(10) != chunk(0) && chunk(11) == chunk(10));
    }

    /// An address that nothing was written to.
    fn is_on_a_line<T>(slice: &[T]) -> bool {
        slice.as_ptr().addr().is_multiple_of(LINE)
    }

    #[test]
    fn take_of_nothing_from_new_scratch_is_aligned_for_every_type() {
        assert!(is_on_a_line(Scratch::new().take::<f64>(0).unwrap()));
        assert!(is_on_a_line(Scratch::new().take::<f32>(0).unwrap()));
        assert!(is_on_a_line(Scratch::new().take::<Line>(0).unwrap()));
        assert!(is_on_a_line(&AlignedBuf::<f64>::zeroed(0).unwrap()));
        let mut scratch = Scratch::new();
        let buffers = scratch.take_per_worker::<f64>(1, 0).unwrap();
        // SAFETY: the only worker.
        assert!(is_on_a_line(unsafe { buffers.get(0) }));
    }

    #[test]
    fn take_per_worker_of_impossible_sizes_is_an_error() {
        for (workers, len) in [(1, usize::MAX), (usize::MAX, 1), (usize::MAX, usize::MAX), (2, usize::MAX / 2 - 3)] {
            let outcome = Scratch::new().take_per_worker::<f32>(workers, len).map(|_| ());
            assert!(
                matches!(outcome, Err(Error::OutOfMemory { .. })),
                "{workers} workers, {len} elements: {outcome:?}"
            );
        }
    }

    #[test]
    fn impossible_size_is_an_error() {
        for len in [usize::MAX, usize::MAX / 4, 1 << 60] {
            assert!(matches!(AlignedBuf::<f32>::zeroed(len), Err(Error::OutOfMemory { .. })), "{len}");
        }
    }

    #[test]
    fn scratch_keeps_its_memory() {
        let mut scratch = Scratch::new();
        let first = scratch.take::<f32>(1000).unwrap().as_ptr();
        assert_eq!(scratch.take::<f32>(10).unwrap().as_ptr(), first);
        assert_eq!(scratch.take::<f32>(1000).unwrap().as_ptr(), first);
    }
}
