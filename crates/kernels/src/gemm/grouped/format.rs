//! What a format of grouped weights is.

use crate::gemm::format::PanelFormat;
use crate::gemm::microkernel::Microkernel;
use crate::scheme::Grouped;
use crate::scratch::LINE;
use crate::simd::NarrowQuads;
use std::fmt::Debug;

/// Columns of a panel, whatever the kernel: one packed form serves all.
pub(super) const COLS: usize = 16;

/// Bytes of a word: weights that the instructions multiply and add at a time have a byte each in it.
pub(super) const WORD: usize = 4;

/// How a column's block of weights lies in memory: halves (two bytes), then bytes, then words (four bytes); a panel has each of them for 16
/// columns after the other. Where [`BlockLayout::IN_TURNS`] says so, every second block, from the first on, has its words in front.
pub trait BlockLayout: Copy + Debug + Send + Sync + 'static {
    /// Whether blocks that end in the middle of a cache line have their words in front and behind in turns, so that those of each block lie
    /// on whole lines. A vector of words that crosses lines takes two loads.
    const IN_TURNS: bool = true;
    /// Weights of a block.
    const BLOCK: usize;
    /// Halves, bytes and words of a block of a column.
    const FIELDS: Fields;
}

/// A format in which files hold weights: blocks of [`BlockLayout::BLOCK`] weights of one output, which follow each other along its inputs.
pub trait GroupFormat: BlockLayout {
    /// The name of its scheme.
    const NAME: &'static str;
    /// What its panels hold, in which order; with a version where that has changed.
    const LAYOUT: &'static str = Self::NAME;
    /// Bytes of a block in a file.
    const BLOCK_BYTES: usize;

    /// The kernels that multiply by it: groups that need the same of the CPU, the most capable first.
    fn kernels() -> &'static [&'static [Microkernel<Grouped<Self>>]];

    /// Puts a block of a file in the order of its fields in memory; most formats have them in this order.
    fn arrange(block: &[u8], column: &mut [u8]) {
        column.copy_from_slice(block);
    }

    /// The block in memory that comes close to these weights.
    fn quantize(weights: &[f32], column: &mut [u8]);
}

/// Work that is the same for every format.
pub trait FormatVisitor {
    /// What comes of it.
    type Output;

    /// Does it for one.
    fn visit<F: GroupFormat>(self) -> Self::Output;
}

/// Fields of a block of a column in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Fields of two bytes.
    pub halves: usize,
    /// Fields of one byte.
    pub bytes: usize,
    /// Fields of four bytes.
    pub words: usize,
}

impl Fields {
    /// Bytes of all of them.
    pub const fn size(self) -> usize {
        2 * self.halves + self.bytes + WORD * self.words
    }

    /// Bytes of the halves and bytes of a panel.
    const fn head(self) -> usize {
        (2 * self.halves + self.bytes) * COLS
    }
}

/// Whether every second block has its words in front.
pub(super) const fn take_turns<F: BlockLayout>() -> bool {
    F::IN_TURNS && F::FIELDS.head() % LINE == LINE / 2
}

/// Where fields lie in a block of a panel, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// The halves, and behind them the bytes.
    pub(super) head: usize,
    pub(super) words: usize,
}

impl Places {
    /// Those in a block of this number in its panel.
    #[inline(always)]
    pub(super) const fn of<F: BlockLayout>(number: usize) -> Places {
        if take_turns::<F>() && number.is_multiple_of(2) {
            Places { head: WORD * F::FIELDS.words * COLS, words: 0 }
        } else {
            Places { head: 0, words: F::FIELDS.head() }
        }
    }
}

/// Bytes of a block of a panel.
pub(super) const fn block_bytes<F: BlockLayout>() -> usize {
    COLS * F::FIELDS.size()
}

/// The panels of a format.
pub(super) const fn panel<F: GroupFormat>() -> PanelFormat {
    PanelFormat { layout: F::LAYOUT, cols: COLS, block_k: F::BLOCK, block_bytes: block_bytes::<F>() }
}

