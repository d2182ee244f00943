//! The microkernels of the outer form, for every scheme of one element type: one body over [`Simd`], one entry per ISA.
//!
//! ```text
//! for each chain:
//!     tile[i][j] = 0                                        i < MR rows, j < NV vectors
//!     for (A, B) in pairs, for p in the chain's part of 0..k:
//!         b[j]        = B[p·b_stride + j·LANES ..]
//!         tile[i][j] += A[i][p] · b[j]                      A[i][p] broadcast to all lanes
//!     total = β·C + α·tile for the first chain, total + α·tile for the others
//! C = finish(total)
//! ```
//! Each element is summed in the order that `chains.rs` describes, whatever the tile: all kernels of an ISA that fuses
//! multiply-adds give the same bits, and so does a product cut into blocks of K.

use super::super::chains::chain_end;
use super::super::epilogue::{Sums, TileEpilogue};
use super::super::microkernel::{Extra, Lines, Pair, Store, TileArgs};
use crate::scheme::{Real, Uniform};
use crate::scratch::{LINE, Zeroable};
use crate::simd::{Scalar, Simd};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// How many rows of B ahead of the one in use are fetched: the time that memory takes, in steps.
const ROWS_AHEAD: usize = 24;

/// Bytes between addresses that share a set of the first cache level.
const SET_STRIDE: usize = 4096;

/// Rows of the tallest tile.
const MAX_ROWS: usize = 16;

