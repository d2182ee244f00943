//! Microkernels as records, and the proof that a CPU can run one.

use super::expansion::Expansion;
use super::format::{KBlocks, PanelFormat, RowFormat};
use super::micro;
use super::panel::{ColumnFn, PackFn, PanelBlock, PrepareFn, RowBlock, Rows};
use super::parts::TilesOfRows;
use super::room::MAX_TILE_BYTES;
use super::tile_args::{CopyArgs, CopyFn, RowStepsArgs, RowStepsFn, SweepFn, TileArgs, TileFn};
use crate::cpu::{Cpu, Features, Isa};
use crate::scheme::{Output, Scheme, Uniform};
use crate::simd::{Entry, Scalar, Simd};

/// The size of the block of C that a microkernel computes in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows.
    pub mr: usize,
    /// Columns: those of a packed panel of B, or of several.
    pub nr: usize,
}

/// How a microkernel reads its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Vectors lie across the columns of B, whose rows are contiguous; elements of A are broadcast. Sums of an element of C run over
    /// k in chains.
    Outer,
    /// Vectors lie along k, in which the rows of A and the columns of B are contiguous. Each lane sums every LANES-th product; the
    /// lanes are added at the end of long segments.
    Dot,
    /// Prepared rows and packed panels, in blocks of K that its formats describe.
    Blocks,
}

/// What must be done before and after the tiles of a task on its thread, as the loading of a tile configuration.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Called before the first tile.
    pub begin: unsafe fn(),
    /// Called after the last.
    pub end: unsafe fn(),
}

/// What the loops know of a microkernel: operands are bytes, whatever the scheme, so that one copy of the loops serves all schemes with
/// one type of C.
#[derive(Debug)]
pub(crate) struct TileKernel<E: Output> {
    pub(super) name: &'static str,
    pub(super) needs: Features,
    pub(super) form: Form,
    pub(super) tile: Tile,
    pub(super) lanes: usize,
    pub(super) rows: RowFormat,
    pub(super) panel: PanelFormat,
    pub(super) k_blocks: KBlocks,
    /// `functions[rows − 1][vectors − 1]`: the same tile cut to fewer rows and columns, all reading the same panels.
    pub(super) functions: &'static [&'static [TileFn<E>]],
    /// As [`KernelParts::rows_at_once`].
    pub(super) rows_at_once: usize,
    /// `sweeps[rows − 1][vectors − 1]`: rows of tiles of a short sum; empty if the kernel has none.
    pub(super) sweeps: &'static [&'static [SweepFn<E>]],
    /// A tile of one element whose operands need not lie along k: A's elements are `a_col_stride` bytes apart, those of B `b_stride`. Of
    /// kernels of the dot form, for products without memory to copy an operand.
    pub(super) element: Option<TileFn<E>>,
    /// Adds steps of K of a single row to sums that lie in memory; of kernels of the outer form from this crate.
    pub(super) row_steps: Option<RowStepsFn<E>>,
    /// Copies a block of elements of C's type, by which the operands of a one-off product are packed as well.
    pub(super) copy: CopyFn<E>,
    pub(super) session: Option<Session>,
    /// What it reads in place of packed panels where rows are many.
    pub(super) expansion: Option<Expansion<E>>,
}

impl<E: Output> TileKernel<E> {
    /// Panels that a tile has the columns of.
    pub(super) fn panels_of_tile(&self) -> usize {
        self.tile.nr / self.panel.cols
    }

    /// Tiles for these rows of a product.
    #[inline]
    pub(super) fn tiles_of_rows(&self, rows: usize) -> TilesOfRows {
        TilesOfRows::new(rows, self.tile.mr, self.rows_at_once)
    }
}

