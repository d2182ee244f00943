//! The microkernel on a unit with tiles: rows of signed bytes, whose products a tile sums as far as one scale reaches. One function
//! serves scales of groups and of whole rows and columns.

use super::whole::EXACT_STEPS;
use crate::cpu::Features;
use crate::gemm::int8::columns::{BRICK, SCALES, SUMS};
use crate::gemm::int8::rows::HEAD;
use crate::gemm::int8::{COLS, QUAD, record};
use crate::gemm::micro::in_memory::{SumsInMemory, add_scaled};
use crate::gemm::micro::tile_block::{BLOCK_PANELS, BLOCK_ROWS, Operands, Quads, Stored, TileBlock, session};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::tile_args::{TileArgs, TileFn};
use crate::scheme::{Int8By, Int8Kernels};
use crate::simd::{Amx, QuadRows, TILE_ROWS, TileUnit};

/// A kernel of these functions on the unit U.
pub(in crate::gemm) const fn tile_record<U: TileUnit, const GROUP: usize, const WHOLE: bool>(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<Int8By<GROUP, WHOLE>>
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    let session = match bricks::<GROUP>() {
        4 => session::<U, 4>(),
        8 => session::<U, 8>(),
        TILE_ROWS => session::<U, TILE_ROWS>(),
        _ => panic!("wanted a session of the bricks of a group"),
    };
    record(name, needs, functions, 1, QuadRows::Bytes, Some(session))
}

/// Bricks that are multiplied at a time: no more than a group has.
const fn bricks<const GROUP: usize>() -> usize {
    if GROUP / QUAD < TILE_ROWS { GROUP / QUAD } else { TILE_ROWS }
}

/// # Safety
/// As [`TileFn`] for any rows and columns of a tile, in the formats of this module, inside a session, on a CPU with AMX-INT8 and AVX-512
/// F, VL, BW and DQ, in a process that may use tiles.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn amx<const GROUP: usize, const WHOLE: bool>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Amx, GROUP, WHOLE>(Amx::assume(), args) }
}

/// # Safety
/// As [`amx`], on a CPU that has the unit.
#[inline(always)]
pub(in crate::gemm) unsafe fn tile<U: TileUnit, const GROUP: usize, const WHOLE: bool>(
    unit: U,
    args: &TileArgs<'_, f32>,
) {
    // Steps that have one scale, and whose products fit 32 bits.
    let steps_of_scale = if WHOLE { EXACT_STEPS } else { GROUP };
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let block = TileBlock::new(unit, args, const { bricks::<GROUP>() });
        let mut total = SumsInMemory::<COLS, BLOCK_PANELS, BLOCK_ROWS>::zeros();
        total.begin(args.rows, args);
        let mut products = Stored::none();
        for piece in args.pieces(steps_of_scale) {
            let run = Run {
                rows: piece.pair.a.wrapping_add(piece.offset / GROUP * args.a_col_stride),
                blocks: piece.pair.b.wrapping_add(piece.offset / GROUP * args.b_stride),
                args,
            };
            block.clear();
            run.multiply::<U, GROUP>(block, piece.steps.div_ceil(GROUP));
            block.store(&mut products);
            run.add_scaled(unit, &products, &mut total);
        }
        total.store(unit.floats(), args.rows, args);
    }
}

/// Blocks of each row and panel that have one scale.
struct Run<'r, 'a> {
    /// The first block of each.
    rows: *const u8,
    blocks: *const u8,
    args: &'r TileArgs<'a, f32>,
}

impl Run<'_, '_> {
    /// sums += the products of `blocks` blocks, whole ones: what they have beyond K is zeros.
    ///
    /// # Safety
    /// Rows and panels are valid for reads of these blocks.
    #[inline(always)]
    unsafe fn multiply<U: TileUnit, const GROUP: usize>(&self, block: TileBlock<U>, blocks: usize) {
        for index in 0..blocks {
            let rows = self.rows.wrapping_add(index * self.args.a_col_stride + HEAD);
            let columns = self.blocks.wrapping_add(index * self.args.b_stride + SCALES + SUMS);
            for first in (0..GROUP / QUAD).step_by(const { bricks::<GROUP>() }) {
                let operands = Operands {
                    rows: rows.wrapping_add(first * QUAD),
                    row_stride: self.args.a_row_stride,
                    bricks: columns.wrapping_add(first * BRICK),
                    brick_stride: BRICK,
                    panel_stride: self.args.panel_stride,
                };
                // SAFETY: bricks of the blocks, promised by the caller.
                unsafe { block.multiply::<Quads>(operands) };
            }
        }
    }

    /// total += scale of the row · scale of the column · products
    ///
    /// # Safety
    /// As [`Run::multiply`], and the products of a block of the call's rows and columns were stored.
    #[inline(always)]
    unsafe fn add_scaled<U: TileUnit>(
        &self,
        unit: U,
        products: &Stored<i32>,
        total: &mut SumsInMemory<COLS, BLOCK_PANELS, BLOCK_ROWS>,
    ) {
        let sums = total.rows();
        for panel in 0..self.args.cols.div_ceil(COLS) {
            // SAFETY: the scales of a block, promised by the caller.
            let scales = unsafe {
                self.blocks.wrapping_add(panel * self.args.panel_stride).cast::<[f32; COLS]>().read_unaligned()
            };
            for row in 0..self.args.rows {
                let mut floats = [0.0; COLS];
                // SAFETY: promised by the caller.
                for (float, &product) in floats.iter_mut().zip(unsafe { products.row(row, panel) }) {
                    *float = product as f32;
                }
                // SAFETY: the scale of a row, promised by the caller, and the sums of a row and panel.
                unsafe {
                    let scale = self.rows.wrapping_add(row * self.args.a_row_stride).cast::<f32>().read_unaligned();
                    let sums = sums.add(row).cast::<[f32; COLS]>().add(panel);
                    sums.write(add_scaled(unit.floats(), sums.read(), scale, scales, floats));
                }
            }
        }
    }
}