/// How kernels read a format.
///
/// # Safety
/// Functions read fields of the block only, by the methods of [`Columns`], with `group` and `quad` inside the block.
pub(crate) unsafe trait Decode: BlockLayout {
    /// Weights with one scale.
    const GROUP: usize;
    /// Bits of a weight: 4, 5 or 6 without a sign, or 8 with one.
    const BITS: u32;
    /// What is subtracted from weights without a sign.
    const ZERO: i32;
    /// Whether groups have a minimum.
    const HAS_MINIMUM: bool = false;
    /// Whether the words of a block, which is one group, are those of [`Decode::words`] as they are.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the kernels on AVX2 ask for it"))]
    const HAS_BYTES: bool = false;

    /// Word `quad` of a group, each weight in a byte.
    ///
    /// # Safety
    /// As [`Columns::word`] for all fields.
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
        quad: usize,
    ) -> Q::Words;

    /// The scales of a group: half 0 if a block is one group.
    ///
    /// # Safety
    /// As [`Columns::word`] for all fields.
    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        const { assert!(Self::GROUP == Self::BLOCK && Self::FIELDS.halves >= 1) };
        // SAFETY: promised by the caller; there is such a half, as was checked.
        unsafe { q.halves(columns.half(0)) }
    }

    /// The minimums of a group: zeros, or half 1 if a block is one group that has one.
    ///
    /// # Safety
    /// As [`Columns::word`] for all fields.
    #[inline(always)]
    unsafe fn minimums<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        if !Self::HAS_MINIMUM {
            return [0.0; LANES];
        }
        const { assert!(!Self::HAS_MINIMUM || Self::GROUP == Self::BLOCK && Self::FIELDS.halves >= 2) };
        // SAFETY: promised by the caller; there is such a half, as was checked.
        unsafe { q.halves(columns.half(1)) }
    }
}

/// Columns of a block of a panel, from one on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<F> {
    block: *const u8,
    places: Places,
    first: usize,
    format: std::marker::PhantomData<F>,
}

impl<F: BlockLayout> Columns<F> {
    /// The columns of the block at `block` from `first` on.
    #[inline(always)]
    pub(super) fn new(block: *const u8, places: Places, first: usize) -> Columns<F> {
        Columns { block, places, first, format: std::marker::PhantomData }
    }

    /// Which column is the first.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn first(self) -> usize {
        self.first
    }

    /// The first column's half `index`; the others follow.
    #[inline(always)]
    pub(super) fn half(self, index: usize) -> *const u8 {
        self.block.wrapping_add(self.places.head + (index * COLS + self.first) * 2)
    }

    /// The first column's byte `index`; the others follow.
    #[inline(always)]
    pub(super) fn byte(self, index: usize) -> *const u8 {
        self.block.wrapping_add(self.places.head + (2 * F::FIELDS.halves + index) * COLS + self.first)
    }

    /// The first column's word `index`; the others follow. Reads of fields stay inside the block if that is whole and valid for reads, and
    /// the columns that are read from `first` on are columns of the panel.
    #[inline(always)]
    pub(super) fn word(self, index: usize) -> *const u8 {
        self.block.wrapping_add(self.places.words + (index * COLS + self.first) * WORD)
    }
}

#[cfg(test)]
mod tests {
    use super::super::formats::AnyFormat;
    use super::*;

    struct WordsOnLines;

    impl FormatVisitor for WordsOnLines {
        type Output = bool;

        fn visit<F: GroupFormat>(self) -> bool {
            let (fields, block) = (F::FIELDS, panel::<F>().block_bytes);
            assert_eq!(F::LAYOUT != F::NAME, take_turns::<F>(), "{}: a name for the order", F::NAME);
            (0..4).all(|number| {
                let Places { head, words } = Places::of::<F>(number);
                let (end_of_head, end_of_words) = (head + fields.head(), words + WORD * fields.words * COLS);
                assert!(head == end_of_words && words == 0 || words == end_of_head && head == 0, "{}", F::NAME);
                assert_eq!(block, end_of_head.max(end_of_words), "{}", F::NAME);
                (number * block + words) % LINE == 0
            })
        }
    }

    #[test]
    fn words_of_blocks_lie_on_whole_lines() {
        for format in AnyFormat::ALL {
            // Blocks of one end three quarters into a line; those of the other are in one order.
            let is_other = matches!(format, AnyFormat::Int4_128 | AnyFormat::Q8_0);
            assert_eq!(format.visit(WordsOnLines), !is_other, "{format:?}");
        }
    }
}
