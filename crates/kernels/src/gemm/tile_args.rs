//! What a microkernel is asked to do: one tile of C, from operands that are addresses and strides in bytes.

use super::chains::chain_end;
use super::side_work::{GROUP_STREAM_AHEAD, SideWork};
use crate::scheme::Output;
use crate::scratch::Zeroable;

/// One A and one B block whose product is added to a tile.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Element (0, 0) of the A block, strided as [`TileArgs`] says; of prepared rows their first byte.
    pub a: *const u8,
    /// Element (0, 0) of the B block, strided as [`TileArgs`] says; of packed panels their first byte.
    pub b: *const u8,
}

/// What happens to a tile of sums.
#[derive(Clone, Copy)]
pub enum Store<'a, E: Output> {
    /// C ← sums. C is not read.
    Overwrite,
    /// C ← C + sums.
    Accumulate,
    /// C ← α · sums + β · C. C is not read if β is 0.
    Scale {
        /// Factor on the sums.
        alpha: E::Sum,
        /// Factor on what C holds.
        beta: E::Sum,
    },
    /// C ← epilogue(sums), or epilogue(C + sums).
    Epilogue {
        /// Whether C is added; otherwise it is not read.
        accumulate: bool,
        /// The epilogue, cut to this tile.
        epilogue: &'a E::Epilogue,
    },
}

impl<E: Output> Store<'_, E> {
    /// C ← α · sums + β · C.
    #[inline(always)]
    pub(super) fn scaled(alpha: E::Sum, beta: E::Sum) -> Self {
        use crate::scheme::Real;
        if alpha != E::Sum::one() {
            Store::Scale { alpha, beta }
        } else if beta == E::Sum::zero() {
            Store::Overwrite
        } else if beta == E::Sum::one() {
            Store::Accumulate
        } else {
            Store::Scale { alpha, beta }
        }
    }

    /// Whether the tile's old contents matter.
    pub(super) fn reads_c(&self) -> bool {
        match *self {
            Store::Overwrite => false,
            Store::Accumulate => true,
            Store::Scale { beta, .. } => beta != E::Sum::zero(),
            Store::Epilogue { accumulate, .. } => accumulate,
        }
    }
}

/// One call of a microkernel: store(Σ Aᵢ·Bᵢ) for one tile of C, or for `steps` steps of that sum.
///
/// A sum is made of chains, which [`TileArgs::chains`] lists; the sums of the chains are added in order. A kernel whose formats have
/// blocks of K begins and ends a call where [`KBlocks`](super::KBlocks) allows it.
#[derive(Clone, Copy)]
pub struct TileArgs<'a, E: Output> {
    /// The batch that is reduced into the tile, pair after pair, each from its step 0 up.
    pub pairs: &'a [Pair],
    /// Steps of each pair: products of a sum.
    pub k: usize,
    /// Steps of the first pair that earlier calls have done. 0 for a kernel of [`Form::Dot`](super::Form::Dot).
    pub offset: usize,
    /// Steps of the whole sum that earlier calls have done: a chain ends there.
    pub before: usize,
    /// Steps of this call. They end where a chain does, or the whole sum.
    pub steps: usize,
    /// Bytes of A from one row to the next.
    pub a_row_stride: usize,
    /// Bytes of A from one block of K, which is one step unless its format says otherwise, to the next; one element for a kernel of
    /// [`Form::Dot`](super::Form::Dot).
    pub a_col_stride: usize,
    /// Bytes of B from one block of K to the next, the columns of a step being contiguous. For a kernel of
    /// [`Form::Dot`](super::Form::Dot): from one column to the next, its steps being contiguous.
    pub b_stride: usize,
    /// Bytes of B from one panel to the next, for a kernel whose tile has the columns of several.
    pub panel_stride: usize,
    /// Element (0, 0) of the tile in C; its rows are contiguous.
    pub c: *mut E,
    /// Elements of C from one row to the next.
    pub c_row_stride: usize,
    /// What to do besides. Kernels of [`Form::Dot`](super::Form::Dot) only prefetch: the first lines of each row.
    pub side_work: SideWork,
    /// Rows of the tile: 1 to mr.
    pub rows: usize,
    /// Columns of the tile: 1 to nr.
    pub cols: usize,
    /// What happens to the sums.
    pub store: Store<'a, E>,
}

