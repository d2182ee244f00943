//! The microkernels: one body over the formats, and a function of it for each instruction set.
//!
//! ```text
//! for each group: the words of its columns, times rows, summed exactly
//!                 sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row))
//! ```
//!
//! There are no closures here that call instructions: they would be compiled for the baseline by themselves, and only inlined if they
//! are small.

#[cfg(target_arch = "x86_64")]
use super::expanded::expand;
use super::format::{COLS, Columns, Decode, Places, WORD, block_bytes};
use super::rows::{NUMBERS, ROW_BLOCK, negative_sum};
use crate::gemm::micro::in_memory::SumsInMemory;
use crate::gemm::micro::operands::{keep_in_memory, opaque};
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::{Piece, TileArgs};
use crate::scratch::LINE;
use crate::simd::{NarrowQuads, Scalar, Simd};
use products::{Factors, Products};
use std::marker::PhantomData;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod dotprod;
#[cfg(target_arch = "aarch64")]
mod i8mm;
mod products;
#[cfg(target_arch = "x86_64")]
mod tiles;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2F16c, Avx512Vnni, AvxVnniF16c};
#[cfg(all(test, target_arch = "x86_64"))]
pub(in crate::gemm) use tiles::on_tiles;
#[cfg(target_arch = "aarch64")]
pub(in crate::gemm) use {aarch64::neon, dotprod::neon_dotprod, i8mm::neon_i8mm};
#[cfg(target_arch = "x86_64")]
pub(in crate::gemm) use {
    avx2::avx2_tall,
    tiles::{PANELS, amx, session_of},
};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, with rows and panels of the format F.
pub(in crate::gemm) unsafe fn scalar<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Scalar, 1, 16, MR, MR>(Scalar, args) }
}

/// [`scalar`] for the columns of several panels.
///
/// # Safety
/// As [`scalar`], for up to COLUMNS columns.
#[cfg(all(test, target_arch = "x86_64"))]
pub(in crate::gemm) unsafe fn scalar_wide<F: Decode, const MR: usize, const COLUMNS: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Scalar, 1, COLUMNS, MR, MR>(Scalar, args) }
}

/// # Safety
/// As [`ExpandFn`](crate::gemm::expansion::ExpandFn) of the format F.
#[cfg(all(test, target_arch = "x86_64"))]
pub(in crate::gemm) unsafe fn scalar_expand_signed<F: Decode>(panel: *const u8, k: usize, out: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe { expand::<F, Scalar, 1, true>(Scalar, panel, k, out) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx2<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Avx2F16c, 8, 2, MR, MR>(Avx2F16c::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX-VNNI, AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx_vnni<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, AvxVnniF16c, 8, 2, MR, MR>(AvxVnniF16c::assume(), args) }
}

/// [`avx_vnni`] with its instruction in the encoding of AVX512-VNNI.
///
/// # Safety
/// As [`scalar`], on a CPU with AVX512-VNNI and AVX-512 F and VL.
#[cfg(all(test, target_arch = "x86_64"))]
#[target_feature(enable = "avx512vnni,avx512vl,avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx_vnni_in_evex<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, AvxVnniF16c<crate::simd::Evex>, 8, 2, MR, MR>(AvxVnniF16c::assume(), args) }
}

/// # Safety
/// As [`scalar`], with NV panels' columns, on a CPU with AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_vnni<F: Decode, const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Avx512Vnni, 16, NV, MR, MR>(Avx512Vnni::assume(), args) }
}

/// # Safety
/// As [`ExpandFn`](crate::gemm::expansion::ExpandFn) of the format F, on a CPU with AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_expand<F: Decode>(panel: *const u8, k: usize, out: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe { expand::<F, Avx512Vnni, 16, false>(Avx512Vnni::assume(), panel, k, out) }
}

/// [`avx512_expand`] for [`amx`].
///
/// # Safety
/// As [`avx512_expand`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_expand_signed<F: Decode>(panel: *const u8, k: usize, out: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe { expand::<F, Avx512Vnni, 16, true>(Avx512Vnni::assume(), panel, k, out) }
}

