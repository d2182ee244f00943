//! The kernels on AVX2 for more than three rows: the words of a group are unpacked once for all of them, and four rows are multiplied at a
//! time.

use super::super::format::{Decode, WORD};
use super::super::rows::{ROW_BLOCK, negative_sum, negative_sums_of_halves};
use super::{Factors, Group, Products};
use crate::gemm::micro::in_memory::SumsInMemory;
use crate::gemm::micro::operands::opaque;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{Avx2F16c, FOUR_ROWS, FOUR_WORDS, NarrowQuads, SumsOfRows, WordsOf16};

/// Rows of the tallest tile.
const TALL: usize = 8;

/// Words of the largest group.
const WORDS: usize = 8;

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for 4 to 8 rows and up to 16 columns, with rows and panels of the format F, on a CPU with AVX2, FMA
/// and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx2_tall<F: Decode>(args: &TileArgs<'_, f32>) {
    const { assert!(!F::HAS_BYTES || F::GROUP == F::BLOCK && F::FIELDS.words * WORD == F::GROUP, "wanted a word for four") };
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let q = Avx2F16c::assume();
        let mut total = SumsInMemory::<8, 2, TALL>::zeros();
        total.begin(args.rows, args);
        let sums = total.rows();
        let mut factors = Factors::<8, 2>::ZERO;
        let factors = opaque(&raw mut factors).cast_mut();
        let mut unpacked = [WordsOf16::ZERO; WORDS];
        for piece in args.pieces(ROW_BLOCK) {
            for index in 0..piece.steps.div_ceil(F::GROUP) {
                let mut group = Group::<F>::new(args, &piece, index, 1);
                if group.ahead > 0 {
                    group.prefetch::<_, 8, 2>(q);
                }
                let rows = group.rows;
                (*factors).read::<F, _>(q, &group);
                let words = if F::HAS_BYTES { group.columns::<8>(0).word(0) } else { group.unpack(q, &mut unpacked) };
                let mut done = 0;
                while done < args.rows {
                    // The last rows again rather than fewer.
                    let first = done.min(args.rows - FOUR_ROWS);
                    group.rows = rows.wrapping_add(first * args.a_row_stride);
                    let (sums_of_rows, start) = (group.multiply_words(q, words), group.start);
                    Products { sums: sums_of_rows, rows: group.rows, start, first, added: done, factors }
                        .add_all::<F, _>(q, args.a_row_stride, sums);
                    done = first + FOUR_ROWS;
                }
            }
        }
        total.store(q.floats(), args.rows, args);
    }
}

impl<F: Decode> Group<F> {
    /// What is taken off weights without a sign so that the sums of a group fit 16 bits: their zero, or half of their range.
    const CENTRE: i32 = if F::BITS == 4 { F::ZERO } else { 1 << (F::BITS - 1) };

    /// Where the words of the group lie after this: in `words`.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn unpack(&self, q: Avx2F16c, words: &mut [WordsOf16; WORDS]) -> *const u8 {
        for (word, words) in words.iter_mut().enumerate().take(F::GROUP / WORD) {
            // SAFETY: promised by the caller.
            let of_columns = unsafe { self.weights::<_, 8, 2>(q, word) };
            *words = WordsOf16(of_columns.map(|words| q.bytes(words)));
        }
        words.as_ptr().cast()
    }

    /// The exact sums of products of four rows.
    ///
    /// # Safety
    /// `rows` is valid for reads of a block of each of four rows, and `words` is valid for reads of those of the group, with 16 columns each.
    #[inline(always)]
    unsafe fn multiply_words(&self, q: Avx2F16c, words: *const u8) -> SumsOfRows {
        const { assert!(F::GROUP == FOUR_WORDS * WORD || F::GROUP == WORDS * WORD, "wanted four or eight words") };
        const { assert!(F::BITS != 6 || F::GROUP == FOUR_WORDS * WORD, "wanted sums that fit 16 bits") };
        let mut sums = [[q.no_sums(); 2]; FOUR_ROWS];
        // SAFETY: promised by the caller.
        unsafe {
            if F::BITS < 8 && Self::CENTRE != 0 {
                self.start_short(q, &mut sums);
            }
            for first in (0..F::GROUP / WORD).step_by(FOUR_WORDS) {
                let (words, rows) = (words.wrapping_add(first * size_of::<WordsOf16>()), self.word_of_row(0, first));
                sums = if F::BITS == 8 {
                    q.add_signed_products_of_rows(sums, words, rows, self.row_stride)
                } else {
                    q.add_short_products_of_rows(sums, words, rows, self.row_stride)
                };
            }
            if F::BITS < 8 {
                self.widen(q, &mut sums);
            }
        }
        sums
    }

    /// sums ← the centre times minus what a row adds up to, in 16 bits. They may overflow on the way, but end below 2¹⁵: a lane adds up 16
    /// products of at most 8 · 127 with four bits and 16 · 127 with five, or eight of 32 · 127 with six.
    ///
    /// # Safety
    /// As [`Group::multiply_words`].
    #[inline(always)]
    unsafe fn start_short(&self, q: Avx2F16c, sums: &mut SumsOfRows) {
        for (i, sums) in sums.iter_mut().enumerate() {
            let sum = self.of_row(i, negative_sums_of_halves(F::GROUP, self.start));
            // SAFETY: promised by the caller.
            *sums = [unsafe { q.short_start(sum, Self::CENTRE.trailing_zeros()) }; 2];
        }
    }

    /// Widens sums to 32 bits, and adds what the centre took off where zero is another.
    ///
    /// # Safety
    /// As [`Group::multiply_words`].
    #[inline(always)]
    unsafe fn widen(&self, q: Avx2F16c, sums: &mut SumsOfRows) {
        const { assert!(Self::CENTRE == F::ZERO || F::ZERO == 0, "wanted the centre as zero, or none") };
        for (i, sums) in sums.iter_mut().enumerate() {
            let mut start = q.no_sums();
            if Self::CENTRE != F::ZERO {
                let sum = self.of_row(i, negative_sum(F::GROUP, self.start));
                // SAFETY: promised by the caller.
                start = q.subtract(start, unsafe { q.start(sum.cast(), Self::CENTRE.trailing_zeros()) });
            }
            *sums = sums.map(|short| q.add(start, short));
        }
    }

    /// A number of row i.
    #[inline(always)]
    fn of_row(&self, i: usize, offset: usize) -> *const u8 {
        self.rows.wrapping_add(i * self.row_stride + offset)
    }
}
