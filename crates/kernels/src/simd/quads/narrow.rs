//! Quads of weights with few bits times rows of signed bytes: what kernels of grouped weights are written in.
//!
//! A word is four bytes of one column that follow each other along k, once they have been taken out of the packed bits. Rows are signed
//! bytes on every instruction set; where an instruction wants one operand unsigned, it is the weights.

use crate::numbers::f16::f16_to_f32;
use crate::simd::{Scalar, Simd};

/// Words of LANES columns on one instruction set. A value proves that the CPU has it.
///
/// # Safety
/// Code that works on memory relies on an implementation: loads touch the bytes that they name and no others.
pub(crate) unsafe trait NarrowQuads<const LANES: usize>: Copy {
    /// The vectors of f32 that the CPU has with it.
    type Floats: Simd<f32>;
    /// A word of each column.
    type Words: Copy;
    /// A word of a row, once for each column.
    type Row: Copy;
    /// Sums of products of a few words, whose weights [`NarrowQuads::add_products`] bounds.
    type Short: Copy;
    /// Sums in 32 bits.
    type Sums: Copy;
    /// What [`NarrowQuads::signed`] adds to each weight.
    const OFFSET: i32;
    /// Whether products of a few words are summed in fewer bits first.
    const SHORT_SUMS: bool;
    /// Whether there are registers for the sums of a group beside those of the next.
    const SUMS_WAIT: bool;

    /// Proof of the vectors of f32.
    fn floats(self) -> Self::Floats;

    /// Loads a word of each column.
    ///
    /// # Safety
    /// `p` is valid for reads of 4 · LANES bytes; no alignment is needed.
    unsafe fn words(self, p: *const u8) -> Self::Words;

    /// Each byte as far as `mask` has ones.
    fn and(self, words: Self::Words, mask: u8) -> Self::Words;

    /// The bits of both.
    fn or(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// Words as numbers of 32 bits, the first byte lowest, shifted up.
    fn shift_left(self, words: Self::Words, bits: usize) -> Self::Words;

    /// Words as numbers of 32 bits, the first byte lowest, shifted down.
    fn shift_right(self, words: Self::Words, bits: usize) -> Self::Words;

    /// The lower four bits of each byte, or if `upper` is 1 the upper ones.
    #[inline(always)]
    fn nibbles(self, words: Self::Words, upper: usize) -> Self::Words {
        self.and(self.shift_right(words, 4 * upper), 15)
    }

    /// For each byte, which is below 16, that entry of the table.
    fn look_up(self, table: &[i8; 16], words: Self::Words) -> Self::Words;

    /// Loads an f16 of each column as f32.
    ///
    /// # Safety
    /// `p` is valid for reads of 2 · LANES bytes; no alignment is needed.
    unsafe fn halves(self, p: *const u8) -> [f32; LANES];

    /// Loads an unsigned byte of each column as f32.
    ///
    /// # Safety
    /// `p` is valid for reads of LANES bytes.
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; LANES];

    /// Loads a signed byte of each column as f32.
    ///
    /// # Safety
    /// `p` is valid for reads of LANES bytes.
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; LANES];

    /// Signed bytes as [`NarrowQuads::add_signed_products`] takes them.
    fn signed(self, words: Self::Words) -> Self::Words;

    /// Loads a word of a row.
    ///
    /// # Safety
    /// `p` is valid for reads of 4 bytes; no alignment is needed.
    unsafe fn row(self, p: *const u8) -> Self::Row;

    /// No products yet.
    fn no_products(self) -> Self::Short;

    /// No sums yet.
    fn no_sums(self) -> Self::Sums;

    /// A number shifted up, for each column.
    ///
    /// # Safety
    /// `p` is valid for reads; no alignment is needed.
    unsafe fn start(self, p: *const i32, bits: u32) -> Self::Sums;

    /// sums + row · weights for each column. Exact if the row's bytes are −127 to 127, the sums fit 32 bits, and the weights are below 64; below
    /// 256 if there are no short sums.
    fn add_unsigned_products(self, sums: Self::Sums, weights: Self::Words, row: Self::Row) -> Self::Sums;

    /// short + row · weights for each column. Exact if the row's bytes are −127 to 127 and no more words are added than 8 with weights
    /// below 16, 4 below 32, or 2 below 64.
    fn add_products(self, short: Self::Short, weights: Self::Words, row: Self::Row) -> Self::Short;

    /// sums + row · weights for each column, the weights made by [`NarrowQuads::signed`]. Exact if the row's bytes are −127 to 127 and the
    /// sums fit 32 bits.
    fn add_signed_products(self, sums: Self::Sums, weights: Self::Words, row: Self::Row) -> Self::Sums;

    /// The same sums, computed before this point: otherwise the compiler delays them, and spills all their operands.
    #[inline(always)]
    fn now(self, sums: Self::Sums) -> Self::Sums {
        sums
    }

    /// sums + short
    fn add(self, sums: Self::Sums, short: Self::Short) -> Self::Sums;

    /// The sums as f32, exact below 2²⁴.
    fn to_floats(self, sums: Self::Sums) -> [f32; LANES];
}