impl<'a, E: Output> TileArgs<'a, E> {
    /// Bytes from `position` in one of a tile's `panels` panels to what should be prefetched; 0 if panels do not come from memory. Near the end
    /// of a panel this is the panel in the same place of the next tile, which lies behind the other panels of this one.
    #[inline(always)]
    pub(super) fn stream_ahead(&self, position: usize, panels: usize) -> usize {
        let SideWork::PrefetchB { row_ahead } = self.side_work else { return 0 };
        let ahead = if self.rows == 1 && panels == 1 { row_ahead } else { GROUP_STREAM_AHEAD / panels };
        if position + ahead >= self.panel_stride { ahead + (panels - 1) * self.panel_stride } else { ahead }
    }

    /// The steps of this call in pieces of one pair each and of at most `most` steps, in order, for kernels whose formats have blocks of K: a
    /// piece begins where a call may begin, or `most` steps later.
    #[inline(always)]
    pub(super) fn pieces(&self, most: usize) -> Pieces<'a> {
        Pieces { pairs: self.pairs, k: self.k, offset: self.offset, left: self.steps, most }
    }

    /// The chains of this call, in order.
    pub fn chains(&self) -> impl Iterator<Item = Chain<'_, 'a, E>> {
        let (end, mut at) = (self.before + self.steps, self.before);
        std::iter::from_fn(move || {
            let from = at;
            at = chain_end(from).min(end);
            (from < end).then_some(Chain { args: self, from, to: at })
        })
    }
}

/// Steps of one pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) pair: Pair,
    /// Steps of the pair before it.
    pub(super) offset: usize,
    /// How many steps it has.
    pub(super) steps: usize,
}

/// See [`TileArgs::pieces`].
pub(super) struct Pieces<'a> {
    pairs: &'a [Pair],
    k: usize,
    /// Steps of the first of the pairs that are done.
    offset: usize,
    /// Steps of the call that are not.
    left: usize,
    most: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    #[inline(always)]
    fn next(&mut self) -> Option<Piece> {
        while self.left > 0 {
            let (&pair, later) = self.pairs.split_first()?;
            let offset = self.offset;
            if offset < self.k {
                let steps = self.most.min(self.k - offset).min(self.left);
                (self.offset, self.left) = (offset + steps, self.left - steps);
                return Some(Piece { pair, offset, steps });
            }
            (self.pairs, self.offset) = (later, 0);
        }
        None
    }
}

/// Steps of a sum that are one chain of multiply-adds from zero. Their sum is added to that of the chains before.
#[derive(Clone, Copy)]
pub struct Chain<'c, 'a, E: Output> {
    args: &'c TileArgs<'a, E>,
    /// Counted from the start of the whole sum.
    from: usize,
    to: usize,
}

/// Steps of a chain that lie in one pair.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The operands of the run's first step, if a step is a block of their formats.
    pub first: Pair,
    /// How many steps it has.
    pub steps: usize,
    /// Steps of the pair before it.
    pub offset: usize,
}

impl<E: Output> Chain<'_, '_, E> {
    /// Its runs, in order: one for each pair that it reaches.
    pub fn runs(self) -> impl Iterator<Item = Run> {
        let TileArgs { pairs, k, offset, before, a_col_stride, b_stride, .. } = *self.args;
        let mut at = self.from;
        std::iter::from_fn(move || {
            if at == self.to {
                return None;
            }
            let step = offset + (at - before);
            let (index, offset) = if step < k { (0, step) } else { (step / k, step % k) };
            let Pair { a, b } = pairs[index];
            let first = Pair { a: a.wrapping_add(offset * a_col_stride), b: b.wrapping_add(offset * b_stride) };
            let steps = (k - offset).min(self.to - at);
            at += steps;
            Some(Run { first, steps, offset })
        })
    }
}

