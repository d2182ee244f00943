//! Loops 2 and 1: one block of rows of A against a run of panels of B, tile by tile.

use super::chains::{DOT_SEGMENT, whole_chains};
use super::epilogue::{Epilogue, TileEpilogue};
use super::microkernel::{Extra, Form, Lines, PackArgs, Pair, Store, Supported, Tile, TileArgs};
use super::room::with_tile_copy;
use super::strided::Strided;
use crate::scheme::{Real, Scheme};
use crate::scratch::{LINE, Zeroable};
use std::ops::Range;

/// C (m, n) ← finish(α · A·B + β · C), as the loops see it: checked, with raw operands, so that threads can write disjoint
/// parts of C.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a, S: Scheme> {
    pub(crate) kernel: Supported<S>,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Valid for reads and writes at `i · c_row_stride + j · c_col_stride`, all distinct.
    pub(crate) c: *mut S::Acc,
    pub(crate) c_row_stride: usize,
    pub(crate) c_col_stride: usize,
    pub(crate) alpha: S::Acc,
    pub(crate) beta: S::Acc,
    /// Sizes checked against (m, n). With one, α is 1 and β is 0.
    pub(crate) epilogue: Option<&'a Epilogue<'a>>,
}

// SAFETY: the pointer stands for an exclusive borrow of Send + Sync elements, each of which is written by one task.
unsafe impl<S: Scheme> Sync for Product<'_, S> {}

/// The part of a product that one call of the macro-kernel computes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) rows: Range<usize>,
    pub(crate) panels: Range<usize>,
    pub(crate) ks: Range<usize>,
}

/// The columns of B that belong to a block, from the block's first element of K on: panels of nr columns, which in a packed B
/// follow each other, and of a B in place are parts of the same rows.
#[derive(Clone, Copy)]
pub(crate) struct BBlock<T> {
    /// Element (0, 0) of the block's first panel.
    pub(crate) data: *const T,
    /// Elements from one panel to the next.
    pub(crate) panel_stride: usize,
    /// As [`TileArgs::b_stride`].
    pub(crate) stride: usize,
    /// What is read after the block's last panel.
    pub(crate) ahead: Ahead<T>,
    /// Where the first tile of a panel leaves a packed copy of it, for the others to read; null where they all read the same. Of
    /// blocks of one panel only.
    pub(crate) copy: *mut T,
    /// Whether it comes from memory, in pieces of rows that the hardware does not see coming.
    pub(crate) is_far: bool,
}

/// Memory that will be read soon: the tiles of a panel ask for it, each for one line in every step of k.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<T> {
    /// The first line; null for none.
    pub(crate) data: *const T,
    /// Elements from the first line of one tile to that of the next.
    pub(crate) tile_stride: usize,
    /// Elements from the line of one step to that of the next.
    pub(crate) stride: usize,
    /// Tiles that have something to ask for.
    pub(crate) tiles: usize,
}

impl<T> Ahead<T> {
    pub(crate) const NONE: Ahead<T> = Ahead { data: std::ptr::null(), tile_stride: 0, stride: 0, tiles: 0 };

    /// k rows of a panel of nr columns, `stride` elements apart: line after line where they follow each other, and otherwise one
    /// line of every row for each tile.
    fn panel(data: *const T, nr: usize, k: usize, stride: usize) -> Ahead<T> {
        let line = (LINE / size_of::<T>()).min(nr);
        let tiles = nr / line;
        if stride == nr {
            Ahead { data, tile_stride: k * line, stride: line, tiles }
        } else {
            Ahead { data, tile_stride: line, stride, tiles }
        }
    }
}

// SAFETY: the pointers stand for shared borrows of Sync elements.
unsafe impl<T: Sync> Sync for BBlock<T> {}

/// A range cut into parts that differ by at most one, in order.
pub(crate) struct EvenParts {
    start: usize,
    part: usize,
    longer: usize,
    left: usize,
}