/// # Safety
/// As [`TileFn`](super::super::microkernel::TileFn), for MR rows and NV vectors.
#[inline(always)]
unsafe fn tile<P, S, const MR: usize, const NV: usize>(s: S, args: &TileArgs<'_, P>)
where
    P: Uniform,
    S: Simd<P::E>,
{
    // Registers are kept in memory, and tall tiles in groups of four rows.
    const { assert!(size_of::<S::Reg>() == S::LANES * size_of::<P::E>() && MR <= MAX_ROWS && NV <= MAX_VECTORS) };
    let columns = Columns::<S::Mask, NV>::new::<P::E, S>(s, args.cols);
    let mut buffer = MaybeUninit::<[[S::Reg; NV]; MR]>::uninit();
    let buffered = Place { data: buffer.as_mut_ptr().cast::<P::E>(), row_stride: NV * S::LANES };
    let c = Place { data: args.c, row_stride: args.c_row_stride };
    // What has been added up so far stays in C, which comes to the cache meanwhile: not that of few rows, which is there, nor beside rows
    // of A that already fill the same sets.
    let has_shared_sets = (args.a_row_stride * size_of::<P::E>()).is_multiple_of(SET_STRIDE);
    let sums = if MR <= 4 || has_shared_sets { buffered } else { c };
    let zeros = zeros::<P::E>();
    // SAFETY: rows < MR and columns < args.cols of C, and all that the pairs name, promised by the caller; the buffer has MR rows of NV
    // vectors, and the zeros are a row as wide as any tile.
    unsafe {
        let (alpha, before, result) = match args.store {
            Store::Overwrite => (P::E::one(), zeros, c),
            Store::Accumulate => (P::E::one(), c, c),
            Store::Scale { alpha, beta } if beta == P::E::zero() => (alpha, zeros, c),
            Store::Scale { alpha, beta } => {
                scale::<P, S, MR, NV>(s, columns, beta, c);
                (alpha, c, c)
            }
            Store::Finish { accumulate, finish } => {
                finish.prefetch(s, MR, args.cols);
                // The epilogue reads whole vectors.
                buffer.write([[s.splat(P::E::zero()); NV]; MR]);
                (P::E::one(), if accumulate { c } else { zeros }, buffered)
            }
        };
        let sums = if matches!(args.store, Store::Finish { .. }) { buffered } else { sums };
        let call = Call { args, columns, alpha, before, sums, result };
        match args.extra {
            Extra::Nothing => call.run::<S, MR, NOTHING>(s),
            Extra::Prefetch(Lines { period: 1, .. }) => call.run::<S, MR, PREFETCH_LINE>(s),
            Extra::Prefetch(_) => call.run::<S, MR, PREFETCH_ROWS>(s),
            Extra::FetchRows => call.run::<S, MR, FETCH_ROWS>(s),
            Extra::Copy { .. } => call.run::<S, MR, COPY>(s),
        }
        if let Store::Finish { finish, .. } = args.store {
            let Place { data: sums, row_stride: sums_row_stride } = buffered;
            let (c, c_row_stride) = (args.c, args.c_row_stride);
            finish.apply(s, Sums { sums, sums_row_stride, rows: MR, cols: args.cols, c, c_row_stride });
        }
    }
}

/// The variants of [`Extra`] as constants, so that each has loops of its own.
const NOTHING: u8 = 0;
const PREFETCH_LINE: u8 = 1;
const PREFETCH_ROWS: u8 = 2;
const FETCH_ROWS: u8 = 3;
const COPY: u8 = 4;

/// Rows of a tile in memory.
#[derive(Clone, Copy)]
struct Place<E> {
    data: *mut E,
    row_stride: usize,
}

impl<E> Place<E> {
    #[inline(always)]
    fn row(&self, i: usize) -> *mut E {
        self.data.wrapping_add(i * self.row_stride)
    }
}

/// A row of zeros as wide as any tile, in the place of a C that is not read.
#[repr(align(64))]
struct Zeros([u8; MAX_VECTORS * LINE]);
static ZEROS: Zeros = Zeros([0; MAX_VECTORS * LINE]);

/// Vectors across the widest tile.
const MAX_VECTORS: usize = 16;

/// Rows of zeros; never written.
#[inline(always)]
fn zeros<E>() -> Place<E> {
    Place { data: ZEROS.0.as_ptr().cast::<E>().cast_mut(), row_stride: 0 }
}

/// C ← β · C
///
/// # Safety
/// C is valid for reads and writes of MR rows and the columns.
#[inline(always)]
unsafe fn scale<P, S, const MR: usize, const NV: usize>(s: S, columns: Columns<S::Mask, NV>, beta: P::E, c: Place<P::E>)
where
    P: Uniform,
    S: Simd<P::E>,
{
    if beta == P::E::one() {
        return;
    }
    for i in 0..MR {
        let mut row = [s.splat(beta); NV];
        // SAFETY: promised by the caller. All of a row is loaded before any of it is stored, since its last two vectors may overlap.
        unsafe {
            for j in 0..NV {
                row[j] = s.mul(row[j], columns.load(s, c.row(i), j));
            }
            for j in 0..NV {
                columns.store(s, c.row(i), j, row[j]);
            }
        }
    }
}

/// One call: result ← before + α · (chain 0) + α · (chain 1) + …, what has been added up so far being kept in `sums`.
struct Call<'c, 'a, P: Uniform, M, const NV: usize> {
    args: &'c TileArgs<'a, P>,
    columns: Columns<M, NV>,
    alpha: P::E,
    before: Place<P::E>,
    sums: Place<P::E>,
    result: Place<P::E>,
}

impl<P: Uniform, M: Copy, const NV: usize> Call<'_, '_, P, M, NV> {
    /// # Safety
    /// As [`tile`]; the three places are valid for MR rows and the columns.
    #[inline(always)]
    unsafe fn run<S: Simd<P::E, Mask = M>, const MR: usize, const EXTRA: u8>(&self, s: S) {
        let args = self.args;
        let mut operands = Operands::<P, MR>::new(args);
        let (mut at, end) = (args.before, args.before + args.steps);
        // A single chain over nothing needs no zeros; of several, the first one takes them, so that all run alike.
        let adds = self.before.data != zeros::<P::E>().data || chain_end(at) < end;
        let mut total = self.before;
        // No steps still make one chain, of zeros. What differs from chain to chain is data, not a branch: after the long inner loop the
        // CPU would predict none; and it is little, since nothing is multiplied meanwhile.
        loop {
            let mut sums = [[s.splat(P::E::zero()); NV]; MR];
            let mut steps = chain_end(at).min(end) - at;
            at += steps;
            loop {
                let run = steps.min(operands.left);
                // SAFETY: steps of one pair, inside this call; the rest is promised by the caller.
                unsafe { multiply::<P, S, MR, NV, EXTRA>(s, args, run, self.columns, &mut operands, &mut sums) };
                steps -= run;
                if steps == 0 {
                    break;
                }
                operands.next_pair(args, 0);
            }
            let to = if at == end { self.result } else { self.sums };
            // SAFETY: promised by the caller.
            unsafe { self.add::<S, MR>(s, adds.then_some(total), to, &mut sums) };
            if at == end {
                return;
            }
            total = self.sums;
        }
    }

    /// to ← total + α · sums
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn add<S: Simd<P::E, Mask = M>, const MR: usize>(
        &self,
        s: S,
        total: Option<Place<P::E>>,
        to: Place<P::E>,
        sums: &mut [[S::Reg; NV]; MR],
    ) {
        let (columns, is_scaled) = (self.columns, self.alpha != P::E::one());
        if is_scaled {
            let alpha = s.splat(self.alpha);
            for i in 0..MR {
                for j in 0..NV {
                    sums[i][j] = s.mul(alpha, sums[i][j]);
                }
            }
        }
        // SAFETY: promised by the caller. All of a row is loaded before any of it is stored, since its last two vectors may overlap.
        unsafe {
            if let Some(total) = total {
                for i in 0..MR {
                    for j in 0..NV {
                        sums[i][j] = s.add(columns.load(s, total.row(i), j), sums[i][j]);
                    }
                }
            }
            for i in 0..MR {
                for j in 0..NV {
                    columns.store(s, to.row(i), j, sums[i][j]);
                }
            }
        }
    }
}

/// Where the vectors of a tile's row lie. If the last one would go beyond the last column, it lies further left and shares columns with
/// the one before, which come out the same from both; so there are neither masks nor idle lanes. Only a single vector can be too short
/// for that.
#[derive(Clone, Copy)]
pub(super) struct Columns<M, const NV: usize> {
    /// The first column of the last vector.
    last: usize,
    /// The columns of a single vector, and whether it is whole.
    mask: M,
    pub(super) is_whole: bool,
}

impl<M: Copy, const NV: usize> Columns<M, NV> {
    #[inline(always)]
    pub(super) fn new<E: Copy, S: Simd<E, Mask = M>>(s: S, cols: usize) -> Self {
        let last = if NV == 1 { 0 } else { cols - S::LANES };
        Columns { last, mask: s.mask(cols), is_whole: NV > 1 || cols == S::LANES }
    }

    #[inline(always)]
    pub(super) fn first_of<E: Copy, S: Simd<E>>(&self, vector: usize) -> usize {
        if vector == NV - 1 { self.last } else { vector * S::LANES }
    }

    /// Vector j of a row. In lanes that do not exist it has the first column: zeros there would make NaN of an infinite A, and raise an
    /// exception for nothing.
    ///
    /// # Safety
    /// j < NV, and the row's columns are valid for reads.
    #[inline(always)]
    pub(super) unsafe fn load<E: Copy, S: Simd<E, Mask = M>>(&self, s: S, row: *const E, j: usize) -> S::Reg {
        // SAFETY: columns of the row, promised by the caller.
        unsafe { if NV == 1 { s.load_filled(row, self.mask) } else { s.load(row.add(self.first_of::<E, S>(j))) } }
    }

    /// Stores vector j of a row. Masked stores are slow on some CPUs, and if they miss the cache on all.
    ///
    /// # Safety
    /// j < NV, and the row's columns are valid for writes.
    #[inline(always)]
    pub(super) unsafe fn store<E: Copy, S: Simd<E, Mask = M>>(&self, s: S, row: *mut E, j: usize, vector: S::Reg) {
        // SAFETY: columns of the row, promised by the caller.
        unsafe {
            if self.is_whole {
                s.store(row.add(self.first_of::<E, S>(j)), vector);
            } else {
                s.store_masked(row, vector, self.mask);
            }
        }
    }
}

/// How far a call has come: the operands of the next step, and what it does besides.
struct Operands<'p, P: Uniform, const MR: usize> {
    /// One address for each four rows, so that those of a tall tile are not counted up one after the other in every step.
    a: [*const P::E; MAX_ROWS / 4],
    b: *const P::E,
    /// Steps that are left of the pair.
    left: usize,
    later_pairs: &'p [Pair<P>],
    lines: Lines,
    /// Step in the period of the lines.
    step: usize,
    copy: Place<P::E>,
}

