//! Peer libraries, opened at run time and called through their C interfaces.
//!
//! Sources: the CBLAS of netlib.org (`cblas.h`: row-major order 101, no transpose 111, transpose 112) and `dnnl_sgemm` of the
//! oneDNN developer guide, which is row-major and writes transposes as letters.

#![allow(unsafe_code, reason = "functions of foreign libraries")]

use super::gemv::{CblasGemv, repeat_gemv};
use super::library::{Interface, Library, REFERENCE};
use super::operands::{Element, Matrices, Operands};
use super::product::Product;
use super::session::{Multiply, Route};
use super::stored::Leading;
use super::worker::WorkerError;
use std::error::Error as _;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::mem::ManuallyDrop;
use std::path::Path;

/// `cblas_?gemm`, with integers of 32 or 64 bits.
type CblasGemm<T, I> = unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, T, *const T, I, *const T, I, T, *mut T, I);
/// `dnnl_?gemm`.
type DnnlGemm<T> =
    unsafe extern "C" fn(c_char, c_char, i64, i64, i64, T, *const T, i64, *const T, i64, T, *mut T, i64) -> c_int;

pub(super) const ROW_MAJOR: c_int = 101;
pub(super) const NO_TRANSPOSE: c_int = 111;
pub(super) const TRANSPOSE: c_int = 112;

/// What stands before and after the standard names, and whether that says that integers have 64 bits.
const NAMINGS: [(&str, &str, bool); 5] =
    [("", "", false), ("scipy_", "", false), ("scipy_", "64_", true), ("", "64_", true), ("", "_64", true)];

/// Functions that return a text with the version, and whose they are.
const VERSION_TEXTS: [(&str, &str); 5] = [
    ("scipy_openblas_get_config", "OpenBLAS"),
    ("scipy_openblas_get_config64_", "OpenBLAS"),
    ("openblas_get_config", "OpenBLAS"),
    ("openblas_get_config64_", "OpenBLAS"),
    ("bli_info_get_version_str", "BLIS"),
];

/// Global variables of netlib's CBLAS, which no other library exports without a version text as well.
const REFERENCE_SYMBOLS: [&str; 2] = ["CBLAS_CallFromC", "RowMajorStrg"];

/// A library in this process, for as long as that runs: libraries that start threads may not be closed.
pub(super) struct Opened {
    handle: ManuallyDrop<libloading::Library>,
    description: Library,
}

impl Opened {
    /// Opens a library and finds out what it is.
    ///
    /// # Errors
    /// If it cannot be loaded, or has no matrix product that we know.
    pub(super) fn open(path: &Path) -> Result<Opened, WorkerError> {
        let handle = load(path).map_err(|error| WorkerError::Load { reason: reason(&error) })?;
        let interface = interface(&handle, path).ok_or(WorkerError::NoProduct)?;
        let (name, version) = identity(&handle, path);
        let description = Library { name, version, path: path.to_owned(), interface };
        Ok(Opened { handle: ManuallyDrop::new(handle), description })
    }

    /// What it is.
    pub(super) fn description(&self) -> &Library {
        &self.description
    }

    /// Its product of matrices in this format.
    ///
    /// # Errors
    /// If it has none.
    pub(super) fn product<T: Element + 'static>(&self) -> Result<Box<dyn Multiply<T>>, WorkerError> {
        let letter = T::LETTER;
        let routine = match &self.description.interface {
            Interface::Cblas { prefix, suffix, wide } => {
                let name = |routine: &str| format!("{prefix}cblas_{letter}{routine}{suffix}");
                // SAFETY: symbols of these names have these types by the interface's header; the library is never closed.
                unsafe {
                    if *wide {
                        LoadedRoutine::Wide(self.cblas(name)?)
                    } else {
                        LoadedRoutine::Narrow(self.cblas(name)?)
                    }
                }
            }
            // SAFETY: as above.
            Interface::Onednn => LoadedRoutine::Dnnl(unsafe { self.routine(&format!("dnnl_{letter}gemm"))? }),
        };
        Ok(Box::new(ByLibrary { routine, called: None }))
    }

    /// # Safety
    /// The library's integers are `I`, its numbers `T`, and it is never closed.
    unsafe fn cblas<T, I>(&self, name: impl Fn(&str) -> String) -> Result<Cblas<T, I>, WorkerError>
    where
        CblasGemm<T, I>: Copy,
        CblasGemv<T, I>: Copy,
    {
        // SAFETY: promised by the caller.
        unsafe { Ok(Cblas { gemm: self.routine(&name("gemm"))?, gemv: function(&self.handle, &name("gemv")) }) }
    }

    /// If it is oneDNN, its major version and what its CPU engine was built for, a bit of `DNNL_RUNTIME_…`.
    pub(super) fn onednn_build(&self) -> Option<(c_int, c_uint)> {
        onednn_version(&self.handle).map(|version| (version.major, version.cpu_runtime))
    }

    /// # Safety
    /// As [`function`] demands.
    pub(super) unsafe fn routine<F: Copy>(&self, symbol: &str) -> Result<F, WorkerError> {
        // SAFETY: promised by the caller.
        unsafe { function(&self.handle, symbol) }.ok_or_else(|| WorkerError::NoRoutine { symbol: symbol.to_owned() })
    }
}

