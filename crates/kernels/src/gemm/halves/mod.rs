//! Weights in 16 bits that kernels widen to f32: what [`bf16`](super::bf16) and [`f16`](super::f16) have in common. They differ in how a
//! number is rounded and widened, and in the order of a brick's numbers, which is that in which vectors widen them fastest.

mod panel;
pub(super) mod tile;

use super::format::{KBlocks, RowFormat};
use super::micro::copy::CopyBlock;
use super::microkernel::{KernelParts, Microkernel, Session};
use super::panel::{PrepareFn, Rows};
use super::tile_args::TileFn;
use crate::cpu::Features;
use crate::scheme::{F32, Scheme};
use crate::simd::Entry;

/// Columns of a panel, whatever the kernel: one packed form serves all.
pub(super) const COLS: usize = 16;

/// Steps of K in a block: with all columns a brick of a cache line.
pub(super) const PAIR: usize = 2;

/// Weights of 16 bits.
pub(super) trait Half: Scheme<A = f32, B = f32, C = f32> {
    /// What a brick holds, in which order.
    const LAYOUT: &'static str;

    /// Which of a brick's numbers is that of a step and a column.
    fn place(step: usize, col: usize) -> usize;

    /// out ← the nearest numbers, the even one of two; the lengths are equal.
    fn narrow(x: &[f32], out: &mut [u16]);

    /// The same number as f32.
    fn widen(half: u16) -> f32;
}

/// A kernel that widens weights and reads rows where they are, on the vectors of V.
pub(super) const fn widening<H: Half, V: Entry<CopyBlock<f32>>>(
    name: &'static str,
    needs: Features,
    lanes: usize,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<H> {
    record(name, needs, lanes, functions, (RowFormat::of_elements::<f32>(F32::NAME), Rows::prepare::<F32, V>), None)
}

/// A kernel whose rows have a format, what prepares them, and the session that its functions need.
pub(super) const fn record<H: Half>(
    name: &'static str,
    needs: Features,
    lanes: usize,
    functions: &'static [&'static [TileFn<f32>]],
    (rows, prepare): (RowFormat, PrepareFn<H>),
    session: Option<Session>,
) -> Microkernel<H> {
    // SAFETY: the functions of `tile.rs` read the blocks of the steps of a call, and write as the f32 kernels do; what prepares rows asks
    // for no more than the kernel needs, and `panel::pack` for nothing.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs,
            lanes,
            functions,
            rows_at_once: 1,
            rows,
            panel: panel::format::<H>(),
            k_blocks: KBlocks::Chains,
            pack: panel::pack::<H>,
            column: panel::read::<H>,
            prepare,
            session,
        })
    }
}