impl<'p, P: Uniform, const MR: usize> Operands<'p, P, MR> {
    #[inline(always)]
    fn new(args: &TileArgs<'p, P>) -> Self {
        let (a, b, left, later_pairs) = ([null(); MAX_ROWS / 4], null(), 0, args.pairs);
        let (mut lines, mut copy) = (Lines::NONE, Place { data: null_mut(), row_stride: 0 });
        match args.extra {
            Extra::Prefetch(some) => lines = some,
            Extra::Copy { to, stride } => copy = Place { data: to, row_stride: stride },
            Extra::Nothing | Extra::FetchRows => {}
        }
        let mut operands = Operands { a, b, left, later_pairs, lines, step: 0, copy };
        operands.next_pair(args, args.offset);
        operands
    }

    /// Goes on to the step `offset` of the next pair, if there is one.
    #[inline(always)]
    fn next_pair(&mut self, args: &TileArgs<'_, P>, offset: usize) {
        let Some((pair, later)) = self.later_pairs.split_first() else { return };
        for group in 0..MR.div_ceil(4) {
            self.a[group] = pair.a.wrapping_add(4 * group * args.a_row_stride + offset * args.a_col_stride);
        }
        self.b = pair.b.wrapping_add(offset * args.b_stride);
        (self.left, self.later_pairs) = (args.k - offset, later);
    }
}

