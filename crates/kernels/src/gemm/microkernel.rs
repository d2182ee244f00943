//! The contract that every microkernel follows, and the proof that a CPU can run one.

use super::chains::chain_end;
use super::macro_kernel::MAX_TILE;
use super::micro;
use crate::cpu::{Cpu, Features, Isa};
use crate::scheme::{Scheme, Uniform};
use crate::scratch::{LINE, Zeroable};
use crate::simd::{Scalar, Simd};

/// The size of the block of C that a microkernel keeps in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows.
    pub mr: usize,
    /// Columns, which is also the width of a packed panel of B.
    pub nr: usize,
}

impl Tile {
    /// mr · nr of the largest tile that the loops have room for.
    pub const MAX_ELEMENTS: usize = MAX_TILE;
}

/// How a microkernel reads B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Vectors lie across the columns of B, whose rows are contiguous; elements of A are broadcast. Sums of an element of C run over
    /// k in chains.
    Outer,
    /// Vectors lie along k, in which the rows of A and the columns of B are contiguous. Each lane sums every LANES-th product; the
    /// lanes are added at the end of long segments.
    Dot,
}

/// One A and one B block whose product is added to a tile.
#[derive(Clone, Copy, Debug)]
pub struct Pair<S: Scheme> {
    /// Element (0, 0) of the A block, strided as [`TileArgs`] says.
    pub a: *const S::A,
    /// Element (0, 0) of the B block, strided as [`TileArgs`] says.
    pub b: *const S::B,
}

/// What happens to a tile of sums.
#[derive(Clone, Copy)]
pub enum Store<'a, S: Scheme> {
    /// C ← sums. C is not read.
    Overwrite,
    /// C ← C + sums.
    Accumulate,
    /// C ← α · sums + β · C. C is not read where β is 0.
    Scale {
        /// Factor on the sums.
        alpha: S::Acc,
        /// Factor on what C holds.
        beta: S::Acc,
    },
    /// C ← finish(sums), or finish(C + sums).
    Finish {
        /// Whether C is added; otherwise it is not read.
        accumulate: bool,
        /// The epilogue, cut to this tile.
        finish: &'a S::Finish,
    },
}

impl<S: Scheme> Store<'_, S> {
    /// Whether the tile's old contents matter.
    pub(super) fn reads_c(&self) -> bool {
        match *self {
            Store::Overwrite => false,
            Store::Accumulate => true,
            Store::Scale { beta, .. } => beta != S::Acc::zero(),
            Store::Finish { accumulate, .. } => accumulate,
        }
    }
}

impl<'a, S: Scheme> TileArgs<'a, S> {
    /// The chains of this call, in order.
    pub fn chains(&self) -> impl Iterator<Item = Chain<'_, 'a, S>> {
        let (end, mut at) = (self.before + self.steps, self.before);
        std::iter::from_fn(move || {
            let from = at;
            at = chain_end(from).min(end);
            (from < end).then_some(Chain { args: self, from, to: at })
        })
    }
}

/// Steps of a sum that are one chain of multiply-adds from zero. Their sum is added to that of the chains before.
#[derive(Clone, Copy)]
pub struct Chain<'c, 'a, S: Scheme> {
    args: &'c TileArgs<'a, S>,
    /// Counted from the start of the whole sum.
    from: usize,
    to: usize,
}

/// Steps of a chain that lie in one pair.
#[derive(Clone, Copy, Debug)]
pub struct Run<S: Scheme> {
    /// The operands of the run's first step.
    pub first: Pair<S>,
    /// How many steps it has.
    pub steps: usize,
    /// Steps of the pair before it.
    pub offset: usize,
}

