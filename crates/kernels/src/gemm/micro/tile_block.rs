//! Tiles of C on a unit with tiles ([`TileUnit`]): up to 32 rows by two panels, whose sums are four tiles of the unit.
//!
//! ```text
//!            tile 6   tile 7      columns of B: a panel each, a brick of 64 bytes a row
//! tile 4     tile 0   tile 1      rows of A: the first 16
//! tile 5     tile 2   tile 3                 those behind them
//! ```
//! The sizes of tiles are set for a number of rows, so that nothing is read past the last, and stay until a call has other rows.

use crate::gemm::microkernel::Session;
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{TILE_ROW_BYTES, TILE_ROWS, TileConfig, TileUnit};
use std::cell::Cell;
use std::mem::MaybeUninit;

/// Rows of a whole block.
pub(in crate::gemm) const BLOCK_ROWS: usize = 2 * TILE_ROWS;

/// Panels of a whole block, and columns of a panel.
pub(in crate::gemm) const BLOCK_PANELS: usize = 2;
pub(in crate::gemm) const PANEL_COLS: usize = 16;

/// Bytes of a quad, or of a pair.
const WORD: usize = 4;

/// `every_size!(function)`: the functions of a kernel of such blocks, one that serves every number of rows and panels; or of as many rows and
/// panels as are named.
macro_rules! every_size {
    ($function:expr) => {
        $crate::gemm::micro::tile_block::every_size!(
            $function,
            $crate::gemm::micro::tile_block::BLOCK_ROWS,
            $crate::gemm::micro::tile_block::BLOCK_PANELS
        )
    };
    ($function:expr, $rows:expr, $panels:expr) => {{
        const FUNCTION: $crate::gemm::TileFn<f32> = $function;
        const ROW: &[$crate::gemm::TileFn<f32>] = &[FUNCTION; $panels];
        &[ROW; $rows]
    }};
}
pub(in crate::gemm) use every_size;

thread_local! {
    /// Rows that the tiles of this thread are configured for; 0 outside of a session.
    static CONFIGURED: Cell<usize> = const { Cell::new(0) };
}

/// The configuration for a number of rows, and of bricks that are multiplied at a time.
const fn config(rows: usize, bricks: usize) -> TileConfig {
    let upper = if rows < TILE_ROWS { rows } else { TILE_ROWS };
    let lower = rows - upper;
    TileConfig::NONE
        .with(0, upper, TILE_ROW_BYTES)
        .with(1, upper, TILE_ROW_BYTES)
        .with(2, lower, TILE_ROW_BYTES)
        .with(3, lower, TILE_ROW_BYTES)
        .with(4, upper, bricks * WORD)
        .with(5, lower, bricks * WORD)
        .with(6, bricks, TILE_ROW_BYTES)
        .with(7, bricks, TILE_ROW_BYTES)
}

/// The session of kernels that multiply `BRICKS` bricks at a time.
pub(in crate::gemm) const fn session<U: TileUnit, const BRICKS: usize>() -> Session {
    Session { begin: begin::<U, BRICKS>, end: end::<U> }
}

/// # Safety
/// The CPU has the unit, which the process may use.
unsafe fn begin<U: TileUnit, const BRICKS: usize>() {
    // SAFETY: promised by the caller; the sizes are within those of a tile.
    unsafe { U::assume().configure(const { &config(BLOCK_ROWS, BRICKS) }) };
    CONFIGURED.set(BLOCK_ROWS);
}

/// # Safety
/// As [`begin`].
unsafe fn end<U: TileUnit>() {
    CONFIGURED.set(0);
    // SAFETY: promised by the caller.
    unsafe { U::assume() }.release();
}

/// Configures the tiles of this thread for blocks of so many rows, unless they are.
///
/// # Safety
/// The thread is in a session of `bricks`, no block is in use, and there are at most [`BLOCK_ROWS`] rows.
#[inline(always)]
pub(in crate::gemm) unsafe fn configure<U: TileUnit>(unit: U, rows: usize, bricks: usize) {
    if CONFIGURED.get() != rows {
        // SAFETY: the sizes are within those of a tile.
        unsafe { unit.configure(&config(rows, bricks)) };
        CONFIGURED.set(rows);
    }
}