/// sums += A·B for some steps of one pair.
///
/// # Safety
/// The operands are valid for `steps` steps; the rest as [`tile`].
#[inline(always)]
unsafe fn multiply<P, S, const MR: usize, const NV: usize, const EXTRA: u8>(
    s: S,
    args: &TileArgs<'_, P>,
    steps: usize,
    columns: Columns<S::Mask, NV>,
    operands: &mut Operands<'_, P, MR>,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let stride = args.a_row_stride;
    let three_rows = 3 * stride;
    for _ in 0..steps {
        let b = operands.b;
        // SAFETY: promised by the caller for every step; the pointers go past the end only after the last use.
        unsafe {
            let mut row = [s.splat(P::E::zero()); NV];
            for j in 0..NV {
                row[j] = columns.load(s, b, j);
            }
            if EXTRA == FETCH_ROWS || EXTRA == COPY {
                for j in 0..NV {
                    s.prefetch(b.wrapping_add(ROWS_AHEAD * args.b_stride + j * S::LANES));
                }
            }
            if EXTRA == COPY {
                for j in 0..NV {
                    columns.store(s, operands.copy.data, j, row[j]);
                }
                operands.copy.data = operands.copy.row(1);
            }
            for i in 0..MR {
                let offset = [0, stride, 2 * stride, three_rows][i % 4];
                let x = s.splat(*operands.a[i / 4].add(offset));
                for j in 0..NV {
                    sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
                }
            }
        }
        if EXTRA == PREFETCH_LINE {
            s.prefetch(operands.lines.first.cast());
            operands.lines.first = operands.lines.first.wrapping_add(operands.lines.advance);
        }
        if EXTRA == PREFETCH_ROWS {
            operands.prefetch_row(s);
        }
        for group in 0..MR.div_ceil(4) {
            operands.a[group] = opaque(operands.a[group].wrapping_add(args.a_col_stride));
        }
        operands.b = b.wrapping_add(args.b_stride);
    }
    operands.left -= steps;
}

impl<P: Uniform, const MR: usize> Operands<'_, P, MR> {
    /// Asks for the line of this step, if it has one.
    #[inline(always)]
    fn prefetch_row<S: Simd<P::E>>(&mut self, s: S) {
        let lines = &mut self.lines;
        if self.step < lines.rows {
            s.prefetch(lines.first.wrapping_add(self.step * lines.row_stride).cast());
        }
        self.step += 1;
        if self.step == lines.period {
            self.step = 0;
            lines.first = lines.first.wrapping_add(lines.advance);
        }
    }
}

/// The same value, about which the compiler knows nothing.
#[inline(always)]
pub(super) fn opaque<T>(value: *const T) -> *const T {
    let mut address = value.addr();
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    value.with_addr(address)
}

/// # Safety
/// As [`tile`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Avx512: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Avx512::assume(), args) }
}

/// # Safety
/// As [`tile`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Avx2: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Avx2::assume(), args) }
}

/// # Safety
/// As [`tile`].
pub(in crate::gemm) unsafe fn scalar<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Scalar: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Scalar, args) }
}
