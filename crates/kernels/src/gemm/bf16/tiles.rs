//! The microkernel on a unit with tiles: pairs of rows and bricks as they are, 32 steps of K at a time.

use super::{COLS, PAIR, record as record_of_halves, rows};
use crate::cpu::Features;
use crate::gemm::micro::in_memory::SumsInMemory;
use crate::gemm::micro::tile_block::{BLOCK_PANELS, BLOCK_ROWS, Operands, Pairs, Stored, TileBlock, session};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::tile_args::{Run, TileArgs, TileFn};
use crate::scheme::Bf16;
use crate::simd::{Amx, Simd, TILE_ROWS, TileUnit};

/// Bricks that are multiplied at a time.
const BRICKS: usize = TILE_ROWS;

/// A kernel of these functions on the unit U.
pub(in crate::gemm) const fn record<U: TileUnit>(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<Bf16> {
    record_of_halves(name, needs, COLS, functions, (rows::FORMAT, rows::prepare), Some(session::<U, BRICKS>()))
}

/// # Safety
/// As [`TileFn`] for any rows and columns of a tile, in the formats of this module, inside a session, on a CPU with AMX-BF16 and AVX-512
/// F, VL, BW and DQ, in a process that may use tiles.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn amx(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile(Amx::assume(), args) }
}

/// Sums each chain in tiles from zero, and adds these sums in order. A brick belongs to the chain of its first step.
///
/// # Safety
/// As [`amx`], on a CPU that has the unit.
#[inline(always)]
pub(in crate::gemm) unsafe fn tile<U: TileUnit>(unit: U, args: &TileArgs<'_, f32>) {
    // SAFETY: bricks and rows of the steps of a call, promised by the caller.
    unsafe {
        let block = TileBlock::new(unit, args, BRICKS);
        let mut total = SumsInMemory::<COLS, BLOCK_PANELS, BLOCK_ROWS>::zeros();
        total.begin(args.rows, args);
        let mut sums = Stored::none();
        for chain in args.chains() {
            block.clear();
            for run in chain.runs() {
                multiply(block, args, run);
            }
            block.store(&mut sums);
            add(unit.floats(), args, &sums, &mut total);
        }
        total.store(unit.floats(), args.rows, args);
    }
}

/// sums += the products of a run.
///
/// # Safety
/// Rows and panels are valid for reads of the run's bricks.
#[inline(always)]
unsafe fn multiply<U: TileUnit>(block: TileBlock<U>, args: &TileArgs<'_, f32>, run: Run) {
    // Of the pair's first step: a run counts steps as blocks, of which these have two.
    let rows = run.first.a.wrapping_sub(run.offset * args.a_col_stride);
    let bricks = run.first.b.wrapping_sub(run.offset * args.b_stride);
    let (mut brick, end) = (run.offset.div_ceil(PAIR), (run.offset + run.steps).div_ceil(PAIR));
    while brick < end {
        let operands = Operands {
            rows: rows.wrapping_add(brick * args.a_col_stride),
            row_stride: args.a_row_stride,
            bricks: bricks.wrapping_add(brick * args.b_stride),
            brick_stride: args.b_stride,
            panel_stride: args.panel_stride,
        };
        let count = BRICKS.min(end - brick);
        // SAFETY: bricks of the run, promised by the caller.
        unsafe {
            if count == BRICKS {
                block.multiply::<Pairs>(operands);
            } else {
                block.multiply_some::<Pairs>(operands, count);
            }
        }
        brick += count;
    }
}

/// total += sums
///
/// # Safety
/// The sums of a block of these rows and columns were stored.
#[inline(always)]
unsafe fn add<S: Simd<f32>>(
    s: S,
    args: &TileArgs<'_, f32>,
    sums: &Stored<f32>,
    total: &mut SumsInMemory<COLS, BLOCK_PANELS, BLOCK_ROWS>,
) {
    let rows = total.rows();
    for row in 0..args.rows {
        for panel in 0..args.cols.div_ceil(COLS) {
            // SAFETY: sums by the caller's promise, and whole vectors of a row and panel.
            unsafe {
                let place = rows.add(row).cast::<[f32; COLS]>().add(panel).cast::<f32>();
                for (j, lanes) in sums.row(row, panel).chunks_exact(S::LANES).enumerate() {
                    let place = place.add(j * S::LANES);
                    s.store(place, s.add(s.load(place), s.load(lanes.as_ptr())));
                }
            }
        }
    }
}
