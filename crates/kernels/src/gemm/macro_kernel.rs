//! Loops 2 and 1: one block of rows of A against a run of panels of B, tile by tile.

use super::epilogue::{Epilogue, TileEpilogue};
use super::microkernel::{Form, Ready, Tile};
use super::room::{MAX_TILE_BYTES, with_tile_copy};
use super::side_work::{PrefetchStream, SideWork};
use super::strided::Strided;
use super::tile_args::{CopyArgs, Pair, Store, TileArgs};
use crate::scheme::{Output, Real};
use crate::scratch::LINE;
use crate::simd::prefetch::prefetch;
use std::ops::Range;
use std::ptr::null_mut;

/// C (m, n) ← epilogue(α · A·B + β · C), as the loops see it: checked, with raw operands, so that threads can write disjoint
/// parts of C.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a, E: Output> {
    pub(crate) kernel: Ready<E>,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Valid for reads and writes at `i · c_row_stride + j · c_col_stride`, all distinct.
    pub(crate) c: *mut E,
    pub(crate) c_row_stride: usize,
    pub(crate) c_col_stride: usize,
    pub(crate) alpha: E::Sum,
    pub(crate) beta: E::Sum,
    /// Sizes checked against (m, n). With one, α is 1 and β is 0.
    pub(crate) epilogue: Option<&'a Epilogue<'a>>,
}

// SAFETY: the pointer stands for an exclusive borrow of Send + Sync elements, each of which is written by one task.
unsafe impl<E: Output> Sync for Product<'_, E> {}

/// The part of a product that one call of the macro-kernel computes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) rows: Range<usize>,
    pub(crate) panels: Range<usize>,
    pub(crate) ks: Range<usize>,
}

/// The columns of B that belong to a block, from the block's first element of K on: panels of nr columns, or of a part of nr, which in
/// a packed B follow each other, and of a B in place are parts of the same rows.
#[derive(Clone, Copy)]
pub(crate) struct BBlock {
    /// Element (0, 0) of the block's first panel.
    pub(crate) data: *const u8,
    /// Bytes from the panels of one tile's columns to those of the next.
    pub(crate) panel_stride: usize,
    /// As [`TileArgs::b_stride`].
    pub(crate) stride: usize,
    /// What is read after the block's last panel.
    pub(crate) ahead: Ahead,
    /// Where the first tile of a panel leaves a packed copy of it, for the others to read; null where they all read the same. Of
    /// blocks of one panel only.
    pub(crate) copy: *mut u8,
    /// Whether it comes from memory, in pieces of rows that the hardware does not see coming.
    pub(crate) needs_prefetch: bool,
    /// As in [`SideWork::PrefetchB`].
    pub(crate) row_ahead: usize,
    /// Room of this thread alone for the panels of a tile, as [`Ready::expanded_bytes`] counts them; null if they are read as they are.
    pub(crate) expanded: *mut u8,
}

impl BBlock {
    /// One panel whose blocks, `stride` bytes apart, are read as they are.
    pub(crate) const fn of_rows(data: *const u8, stride: usize) -> BBlock {
        BBlock {
            data,
            panel_stride: 0,
            stride,
            ahead: Ahead::NONE,
            copy: null_mut(),
            needs_prefetch: false,
            row_ahead: 0,
            expanded: null_mut(),
        }
    }
}

/// Memory that will be read soon: the tiles of a panel ask for it, each for one line in every step of k.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    /// The first line; null for none.
    pub(crate) data: *const u8,
    /// Bytes from the first line of one tile to that of the next.
    pub(crate) tile_stride: usize,
    /// Bytes from the line of one step to that of the next.
    pub(crate) stride: usize,
    /// Tiles that have something to ask for.
    pub(crate) tiles: usize,
}

impl Ahead {
    pub(crate) const NONE: Ahead = Ahead { data: std::ptr::null(), tile_stride: 0, stride: 0, tiles: 0 };

    /// `blocks` blocks of a panel, each of `bytes` and `stride` bytes after the one before: line after line where they follow each other,
    /// and otherwise one line of every block for each tile.
    fn panel(data: *const u8, bytes: usize, blocks: usize, stride: usize) -> Ahead {
        let line = LINE.min(bytes);
        let tiles = bytes / line;
        if stride == bytes {
            Ahead { data, tile_stride: blocks * line, stride: line, tiles }
        } else {
            Ahead { data, tile_stride: line, stride, tiles }
        }
    }

    /// The first line of each block of several panels, a panel for each tile.
    fn panels(data: *const u8, panels: usize, panel_stride: usize, stride: usize) -> Ahead {
        Ahead { data, tile_stride: panel_stride, stride, tiles: panels }
    }
}

