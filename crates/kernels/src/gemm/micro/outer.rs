//! The microkernels of the outer form, for every scheme of one element type: one body over [`Simd`], one entry per ISA.
//!
//! ```text
//! for each chain:
//!     tile[i][j] = 0                                        i < MR rows, j < NV vectors
//!     for (A, B) in pairs, for p in the chain's part of 0..k:
//!         b[j]        = B[p·b_stride + j·LANES ..]
//!         tile[i][j] += A[i][p] · b[j]                      A[i][p] broadcast to all lanes
//!     total = β·C + α·tile for the first chain, total + α·tile for the others
//! C = epilogue(total)
//! ```
//! Each element is summed in the order that `chains.rs` describes, whatever the tile: all kernels of an ISA that fuses
//! multiply-adds give the same bits, and so does a product cut into blocks of K.

use super::super::chains::{chain_end, equal_chains};
use super::super::epilogue::{Sums, TileEpilogue};
use super::super::side_work::{PrefetchStream, SideWork};
use super::super::strided::SET_STRIDE;
use super::super::tile_args::{Store, TileArgs};
use super::columns::Columns;
use super::operands::{MAX_ROWS, Operands};
use crate::scheme::Element;
use crate::scratch::LINE;
use crate::simd::{Body, Simd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// How many rows of B ahead of the one in use are fetched: the time that memory takes, in steps.
const ROWS_AHEAD: usize = 24;

/// The body of a microkernel for MR rows and NV vectors.
#[derive(Debug)]
pub struct Outer<E, const MR: usize, const NV: usize>(PhantomData<E>);

impl<E: Element, const MR: usize, const NV: usize> Body for Outer<E, MR, NV> {
    type Element = E;
    type Args<'a> = TileArgs<'a, E>;

    /// # Safety
    /// As [`TileFn`](super::super::tile_args::TileFn), for MR rows and NV vectors.
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &TileArgs<'_, E>) {
        // SAFETY: promised by the caller.
        unsafe { tile::<E, S, Elements, MR, NV>(s, Elements, args) }
    }
}

/// How the formats of A and B hold the steps of a sum, and how these are multiplied.
pub(in crate::gemm) trait Steps<E: Element, S: Simd<E>>: Copy {
    /// Whether B may be a matrix in place, which is prefetched and copied by rows.
    const IN_PLACE: bool;
    /// Whether a vector has the columns of a panel, and a tile those of several.
    const VECTOR_IS_PANEL: bool = false;

    /// Blocks of A and of B that lie before the one from which step `offset` of a pair is read.
    fn blocks_before(self, offset: usize) -> (usize, usize);

    /// sums += A·B for some steps of one pair; the operands are then those of the step after them.
    ///
    /// # Safety
    /// The operands are valid for `steps` steps; the rest as [`tile`].
    unsafe fn multiply<const MR: usize, const NV: usize, const SIDE_WORK: u8>(
        self,
        s: S,
        args: &TileArgs<'_, E>,
        steps: usize,
        columns: Columns<S::First, NV>,
        operands: &mut Operands<'_, E, MR>,
        sums: &mut [[S::Reg; NV]; MR],
    );
}

