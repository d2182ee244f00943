//! Sums of products of bytes, four at a time: what integer kernels are written in.
//!
//! A quad is four bytes that follow each other along k. A vector of quads has one for each column; a lane sums the products of its
//! column's quad with that of a row.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
mod i8mm;
mod narrow;
#[cfg(target_arch = "aarch64")]
mod narrow_aarch64;
#[cfg(target_arch = "x86_64")]
mod narrow_x86_64;
#[cfg(target_arch = "x86_64")]
mod words_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::{Scalar, Simd};

pub(crate) use narrow::NarrowQuads;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use x86_64::Evex;
#[cfg(target_arch = "aarch64")]
pub(crate) use {
    aarch64::{BIAS, BIASES, Biased, FourQuads, NeonDot},
    i8mm::{Eights, NeonI8mm, Square},
};
#[cfg(target_arch = "x86_64")]
pub(crate) use {
    narrow_x86_64::{Avx2F16c, AvxVnniF16c},
    words_avx2::{FOUR_ROWS, FOUR_WORDS, SumsOfRows, WordsOf16},
    x86_64::{Avx512Vnni, AvxVnni},
};

/// How an instruction takes the quads of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuadRows {
    /// Four signed bytes.
    Bytes,
    /// Four unsigned bytes, 128 more than the numbers.
    #[cfg(target_arch = "x86_64")]
    Offset,
    /// Four numbers of 16 bits, the second and the third one in each other's places.
    #[cfg(target_arch = "x86_64")]
    Words,
    /// Four signed bytes, and these once more.
    #[cfg(target_arch = "aarch64")]
    Twice,
}

impl QuadRows {
    /// Bytes of a number.
    pub(crate) const fn number_bytes(self) -> usize {
        match self {
            QuadRows::Bytes => 1,
            #[cfg(target_arch = "x86_64")]
            QuadRows::Offset => 1,
            #[cfg(target_arch = "x86_64")]
            QuadRows::Words => 2,
            #[cfg(target_arch = "aarch64")]
            QuadRows::Twice => 2,
        }
    }
}

/// Vectors of LANES quads on one instruction set. A value proves that the CPU has it.
///
/// # Safety
/// Code that works on memory relies on an implementation: loads touch the bytes that they name and no others.
pub(crate) unsafe trait Quads<const LANES: usize>: Copy {
    /// The vectors of f32 that the CPU has with it.
    type Floats: Simd<f32>;
    /// Quads of LANES columns.
    type Columns: Copy;
    /// A quad of a row, once for each lane.
    type Row: Copy;
    /// Sums in 32 bits.
    type Sums: Copy;
    /// How rows are prepared for it.
    const ROWS: QuadRows;
    /// Rows whose sums over 16 columns stay in registers beside the columns.
    const ROWS_AT_A_TIME: usize;
    /// Whether there are registers for the sums of as many rows again.
    const SUMS_WAIT: bool;

    /// Proof of the vectors of f32.
    fn floats(self) -> Self::Floats;

    /// Zeros.
    fn no_sums(self) -> Self::Sums;

    /// What sums begin with. `column_sums` has the sum of each column's bytes over all that will be added, from which follows what unsigned
    /// rows add too much.
    ///
    /// # Safety
    /// `column_sums` is valid for reads of LANES numbers; no alignment is needed.
    unsafe fn start(self, column_sums: *const i32) -> Self::Sums;

    /// Loads the quads of LANES columns.
    ///
    /// # Safety
    /// `p` is valid for reads of 4 · LANES bytes; no alignment is needed.
    unsafe fn columns(self, p: *const i8) -> Self::Columns;

    /// Loads a quad of a row.
    ///
    /// # Safety
    /// `p` is valid for reads of a quad as [`Quads::ROWS`] says; no alignment is needed.
    unsafe fn row(self, p: *const u8) -> Self::Row;

    /// sums + row · column for each lane. Exact as long as the sums fit 32 bits.
    fn add_products(self, sums: Self::Sums, columns: Self::Columns, row: Self::Row) -> Self::Sums;

    /// The sums as f32, exact below 2²⁴.
    fn to_floats(self, sums: Self::Sums) -> [f32; LANES];
}

// SAFETY: plain Rust over the bytes named.
unsafe impl Quads<1> for Scalar {
    type Floats = Scalar;
    type Columns = [i8; 4];
    type Row = [i8; 4];
    type Sums = i32;
    const ROWS: QuadRows = QuadRows::Bytes;
    const ROWS_AT_A_TIME: usize = 4;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Scalar {
        self
    }

    #[inline(always)]
    fn no_sums(self) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn start(self, _column_sums: *const i32) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> [i8; 4] {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[i8; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> [i8; 4] {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[i8; 4]>().read() }
    }

    #[inline(always)]
    fn add_products(self, sums: i32, columns: [i8; 4], row: [i8; 4]) -> i32 {
        columns.iter().zip(row).fold(sums, |sum, (&x, y)| sum + i32::from(x) * i32::from(y))
    }

    #[inline(always)]
    fn to_floats(self, sums: i32) -> [f32; 1] {
        [sums as f32]
    }
}