/// A tile kernel together with the proof that the CPU can run it.
#[derive(Debug)]
pub(crate) struct Ready<E: Output>(&'static TileKernel<E>);

impl<E: Output> Clone for Ready<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Output> Copy for Ready<E> {}

/// One record of the registry. Its fields carry the promises that were made when it was created, so nobody else can set them.
#[derive(Debug)]
pub struct Microkernel<S: Scheme> {
    pub(super) tiles: TileKernel<S::C>,
    pub(super) pack: PackFn<S>,
    pub(super) column: ColumnFn<S>,
    pub(super) prepare: PrepareFn<S>,
}

/// A microkernel together with the proof that the CPU can run it.
#[derive(Debug)]
pub struct Supported<S: Scheme>(&'static Microkernel<S>);

impl<S: Scheme> Clone for Supported<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scheme> Copy for Supported<S> {}

/// What a [`Microkernel`] of a scheme with formats of its own is made of.
#[derive(Clone, Copy, Debug)]
pub struct KernelParts<S: Scheme> {
    /// ISA, scheme, rows × columns.
    pub name: &'static str,
    /// What it needs of the CPU.
    pub needs: Features,
    /// Columns by which the tile can be narrowed.
    pub lanes: usize,
    /// `functions[i][j]` computes tiles of i + 1 rows and j + 1 times `lanes` columns, the last of which may be cut short.
    pub functions: &'static [&'static [TileFn<S::C>]],
    /// Rows that tiles of more rows multiply at a time, so that one row more takes as long as this many; 1 if each row takes its own time.
    /// A product is cut into tiles of whole multiples, and one tile of the rows that are left.
    pub rows_at_once: usize,
    /// Rows of A as it reads them.
    pub rows: RowFormat,
    /// Panels of B as it reads them.
    pub panel: PanelFormat,
    /// Where calls may begin and end.
    pub k_blocks: KBlocks,
    /// Packs a block of B.
    pub pack: PackFn<S>,
    /// Reads a column of packed B back.
    pub column: ColumnFn<S>,
    /// Prepares rows of A.
    pub prepare: PrepareFn<S>,
    /// What its tiles need before and after them.
    pub session: Option<Session>,
}

impl<S: Scheme> Microkernel<S> {
    /// A microkernel of [`Form::Blocks`] for a `static`.
    ///
    /// # Safety
    /// On a CPU that has `needs`, between a call of `session.begin` and one of `session.end` on the same thread:
    /// - each function, called under the contract of [`TileFn`] with rows and panels in the formats named, uses no instructions beyond
    ///   `needs` and the baseline of the architecture, does not unwind, reads only what the contract names as valid for reads, and C only
    ///   if `store` goes on from it or scales it, writes all rows × `cols` elements of C and nothing else;
    /// - `pack` and `prepare` do as [`PackFn`] and [`PrepareFn`] say.
    ///
    /// # Panics
    /// In a `static` a compile error: if there are no lanes or no functions, the rows of `functions` differ in length, the tile has more
    /// than [`Tile::MAX_BYTES`] or rows that are no multiple of `rows_at_once`, or its columns are not those of whole panels, or a block of a
    /// format is empty.
    pub const unsafe fn from_parts(parts: KernelParts<S>) -> Microkernel<S> {
        let KernelParts {
            name,
            needs,
            lanes,
            functions,
            rows_at_once,
            rows,
            panel,
            k_blocks,
            pack,
            column,
            prepare,
            session,
        } = parts;
        let tile = tile_of(functions, lanes);
        assert!(
            rows_at_once > 0 && tile.mr % rows_at_once == 0,
            "wanted a tile of whole multiples of the rows at once"
        );
        assert!(panel.cols > 0 && tile.nr % panel.cols == 0, "wanted a tile of whole panels");
        assert!(rows.block_k > 0 && rows.block_bytes > 0, "wanted blocks of rows that are not empty");
        assert!(panel.block_k > 0 && panel.block_bytes > 0, "wanted blocks of panels that are not empty");
        let of = match k_blocks {
            KBlocks::Chains => super::chains::FIRST_CHAIN,
            KBlocks::Segments => super::chains::DOT_SEGMENT,
            KBlocks::Multiples(of) => of,
            KBlocks::Whole => rows.block_k * panel.block_k,
        };
        assert!(of > 0 && of % rows.block_k == 0 && of % panel.block_k == 0, "wanted blocks of K of whole blocks");
        assert!(
            !rows.is_in_place || size_of::<S::A>() == rows.block_bytes && rows.block_k == 1,
            "wanted elements of A"
        );
        let tiles = TileKernel {
            name,
            needs,
            form: Form::Blocks,
            tile,
            lanes,
            rows,
            panel,
            k_blocks,
            functions,
            rows_at_once,
            sweeps: &[],
            element: None,
            row_steps: None,
            copy: micro::copy::gather,
            session,
            expansion: None,
        };
        Microkernel { tiles, pack, column, prepare }
    }

    /// The kernel's tiles by panels of another format, which hold the same weights, with as many columns.
    ///
    /// # Safety
    /// The functions use no instructions beyond what the kernel needs, and keep the promises of [`Microkernel::from_parts`] for these panels,
    /// between the calls of `session`.
    #[cfg(target_arch = "x86_64")]
    pub(super) const unsafe fn tiles_by(
        self,
        panel: PanelFormat,
        functions: &'static [&'static [TileFn<S::C>]],
        rows_at_once: usize,
        session: Option<Session>,
    ) -> TileKernel<S::C> {
        let tile = tile_of(functions, self.tiles.lanes);
        assert!(tile.nr == self.tiles.tile.nr, "wanted a function for each of the kernel's numbers of columns");
        assert!(tile.mr.is_multiple_of(rows_at_once), "wanted a tile of whole multiples of the rows at once");
        assert!(panel.cols == self.tiles.panel.cols, "wanted panels of as many columns");
        TileKernel { panel, tile, functions, rows_at_once, session, ..self.tiles }
    }

    /// The same kernel with an expansion.
    ///
    /// # Safety
    /// `expand` uses no instructions beyond what the kernel needs, and makes the panels of the tiles of the kernel's panels.
    #[cfg(target_arch = "x86_64")]
    pub(super) const unsafe fn expanding(mut self, expansion: Expansion<S::C>) -> Self {
        self.tiles.expansion = Some(expansion);
        self
    }

    /// ISA, scheme, rows × columns: `avx512_f32_6x64`.
    pub const fn name(&self) -> &'static str {
        self.tiles.name
    }

    /// What it needs of the CPU.
    pub const fn needs(&self) -> Features {
        self.tiles.needs
    }

    /// The lowest cap (`CKE_ISA`) under which it runs.
    pub const fn isa(&self) -> Isa {
        Isa::allowing(self.tiles.needs)
    }

    /// How it reads its operands.
    pub const fn form(&self) -> Form {
        self.tiles.form
    }

    /// The largest tile.
    pub const fn tile(&self) -> Tile {
        self.tiles.tile
    }

    /// Columns by which the tile can be narrowed: those of a vector, or one.
    pub const fn lanes(&self) -> usize {
        self.tiles.lanes
    }

    /// Rows of A as it reads them.
    pub const fn row_format(&self) -> RowFormat {
        self.tiles.rows
    }

    /// Panels of B as it reads them.
    pub const fn panel_format(&self) -> PanelFormat {
        self.tiles.panel
    }

    /// out ← column `col` of a panel.
    pub(super) fn read_column(&self, panel: &[u8], col: usize, out: &mut [S::B]) {
        (self.column)(&self.tiles.panel, panel, col, out);
    }

    /// The proof that `cpu` can run this kernel, if it can.
    pub fn on(&'static self, cpu: &Cpu) -> Option<Supported<S>> {
        cpu.has(self.needs()).then_some(Supported(self))
    }
}