/// # Safety
/// As [`TileFn`](super::super::tile_args::TileFn), for MR rows and NV vectors, in the formats that `format` reads.
#[inline(always)]
pub(in crate::gemm) unsafe fn tile<E, S, T, const MR: usize, const NV: usize>(s: S, format: T, args: &TileArgs<'_, E>)
where
    E: Element,
    S: Simd<E>,
    T: Steps<E, S>,
{
    // Registers are kept in memory, and tall tiles in groups of four rows.
    const { assert!(size_of::<S::Reg>() == S::LANES * size_of::<E>() && MR <= MAX_ROWS && NV <= MAX_VECTORS) };
    let columns = if T::VECTOR_IS_PANEL {
        Columns::<S::First, NV>::of_panels::<E, S>(s, args.cols)
    } else {
        Columns::<S::First, NV>::new::<E, S>(s, args.cols)
    };
    let mut buffer = MaybeUninit::<[[S::Reg; NV]; MR]>::uninit();
    let buffered = Place { data: buffer.as_mut_ptr().cast::<E>(), row_stride: NV * S::LANES };
    let c = Place { data: args.c, row_stride: args.c_row_stride };
    // What has been added up so far stays in C, which comes to the cache meanwhile: not that of few rows, which is there, nor beside rows
    // of A that already fill the same sets.
    let has_shared_sets = args.a_row_stride.is_multiple_of(SET_STRIDE);
    let sums = if MR <= 4 || has_shared_sets { buffered } else { c };
    let zeros = zeros::<E>();
    // SAFETY: rows < MR and columns < args.cols of C, and all that the pairs name, promised by the caller; the buffer has MR rows of NV
    // vectors, and the zeros are a row as wide as any tile.
    unsafe {
        let (alpha, before, result) = match args.store {
            Store::Overwrite => (E::one(), zeros, c),
            Store::Accumulate => (E::one(), c, c),
            Store::Scale { alpha, beta } if beta == E::zero() => (alpha, zeros, c),
            Store::Scale { alpha, beta } => {
                scale::<E, S, MR, NV>(s, columns, beta, c);
                (alpha, c, c)
            }
            Store::Epilogue { accumulate, epilogue } => {
                epilogue.prefetch(MR, args.cols);
                // The epilogue reads whole vectors.
                buffer.write([[s.splat(E::zero()); NV]; MR]);
                (E::one(), if accumulate { c } else { zeros }, buffered)
            }
        };
        let sums = if matches!(args.store, Store::Epilogue { .. }) { buffered } else { sums };
        let call = Call { args, columns, alpha, before, sums, result };
        match args.side_work {
            SideWork::Prefetch(PrefetchStream { period: 1, .. }) => call.run::<S, T, MR, PREFETCH_LINE>(s, format),
            SideWork::Prefetch(_) => call.run::<S, T, MR, PREFETCH_ROWS>(s, format),
            SideWork::PrefetchB { .. } if T::IN_PLACE => call.run::<S, T, MR, FETCH_ROWS>(s, format),
            SideWork::CopyB { .. } if T::IN_PLACE => call.run::<S, T, MR, COPY>(s, format),
            SideWork::Nothing | SideWork::PrefetchB { .. } | SideWork::CopyB { .. } => {
                call.run::<S, T, MR, NOTHING>(s, format)
            }
        }
        if let Store::Epilogue { epilogue, .. } = args.store {
            let Place { data: sums, row_stride: sums_row_stride } = buffered;
            let (c, c_row_stride) = (args.c, args.c_row_stride);
            epilogue.apply(s, Sums { sums, sums_row_stride, rows: MR, cols: args.cols, c, c_row_stride });
        }
    }
}

/// The variants of [`SideWork`] as constants, so that each has loops of its own.
const NOTHING: u8 = 0;
pub(in crate::gemm) const PREFETCH_LINE: u8 = 1;
pub(in crate::gemm) const PREFETCH_ROWS: u8 = 2;
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
unsafe fn scale<E, S, const MR: usize, const NV: usize>(s: S, columns: Columns<S::First, NV>, beta: E, c: Place<E>)
where
    E: Element,
    S: Simd<E>,
{
    if beta == E::one() {
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
struct Call<'c, 'a, E: Element, F, const NV: usize> {
    args: &'c TileArgs<'a, E>,
    columns: Columns<F, NV>,
    alpha: E,
    before: Place<E>,
    sums: Place<E>,
    result: Place<E>,
}

impl<E: Element, F: Copy, const NV: usize> Call<'_, '_, E, F, NV> {
    /// # Safety
    /// As [`tile`]; the three places are valid for MR rows and the columns.
    #[inline(always)]
    unsafe fn run<S, T, const MR: usize, const SIDE_WORK: u8>(&self, s: S, format: T)
    where
        S: Simd<E, First = F>,
        T: Steps<E, S>,
    {
        let args = self.args;
        let mut operands = Operands::<E, MR>::new(format.blocks_before(args.offset), args);
        let (mut at, end) = (args.before, args.before + args.steps);
        // A single chain over nothing needs no zeros; of several, the first one takes them, so that all run alike.
        let adds = self.before.data != zeros::<E>().data || chain_end(at) < end;
        let mut total = self.before;
        // No steps still make one chain, of zeros. What differs from chain to chain is data, not a branch: after the long inner loop the
        // CPU would predict none; and it is little, since nothing is multiplied meanwhile.
        loop {
            if const { T::IN_PLACE && chains_at_once(MR * NV) > 1 && (SIDE_WORK == NOTHING || SIDE_WORK == FETCH_ROWS) }
            {
                let chains = const { chains_at_once(MR * NV) };
                if let Some(length) = equal_chains(at, chains, operands.left.min(end - at)) {
                    // SAFETY: the chains lie inside the pair and this call; the rest is promised by the caller.
                    let mut sums = unsafe {
                        multiply_chains::<E, S, MR, NV, SIDE_WORK>(s, args, length, self.columns, &mut operands)
                    };
                    for sums in &mut sums[..chains] {
                        at += length;
                        // SAFETY: promised by the caller.
                        unsafe { self.add_chain::<S, MR>(s, &mut total, adds, at == end, sums) };
                    }
                    if at == end {
                        return;
                    }
                    continue;
                }
            }
            let mut sums = [[s.splat(E::zero()); NV]; MR];
            let mut steps = chain_end(at).min(end) - at;
            at += steps;
            loop {
                let run = steps.min(operands.left);
                // SAFETY: steps of one pair, inside this call; the rest is promised by the caller.
                unsafe { format.multiply::<MR, NV, SIDE_WORK>(s, args, run, self.columns, &mut operands, &mut sums) };
                steps -= run;
                if steps == 0 {
                    break;
                }
                operands.next_pair(format.blocks_before(0), args, 0);
            }
            // SAFETY: promised by the caller.
            unsafe { self.add_chain::<S, MR>(s, &mut total, adds, at == end, &mut sums) };
            if at == end {
                return;
            }
        }
    }

    /// Adds the sums of a chain to the total, if there is one to add to, and leaves it in the result's place after the last chain.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn add_chain<S: Simd<E, First = F>, const MR: usize>(
        &self,
        s: S,
        total: &mut Place<E>,
        adds: bool,
        is_last: bool,
        sums: &mut [[S::Reg; NV]; MR],
    ) {
        let to = if is_last { self.result } else { self.sums };
        // SAFETY: promised by the caller.
        unsafe { self.add::<S, MR>(s, adds.then_some(*total), to, sums) };
        *total = self.sums;
    }

    /// to ← total + α · sums
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn add<S: Simd<E, First = F>, const MR: usize>(
        &self,
        s: S,
        total: Option<Place<E>>,
        to: Place<E>,
        sums: &mut [[S::Reg; NV]; MR],
    ) {
        let (columns, is_scaled) = (self.columns, self.alpha != E::one());
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

/// Chains that a tile of `vectors` vectors sums at the same time, each by itself: with fewer sums than the units have multiply-adds on the
/// way, they would wait for one another.
const fn chains_at_once(vectors: usize) -> usize {
    match vectors {
        1 | 2 => MOST_CHAINS,
        3 | 4 => 2,
        _ => 1,
    }
}

const MOST_CHAINS: usize = 4;

/// sums[c] = A·B over chain c of the next few, each of `length` steps, for blocks that are elements.
///
/// # Safety
/// The operands are valid for the steps of all chains, which lie in one pair; the rest as [`tile`].
#[inline(always)]
unsafe fn multiply_chains<E, S, const MR: usize, const NV: usize, const SIDE_WORK: u8>(
    s: S,
    args: &TileArgs<'_, E>,
    length: usize,
    columns: Columns<S::First, NV>,
    operands: &mut Operands<'_, E, MR>,
) -> [[[S::Reg; NV]; MR]; MOST_CHAINS]
where
    E: Element,
    S: Simd<E>,
{
    let chains = const { chains_at_once(MR * NV) };
    let mut sums = [[[s.splat(E::zero()); NV]; MR]; MOST_CHAINS];
    let (mut a, mut b) = (operands.a[0], operands.b);
    let (a_chain, b_chain) = (length.wrapping_mul(args.a_col_stride), length.wrapping_mul(args.b_stride));
    for _ in 0..length {
        for (chain, sums) in sums[..chains].iter_mut().enumerate() {
            let (a, b) = (a.wrapping_byte_add(chain * a_chain), b.wrapping_byte_add(chain * b_chain));
            // SAFETY: promised by the caller for every step of every chain.
            unsafe {
                // A loop: a closure would be compiled for the baseline by itself.
                let mut row = [s.splat(E::zero()); NV];
                for j in 0..NV {
                    row[j] = columns.load(s, b, j);
                }
                if SIDE_WORK == FETCH_ROWS {
                    s.prefetch(b.wrapping_byte_add(ROWS_AHEAD * args.b_stride));
                }
                for i in 0..MR {
                    let x = s.load_factor(a.byte_add(i * args.a_row_stride));
                    for j in 0..NV {
                        sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
                    }
                }
            }
        }
        (a, b) = (a.wrapping_byte_add(args.a_col_stride), b.wrapping_byte_add(args.b_stride));
    }
    operands.advance(args, chains * length);
    sums
}

/// Blocks that are elements: a step of B is a row of them, and one of A stands for each of its rows.
#[derive(Clone, Copy)]
struct Elements;

impl<E: Element, S: Simd<E>> Steps<E, S> for Elements {
    const IN_PLACE: bool = true;

    #[inline(always)]
    fn blocks_before(self, offset: usize) -> (usize, usize) {
        (offset, offset)
    }

    #[inline(always)]
    unsafe fn multiply<const MR: usize, const NV: usize, const SIDE_WORK: u8>(
        self,
        s: S,
        args: &TileArgs<'_, E>,
        steps: usize,
        columns: Columns<S::First, NV>,
        operands: &mut Operands<'_, E, MR>,
        sums: &mut [[S::Reg; NV]; MR],
    ) {
        let stride = args.a_row_stride;
        let three_rows = 3 * stride;
        for _ in 0..steps {
            let b = operands.b;
            // SAFETY: promised by the caller for every step; the pointers go past the end only after the last use.
            unsafe {
                let mut row = [s.splat(E::zero()); NV];
                for j in 0..NV {
                    row[j] = columns.load(s, b, j);
                }
                if SIDE_WORK == FETCH_ROWS || SIDE_WORK == COPY {
                    for j in 0..NV {
                        s.prefetch(b.wrapping_byte_add(ROWS_AHEAD * args.b_stride).wrapping_add(j * S::LANES));
                    }
                }
                if SIDE_WORK == COPY {
                    for j in 0..NV {
                        columns.store(s, operands.copy.0, j, row[j]);
                    }
                    operands.copy.0 = operands.copy.0.wrapping_byte_add(operands.copy.1);
                }
                for i in 0..MR {
                    let x = s.load_factor(operands.a(i, stride, three_rows));
                    for j in 0..NV {
                        sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
                    }
                }
            }
            if SIDE_WORK == PREFETCH_LINE {
                operands.prefetch_line(s);
            }
            if SIDE_WORK == PREFETCH_ROWS {
                operands.prefetch_row(s);
            }
            operands.next_block_of_a(args);
            operands.b = b.wrapping_byte_add(args.b_stride);
        }
        operands.left -= steps;
    }
}
