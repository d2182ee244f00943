//! Buffers that end, or begin, at a page nobody may touch: a read or write past them faults at once.

use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::guard::Element;

/// Owned values of which the last (or first) abuts an inaccessible page.
///
/// Unlike [`Guarded`](crate::Guarded) it also finds reads, and it sees into assembly. The slack on the other side, up
/// to a page, is filled with [`Element::CANARY`] but not checked.
#[derive(Debug)]
pub struct PageGuarded<T: Element> {
    mapping: NonNull<u8>,
    mapping_len: usize,
    data: NonNull<T>,
    len: usize,
    owns: PhantomData<T>,
}

// SAFETY: the mapping belongs to this value alone and holds plain numbers (`Element: Copy + 'static`), which may be
// moved to another thread.
unsafe impl<T: Element + Send> Send for PageGuarded<T> {}
// SAFETY: a shared reference gives shared slices only.
unsafe impl<T: Element + Sync> Sync for PageGuarded<T> {}

impl<T: Element> PageGuarded<T> {
    /// A copy of `values` whose end abuts an inaccessible page.
    ///
    /// # Panics
    /// When the system refuses the mapping.
    pub fn at_end(values: &[T]) -> Self {
        Self::map(values, true)
    }

    /// A copy of `values` whose beginning abuts an inaccessible page.
    ///
    /// # Panics
    /// When the system refuses the mapping.
    pub fn at_start(values: &[T]) -> Self {
        Self::map(values, false)
    }

    /// The values.
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `map` wrote `len` values at `data`, inside the readable pages, aligned; the mapping lives as long as
        // `self`, and a shared borrow of `self` excludes writers.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }

    /// The values, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`; the pages are writable and `&mut self` makes the borrow the only one.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }

    /// Maps the pages of the data and one more that stays inaccessible, after the data or before it.
    fn map(values: &[T], guard_is_last: bool) -> Self {
        let page = page_size();
        let bytes = size_of_val(values);
        let accessible = bytes.max(1).next_multiple_of(page);
        let mapping_len = accessible + page;
        let mapping = reserve(mapping_len);
        let first = if guard_is_last { 0 } else { page };
        // SAFETY: `first + accessible ≤ mapping_len`, both multiples of the page size, in the mapping just made.
        let opened = unsafe {
            let start = mapping.as_ptr().add(first);
            libc::mprotect(start.cast(), accessible, libc::PROT_READ | libc::PROT_WRITE)
        };
        assert_eq!(opened, 0, "mprotect of {accessible} bytes: {}", std::io::Error::last_os_error());

        let slots = accessible / size_of::<T>(); // pages are multiples of every element's size
        let skipped = if guard_is_last { slots - values.len() } else { 0 };
        // SAFETY: the accessible pages hold `slots` elements from `first` on, which is aligned to a page and so to T,
        // and nobody else knows them yet; `skipped + values.len() ≤ slots`.
        let data = unsafe {
            let start = mapping.add(first).cast::<T>();
            for slot in 0..slots {
                start.add(slot).write(T::CANARY);
            }
            let data = start.add(skipped);
            std::ptr::copy_nonoverlapping(values.as_ptr(), data.as_ptr(), values.len());
            data
        };
        Self { mapping, mapping_len, data, len: values.len(), owns: PhantomData }
    }
}

impl<T: Element> Drop for PageGuarded<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `map` made; every borrow of it has ended with `self`.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), self.mapping_len) };
    }
}

/// A private mapping of `len` bytes without any access.
fn reserve(len: usize) -> NonNull<u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: no address is asked for, so no existing mapping is replaced; the arguments are those of mmap(2).
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(address, libc::MAP_FAILED, "mmap of {len} bytes: {}", std::io::Error::last_os_error());
    NonNull::new(address.cast()).expect("mmap(2) gives no null address unless asked for one")
}

fn page_size() -> usize {
    // SAFETY: sysconf(3) has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("the page size is known")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;

    use super::*;

    const CHILD: &str = "CKE_TESTKIT_FAULT";

    #[test]
    fn page_guarded_of_each_length_holds_its_values() {
        for len in [0, 1, 5, 1024, 1025, 5000] {
            let values: Vec<f32> = (0..len).map(|x| x as f32).collect();
            for mut buffer in [PageGuarded::at_end(&values), PageGuarded::at_start(&values)] {
                assert_eq!(buffer.as_slice(), values);
                buffer.as_mut_slice().reverse();
                assert!(buffer.as_slice().iter().eq(values.iter().rev()));
            }
        }
    }

    /// Reads one element outside a buffer. Runs in a process of its own, started by the test below it.
    #[test]
    fn child_that_reads_outside() {
        let buffers = [PageGuarded::at_end(&[1u8; 3]), PageGuarded::at_start(&[1u8; 3])];
        let pointer = match std::env::var(CHILD).as_deref() {
            Ok("end") => buffers[0].as_slice().as_ptr().wrapping_add(3),
            Ok("start") => buffers[1].as_slice().as_ptr().wrapping_sub(1),
            _ => return,
        };
        // SAFETY: none. The address is in a page without access, and the fault is what the parent waits for.
        unsafe { std::ptr::read_volatile(pointer) };
    }

    #[test]
    fn page_guarded_read_outside_faults() {
        for side in ["end", "start"] {
            let status = crate::program::this_program()
                .args(["--exact", "page_guard::tests::child_that_reads_outside", "--test-threads=1"])
                .env(CHILD, side)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("the test starts again");
            let signal = status.signal();
            assert!(signal == Some(libc::SIGSEGV) || signal == Some(libc::SIGBUS), "{side}: {status}");
        }
    }
}