/// The panels that the next tiles of columns will read, in a format of blocks. Each tile of rows before prefetches a part of them.
struct PanelsAhead {
    /// The first one; null for none.
    data: *const u8,
    panels: usize,
    /// Bytes from one panel to the next, and of those that are read.
    stride: usize,
    bytes: usize,
}

impl PanelsAhead {
    /// Prefetches the part of `rows`, in proportion to all `height` rows.
    fn prefetch_part(&self, rows: &Range<usize>, height: usize) {
        if self.data.is_null() {
            return;
        }
        let lines = self.bytes.div_ceil(LINE);
        for line in lines * rows.start / height..lines * rows.end / height {
            for panel in 0..self.panels {
                prefetch(self.data.wrapping_add(panel * self.stride + line * LINE));
            }
        }
    }
}

impl<E: Output> Product<'_, E> {
    /// Adds the block's share of K to its part of C, and applies the epilogue if that share is the last. `a` and `b` are the parts of the
    /// operands from the block's first row, or panel, and element of K on.
    ///
    /// # Safety
    /// The fields, of the operands too, are valid as they say, nobody else uses the block's part of C meanwhile, and the two operands are valid for
    /// reads where the block's tiles need them.
    pub(crate) unsafe fn run_block(&self, block: &Block, a: Strided<u8>, b: BBlock) {
        if let Some(expansion) = self.expansion(&b, block.rows.len()) {
            // SAFETY: promised by the caller.
            return unsafe { self.run_expanded(expansion, block, a, b) };
        }
        let tile = self.kernel.tile();
        let nr = tile.nr;
        let (height, k) = (block.rows.len(), block.ks.len());
        let (row_format, panel_format) = (self.kernel.kernel().rows, self.kernel.kernel().panel);
        let (is_first, is_last) = (block.ks.start == 0, block.ks.end == self.k);
        let epilogue = self.epilogue.filter(|_| is_last);
        let store = Store::scaled(self.alpha, if is_first { self.beta } else { E::Sum::one() });
        let is_dot = self.kernel.kernel().form == Form::Dot;
        // Blocks of whole groups are asked for by the kernel, others a line at a time by each step of a tile.
        let asks_by_lines = panel_format.block_k <= MOST_STEPS_OF_A_LINE;
        // Panels of narrow weights that few tiles read: the hardware does not keep up with one after the other.
        let few_tiles = if asks_by_lines { 1 } else { STREAMED_TILES };
        let is_streamed = self.kernel.kernel().form == Form::Blocks && height <= few_tiles * tile.mr;
        // The rows that the next tile reads, where A is large.
        let stream_a = !is_dot
            && a.col_stride == row_format.block_bytes
            && height.saturating_mul(row_format.row_bytes(k)) > STREAM;
        let panels = self.kernel.kernel().panels_of_tile();
        let panel_stride = b.panel_stride / panels;
        for (index, panel) in block.panels.clone().enumerate() {
            let b_data = b.data.wrapping_add(index * b.panel_stride);
            let has_next = panel + 1 < block.panels.end;
            let ahead = if has_next { self.ahead(b_data.wrapping_add(b.panel_stride), &b, k) } else { b.ahead };
            // A panel that is read once is a stream that the hardware sees by itself.
            let ahead = if height > tile.mr && !is_dot && !is_streamed { ahead } else { Ahead::NONE };
            let next =
                PanelsAhead { data: ahead.data, panels, stride: panel_stride, bytes: panel_format.panel_bytes(k) };
            let ahead = if asks_by_lines { ahead } else { Ahead::NONE };
            let is_copied = !b.copy.is_null() && height > tile.mr;
            let side_work = |tile: usize, a_data: *const u8, rows: usize| {
                let asks = tile.wrapping_sub(usize::from(is_copied));
                if is_dot && has_next {
                    let next = b_data.wrapping_add(b.panel_stride);
                    SideWork::Prefetch(PrefetchStream::rows(next, nr, b.stride, row_format.block_bytes))
                } else if is_copied && tile == 0 {
                    SideWork::CopyB { to: b.copy, stride: panel_format.block_bytes }
                } else if asks < ahead.tiles {
                    let first = ahead.data.wrapping_add(asks * ahead.tile_stride);
                    SideWork::Prefetch(PrefetchStream::each_step(first, ahead.stride))
                } else if stream_a {
                    let next = a_data.wrapping_add(rows * a.row_stride);
                    SideWork::Prefetch(PrefetchStream::rows(next, rows, a.row_stride, row_format.block_bytes))
                } else if (is_streamed || b.needs_prefetch) && tile == 0 {
                    SideWork::PrefetchB { row_ahead: b.row_ahead }
                } else {
                    SideWork::Nothing
                }
            };
            let col = panel * nr;
            let cols = nr.min(self.n - col);
            for (tile_index, part) in self.kernel.kernel().tiles_of_rows(height).enumerate() {
                let row = block.rows.start + part.start;
                if !asks_by_lines {
                    next.prefetch_part(&part, height);
                }
                let a_data = a.data.wrapping_add(part.start * a.row_stride);
                let epilogue = epilogue.and_then(|epilogue| E::Epilogue::cut(epilogue, row, col));
                let store = match &epilogue {
                    Some(epilogue) => Store::Epilogue { accumulate: !is_first, epilogue },
                    None => store,
                };
                let side_work = side_work(tile_index, a_data, part.len());
                let (b_data, b_stride) = if is_copied && tile_index > 0 {
                    (b.copy.cast_const(), panel_format.block_bytes)
                } else {
                    (b_data, b.stride)
                };
                let args = TileArgs {
                    pairs: &[Pair { a: a_data, b: b_data }],
                    k,
                    offset: 0,
                    before: block.ks.start,
                    steps: k,
                    a_row_stride: a.row_stride,
                    a_col_stride: a.col_stride,
                    b_stride,
                    panel_stride,
                    c: self.c.wrapping_add(row * self.c_row_stride + col * self.c_col_stride),
                    c_row_stride: self.c_row_stride,
                    side_work,
                    rows: part.len(),
                    cols,
                    store,
                };
                // SAFETY: the tile lies inside the block, whose operands the caller vouches for; 1 ≤ rows ≤ mr, 1 ≤ cols ≤ nr.
                unsafe {
                    if self.c_col_stride == 1 {
                        self.kernel.run(&args);
                    } else {
                        self.run_strided(&args);
                    }
                }
            }
        }
    }

    /// The panels of one tile, which begin at `data` and lie as those of `b`, of `k` elements of K.
    #[inline(always)]
    pub(super) fn ahead(&self, data: *const u8, b: &BBlock, k: usize) -> Ahead {
        let (kernel, format) = (self.kernel.kernel(), self.kernel.panel_format());
        match kernel.panels_of_tile() {
            1 => Ahead::panel(data, format.block_bytes, k.div_ceil(format.block_k), b.stride),
            panels => Ahead::panels(data, panels, b.panel_stride / panels, b.stride),
        }
    }

    /// A tile of a C whose columns are not contiguous, by way of a contiguous copy.
    ///
    /// # Safety
    /// As [`Product::run_block`].
    #[inline(never)]
    unsafe fn run_strided(&self, args: &TileArgs<'_, E>) {
        let Tile { mr, nr } = self.kernel.tile();
        assert!(mr * nr * size_of::<E>() <= MAX_TILE_BYTES, "wanted a tile with room in its copy");
        // SAFETY: passed on; the copy has room for the tile, as was checked.
        with_tile_copy(|copy| unsafe { self.run_copied(args, copy) });
    }

    /// The same with the copy, which holds numbers from the start, so that it does not matter to memory whether the kernel and `reads_c`
    /// agree.
    ///
    /// # Safety
    /// As [`Product::run_block`]; the copy has room for mr × nr elements.
    unsafe fn run_copied(&self, args: &TileArgs<'_, E>, copy: *mut E) {
        let (nr, rows) = (self.kernel.tile().nr, args.rows);
        // SAFETY: the copy holds mr × nr elements, and the tile of C is vouched for by the caller.
        unsafe {
            if args.store.reads_c() {
                self.kernel.copy(&CopyArgs {
                    source: args.c.cast_const(),
                    rows,
                    cols: args.cols,
                    row_stride: self.c_row_stride,
                    col_stride: self.c_col_stride,
                    out: copy,
                    out_stride: nr,
                });
            }
            self.kernel.run(&TileArgs { c: copy, c_row_stride: nr, ..*args });
            if self.c_row_stride == 1 {
                // Rows of Cᵀ.
                self.kernel.copy(&CopyArgs {
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

/// Steps of K in the blocks of panels that have a line or a few for each.
const MOST_STEPS_OF_A_LINE: usize = 2;

/// Tiles of rows that take no longer than the reading of their panel from memory, about.
const STREAMED_TILES: usize = 4;

/// Bytes of A from which on it is taken to come from beyond the second cache level.
const STREAM: usize = 512 << 10;
