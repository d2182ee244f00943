//! Tiles: the registers of AMX, up to 16 rows of up to 64 bytes each, two of which are multiplied and added to a third at once.
//!
//! Kernels are written over [`TileUnit`], whose eight operations are one instruction each ([`Amx`]), or plain Rust in tests (`software.rs`): few
//! machines have the unit.
//!
//! Source: Intel SDM volume 1, chapter 18, and the instructions in volume 2.

mod amx;
mod config;
#[cfg(test)]
mod software;

use super::Simd;

pub(crate) use amx::Amx;
pub(crate) use config::TileConfig;
#[cfg(test)]
pub(crate) use software::SoftwareTiles;

/// Rows of the largest tile.
pub(crate) const TILE_ROWS: usize = 16;

/// Bytes of its rows.
pub(crate) const TILE_ROW_BYTES: usize = 64;

/// A unit with eight tiles, which are those of the thread. A value proves that the CPU has it.
///
/// Tiles are numbered by constants, since they are parts of the instructions.
///
/// # Safety
/// Code that works on memory relies on an implementation: loads and stores touch the configured rows of a tile, and no other bytes.
pub(crate) unsafe trait TileUnit: Copy {
    /// Vectors of f32 that the CPU has with it.
    type Floats: Simd<f32>;

    /// A value.
    ///
    /// # Safety
    /// The CPU has the unit and its vectors, and the system permits the process to use it.
    unsafe fn assume() -> Self;

    /// Proof of the vectors of f32.
    fn floats(self) -> Self::Floats;

    /// Gives the tiles of this thread their sizes, and clears them.
    ///
    /// # Safety
    /// The sizes are such as tiles can have.
    unsafe fn configure(self, config: &TileConfig);

    /// Frees the tiles of this thread.
    fn release(self);

    /// Tile T ← 0.
    ///
    /// # Safety
    /// The tile is configured.
    unsafe fn zero<const T: u8>(self);

    /// Tile T ← its rows, `stride` bytes apart.
    ///
    /// # Safety
    /// The tile is configured, and memory valid for reads of its rows.
    unsafe fn load<const T: u8>(self, rows: *const u8, stride: usize);

    /// As [`TileUnit::load`], of memory that is not read again soon.
    ///
    /// # Safety
    /// As [`TileUnit::load`].
    unsafe fn load_once<const T: u8>(self, rows: *const u8, stride: usize);

    /// Stores the rows of tile T, `stride` bytes apart.
    ///
    /// # Safety
    /// The tile is configured, and memory valid for writes of its rows.
    unsafe fn store<const T: u8>(self, rows: *mut u8, stride: usize);

    /// C += A · B in 32 bits, where rows of A are quads of signed bytes and a row of B has a quad of each column.
    ///
    /// # Safety
    /// The tiles are three, configured for each other: C has the rows of A and the bytes a row of B, and A has a quad for each row of B.
    unsafe fn add_quads<const C: u8, const A: u8, const B: u8>(self);

    /// C += A · B in f32, where rows of A are pairs of bf16 and a row of B has a pair of each column. First and second numbers of pairs are
    /// summed apart, each from zero by fused multiply-adds; both sums are added, and the result to C. Rounds to nearest, takes denormal
    /// numbers for zeros, and neither reads nor writes the thread's floating-point environment.
    ///
    /// # Safety
    /// As [`TileUnit::add_quads`], in pairs.
    unsafe fn add_pairs<const C: u8, const A: u8, const B: u8>(self);
}