impl<S: Scheme> Chain<'_, '_, S> {
    /// Its runs, in order: one for each pair that it reaches.
    pub fn runs(self) -> impl Iterator<Item = Run<S>> {
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

/// What a kernel of [`Form::Outer`] does besides multiplying, in the same steps of k.
#[derive(Clone, Copy, Debug)]
pub enum Extra<T> {
    /// Nothing.
    Nothing,
    /// Asks for memory that a later tile will read.
    Prefetch(Lines),
    /// Asks for rows of B, in the tile's columns, some steps before it reads them: for a B that no tile before has asked for.
    FetchRows,
    /// Leaves a copy of what it reads of B, rows `stride` elements apart, and asks for rows ahead as well. Of one pair only.
    Copy {
        /// Where element (0, 0) goes.
        to: *mut T,
        /// Elements from one row of the copy to the next.
        stride: usize,
    },
}

/// Cache lines that a microkernel asks for while it works, at most one in each step of k: in steps 0 to rows − 1 of every period
/// the lines `row_stride` bytes apart, from one period to the next `advance` bytes further on. A hint: any address will do.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// The first line.
    pub first: *const u8,
    /// Lines of one period.
    pub rows: usize,
    /// Bytes from one of them to the next.
    pub row_stride: usize,
    /// Steps of k that a period takes.
    pub period: usize,
    /// Bytes from a line to that of the next period.
    pub advance: usize,
}

impl Lines {
    /// No lines.
    pub const NONE: Lines = Lines { first: std::ptr::null(), rows: 0, row_stride: 0, period: 1, advance: 0 };

    /// One line in each step, `advance` bytes apart.
    pub(super) fn each_step<T>(first: *const T, advance: usize) -> Lines {
        Lines { first: first.cast(), rows: 1, row_stride: 0, period: 1, advance: advance * size_of::<T>() }
    }

    /// The lines of rows that are contiguous, each as soon as its elements would be reached.
    pub(super) fn rows<T>(first: *const T, rows: usize, row_stride: usize) -> Lines {
        let row_stride = row_stride * size_of::<T>();
        Lines { first: first.cast(), rows, row_stride, period: LINE / size_of::<T>(), advance: LINE }
    }
}

/// What a microkernel is asked to do: store(Σ Aᵢ·Bᵢ) for one tile of C, or for `steps` steps of that sum.
///
/// A sum is made of chains, which [`TileArgs::chains`] lists; the sums of the chains are added in order.
#[derive(Clone, Copy)]
pub struct TileArgs<'a, S: Scheme> {
    /// The batch that is reduced into the tile, pair after pair, each from its step 0 up.
    pub pairs: &'a [Pair<S>],
    /// Steps of each pair.
    pub k: usize,
    /// Steps of the first pair that earlier calls have done. 0 for a kernel of [`Form::Dot`].
    pub offset: usize,
    /// Steps of the whole sum that earlier calls have done: a chain ends there.
    pub before: usize,
    /// Steps of this call. They end where a chain does, or the whole sum.
    pub steps: usize,
    /// Elements of A from one row to the next.
    pub a_row_stride: usize,
    /// Elements of A from one column to the next; 1 for a kernel of [`Form::Dot`].
    pub a_col_stride: usize,
    /// Elements of B from one row to the next, its columns next to each other. For a kernel of [`Form::Dot`]: from one column to
    /// the next, its rows next to each other.
    pub b_stride: usize,
    /// Element (0, 0) of the tile in C; its rows are contiguous.
    pub c: *mut S::Acc,
    /// Elements of C from one row to the next.
    pub c_row_stride: usize,
    /// What to do besides. Kernels of [`Form::Dot`] only prefetch: the first lines of each row.
    pub extra: Extra<S::B>,
    /// Columns of the tile that exist: 1 to nr.
    pub cols: usize,
    /// What happens to the sums.
    pub store: Store<'a, S>,
}

