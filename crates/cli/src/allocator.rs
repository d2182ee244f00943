//! One heap for all threads if the address space is limited.

#![allow(unsafe_code, reason = "system calls that have no safe form in std")]

/// If `ulimit -v` is set, keeps glibc from mapping 64 MB of addresses for the first allocation of each further thread. Whether they fit
/// depends on where the system maps them; if they do, memory that a check has just found is gone. Must be called before threads start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn share_heap_if_limited() {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is ours, and of the type that the call fills in.
    let is_known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    if is_known && limit.rlim_cur != libc::RLIM_INFINITY {
        // SAFETY: `mallopt` changes how later allocations are served; a value that it refuses changes nothing.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Other allocators map no such heaps.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share_heap_if_limited() {}
