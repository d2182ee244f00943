//! The microkernels: one body for scales of groups, one for scales of whole rows and columns (`tile/whole.rs`), and a function of them for
//! each instruction set.

use super::columns::{BRICK, SCALES, SUMS};
use super::rows::HEAD;
use super::{COLS, QUAD};
use crate::gemm::micro::in_memory::{SumsInMemory, add_scaled};
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::{Piece, TileArgs};
use crate::simd::{Quads, Scalar, Simd};
use std::ops::Range;
use std::ptr::null;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
mod dotprod;
#[cfg(target_arch = "aarch64")]
mod i8mm;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod whole;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512Vnni, AvxVnni};
#[cfg(all(test, target_arch = "x86_64"))]
pub(in crate::gemm) use tiles::tile as on_tiles;
#[cfg(target_arch = "x86_64")]
pub(in crate::gemm) use tiles::{amx, tile_record};
#[cfg(target_arch = "aarch64")]
pub(in crate::gemm) use {aarch64::neon, dotprod::neon_dotprod, i8mm::neon_i8mm};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, in the formats of this module.
pub(in crate::gemm) unsafe fn scalar<const GROUP: usize, const WHOLE: bool, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, Scalar, 1, 16, MR>(Scalar, args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<const GROUP: usize, const WHOLE: bool, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, Avx2, 8, 2, MR>(Avx2::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX-VNNI, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma")]
pub(in crate::gemm) unsafe fn avx_vnni<const GROUP: usize, const WHOLE: bool, const MR: usize>(
    args: &TileArgs<'_, f32>,
) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, AvxVnni, 8, 2, MR>(AvxVnni::assume(), args) }
}

/// [`avx_vnni`] with its instruction in the encoding of AVX512-VNNI.
///
/// # Safety
/// As [`scalar`], on a CPU with AVX512-VNNI and AVX-512 F and VL.
#[cfg(all(test, target_arch = "x86_64"))]
#[target_feature(enable = "avx512vnni,avx512vl,avx2,fma")]
pub(in crate::gemm) unsafe fn avx_vnni_in_evex<const GROUP: usize, const WHOLE: bool, const MR: usize>(
    args: &TileArgs<'_, f32>,
) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, AvxVnni<crate::simd::Evex>, 8, 2, MR>(AvxVnni::assume(), args) }
}

/// # Safety
/// As [`scalar`], with NV panels' columns, on a CPU with AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_vnni<const GROUP: usize, const WHOLE: bool, const MR: usize, const NV: usize>(
    args: &TileArgs<'_, f32>,
) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, Avx512Vnni, 16, NV, MR>(Avx512Vnni::assume(), args) }
}

/// # Safety
/// As [`scalar`], with VECTORS vectors of LANES columns.
#[inline(always)]
unsafe fn tile<const GROUP: usize, const WHOLE: bool, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
    q: Q,
    args: &TileArgs<'_, f32>,
) where
    Q: Quads<LANES>,
{
    if WHOLE {
        // SAFETY: promised by the caller.
        return unsafe { whole::tile::<GROUP, Q, LANES, VECTORS, MR>(q, args) };
    }
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let mut total = SumsInMemory::<LANES, VECTORS, MR>::zeros();
        total.begin(MR, args);
        let sums = total.rows();
        let mut waiting = Products::<Q::Sums, VECTORS, MR>::none(q.no_sums());
        for piece in args.pieces(GROUP) {
            let group = Group::new::<GROUP>(args, &piece, const { (VECTORS * LANES).div_ceil(COLS) });
            let mut done = 0;
            while done < MR {
                // The last rows again rather than fewer: a constant number of sums stays in registers.
                let first = done.min(MR - const { rows_at_a_time::<Q, LANES>(MR) });
                waiting = group.multiply(q, first, done, piece.steps.div_ceil(QUAD), waiting, sums);
                done = first + const { rows_at_a_time::<Q, LANES>(MR) };
            }
        }
        if Q::SUMS_WAIT {
            for row in 0..const { rows_at_a_time::<Q, LANES>(MR) } {
                waiting.add_row(q, row, sums);
            }
        }
        total.store(q.floats(), MR, args);
    }
}

/// Rows that are multiplied at a time.
const fn rows_at_a_time<Q: Quads<LANES>, const LANES: usize>(rows: usize) -> usize {
    if rows < Q::ROWS_AT_A_TIME { rows } else { Q::ROWS_AT_A_TIME }
}

/// A group of each row, and of the columns of each panel.
#[derive(Clone, Copy)]
struct Group {
    rows: *const u8,
    row_stride: usize,
    blocks: *const u8,
    panel_stride: usize,
    /// Bytes from the blocks to what is to be prefetched, if not 0.
    ahead: usize,
}

/// Exact sums of products of a group, for rows from `first` on, those of the rows before `added` having been added already.
struct Products<S, const VECTORS: usize, const MR: usize> {
    sums: [[S; VECTORS]; MR],
    group: Group,
    first: usize,
    added: usize,
}

impl<S: Copy, const VECTORS: usize, const MR: usize> Products<S, VECTORS, MR> {
    /// Nothing that would have to be added.
    #[inline(always)]
    fn none(zeros: S) -> Self {
        let group = Group { rows: null(), row_stride: 0, blocks: null(), panel_stride: 0, ahead: 0 };
        Products { sums: [[zeros; VECTORS]; MR], group, first: 0, added: usize::MAX }
    }