/// Loads a library the way a program that was linked with it would: with all its symbols bound, and visible to the parts
/// that it loads itself.
fn load(path: &Path) -> Result<libloading::Library, libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: initialisers of a BLAS library have no preconditions. That the file is one is all that can be known: its
        // name says so, or the user does. This process does nothing else.
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map(libloading::Library::from)
    }
    #[cfg(not(unix))]
    // SAFETY: as above.
    unsafe {
        libloading::Library::new(path)
    }
}

/// What the system's loader said, which the error keeps behind a general word.
fn reason(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// # Safety
/// The symbol, if the library has it, is a function of type `F`, which is not called after the library was closed.
unsafe fn function<F: Copy>(library: &libloading::Library, symbol: &str) -> Option<F> {
    // SAFETY: promised by the caller.
    unsafe { library.get::<F>(symbol) }.ok().map(|function| *function)
}

fn has_symbol(library: &libloading::Library, symbol: &str) -> bool {
    // SAFETY: the function is not called.
    unsafe { function::<unsafe extern "C" fn()>(library, symbol) }.is_some()
}

fn interface(library: &libloading::Library, path: &Path) -> Option<Interface> {
    let naming =
        NAMINGS.iter().find(|(prefix, suffix, _)| has_symbol(library, &format!("{prefix}cblas_sgemm{suffix}")));
    if let Some(&(prefix, suffix, wide)) = naming {
        let wide = wide || file_name_is_wide(path);
        return Some(Interface::Cblas { prefix: prefix.to_owned(), suffix: suffix.to_owned(), wide });
    }
    has_symbol(library, "dnnl_sgemm").then_some(Interface::Onednn)
}

/// Whether the file's name says that integers have 64 bits, as `libopenblas64.so.0` and `libblis64.so` do: such libraries
/// may keep the standard names of their functions.
fn file_name_is_wide(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split(".so").next().unwrap_or_default();
    stem.contains("64")
}

/// The library's name and version, from itself or from its file name.
fn identity(library: &libloading::Library, path: &Path) -> (String, Option<String>) {
    for (symbol, name) in VERSION_TEXTS {
        // SAFETY: these functions take nothing and return a text that lives as long as the library.
        let text = unsafe { function::<unsafe extern "C" fn() -> *const c_char>(library, symbol).map(|get| get()) };
        if let Some(text) = text.filter(|text| !text.is_null()) {
            // SAFETY: as above; it ends with a zero.
            let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
            return (if text.contains("AOCL") { "AOCL-BLAS" } else { name }.to_owned(), version_in(&text));
        }
    }
    if let Some(text) = mkl_version(library) {
        return ("MKL".to_owned(), version_in(&text));
    }
    if let Some(DnnlVersion { major, minor, patch, .. }) = onednn_version(library) {
        return ("oneDNN".to_owned(), Some(format!("{major}.{minor}.{patch}")));
    }
    if REFERENCE_SYMBOLS.iter().all(|symbol| has_symbol(library, symbol)) {
        return (REFERENCE.to_owned(), None);
    }
    (name_of_file(path), None)
}

fn mkl_version(library: &libloading::Library) -> Option<String> {
    const LEN: c_int = 256;
    let mut text = [0 as c_char; LEN as usize];
    // SAFETY: `void mkl_get_version_string(char *buffer, int length)` writes at most that much.
    unsafe {
        function::<unsafe extern "C" fn(*mut c_char, c_int)>(library, "mkl_get_version_string")?(text.as_mut_ptr(), LEN)
    };
    text[LEN as usize - 1] = 0;
    // SAFETY: the array ends with a zero.
    Some(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
}

/// The head of `dnnl_version_t`.
#[repr(C)]
struct DnnlVersion {
    major: c_int,
    minor: c_int,
    patch: c_int,
    hash: *const c_char,
    cpu_runtime: c_uint,
    gpu_runtime: c_uint,
}

fn onednn_version(library: &libloading::Library) -> Option<&'static DnnlVersion> {
    // SAFETY: `const dnnl_version_t *dnnl_version(void)` returns a constant of the library, which is never closed, or nothing.
    unsafe { function::<unsafe extern "C" fn() -> *const DnnlVersion>(library, "dnnl_version")?().as_ref() }
}

/// The first word that begins with a digit and has a dot, up to what is not part of a number.
fn version_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    let word = words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))?;
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    Some(word[..end].to_owned())
}

/// `cke_blas` for `/opt/lib/libcke_blas.so.1`.
fn name_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    stem.strip_prefix("lib").unwrap_or(stem).to_owned()
}

enum LoadedRoutine<T> {
    Narrow(Cblas<T, i32>),
    Wide(Cblas<T, i64>),
    Dnnl(DnnlGemm<T>),
}

struct Cblas<T, I> {
    gemm: CblasGemm<T, I>,
    /// Some libraries have none.
    gemv: Option<CblasGemv<T, I>>,
}