/// How words of A and B are multiplied.
pub(in crate::gemm) trait Multiply {
    /// C += A · B
    ///
    /// # Safety
    /// The tiles are configured as a [`TileBlock`] does it.
    unsafe fn add<U: TileUnit, const C: u8, const A: u8, const B: u8>(u: U);
}

/// Quads of signed bytes.
pub(in crate::gemm) struct Quads;

/// Pairs of bf16.
pub(in crate::gemm) struct Pairs;

impl Multiply for Quads {
    #[inline(always)]
    unsafe fn add<U: TileUnit, const C: u8, const A: u8, const B: u8>(u: U) {
        // SAFETY: promised by the caller.
        unsafe { u.add_quads::<C, A, B>() }
    }
}

impl Multiply for Pairs {
    #[inline(always)]
    unsafe fn add<U: TileUnit, const C: u8, const A: u8, const B: u8>(u: U) {
        // SAFETY: promised by the caller.
        unsafe { u.add_pairs::<C, A, B>() }
    }
}

/// Where the bricks of one multiplication lie, and the words of A for them.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Operands {
    /// Words of the first row, one behind the other.
    pub(in crate::gemm) rows: *const u8,
    pub(in crate::gemm) row_stride: usize,
    /// The first brick of the first panel.
    pub(in crate::gemm) bricks: *const u8,
    pub(in crate::gemm) brick_stride: usize,
    pub(in crate::gemm) panel_stride: usize,
}

/// The sums of a block as they are stored: of rows, panels and columns.
#[repr(C, align(64))]
pub(in crate::gemm) struct Stored<T>(MaybeUninit<[[[T; PANEL_COLS]; BLOCK_PANELS]; BLOCK_ROWS]>);

impl<T: Copy> Stored<T> {
    /// Room for them.
    #[inline(always)]
    pub(in crate::gemm) fn none() -> Self {
        Stored(MaybeUninit::uninit())
    }

    /// The sums of a row and panel.
    ///
    /// # Safety
    /// A block of more rows and panels was stored.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn row(&self, row: usize, panel: usize) -> &[T; PANEL_COLS] {
        let rows = self.0.as_ptr().cast::<[[T; PANEL_COLS]; BLOCK_PANELS]>();
        // SAFETY: promised by the caller.
        unsafe { &*rows.add(row).cast::<[T; PANEL_COLS]>().add(panel) }
    }
}

/// A block of `rows` by `panels`, whose sums are in the tile registers of this thread.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct TileBlock<U> {
    unit: U,
    rows: usize,
    panels: usize,
    /// Whether so few rows read a panel that no other block will.
    is_read_once: bool,
}

impl<U: TileUnit> TileBlock<U> {
    /// The block of a call, with the tiles configured for it. Its sums are to be cleared first.
    ///
    /// # Safety
    /// The thread is in a session of `bricks`, no other block is in use, and the call has at most [`BLOCK_ROWS`] rows and the columns of
    /// [`BLOCK_PANELS`].
    #[inline(always)]
    pub(in crate::gemm) unsafe fn new(unit: U, args: &TileArgs<'_, f32>, bricks: usize) -> Self {
        let TileArgs { rows, cols, .. } = *args;
        // SAFETY: promised by the caller.
        unsafe { configure(unit, rows, bricks) };
        TileBlock { unit, rows, panels: cols.div_ceil(PANEL_COLS), is_read_once: rows <= STREAMED_ROWS }
    }

    #[inline(always)]
    fn is_tall(self) -> bool {
        self.rows > TILE_ROWS
    }

    #[inline(always)]
    fn is_wide(self) -> bool {
        self.panels > 1
    }

    /// sums ← 0
    #[inline(always)]
    pub(in crate::gemm) fn clear(self) {
        // SAFETY: tiles that `new` configured.
        unsafe {
            self.unit.zero::<0>();
            if self.is_wide() {
                self.unit.zero::<1>();
            }
            if self.is_tall() {
                self.unit.zero::<2>();
                if self.is_wide() {
                    self.unit.zero::<3>();
                }
            }
        }
    }