/// Rows of the tallest tile, four of which are multiplied at a time: tall tiles read their columns from the first cache level but for the
/// first four rows, and begin and end less often.
#[cfg(target_arch = "x86_64")]
const TALL: usize = 8;

/// # Safety
/// As [`avx512_vnni`], for more than four rows, up to [`TALL`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_vnni_tall<F: Decode, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Avx512Vnni, 16, NV, 4, TALL>(Avx512Vnni::assume(), args) }
}

/// MR rows are multiplied at a time; a tile has as many, or if MOST is more, up to MOST, which take two times.
///
/// # Safety
/// As [`scalar`], with VECTORS vectors of LANES columns.
#[inline(always)]
unsafe fn tile<F, Q, const LANES: usize, const VECTORS: usize, const MR: usize, const MOST: usize>(
    q: Q,
    args: &TileArgs<'_, f32>,
) where
    F: Decode,
    Q: NarrowQuads<LANES>,
{
    const { assert!(MOST <= 2 * MR, "wanted rows for one or two times") };
    let rows_of_tile = if MOST == MR { MR } else { args.rows };
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let mut total = SumsInMemory::<LANES, VECTORS, MOST>::zeros();
        total.begin(rows_of_tile, args);
        let sums = total.rows();
        let mut factors = [Factors::<LANES, VECTORS>::ZERO; 2];
        let factors = opaque(factors.as_mut_ptr()).cast_mut();
        // By factors of zero: those that the first group does not overwrite.
        let mut waiting = Products::<Q::Sums, LANES, VECTORS, MR>::none(q.no_sums(), factors.add(1));
        let mut turn = 0;
        for piece in args.pieces(ROW_BLOCK) {
            for index in 0..piece.steps.div_ceil(F::GROUP) {
                let mut group = Group::<F>::new(args, &piece, index, const { (VECTORS * LANES).div_ceil(COLS) });
                let rows = group.rows;
                if waiting.rows.is_null() {
                    waiting.rows = rows;
                }
                let to_wait = factors.add(turn);
                (*to_wait).read::<F, Q>(q, &group);
                let (start, exact) = (group.start, group.multiply(q, &waiting, sums));
                waiting = Products { sums: exact, rows, start, first: 0, added: 0, factors: to_wait };
                waiting.add_unless_they_wait::<F, Q>(q, args.a_row_stride, sums);
                // Not a loop, which took 6% longer on Zen 5.
                if MOST > MR {
                    // The last rows again rather than fewer.
                    let first = rows_of_tile - MR;
                    group.rows = rows.wrapping_add(first * args.a_row_stride);
                    group.ahead = 0;
                    let exact = group.multiply(q, &waiting, sums);
                    waiting = Products { sums: exact, rows: group.rows, start, first, added: MR, factors: to_wait };
                    waiting.add_unless_they_wait::<F, Q>(q, args.a_row_stride, sums);
                }
                turn = 1 - turn;
            }
        }
        if Q::SUMS_WAIT && !waiting.rows.is_null() {
            waiting.add_all::<F, Q>(q, args.a_row_stride, sums);
        }
        total.store(q.floats(), rows_of_tile, args);
    }
}

/// A group of each row, and of the columns of each panel.
struct Group<F> {
    /// The blocks of the rows, and where in them the group begins.
    rows: *const u8,
    row_stride: usize,
    start: usize,
    /// The first panel's block, where its fields lie, and which of its groups it is.
    block: *const u8,
    places: Places,
    panel_stride: usize,
    within: usize,
    /// Bytes from the block to what is to be prefetched, if not 0.
    ahead: usize,
    format: PhantomData<F>,
}

