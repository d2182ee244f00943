//! The small vector vocabulary that every kernel is written in, one file per instruction set.
//!
//! A type that implements [`Simd`] is a *proof*: it can be made only where its instructions are known to be present
//! ([`dispatch`] does that), so everything that takes one needs no further check. Generic code over `Simd` is
//! `#[inline(always)]` and becomes machine code inside one of the `#[target_feature]` entries.

mod dispatch;
mod entry;
pub(crate) mod f16;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod halves;
mod lanes;
mod lanewise;
pub mod math;
pub(crate) mod prefetch;
mod quads;
mod quantize;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod tiles;

/// Methods of two vectors that are one intrinsic each, whose instruction set `self` proves.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! binary {
    ($($name:ident => $intrinsic:ident),* $(,)?) => {$(
        #[inline(always)]
        fn $name(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
            // SAFETY: `self` proves the instruction set; nothing else is asked.
            unsafe { $intrinsic(a, b) }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod transpose;

pub use dispatch::{Op, dispatch};
pub use entry::{Body, Entry};
pub(crate) use lanes::{AllLanes, FirstLanes, Lanes};
pub use lanewise::{Four, Lanewise};
pub(crate) use quads::{NarrowQuads, QuadRows, Quads};
pub(crate) use quantize::{PART, PARTS, Quantize};
pub use scalar::Scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use halves::Avx512Bf16;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use halves::{F16Loads, Halves};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use quads::Evex;
#[cfg(target_arch = "x86_64")]
pub(crate) use quads::{Avx2F16c, Avx512Vnni, AvxVnni, AvxVnniF16c, FOUR_ROWS, FOUR_WORDS, SumsOfRows, WordsOf16};
#[cfg(target_arch = "aarch64")]
pub(crate) use quads::{BIAS, BIASES, Biased, Eights, FourQuads, NeonDot, NeonI8mm, Square};
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use tiles::SoftwareTiles;
#[cfg(target_arch = "x86_64")]
pub(crate) use tiles::{Amx, TILE_ROW_BYTES, TILE_ROWS, TileConfig, TileUnit};
#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512};

/// Vectors of `E` on one instruction set. A value proves that the CPU has it.
///
/// # Safety
/// Code that works on memory relies on an implementation:
/// - A value exists only where the CPU has the instructions that its methods use.
/// - `Reg` is `LANES` elements in memory, the first lane first, and nothing else.
/// - `LANES` is at least 1, and `first(n)` is the first min(n, `LANES`) lanes.
/// - Loads and stores touch the elements that they name and no others, under the promises that they ask for.
pub unsafe trait Simd<E: Copy>: Lanewise<E> + Send + Sync + 'static {
    /// Elements in a vector.
    const LANES: usize;
    /// A number of lanes from the first on, in the form that loads and stores take: a mask, or a count on an ISA without masks.
    type First: Copy;

    /// The first `lanes` lanes; all of them from `LANES` on.
    fn first(self, lanes: usize) -> Self::First;

    /// Loads a vector.
    ///
    /// # Safety
    /// `p` is valid for reads of `LANES` elements; no alignment is needed.
    unsafe fn load(self, p: *const E) -> Self::Reg;

    /// Loads the lanes of `first`, zero in the others, whose memory is not touched.
    ///
    /// # Safety
    /// `p` is valid for reads of the elements of the lanes in `first`.
    unsafe fn load_first(self, p: *const E, first: Self::First) -> Self::Reg;

    /// Loads the lanes of `first`, and the first element once more in each of the others: what is computed there raises no exception
    /// that the first lane does not raise.
    ///
    /// # Safety
    /// `p` is valid for reads of the elements of the lanes in `first`, of which there is at least one.
    unsafe fn load_first_filled(self, p: *const E, first: Self::First) -> Self::Reg;

    /// Loads a number into all lanes, in the way that is best for one that is multiplied with several vectors.
    ///
    /// # Safety
    /// `p` is valid for reads of an element.
    #[inline(always)]
    unsafe fn load_factor(self, p: *const E) -> Self::Reg {
        // SAFETY: promised by the caller.
        self.splat(unsafe { *p })
    }

    /// Stores a vector.
    ///
    /// # Safety
    /// `p` is valid for writes of `LANES` elements; no alignment is needed.
    unsafe fn store(self, p: *mut E, v: Self::Reg);

    /// Stores the lanes of `first`; the memory of the others is not touched.
    ///
    /// # Safety
    /// `p` is valid for writes of the elements of the lanes in `first`.
    unsafe fn store_first(self, p: *mut E, v: Self::Reg, first: Self::First);

    /// The sum of all lanes, in an order fixed by the instruction set.
    fn sum(self, a: Self::Reg) -> E;
    /// The sum of all lanes of each, in an order fixed by the instruction set and the same for all four.
    #[inline(always)]
    fn sum_four(self, a: [Self::Reg; 4]) -> [E; 4] {
        [self.sum(a[0]), self.sum(a[1]), self.sum(a[2]), self.sum(a[3])]
    }

    /// The largest of all lanes; unspecified which where some are NaN.
    fn largest(self, a: Self::Reg) -> E;

    /// Asks for the cache line at `p` to come to the second level. A hint: any address is allowed.
    fn prefetch(self, p: *const E);

    /// Writes the transpose of a block of rows × cols elements, both at most `LANES`:
    /// `out[j·out_stride + i] = p[i·row_stride + j]` for i < rows and j < cols. No other memory is touched.
    ///
    /// # Safety
    /// `rows` and `cols` are at most `LANES`, and the elements named are valid for reads and for writes, respectively.
    unsafe fn transpose(self, p: *const E, row_stride: usize, rows: usize, cols: usize, out: *mut E, out_stride: usize);

    /// Loads the first `LANES` elements of `x`, or all of them followed by zeros where it is shorter.
    #[inline(always)]
    fn read(self, x: &[E]) -> Self::Reg {
        if x.len() >= Self::LANES {
            // SAFETY: x holds LANES elements.
            unsafe { self.load(x.as_ptr()) }
        } else {
            // SAFETY: the lanes stand for x.len() elements.
            unsafe { self.load_first(x.as_ptr(), self.first(x.len())) }
        }
    }

    /// Stores the first `min(LANES, x.len())` lanes of `v` into `x`.
    #[inline(always)]
    fn write(self, x: &mut [E], v: Self::Reg) {
        if x.len() >= Self::LANES {
            // SAFETY: x holds LANES elements.
            unsafe { self.store(x.as_mut_ptr(), v) }
        } else {
            // SAFETY: the lanes stand for x.len() elements.
            unsafe { self.store_first(x.as_mut_ptr(), v, self.first(x.len())) }
        }
    }

    /// Runs `op` in a function of its own: for code too large to be repeated inside every kernel that needs it.
    fn outline<O: Op>(self, op: O) -> O::Output;
}