/// Rows and columns of the largest tile.
const fn tile_of<E: Output>(functions: &[&[TileFn<E>]], lanes: usize) -> Tile {
    assert!(!functions.is_empty() && !functions[0].is_empty(), "wanted a function for each number of rows and vectors");
    let (mr, vectors) = (functions.len(), functions[0].len());
    assert!(lanes >= 1, "wanted at least one lane");
    // By division, which cannot overflow.
    assert!(lanes <= Tile::MAX_BYTES / size_of::<E>() / mr / vectors, "wanted a tile of at most Tile::MAX_BYTES bytes");
    let mut rows = 0;
    while rows < mr {
        assert!(functions[rows].len() == vectors, "wanted as many functions for each number of rows");
        rows += 1;
    }
    Tile { mr, nr: lanes * vectors }
}

impl Tile {
    /// Rows of a tile below which it is for products of no more rows than it has: too few share what it loads of B.
    pub(crate) const LEAST_ROWS: usize = 4;

    /// Bytes of the largest tile that the loops have room for.
    pub const MAX_BYTES: usize = MAX_TILE_BYTES;
}

impl<S: Uniform> Microkernel<S>
where
    Scalar: Simd<S::E>,
{
    /// A microkernel of the caller's own, for a `static`: of [`Form::Outer`], mr = `functions.len()`, nr = `lanes` times the length of
    /// each row of `functions`.
    ///
    /// `functions[i][j]` computes tiles of i + 1 rows and j + 1 vectors of `lanes` columns, the last of which may be cut short by
    /// [`TileArgs::cols`]. B is packed, and a C whose columns are not contiguous copied, by the library. All of
    /// [`TileArgs::side_work`] but [`SideWork::CopyB`](super::SideWork::CopyB) may be passed over.
    /// [`TileArgs::begin`] and what it returns do what is not multiplying; [`check_kernel`](super::check_kernel) tests the whole.
    ///
    /// # Safety
    /// On a CPU that has `needs`, each function called under the contract of [`TileFn`]:
    /// - uses no instructions beyond `needs` and the baseline of the architecture, and does not unwind;
    /// - reads only what the contract names as valid for reads, and C only if `store` goes on from it or scales it;
    /// - writes all rows × `cols` elements of C, and with [`SideWork::CopyB`](super::SideWork::CopyB) all k × `cols` of the copy, and
    ///   nothing else.
    ///
    /// # Panics
    /// In a `static` a compile error: if there are no lanes or no functions, the rows of `functions` differ in length, or the tile
    /// has more than [`Tile::MAX_BYTES`].
    pub const unsafe fn new(
        name: &'static str,
        needs: Features,
        lanes: usize,
        functions: &'static [&'static [TileFn<S::E>]],
    ) -> Microkernel<S> {
        let tile = tile_of(functions, lanes);
        let tiles = TileKernel {
            name,
            needs,
            form: Form::Outer,
            tile,
            lanes,
            rows: RowFormat::of_elements::<S::E>(S::NAME),
            panel: PanelFormat::of_elements::<S::E>(S::NAME, tile.nr),
            k_blocks: KBlocks::Chains,
            functions,
            rows_at_once: 1,
            sweeps: &[],
            element: None,
            row_steps: None,
            copy: micro::copy::gather,
            session: None,
            expansion: None,
        };
        Microkernel::of_rows::<Scalar>(tiles)
    }
}