impl<F: Decode> Group<F> {
    /// Group `index` of a piece, which begins where a block of a row does, of a tile of this many panels.
    #[inline(always)]
    fn new(args: &TileArgs<'_, f32>, piece: &Piece, index: usize, panels: usize) -> Self {
        let Piece { pair, offset, .. } = *piece;
        let groups_in_block = const { F::BLOCK / F::GROUP };
        let number = offset / F::BLOCK + index / groups_in_block;
        let block = pair.b.wrapping_add(number * args.b_stride);
        Group {
            rows: pair.a.wrapping_add(offset / ROW_BLOCK * args.a_col_stride),
            row_stride: args.a_row_stride,
            start: index * F::GROUP,
            block,
            places: Places::of::<F>(number),
            panel_stride: args.panel_stride,
            within: index % groups_in_block,
            ahead: args.stream_ahead(block.addr() - pair.b.addr(), panels),
            format: PhantomData,
        }
    }

    /// The columns of a vector.
    #[inline(always)]
    fn columns<const LANES: usize>(&self, vector: usize) -> Columns<F> {
        let (panel, first) = (vector * LANES / COLS, vector * LANES % COLS);
        Columns::new(self.block.wrapping_add(panel * self.panel_stride), self.places, first)
    }

    /// The exact sums of products. Those that wait are added meanwhile, a row at a time: all at once, they would keep the units from
    /// multiplying.
    ///
    /// # Safety
    /// `rows` is valid for reads of a block of each of MR rows, `block` of a block of each panel that the vectors lie in; the same holds for
    /// the group that waits and its factors; `sums` is valid for reads and writes of the rows of the tile.
    #[inline(always)]
    unsafe fn multiply<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
        waiting: &Products<Q::Sums, LANES, VECTORS, MR>,
        sums: *mut [[f32; LANES]; VECTORS],
    ) -> [[Q::Sums; VECTORS]; MR]
    where
        Q: NarrowQuads<LANES>,
    {
        let zero = const { if F::BITS == 8 { Q::OFFSET } else { F::ZERO } };
        let mut products = [[q.no_sums(); VECTORS]; MR];
        // SAFETY: promised by the caller.
        unsafe {
            if MR <= STREAMED_ROWS && self.ahead > 0 {
                self.prefetch::<Q, LANES, VECTORS>(q);
            }
            if zero != 0 {
                for i in 0..MR {
                    let sum = self.rows.add(i * self.row_stride + negative_sum(F::GROUP, self.start));
                    products[i] = [q.start(sum.cast(), zero.trailing_zeros()); VECTORS];
                }
            }
            if Q::SHORT_SUMS && F::BITS < 8 {
                self.add_short_products(q, &mut products);
                return products;
            }
            // Not a loop: the compiler would keep registers that it counts in memory.
            const { assert!(!Q::SUMS_WAIT || MR <= 4, "wanted a part for each row") };
            self.part::<Q, LANES, VECTORS, MR, 0>(q, waiting, sums, &mut products);
            if Q::SUMS_WAIT && MR > 1 {
                self.part::<Q, LANES, VECTORS, MR, 1>(q, waiting, sums, &mut products);
            }
            if Q::SUMS_WAIT && MR > 2 {
                self.part::<Q, LANES, VECTORS, MR, 2>(q, waiting, sums, &mut products);
            }
            if Q::SUMS_WAIT && MR > 3 {
                self.part::<Q, LANES, VECTORS, MR, 3>(q, waiting, sums, &mut products);
            }
        }
        products
    }

    /// Adds a row that waits, and multiplies as many words as it takes for all of them to be done after the last row; if none wait, all.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn part<Q, const LANES: usize, const VECTORS: usize, const MR: usize, const PART: usize>(
        &self,
        q: Q,
        waiting: &Products<Q::Sums, LANES, VECTORS, MR>,
        sums: *mut [[f32; LANES]; VECTORS],
        products: &mut [[Q::Sums; VECTORS]; MR],
    ) where
        Q: NarrowQuads<LANES>,
    {
        let words = const { F::GROUP / WORD };
        let parts = if Q::SUMS_WAIT { MR } else { 1 };
        // SAFETY: promised by the caller.
        unsafe {
            if Q::SUMS_WAIT {
                for i in 0..MR {
                    for j in 0..VECTORS {
                        products[i][j] = q.now(products[i][j]);
                    }
                }
                keep_in_memory();
                waiting.add_row::<F, Q>(q, PART, self.row_stride, sums);
                keep_in_memory();
            }
            for word in words * PART / parts..words * (PART + 1) / parts {
                self.add_word(q, word, products);
            }
        }
    }

    /// products += row · weights for one word.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn add_word<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
        word: usize,
        products: &mut [[Q::Sums; VECTORS]; MR],
    ) where
        Q: NarrowQuads<LANES>,
    {
        // SAFETY: promised by the caller.
        unsafe {
            let weights = self.weights::<Q, LANES, VECTORS>(q, word);
            for i in 0..MR {
                let row = q.row(self.word_of_row(i, word));
                for j in 0..VECTORS {
                    products[i][j] = if F::BITS == 8 {
                        q.add_signed_products(products[i][j], weights[j], row)
                    } else {
                        q.add_unsigned_products(products[i][j], weights[j], row)
                    };
                }
            }
        }
    }

    /// products += row · weights by way of sums of a few words.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn add_short_products<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
        products: &mut [[Q::Sums; VECTORS]; MR],
    ) where
        Q: NarrowQuads<LANES>,
    {
        let words = const { F::GROUP / WORD };
        let run = words_of_short_sums(F::BITS, words);
        for first in (0..words).step_by(run) {
            let mut short = [[q.no_products(); VECTORS]; MR];
            for word in first..first + run {
                // SAFETY: promised by the caller.
                unsafe {
                    let weights = self.weights::<Q, LANES, VECTORS>(q, word);
                    for i in 0..MR {
                        let row = q.row(self.word_of_row(i, word));
                        for j in 0..VECTORS {
                            short[i][j] = q.add_products(short[i][j], weights[j], row);
                        }
                    }
                }
            }
            for i in 0..MR {
                for j in 0..VECTORS {
                    products[i][j] = q.add(products[i][j], short[i][j]);
                }
            }
        }
    }

    /// A word of each column.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn weights<Q, const LANES: usize, const VECTORS: usize>(&self, q: Q, word: usize) -> [Q::Words; VECTORS]
    where
        Q: NarrowQuads<LANES>,
    {
        // SAFETY: promised by the caller.
        unsafe {
            let mut weights = [F::words(q, self.columns::<LANES>(0), self.within, word); VECTORS];
            for j in 1..VECTORS {
                weights[j] = F::words(q, self.columns::<LANES>(j), self.within, word);
            }
            if F::BITS == 8 {
                for weights in &mut weights {
                    *weights = q.signed(*weights);
                }
            }
            weights
        }
    }

    /// Where a word of row i lies.
    #[inline(always)]
    fn word_of_row(&self, i: usize, word: usize) -> *const u8 {
        self.rows.wrapping_add(i * self.row_stride + NUMBERS + self.start + word * WORD)
    }

    /// Prefetches weights from memory.
    #[inline(always)]
    fn prefetch<Q, const LANES: usize, const VECTORS: usize>(&self, q: Q)
    where
        Q: NarrowQuads<LANES>,
    {
        let bytes = const { block_bytes::<F>() / (F::BLOCK / F::GROUP) };
        for panel in 0..(VECTORS * LANES).div_ceil(COLS) {
            let block = self.block.wrapping_add(panel * self.panel_stride + self.within * bytes + self.ahead);
            (0..bytes).step_by(LINE).for_each(|line| q.floats().prefetch(block.wrapping_add(line).cast()));
        }
    }
}

/// Words whose products fit the short sums, as [`NarrowQuads::add_products`] says, out of those of a group.
const fn words_of_short_sums(bits: u32, words: usize) -> usize {
    let most = match bits {
        4 => 8,
        5 => 4,
        6 => 2,
        _ => panic!("wanted weights of 4, 5 or 6 bits"),
    };
    if most < words { most } else { words }
}