    /// sums += (scale of the row · scale of the column) · products, for row `row` of these.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    unsafe fn add_row<Q, const LANES: usize>(&self, q: Q, row: usize, sums: *mut [[f32; LANES]; VECTORS])
    where
        Q: Quads<LANES, Sums = S>,
    {
        let index = self.first + row;
        if index < self.added {
            return;
        }
        for j in 0..VECTORS {
            // SAFETY: promised by the caller.
            unsafe { self.group.add_scaled(q, index, j, self.sums[row][j], sums) };
        }
    }
}

impl Group {
    /// The first blocks of a piece, which begins where a group does, of a tile of this many panels.
    #[inline(always)]
    fn new<const GROUP: usize>(args: &TileArgs<'_, f32>, piece: &Piece, panels: usize) -> Group {
        let Piece { pair, offset, .. } = *piece;
        let position = offset / GROUP * args.b_stride;
        Group {
            rows: pair.a.wrapping_add(offset / GROUP * args.a_col_stride),
            row_stride: args.a_row_stride,
            blocks: pair.b.wrapping_add(position),
            panel_stride: args.panel_stride,
            ahead: args.stream_ahead(position, panels),
        }
    }

    /// Where a field of the columns of a vector lies, `bytes` of which are one column's.
    #[inline(always)]
    fn columns<const LANES: usize>(&self, vector: usize, field: usize, bytes: usize) -> *const u8 {
        let (panel, first) = (vector * LANES / COLS, vector * LANES % COLS);
        self.blocks.wrapping_add(panel * self.panel_stride + field + first * bytes)
    }

    /// sums += (scale of the row · scale of the column) · products, for a row and the columns of a vector.
    ///
    /// # Safety
    /// As [`Group::multiply`], for this group.
    #[inline(always)]
    unsafe fn add_scaled<Q, const LANES: usize, const VECTORS: usize>(
        &self,
        q: Q,
        row: usize,
        vector: usize,
        products: Q::Sums,
        sums: *mut [[f32; LANES]; VECTORS],
    ) where
        Q: Quads<LANES>,
    {
        // SAFETY: promised by the caller.
        unsafe {
            let row_scale = self.rows.add(row * self.row_stride).cast::<f32>().read_unaligned();
            let scales = self.columns::<LANES>(vector, 0, size_of::<f32>()).cast::<[f32; LANES]>().read_unaligned();
            let products = q.to_floats(products);
            let place = sums.add(row).cast::<[f32; LANES]>().add(vector);
            place.write(add_scaled(q.floats(), place.read(), row_scale, scales, products));
        }
    }

    /// sums += the products of a quad, for some rows.
    ///
    /// # Safety
    /// The rows are valid for reads of a block, and so are the panels that the vectors lie in; the quad lies inside of it.
    #[inline(always)]
    unsafe fn add_quad<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
        rows: Range<usize>,
        quad: usize,
        sums: &mut [[Q::Sums; VECTORS]; MR],
    ) where
        Q: Quads<LANES>,
    {
        let brick = SCALES + SUMS + quad * BRICK;
        // SAFETY: promised by the caller.
        unsafe {
            let numbers = self.rows.add(HEAD + rows.start * self.row_stride + quad * QUAD * Q::ROWS.number_bytes());
            let mut columns = [q.columns(self.columns::<LANES>(0, brick, QUAD).cast()); VECTORS];
            for j in 1..VECTORS {
                columns[j] = q.columns(self.columns::<LANES>(j, brick, QUAD).cast());
            }
            if MR <= STREAMED_ROWS && self.ahead > 0 {
                for panel in 0..(VECTORS * LANES).div_ceil(COLS) {
                    let ahead = self.blocks.wrapping_add(panel * self.panel_stride + brick + self.ahead);
                    q.floats().prefetch(ahead.cast());
                }
            }
            for i in 0..rows.len() {
                let row = q.row(numbers.add(i * self.row_stride));
                for j in 0..VECTORS {
                    sums[i][j] = q.add_products(sums[i][j], columns[j], row);
                }
            }
        }
    }

    /// The products of the rows from `first` on. Those that wait are added meanwhile, a row at a time: all at once, they would keep the
    /// units from multiplying. On instruction sets with few registers none wait.
    ///
    /// # Safety
    /// The rows are valid for reads of a block, and so are the panels that the vectors lie in, for this group and for that which waits;
    /// `sums` of MR rows for reads and writes.
    #[inline(always)]
    unsafe fn multiply<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        self,
        q: Q,
        first: usize,
        added: usize,
        quads: usize,
        waiting: Products<Q::Sums, VECTORS, MR>,
        sums: *mut [[f32; LANES]; VECTORS],
    ) -> Products<Q::Sums, VECTORS, MR>
    where
        Q: Quads<LANES>,
    {
        let rows = const { rows_at_a_time::<Q, LANES>(MR) };
        let parts = if Q::SUMS_WAIT { rows } else { 1 };
        // SAFETY: sums and quads inside the blocks, which the caller vouches for.
        unsafe {
            let mut start = [q.start(self.columns::<LANES>(0, SCALES, size_of::<i32>()).cast()); VECTORS];
            for j in 1..VECTORS {
                start[j] = q.start(self.columns::<LANES>(j, SCALES, size_of::<i32>()).cast());
            }
            let mut products = Products { sums: [start; MR], group: self, first, added };
            let mut quad = 0;
            for part in 0..parts {
                if Q::SUMS_WAIT {
                    waiting.add_row(q, part, sums);
                }
                while quad < quads * (part + 1) / parts {
                    self.add_quad(q, first..first + rows, quad, &mut products.sums);
                    quad += 1;
                }
            }
            if !Q::SUMS_WAIT {
                for row in 0..rows {
                    products.add_row(q, row, sums);
                }
            }
            products
        }
    }
}