impl<S: Uniform> Microkernel<S> {
    /// A record of a scheme whose panels are rows of elements.
    pub(super) const fn of_rows<V: Entry<micro::copy::CopyBlock<S::E>>>(tiles: TileKernel<S::E>) -> Self {
        Microkernel { tiles, pack: Rows::pack::<S, V>, column: Rows::column::<S>, prepare: Rows::prepare::<S, V> }
    }
}

impl<S: Scheme> Supported<S> {
    /// The record.
    pub fn record(self) -> &'static Microkernel<S> {
        self.0
    }

    /// The tile.
    pub fn tile(self) -> Tile {
        self.0.tile()
    }

    /// What the loops need of it.
    #[inline(always)]
    pub(crate) fn tiles(self) -> Ready<S::C> {
        Ready(&self.0.tiles)
    }

    /// Prepares rows of A.
    pub(super) fn prepare(self, block: RowBlock<'_, S::A>) {
        // SAFETY: what the CPU has by our constructor.
        unsafe { (self.0.prepare)(block) }
    }

    /// What prepares rows of A; the CPU has what it needs.
    pub(super) fn prepare_fn(self) -> PrepareFn<S> {
        self.0.prepare
    }

    /// Packs a block of B.
    pub(super) fn pack(self, block: PanelBlock<'_, S::B>) {
        // SAFETY: what the CPU has by our constructor.
        unsafe { (self.0.pack)(block) }
    }

    /// Copies a block of elements.
    ///
    /// # Safety
    /// As [`CopyFn`], but for what the CPU must have.
    pub unsafe fn copy(self, args: &CopyArgs<S::C>) {
        // SAFETY: promised by the caller.
        unsafe { self.tiles().copy(args) }
    }

    /// Computes a tile of `args.rows` rows.
    ///
    /// # Safety
    /// As [`TileFn`], but for what the CPU must have, with 1 ≤ `args.rows` ≤ mr and 1 ≤ `args.cols` ≤ nr, inside a session if the kernel
    /// has one.
    pub unsafe fn run(self, args: &TileArgs<'_, S::C>) {
        // SAFETY: promised by the caller.
        unsafe { self.tiles().run(args) }
    }
}