    /// sums += A · B for as many bricks as the session is of.
    ///
    /// # Safety
    /// The operands are valid for reads, for each of the block's rows and panels.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn multiply<M: Multiply>(self, operands: Operands) {
        let Operands { rows, row_stride, bricks, brick_stride, panel_stride } = operands;
        // SAFETY: promised by the caller; tiles that `new` configured for each other.
        unsafe {
            self.load_bricks::<6>(bricks, brick_stride);
            self.unit.load::<4>(rows, row_stride);
            M::add::<U, 0, 4, 6>(self.unit);
            if self.is_wide() {
                self.load_bricks::<7>(bricks.wrapping_add(panel_stride), brick_stride);
                M::add::<U, 1, 4, 7>(self.unit);
            }
            if self.is_tall() {
                self.unit.load::<5>(rows.wrapping_add(TILE_ROWS * row_stride), row_stride);
                M::add::<U, 2, 5, 6>(self.unit);
                if self.is_wide() {
                    M::add::<U, 3, 5, 7>(self.unit);
                }
            }
        }
    }

    /// # Safety
    /// The bricks are valid for reads.
    #[inline(always)]
    unsafe fn load_bricks<const T: u8>(self, bricks: *const u8, stride: usize) {
        // SAFETY: promised by the caller; a tile that `new` configured.
        unsafe {
            if self.is_read_once {
                self.unit.load_once::<T>(bricks, stride);
            } else {
                self.unit.load::<T>(bricks, stride);
            }
        }
    }

    /// sums += A · B for `count` bricks, fewer than the session is of: words beyond them are zeros, of which the sums stay as they are.
    ///
    /// # Safety
    /// As [`TileBlock::multiply`], for these bricks.
    #[inline(never)]
    pub(in crate::gemm) unsafe fn multiply_some<M: Multiply>(self, operands: Operands, count: usize) {
        let mut rows = [[0u8; TILE_ROW_BYTES]; BLOCK_ROWS];
        let mut bricks = [[[0u8; TILE_ROW_BYTES]; TILE_ROWS]; BLOCK_PANELS];
        // SAFETY: promised by the caller, and copies with room for as many words and bricks as a tile has.
        unsafe {
            for (i, row) in rows.iter_mut().enumerate().take(self.rows) {
                let source = operands.rows.wrapping_add(i * operands.row_stride);
                source.copy_to_nonoverlapping(row.as_mut_ptr(), count * WORD);
            }
            for (j, panel) in bricks.iter_mut().enumerate().take(self.panels) {
                for (p, brick) in panel.iter_mut().enumerate().take(count) {
                    let at = j * operands.panel_stride + p * operands.brick_stride;
                    operands.bricks.wrapping_add(at).copy_to_nonoverlapping(brick.as_mut_ptr(), TILE_ROW_BYTES);
                }
            }
            self.multiply::<M>(Operands {
                rows: rows.as_flattened().as_ptr(),
                row_stride: TILE_ROW_BYTES,
                bricks: bricks.as_flattened().as_flattened().as_ptr(),
                brick_stride: TILE_ROW_BYTES,
                panel_stride: TILE_ROWS * TILE_ROW_BYTES,
            });
        }
    }

    /// Stores the sums of the block's rows and panels; the rest of `out` stays.
    #[inline(always)]
    pub(in crate::gemm) fn store<T: Copy>(self, out: &mut Stored<T>) {
        const { assert!(size_of::<T>() == WORD, "wanted numbers of 32 bits") };
        let (first, stride) = (out.0.as_mut_ptr().cast::<u8>(), BLOCK_PANELS * TILE_ROW_BYTES);
        let lower = first.wrapping_add(TILE_ROWS * stride);
        // SAFETY: tiles that `new` configured, and rows of `out` with room for them.
        unsafe {
            self.unit.store::<0>(first, stride);
            if self.is_wide() {
                self.unit.store::<1>(first.wrapping_add(TILE_ROW_BYTES), stride);
            }
            if self.is_tall() {
                self.unit.store::<2>(lower, stride);
                if self.is_wide() {
                    self.unit.store::<3>(lower.wrapping_add(TILE_ROW_BYTES), stride);
                }
            }
        }
    }
}
