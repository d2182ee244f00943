//! Panels for many rows: a byte for each weight, and scales in f32. Each tile of rows takes a packed panel apart; where there are many, that
//! is done once for all of them. Bytes have no sign for instructions that multiply words, and one for those that multiply tiles.
//!
//! ```text
//! for each group: the scales of 16 columns, their minimums if it has some, then its words
//! ```
//!
//! Weights, scales and the order of sums are those of the packed panel, and so are the bits of results.

use super::format::{BlockLayout, COLS, Columns, Decode, Fields, Places, WORD, block_bytes};
use crate::gemm::format::PanelFormat;
use crate::simd::NarrowQuads;
use std::marker::PhantomData;

/// Panels of the format F, expanded.
#[derive(Clone, Copy, Debug)]
pub(in crate::gemm) struct Expanded<F>(PhantomData<F>);

/// Halves that a number of f32 has the place of.
const HALVES: usize = 2;

impl<F: Decode> BlockLayout for Expanded<F> {
    const IN_TURNS: bool = false;
    const BLOCK: usize = F::GROUP;
    const FIELDS: Fields =
        Fields { halves: if F::HAS_MINIMUM { 2 * HALVES } else { HALVES }, bytes: 0, words: F::GROUP / WORD };
}

// SAFETY: words of a group, and as many halves as there are.
unsafe impl<F: Decode> Decode for Expanded<F> {
    const GROUP: usize = F::GROUP;
    // A byte without a sign, up to 255, which `expand` allows only where products are added up in 32 bits.
    const BITS: u32 = 6;
    const ZERO: i32 = if F::BITS == 8 { 128 } else { F::ZERO };
    const HAS_MINIMUM: bool = F::HAS_MINIMUM;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        unsafe { q.words(columns.word(quad)) }
    }

    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        _q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        unsafe { columns.number(0).cast::<[f32; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn minimums<Q: NarrowQuads<LANES>, const LANES: usize>(
        _q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        if !F::HAS_MINIMUM {
            return [0.0; LANES];
        }
        // SAFETY: as above.
        unsafe { columns.number(1).cast::<[f32; LANES]>().read_unaligned() }
    }
}

impl<F: Decode> Columns<Expanded<F>> {
    /// The first column's scale, or its minimum: number 0 or 1.
    #[inline(always)]
    pub(super) fn number(self, index: usize) -> *const u8 {
        self.half(HALVES * index).wrapping_add(self.first() * (size_of::<f32>() - size_of::<u16>()))
    }
}

/// Expanded panels of a format.
pub(super) const fn panel<F: Decode>() -> PanelFormat {
    let block_bytes = block_bytes::<Expanded<F>>();
    PanelFormat { layout: "expanded", cols: COLS, block_k: F::GROUP, block_bytes }
}

/// out ← the packed panel of `k` steps at `panel`, expanded: if SIGNED, in weights from which nothing is to be subtracted, or else in those of
/// [`Expanded`] as a format.
///
/// # Safety
/// As [`ExpandFn`](crate::gemm::expansion::ExpandFn) of the format F.
#[inline(always)]
pub(super) unsafe fn expand<F: Decode, Q: NarrowQuads<LANES>, const LANES: usize, const SIGNED: bool>(
    q: Q,
    panel: *const u8,
    k: usize,
    mut out: *mut u8,
) {
    const {
        assert!(COLS.is_multiple_of(LANES), "wanted whole vectors");
        let has_sums_of_32_bits = !Q::SHORT_SUMS && (F::BITS < 8 || Q::OFFSET == Expanded::<F>::ZERO);
        assert!(SIGNED || has_sums_of_32_bits, "wanted sums in 32 bits");
    }
    for number in 0..k.div_ceil(F::BLOCK) {
        let block = panel.wrapping_add(number * const { block_bytes::<F>() });
        for group in 0..const { F::BLOCK / F::GROUP } {
            for first in (0..COLS).step_by(LANES) {
                let columns = Columns::<F>::new(block, Places::of::<F>(number), first);
                let out = Columns::<Expanded<F>>::new(out, Places::of::<Expanded<F>>(0), first);
                // SAFETY: promised by the caller: a group's fields, and room for it.
                unsafe { expand_group::<F, Q, LANES, SIGNED>(q, columns, group, out) };
            }
            out = out.wrapping_add(const { block_bytes::<Expanded<F>>() });
        }
    }
}

/// # Safety
/// As [`expand`], for one group of a vector's columns.
#[inline(always)]
unsafe fn expand_group<F: Decode, Q: NarrowQuads<LANES>, const LANES: usize, const SIGNED: bool>(
    q: Q,
    columns: Columns<F>,
    group: usize,
    out: Columns<Expanded<F>>,
) {
    // SAFETY: promised by the caller.
    unsafe {
        out.number(0).cast_mut().cast::<[f32; LANES]>().write_unaligned(F::scales(q, columns, group));
        if F::HAS_MINIMUM {
            out.number(1).cast_mut().cast::<[f32; LANES]>().write_unaligned(F::minimums(q, columns, group));
        }
        for quad in 0..const { F::GROUP / WORD } {
            let words = F::words(q, columns, group, quad);
            let words = if F::BITS == 8 && !SIGNED { q.signed(words) } else { words };
            let word = out.word(quad).cast_mut();
            word.cast::<Q::Words>().write_unaligned(words);
            if SIGNED && F::BITS < 8 && F::ZERO != 0 {
                let weights = std::slice::from_raw_parts_mut(word, WORD * LANES);
                weights.iter_mut().for_each(|weight| *weight = weight.wrapping_sub(F::ZERO as u8));
            }
        }
    }
}