/// A microkernel for one number of rows and of vectors across.
///
/// # Safety
/// The CPU has what the kernel needs. With `rows` the number of rows that the function is for and w its number of vectors times the
/// record's lanes: `args.rows` = `rows`, w ≥ `cols` > w − lanes. Strides in bytes, one block of K being one step: for i < rows, j < cols and
/// every step q in offset .. offset + steps, with p = q mod k, `pairs[q / k]` exists and is valid for reads of an element: its `a` at
/// `i·a_row_stride + p·a_col_stride`, its `b` at `p·b_stride`, j elements on (for [`Form::Dot`](super::Form::Dot) at `j·b_stride`, p elements
/// on). Of other formats the blocks that those steps lie in are valid for reads, in each panel that has some of the columns. `c` is valid for reads and writes at `i·c_row_stride + j`
/// elements; a [`SideWork::CopyB`] for writes at `p·stride`, j elements on; the pointers of an `epilogue` for reads of what a rows × cols tile
/// needs. All elements are aligned.
pub type TileFn<E> = unsafe fn(&TileArgs<'_, E>);

/// C (rows, cols) ← α · A (rows, k) · B (k, cols) + β · C for the rows of one tile. C's rows are contiguous, those of B within a panel.
pub(super) struct SweepArgs<E: Output> {
    pub(super) a: *const u8,
    /// In bytes, as those of B.
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    /// Element (0, 0) of the first panel.
    pub(super) b: *const u8,
    /// From one row to the next.
    pub(super) b_row_stride: usize,
    /// From one panel to the next.
    pub(super) panel_stride: usize,
    pub(super) c: *mut E,
    /// In elements.
    pub(super) c_row_stride: usize,
    /// At most [`FIRST_CHAIN`](super::chains::FIRST_CHAIN).
    pub(super) k: usize,
    pub(super) alpha: E::Sum,
    pub(super) beta: E::Sum,
    /// Panels of this call.
    pub(super) panels: usize,
    /// Columns of each of them.
    pub(super) cols: usize,
}

/// A sweep for one number of rows and of vectors across.
///
/// # Safety
/// The CPU has what the kernel needs. With w the number of vectors times the lanes: w ≥ `cols` > w − lanes. For i < rows, p < k, q < panels
/// and j < cols: A is valid for reads at `i·a_row_stride + p·a_col_stride` bytes, B at `q·panel_stride + p·b_row_stride` bytes and j elements
/// on, C for reads and writes at `i·c_row_stride + q·w + j` elements. All elements are aligned.
pub(super) type SweepFn<E> = unsafe fn(&SweepArgs<E>);

/// Steps of K of one row, and where their sums are kept.
#[derive(Clone, Copy)]
pub(super) struct RowStepsArgs<E> {
    pub(super) a: *const E,
    /// In bytes, as all strides of operands.
    pub(super) a_col_stride: usize,
    pub(super) b: *const E,
    pub(super) b_row_stride: usize,
    pub(super) steps: usize,
    pub(super) cols: usize,
    pub(super) sums: *mut E,
    /// Whether the sums begin here: what they hold is not read then.
    pub(super) is_first: bool,
}

impl<E> RowStepsArgs<E> {
    /// What is left after some of the steps.
    #[inline(always)]
    pub(super) fn after(self, steps: usize) -> Self {
        RowStepsArgs {
            a: self.a.wrapping_byte_add(steps * self.a_col_stride),
            b: self.b.wrapping_byte_add(steps * self.b_row_stride),
            steps: self.steps - steps,
            is_first: false,
            ..self
        }
    }
}

/// Adds steps of one row to sums.
///
/// # Safety
/// The CPU has what the kernel needs. For p < steps and j < cols: A is valid for reads at `p·a_col_stride` bytes, B at `p·b_row_stride`
/// bytes and j elements on; the sums are valid for reads and writes of `cols` elements, rounded up to whole vectors. All elements are
/// aligned.
pub(super) type RowStepsFn<E> = unsafe fn(&RowStepsArgs<E>);

/// A block of a matrix, and where it is copied to: out[i·out_stride + j] = source[i·row_stride + j·col_stride].
#[derive(Clone, Copy)]
pub struct CopyArgs<T> {
    /// Element (0, 0).
    pub source: *const T,
    /// Rows of the block.
    pub rows: usize,
    /// Columns of the block.
    pub cols: usize,
    /// Elements of the source from one row to the next.
    pub row_stride: usize,
    /// Elements of the source from one column to the next.
    pub col_stride: usize,
    /// Where element (0, 0) goes.
    pub out: *mut T,
    /// Elements of the copy from one row to the next; its columns are contiguous.
    pub out_stride: usize,
}

/// Copies a block so that its rows become contiguous.
///
/// # Safety
/// The CPU has the ISA that the function was made for; for i < rows, j < cols the source is valid for reads and `out` for writes at
/// the places that [`CopyArgs`] names, and the two do not overlap.
pub type CopyFn<T> = unsafe fn(&CopyArgs<T>);
