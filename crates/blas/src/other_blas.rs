//! Other BLAS libraries of the process: which functions are theirs, and the limits of an OpenBLAS that this library was preloaded over.
//! Those are meant for its products, too: tools like threadpoolctl find it by its file name and set its number of threads, not ours.

#[cfg(target_os = "linux")]
pub(crate) use linux::{defines, look, lowered_limit};

#[cfg(not(target_os = "linux"))]
pub(crate) fn defines(_function: *const std::ffi::c_void) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn look() {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lowered_limit() -> Option<usize> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CStr, CString, c_int, c_void};
    use std::mem::{MaybeUninit, transmute};
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

    /// Tells a number of threads.
    type Getter = unsafe extern "C" fn() -> c_int;

    /// A library that was found.
    struct Found {
        /// A [`Getter`]; null if nothing was found yet.
        getter: AtomicPtr<c_void>,
        /// What it told then.
        first: AtomicI32,
    }

    /// NumPy and SciPy bring one each.
    static FOUND: [Found; 8] = [const { Found { getter: AtomicPtr::new(null_mut()), first: AtomicI32::new(0) } }; 8];

    const GETTERS: [&CStr; 5] = [
        c"openblas_get_num_threads",
        c"openblas_get_num_threads64_",
        c"openblas_get_num_threads_64",
        c"scipy_openblas_get_num_threads",
        c"scipy_openblas_get_num_threads64_",
    ];

    /// Routines that mark a library as a BLAS.
    const ROUTINES: [&CStr; 4] = [c"sgemm_", c"dgemm_", c"cblas_sgemm", c"cblas_dgemm"];

    /// Whether `function` is defined in a library that has products as well. What the program itself defines never is.
    pub(crate) fn defines(function: *const c_void) -> bool {
        let Some(definer) = object_of(function) else { return false };
        // SAFETY: the name of a file that is loaded already. For the program's executable dlopen fails.
        let library = unsafe { libc::dlopen(definer.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if library.is_null() {
            return false;
        }
        let has = ROUTINES.iter().any(|name| {
            // SAFETY: looks a name up in a library that is loaded, and in those that it needs.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            object_of(found).is_some_and(|object| object.dli_fbase == definer.dli_fbase)
        });
        // SAFETY: opened above, and not used any more.
        unsafe { libc::dlclose(library) };
        has
    }

    /// The program or library that an address lies in.
    fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
        let mut info = MaybeUninit::uninit();
        // SAFETY: any address may be asked for; the information is written where there is any.
        (unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0).then(|| unsafe { info.assume_init() })
    }

    /// # Safety
    /// `getter` is the address of a [`Getter`] in a library that stays loaded.
    unsafe fn call(getter: *mut c_void) -> c_int {
        // SAFETY: promised by the caller.
        unsafe { transmute::<*mut c_void, Getter>(getter)() }
    }

    /// The smallest number of threads that one of them was limited to after it was found, if any was.
    pub(crate) fn lowered_limit() -> Option<usize> {
        let getters = FOUND.iter().map(|found| (found, found.getter.load(Ordering::Acquire)));
        let lowered = getters.take_while(|(_, getter)| !getter.is_null()).filter_map(|(found, getter)| {
            // SAFETY: what `remember` stores.
            let now = unsafe { call(getter) };
            (now >= 1 && now < found.first.load(Ordering::Relaxed)).then_some(now as usize)
        });
        lowered.min()
    }

    /// Looks for libraries that were loaded since the last time. One thread at a time.
    pub(crate) fn look() {
        for name in loaded_libraries() {
            // SAFETY: the name of a library that is loaded already; the handle is kept, so that it stays loaded.
            let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
            if library.is_null() {
                continue;
            }
            // SAFETY: looks names up in a library that is loaded.
            let getter = GETTERS.iter().map(|name| unsafe { libc::dlsym(library, name.as_ptr()) });
            if let Some(getter) = getter.into_iter().find(|getter| !getter.is_null()) {
                // SAFETY: a function of such a name in an OpenBLAS takes nothing and tells a number; the handle was kept.
                unsafe { remember(getter) };
            }
        }
    }

    /// # Safety
    /// As [`call`].
    unsafe fn remember(getter: *mut c_void) {
        for found in &FOUND {
            let known = found.getter.load(Ordering::Acquire);
            if known == getter {
                return;
            }
            if known.is_null() {
                // SAFETY: promised by the caller.
                found.first.store(unsafe { call(getter) }, Ordering::Relaxed);
                found.getter.store(getter, Ordering::Release);
                return;
            }
        }
    }

    /// The files of the process's libraries that are an OpenBLAS by their name.
    fn loaded_libraries() -> Vec<CString> {
        extern "C" fn note(info: *mut libc::dl_phdr_info, _size: usize, names: *mut c_void) -> c_int {
            // SAFETY: a name that ends with a zero byte or is null, and the list that was passed along.
            let (name, names) = unsafe { ((*info).dlpi_name, &mut *names.cast::<Vec<CString>>()) };
            if !name.is_null() {
                // SAFETY: as above.
                let name = unsafe { CStr::from_ptr(name) };
                let file = name.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                if file.windows(8).any(|part| part == b"openblas") {
                    names.push(name.to_owned());
                }
            }
            0
        }
        let mut names: Vec<CString> = Vec::new();
        // SAFETY: the callback takes the list as it is passed here, during the call.
        unsafe { libc::dl_iterate_phdr(Some(note), std::ptr::from_mut(&mut names).cast()) };
        names
    }
}