/// A microkernel for one number of rows and of vectors across.
///
/// # Safety
/// The CPU has what the kernel needs. With `rows` the number of rows that the function is for and w its number of vectors times the
/// record's lanes: w ≥ `cols` > w − lanes; for i < rows, j < cols and every step q in offset .. offset + steps, with p = q mod k,
/// `pairs[q / k]` exists and is valid for reads: its `a` at `i·a_row_stride + p·a_col_stride`, its `b` at `p·b_stride + j` (for [`Form::Dot`] at
/// `j·b_stride + p`); `c` for reads and writes at `i·c_row_stride + j`; an [`Extra::Copy`] for writes at `p·stride + j`; the pointers
/// of a `finish` for reads of what a rows × cols tile needs.
pub type TileFn<S> = unsafe fn(&TileArgs<'_, S>);

/// C (rows, cols) ← α · A (rows, k) · B (k, cols) + β · C for the rows of one tile. C's rows are contiguous, those of B within a panel.
pub(super) struct SweepArgs<S: Scheme> {
    pub(super) a: *const S::A,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    /// Element (0, 0) of the first panel.
    pub(super) b: *const S::B,
    /// Elements of B from one row to the next.
    pub(super) b_row_stride: usize,
    /// Elements of B from one panel to the next.
    pub(super) panel_stride: usize,
    pub(super) c: *mut S::Acc,
    pub(super) c_row_stride: usize,
    /// At most [`FIRST_CHAIN`](super::chains::FIRST_CHAIN).
    pub(super) k: usize,
    pub(super) alpha: S::Acc,
    pub(super) beta: S::Acc,
    /// Panels of this call.
    pub(super) panels: usize,
    /// Columns of each of them.
    pub(super) cols: usize,
}

/// A sweep for one number of rows and of vectors across.
///
/// # Safety
/// The CPU has what the kernel needs. With w the number of vectors times the lanes: w ≥ `cols` > w − lanes. For i < rows, p < k, q < panels
/// and j < cols: A is valid for reads at `i·a_row_stride + p·a_col_stride`, B at `q·panel_stride + p·b_row_stride + j`, C for reads and
/// writes at `i·c_row_stride + q·w + j`.
pub(super) type SweepFn<S> = unsafe fn(&SweepArgs<S>);

/// A block of an operand, and where it is copied to: out[i·out_stride + j] = source[i·row_stride + j·col_stride].
#[derive(Clone, Copy)]
pub struct PackArgs<T> {
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
    /// Elements of the copy from one row to the next; its columns are next to each other.
    pub out_stride: usize,
}

/// Copies a block so that its rows become contiguous.
///
/// # Safety
/// The CPU has the ISA that the function was made for; for i < rows, j < cols the source is valid for reads and `out` for writes at
/// the places that [`PackArgs`] names, and the two do not overlap.
pub type PackFn<T> = unsafe fn(&PackArgs<T>);

/// One record of the registry. Its fields carry the promises that were made when it was created, so nobody else can set them.
#[derive(Debug)]
pub struct Microkernel<S: Scheme> {
    pub(super) name: &'static str,
    pub(super) needs: Features,
    pub(super) form: Form,
    pub(super) tile: Tile,
    pub(super) lanes: usize,
    /// `functions[rows − 1][vectors − 1]`: the same tile cut to fewer rows and columns, all reading the same panels.
    pub(super) functions: &'static [&'static [TileFn<S>]],
    /// `sweeps[rows − 1][vectors − 1]`: rows of tiles of a short sum; empty if the kernel has none.
    pub(super) sweeps: &'static [&'static [SweepFn<S>]],
    /// A tile of one element whose operands need not lie along k: A's elements are `a_col_stride` apart, those of B `b_stride`. Of kernels
    /// of the dot form, for products without memory to copy an operand.
    pub(super) element: Option<TileFn<S>>,
    /// Copies a block of an operand to where the kernel wants it.
    pub(super) pack: PackFn<S::B>,
    /// Copies a block of C to or from where the kernel wants it.
    pub(super) move_block: PackFn<S::Acc>,
}