impl EvenParts {
    #[inline]
    pub(crate) fn new(whole: usize, limit: usize) -> EvenParts {
        // Without divisions, which small products would notice.
        if whole <= limit {
            return EvenParts { start: 0, part: whole, longer: 0, left: 1 };
        }
        let parts = whole.div_ceil(limit).max(1);
        EvenParts { start: 0, part: whole / parts, longer: whole % parts, left: parts }
    }
}

impl Iterator for EvenParts {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        self.left = self.left.checked_sub(1)?;
        let start = self.start;
        self.start += self.part + usize::from(self.longer > 0);
        self.longer = self.longer.saturating_sub(1);
        Some(start..self.start)
    }
}

impl<S: Scheme> Product<'_, S> {
    /// `kc`, rounded so that blocks of K hold whole chains: the order of summation then does not depend on it.
    pub(crate) fn whole_chains(&self, kc: usize) -> usize {
        match self.kernel.record().form() {
            Form::Outer => whole_chains(kc, self.k),
            Form::Dot => DOT_SEGMENT,
        }
    }

    /// Adds the block's share of K to its part of C, and finishes it where that share is the last. `a` and `b` are the parts of the
    /// operands from the block's first row, or panel, and element of K on.
    ///
    /// # Safety
    /// The fields are valid as they say, nobody else uses the block's part of C meanwhile, and the two operands are valid for reads
    /// where the block's tiles need them.
    pub(crate) unsafe fn run_block(&self, block: &Block, a: Strided<S::A>, b: BBlock<S::B>) {
        let tile = self.kernel.tile();
        let nr = tile.nr;
        let (height, k) = (block.rows.len(), block.ks.len());
        let (is_first, is_last) = (block.ks.start == 0, block.ks.end == self.k);
        let epilogue = self.epilogue.filter(|_| is_last);
        let store = store(self.alpha, if is_first { self.beta } else { S::Acc::one() });
        let is_dot = self.kernel.record().form() == Form::Dot;
        // The rows that the next tile reads, where A is large.
        let stream_a = !is_dot && a.col_stride == 1 && height.saturating_mul(k) > STREAM / size_of::<S::A>();
        for (index, panel) in block.panels.clone().enumerate() {
            let b_data = b.data.wrapping_add(index * b.panel_stride);
            let has_next = panel + 1 < block.panels.end;
            let ahead =
                if has_next { Ahead::panel(b_data.wrapping_add(b.panel_stride), nr, k, b.stride) } else { b.ahead };
            // A panel that is read once is a stream that the hardware sees by itself.
            let ahead = if height > tile.mr && !is_dot { ahead } else { Ahead::NONE };
            let is_copied = !b.copy.is_null() && height > tile.mr;
            let extra = |tile: usize, a_data: *const S::A, rows: usize| {
                let asks = tile.wrapping_sub(usize::from(is_copied));
                if is_dot && has_next {
                    Extra::Prefetch(Lines::rows(b_data.wrapping_add(b.panel_stride), nr, b.stride))
                } else if is_copied && tile == 0 {
                    Extra::Copy { to: b.copy, stride: nr }
                } else if asks < ahead.tiles {
                    Extra::Prefetch(Lines::each_step(ahead.data.wrapping_add(asks * ahead.tile_stride), ahead.stride))
                } else if stream_a {
                    Extra::Prefetch(Lines::rows(a_data.wrapping_add(rows * a.row_stride), rows, a.row_stride))
                } else if b.is_far && tile == 0 {
                    Extra::FetchRows
                } else {
                    Extra::Nothing
                }
            };
            let col = panel * nr;
            let cols = nr.min(self.n - col);
            // Tiles of equal height: a last tile of one row would cost nearly as much as a full one.
            for (tile_index, part) in EvenParts::new(height, tile.mr).enumerate() {
                let row = block.rows.start + part.start;
                let a_data = a.data.wrapping_add(part.start * a.row_stride);
                let finish = epilogue.and_then(|epilogue| S::Finish::cut(epilogue, row, col));
                let store = match &finish {
                    Some(finish) => Store::Finish { accumulate: !is_first, finish },
                    None => store,
                };
                let extra = extra(tile_index, a_data, part.len());
                let (b_data, b_stride) =
                    if is_copied && tile_index > 0 { (b.copy.cast_const(), nr) } else { (b_data, b.stride) };
                let args = TileArgs {
                    pairs: &[Pair { a: a_data, b: b_data }],
                    k,
                    offset: 0,
                    before: block.ks.start,
                    steps: k,
                    a_row_stride: a.row_stride,
                    a_col_stride: a.col_stride,
                    b_stride,
                    c: self.c.wrapping_add(row * self.c_row_stride + col * self.c_col_stride),
                    c_row_stride: self.c_row_stride,
                    extra,
                    cols,
                    store,
                };
                // SAFETY: the tile lies inside the block, whose operands the caller vouches for; 1 ≤ rows ≤ mr, 1 ≤ cols ≤ nr.
                unsafe {
                    if self.c_col_stride == 1 {
                        self.kernel.run(part.len(), &args);
                    } else {
                        self.run_strided(part.len(), &args);
                    }
                }
            }
        }
    }

    /// A tile of a C whose columns are not contiguous, by way of a contiguous copy.
    ///
    /// # Safety
    /// As [`Product::run_block`].
    #[inline(never)]
    unsafe fn run_strided(&self, rows: usize, args: &TileArgs<'_, S>) {
        let Tile { mr, nr } = self.kernel.tile();
        assert!(mr * nr * size_of::<S::Acc>() <= MAX_TILE_BYTES, "wanted a tile with room in its copy");
        // SAFETY: passed on; the copy has room for the tile, as was checked.
        with_tile_copy(|copy| unsafe { self.run_copied(rows, args, copy) });
    }

    /// The same with the copy, which holds numbers from the start, so that it does not matter to memory whether the kernel and `reads_c`
    /// agree.
    ///
    /// # Safety
    /// As [`Product::run_block`]; the copy has room for mr × nr elements.
    unsafe fn run_copied(&self, rows: usize, args: &TileArgs<'_, S>, copy: *mut S::Acc) {
        let nr = self.kernel.tile().nr;
        // SAFETY: the copy holds mr × nr elements, and the tile of C is vouched for by the caller.
        unsafe {
            if args.store.reads_c() {
                self.kernel.move_block(&PackArgs {
                    source: args.c.cast_const(),
                    rows,
                    cols: args.cols,
                    row_stride: self.c_row_stride,
                    col_stride: self.c_col_stride,
                    out: copy,
                    out_stride: nr,
                });
            }
            self.kernel.run(rows, &TileArgs { c: copy, c_row_stride: nr, ..*args });
            if self.c_row_stride == 1 {
                // Rows of Cᵀ.
                self.kernel.move_block(&PackArgs {
                    source: copy.cast_const(),
                    rows: args.cols,
                    cols: rows,
                    row_stride: 1,
                    col_stride: nr,
                    out: args.c,
                    out_stride: self.c_col_stride,
                });
            } else {
                for i in 0..rows {
                    for j in 0..args.cols {
                        *args.c.add(i * self.c_row_stride + j * self.c_col_stride) = *copy.add(i * nr + j);
                    }
                }
            }
        }
    }
}

/// C ← α · sums + β · C.
#[inline(always)]
pub(super) fn store<S: Scheme>(alpha: S::Acc, beta: S::Acc) -> Store<'static, S> {
    if alpha != S::Acc::one() {
        Store::Scale { alpha, beta }
    } else if beta == S::Acc::zero() {
        Store::Overwrite
    } else if beta == S::Acc::one() {
        Store::Accumulate
    } else {
        Store::Scale { alpha, beta }
    }
}

/// Bytes of A from which on it is taken to come from beyond the second cache level.
const STREAM: usize = 512 << 10;

/// Elements of the largest tile in the registry; those of wider numbers have fewer.
pub(super) const MAX_TILE: usize = 384;
/// Bytes of the largest tile in the registry, of any format.
pub(super) const MAX_TILE_BYTES: usize = MAX_TILE * size_of::<f32>();