impl<T, I> Cblas<T, I> {
    /// The routine that callers use for a product.
    fn gemv_for(&self, product: Product) -> Option<CblasGemv<T, I>> {
        self.gemv.filter(|_| product.has_vector())
    }
}

/// Products by a library.
struct ByLibrary<T> {
    routine: LoadedRoutine<T>,
    /// The routine that the product prepared last calls.
    called: Option<&'static str>,
}

/// What is passed besides the matrices.
struct Sizes<I> {
    m: I,
    n: I,
    k: I,
    lda: I,
    ldb: I,
    ldc: I,
}

impl<I: TryFrom<usize>> Sizes<I> {
    fn new(product: Product) -> Result<Sizes<I>, WorkerError> {
        let (Product { m, n, k, .. }, Leading { a, b, c }) = (product, product.leading_dimensions());
        let size = |size: usize| I::try_from(size).map_err(|_| WorkerError::Size { found: size });
        Ok(Sizes { m: size(m)?, n: size(n)?, k: size(k)?, lda: size(a)?, ldb: size(b)?, ldc: size(c)? })
    }
}

impl<T: Element> Multiply<T> for ByLibrary<T> {
    fn prepare(&mut self, operands: &mut Operands<T>) -> Result<(), WorkerError> {
        let product = operands.product();
        let has_gemv = match &self.routine {
            LoadedRoutine::Narrow(cblas) => cblas.gemv_for(product).is_some(),
            LoadedRoutine::Wide(cblas) => cblas.gemv_for(product).is_some(),
            LoadedRoutine::Dnnl(_) => false,
        };
        self.called = Some(if has_gemv { "gemv" } else { "gemm" });
        Ok(())
    }

    fn route(&self) -> Route {
        Route { kernel: self.called.map(str::to_owned), path: None }
    }

    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
        match &self.routine {
            LoadedRoutine::Narrow(cblas) => repeat_cblas(cblas, operands, times),
            LoadedRoutine::Wide(cblas) => repeat_cblas(cblas, operands, times),
            LoadedRoutine::Dnnl(gemm) => repeat_dnnl(*gemm, operands, times),
        }
    }
}

fn repeat_cblas<T: Element, I: Copy + TryFrom<usize>>(
    cblas: &Cblas<T, I>,
    operands: &mut Operands<T>,
    times: usize,
) -> Result<(), WorkerError> {
    match cblas.gemv_for(operands.product()) {
        Some(gemv) => repeat_gemv(gemv, operands, times),
        None => repeat_gemm(cblas.gemm, operands, times),
    }
}

fn repeat_gemm<T: Element, I: Copy + TryFrom<usize>>(
    gemm: CblasGemm<T, I>,
    operands: &mut Operands<T>,
    times: usize,
) -> Result<(), WorkerError> {
    let Sizes { m, n, k, lda, ldb, ldc } = Sizes::<I>::new(operands.product())?;
    let code = |is_transposed| if is_transposed { TRANSPOSE } else { NO_TRANSPOSE };
    let (op_a, op_b) = (code(operands.product().transpose_a), code(operands.product().transpose_b));
    let Matrices { a, b, c } = operands.matrices();
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    for _ in 0..times {
        // SAFETY: sizes and leading dimensions are those that the operands were made for; C is borrowed exclusively.
        unsafe { gemm(ROW_MAJOR, op_a, op_b, m, n, k, T::one(), a, lda, b, ldb, T::zero(), c, ldc) };
    }
    Ok(())
}

fn repeat_dnnl<T: Element>(gemm: DnnlGemm<T>, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
    let Sizes { m, n, k, lda, ldb, ldc } = Sizes::<i64>::new(operands.product())?;
    let letter = |is_transposed| (if is_transposed { b'T' } else { b'N' }) as c_char;
    let (op_a, op_b) = (letter(operands.product().transpose_a), letter(operands.product().transpose_b));
    let Matrices { a, b, c } = operands.matrices();
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    for _ in 0..times {
        // SAFETY: as in `repeat_gemm`.
        let status = unsafe { gemm(op_a, op_b, m, n, k, T::one(), a, lda, b, ldb, T::zero(), c, ldc) };
        if status != 0 {
            return Err(WorkerError::Status { status });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_what_libraries_say_is_found() {
        for (text, version) in [
            ("OpenBLAS 0.3.34 NO_AFFINITY SkylakeX MAX_THREADS=64", Some("0.3.34")),
            ("Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build 20260101 for x64", Some("2026.2")),
            ("AOCL-BLIS 5.3.0 Build 20251201", Some("5.3.0")),
            ("0.9.0-dev", Some("0.9.0")),
            ("no number", None),
        ] {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn name_of_file_is_its_stem() {
        assert_eq!(name_of_file(Path::new("/opt/lib/libcke_blas.so.1.2")), "cke_blas");
        assert_eq!(name_of_file(Path::new("blas")), "blas");
        assert!(file_name_is_wide(Path::new("/usr/lib64/libopenblas64.so.0")));
        assert!(!file_name_is_wide(Path::new("/usr/lib64/libopenblas.so.64")));
    }
}