impl<E: Output> Ready<E> {
    #[inline(always)]
    pub(super) fn kernel(self) -> &'static TileKernel<E> {
        self.0
    }

    #[inline(always)]
    pub(crate) fn tile(self) -> Tile {
        self.0.tile
    }

    /// ISA, scheme, rows × columns.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// Columns by which the tile can be narrowed.
    pub(crate) fn lanes(self) -> usize {
        self.0.lanes
    }

    /// Rows of A as it reads them.
    pub(crate) fn row_format(self) -> &'static RowFormat {
        &self.0.rows
    }

    /// Panels of B as it reads them.
    pub(crate) fn panel_format(self) -> &'static PanelFormat {
        &self.0.panel
    }

    /// The kernel's tiles by expanded panels.
    pub(super) fn by_expanded(self, expansion: &Expansion<E>) -> Ready<E> {
        Ready(expansion.tiles)
    }

    /// Runs what the kernel needs before its tiles; what it needs after them runs when the result is dropped.
    #[inline(always)]
    pub(super) fn begin_session(self) -> OpenSession {
        OpenSession(self.0.session.inspect(|session| {
            // SAFETY: what the CPU has by our constructor.
            unsafe { (session.begin)() };
        }))
    }

    /// Copies a block of elements.
    ///
    /// # Safety
    /// As [`CopyFn`], but for what the CPU must have.
    #[inline(always)]
    pub(super) unsafe fn copy(self, args: &CopyArgs<E>) {
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { (self.0.copy)(args) }
    }

    /// Computes a tile of `args.rows` rows.
    ///
    /// # Safety
    /// As [`Supported::run`].
    #[inline(always)]
    pub(super) unsafe fn run(self, args: &TileArgs<'_, E>) {
        debug_assert!((1..=self.0.tile.mr).contains(&args.rows) && (1..=self.0.tile.nr).contains(&args.cols));
        let function = self.0.functions[args.rows - 1][(args.cols - 1) / self.0.lanes];
        // SAFETY: promised by the caller; what the CPU has by our constructor; the function is the one for these rows and columns.
        unsafe { function(args) }
    }

    /// Adds steps of K of a single row to sums.
    ///
    /// # Safety
    /// As [`RowStepsFn`], but for what the CPU must have.
    #[inline(always)]
    pub(super) unsafe fn row_steps(self, args: &RowStepsArgs<E>) {
        let row_steps = self.0.row_steps.expect("the caller chose a kernel that has them");
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { row_steps(args) }
    }

    /// Computes one element of C, in the order of summation of the dot form.
    ///
    /// # Safety
    /// As [`TileFn`], but for what the CPU must have, with one row and one column, and operands that lie as [`TileKernel::element`] says.
    #[cold]
    pub(super) unsafe fn run_element(self, args: &TileArgs<'_, E>) {
        let element = self.0.element.expect("a kernel of the dot form computes single elements");
        // SAFETY: promised by the caller; what the CPU has by our constructor.
        unsafe { element(args) }
    }
}

/// A session of a kernel on this thread, which ends when the value is dropped.
pub(super) struct OpenSession(Option<Session>);

impl Drop for OpenSession {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            // SAFETY: made by `Ready::begin_session`, which proves what the CPU has.
            unsafe { (session.end)() }
        }
    }
}