/// A microkernel together with the proof that the CPU can run it.
#[derive(Clone, Copy, Debug)]
pub struct Supported<S: Scheme>(&'static Microkernel<S>);

impl<S: Scheme> Microkernel<S> {
    /// ISA, scheme, rows × columns: `avx512_f32_6x64`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it needs of the CPU.
    pub const fn needs(&self) -> Features {
        self.needs
    }

    /// The lowest cap (`CKE_ISA`) under which it runs.
    pub const fn isa(&self) -> Isa {
        Isa::allowing(self.needs)
    }

    /// How it reads B.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The largest tile.
    pub const fn tile(&self) -> Tile {
        self.tile
    }

    /// Columns by which the tile can be narrowed: those of a vector, or one.
    pub const fn lanes(&self) -> usize {
        self.lanes
    }

    /// The proof that `cpu` can run this kernel, where it can.
    pub fn on(&'static self, cpu: &Cpu) -> Option<Supported<S>> {
        cpu.has(self.needs).then_some(Supported(self))
    }
}

impl<S: Uniform> Microkernel<S>
where
    Scalar: Simd<S::E>,
{
    /// A microkernel of the caller's own, for a `static`: of [`Form::Outer`], mr = `functions.len()`, nr = `lanes` times the length of
    /// each row of `functions`.
    ///
    /// `functions[i][j]` computes tiles of i + 1 rows and j + 1 vectors of `lanes` columns, the last of which may be cut short by
    /// [`TileArgs::cols`]. B is packed, and a C whose columns are not next to each other copied, by the library. Of [`TileArgs::extra`]
    /// all but [`Extra::Copy`] may be passed over.
    /// [`TileArgs::begin`] and what it returns do what is not multiplying; [`check_kernel`](super::check_kernel) tests the whole.
    ///
    /// # Safety
    /// On a CPU that has `needs`, each function called under the contract of [`TileFn`]:
    /// - uses no instructions beyond `needs` and the baseline of the architecture, and does not unwind;
    /// - reads only what the contract names as valid for reads, and C only where `store` goes on from it or scales it;
    /// - writes all rows × `cols` elements of C, and with [`Extra::Copy`] all k × `cols` of the copy, and nothing else.
    ///
    /// # Panics
    /// In a `static` a compile error: where there are no lanes or no functions, the rows of `functions` differ in length, or the tile
    /// has more than [`Tile::MAX_ELEMENTS`].
    pub const unsafe fn new(
        name: &'static str,
        needs: Features,
        lanes: usize,
        functions: &'static [&'static [TileFn<S>]],
    ) -> Microkernel<S> {
        assert!(
            !functions.is_empty() && !functions[0].is_empty(),
            "wanted a function for each number of rows and vectors"
        );
        let (mr, vectors) = (functions.len(), functions[0].len());
        assert!(lanes >= 1, "wanted at least one lane");
        // By division, which cannot overflow.
        assert!(lanes <= Tile::MAX_ELEMENTS / mr / vectors, "wanted a tile of at most Tile::MAX_ELEMENTS elements");
        let mut rows = 0;
        while rows < mr {
            assert!(functions[rows].len() == vectors, "wanted as many functions for each number of rows");
            rows += 1;
        }
        Microkernel {
            name,
            needs,
            form: Form::Outer,
            tile: Tile { mr, nr: lanes * vectors },
            lanes,
            functions,
            sweeps: &[],
            element: None,
            pack: micro::pack::scalar::<S::E>,
            move_block: micro::pack::scalar::<S::E>,
        }
    }
}

impl<S: Scheme> Supported<S> {
    /// The record.
    pub fn record(self) -> &'static Microkernel<S> {
        self.0
    }

    /// The tile.
    pub fn tile(self) -> Tile {
        self.0.tile
    }

    /// Copies a block of an operand.
    ///
    /// # Safety
    /// As [`PackFn`], but for what the CPU must have.
    #[inline]
    pub unsafe fn pack(self, args: &PackArgs<S::B>) {
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { (self.0.pack)(args) }
    }

    /// Copies a block of C.
    ///
    /// # Safety
    /// As [`PackFn`], but for what the CPU must have.
    #[inline]
    pub unsafe fn move_block(self, args: &PackArgs<S::Acc>) {
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { (self.0.move_block)(args) }
    }

    /// Computes a tile of `rows` rows.
    ///
    /// # Safety
    /// As [`TileFn`], but for what the CPU must have, with 1 ≤ rows ≤ mr and 1 ≤ `args.cols` ≤ nr.
    #[inline(always)]
    pub unsafe fn run(self, rows: usize, args: &TileArgs<'_, S>) {
        debug_assert!((1..=self.0.tile.mr).contains(&rows) && (1..=self.0.tile.nr).contains(&args.cols));
        let function = self.0.functions[rows - 1][(args.cols - 1) / self.0.lanes];
        // SAFETY: promised by the caller; what the CPU has by our constructor; the function is the one for these rows and columns.
        unsafe { function(args) }
    }

    /// Computes one element of C, in the order of summation of the dot form.
    ///
    /// # Safety
    /// As [`TileFn`], but for what the CPU must have, with one row and one column, and operands that lie as [`Microkernel::element`] says.
    #[cold]
    pub(super) unsafe fn run_element(self, args: &TileArgs<'_, S>) {
        let element = self.0.element.expect("a kernel of the dot form computes single elements");
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { element(args) }
    }
}