// SAFETY: plain Rust over the bytes named.
unsafe impl NarrowQuads<1> for Scalar {
    type Floats = Scalar;
    type Words = [u8; 4];
    type Row = [i8; 4];
    type Short = i32;
    type Sums = i32;
    const OFFSET: i32 = 0;
    const SHORT_SUMS: bool = false;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Scalar {
        self
    }

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> [u8; 4] {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[u8; 4]>().read() }
    }

    #[inline(always)]
    fn and(self, words: [u8; 4], mask: u8) -> [u8; 4] {
        words.map(|byte| byte & mask)
    }

    #[inline(always)]
    fn or(self, a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
        (u32::from_le_bytes(a) | u32::from_le_bytes(b)).to_le_bytes()
    }

    #[inline(always)]
    fn shift_left(self, words: [u8; 4], bits: usize) -> [u8; 4] {
        (u32::from_le_bytes(words) << bits).to_le_bytes()
    }

    #[inline(always)]
    fn shift_right(self, words: [u8; 4], bits: usize) -> [u8; 4] {
        (u32::from_le_bytes(words) >> bits).to_le_bytes()
    }

    #[inline(always)]
    fn look_up(self, table: &[i8; 16], words: [u8; 4]) -> [u8; 4] {
        words.map(|byte| table[usize::from(byte & 15)] as u8)
    }

    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> [f32; 1] {
        // SAFETY: promised by the caller.
        [f16_to_f32(unsafe { p.cast::<u16>().read_unaligned() })]
    }

    #[inline(always)]
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; 1] {
        // SAFETY: promised by the caller.
        [f32::from(unsafe { p.read() })]
    }

    #[inline(always)]
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; 1] {
        // SAFETY: promised by the caller.
        [f32::from(unsafe { p.cast::<i8>().read() })]
    }

    #[inline(always)]
    fn signed(self, words: [u8; 4]) -> [u8; 4] {
        words
    }

    #[inline(always)]
    fn no_products(self) -> i32 {
        0
    }

    #[inline(always)]
    fn no_sums(self) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> i32 {
        // SAFETY: promised by the caller.
        unsafe { p.read_unaligned() << bits }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> [i8; 4] {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[i8; 4]>().read() }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: i32, weights: [u8; 4], row: [i8; 4]) -> i32 {
        self.add_products(sums, weights, row)
    }

    #[inline(always)]
    fn add_products(self, short: i32, weights: [u8; 4], row: [i8; 4]) -> i32 {
        weights.iter().zip(row).fold(short, |sum, (&x, y)| sum + i32::from(x) * i32::from(y))
    }

    #[inline(always)]
    fn add_signed_products(self, sums: i32, weights: [u8; 4], row: [i8; 4]) -> i32 {
        weights.iter().zip(row).fold(sums, |sum, (&x, y)| sum + i32::from(x as i8) * i32::from(y))
    }

    #[inline(always)]
    fn add(self, sums: i32, short: i32) -> i32 {
        sums + short
    }

    #[inline(always)]
    fn to_floats(self, sums: i32) -> [f32; 1] {
        [sums as f32]
    }
}
