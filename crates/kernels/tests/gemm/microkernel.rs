//! Direct calls of every microkernel: each number of rows and columns that its tile can be cut to, in both forms.

mod bits;

use crate::epilogue::{EpilogueKind, EpilogueOperands};
use crate::kernels::records;
use crate::numbers::{Exact, Expected, Number, Tested};
use crate::operands::{uniform, unwritten};
use cke_kernels::gemm::{Form, Pair, PrefetchStream, SideWork, Store, Supported, TileArgs, TileEpilogue};
use cke_kernels::scheme::{F32, F64, Output};
use cke_testkit::shapes::Storage;
use cke_testkit::{Data, Layout, Matrix, PageGuarded, View};

/// Canaries after each row that is written. More than a vector, so that no masked store of one row hides in the next one.
const GAP: usize = 19;

/// Depths of one pair: none, one step, and both sides of the borders of loops along k.
fn depths(form: Form) -> &'static [usize] {
    match form {
        Form::Outer | Form::Blocks => &[0, 1, 2, 3, 17],
        Form::Dot => &[0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 67],
    }
}

/// What is done with the sums.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Overwritten,
    Accumulated,
    Scaled { alpha: f32, beta: f32 },
    Finished { accumulate: bool, kind: EpilogueKind },
}

impl Stored {
    /// Every way that the scheme has.
    fn all<S: Tested>() -> Vec<Stored> {
        let mut all = vec![Stored::Overwritten, Stored::Accumulated];
        for (alpha, beta) in [(0.7, 0.0), (1.0, -1.0), (-1.0, 1.0), (0.7, 0.7), (0.0, 0.3), (0.0, 0.0)] {
            all.push(Stored::Scaled { alpha, beta });
        }
        let operands = EpilogueOperands::new(EpilogueKind::FULL, 1, 1, 0);
        if <S::E as Output>::Epilogue::cut(&operands.epilogue(), 0, 0).is_some() {
            for kind in [EpilogueKind::FULL, EpilogueKind { bias: true, ..EpilogueKind::NONE }] {
                all.extend([false, true].map(|accumulate| Stored::Finished { accumulate, kind }));
            }
        }
        all
    }

    fn factors(self) -> (f32, f32) {
        match self {
            Stored::Overwritten | Stored::Finished { accumulate: false, .. } => (1.0, 0.0),
            Stored::Accumulated | Stored::Finished { accumulate: true, .. } => (1.0, 1.0),
            Stored::Scaled { alpha, beta } => (alpha, beta),
        }
    }
}

/// Nothing, one line in each step, the lines of a few rows and more of them than a period has steps: of memory that nobody has, which
/// a hint may name.
fn side_works() -> [SideWork; 5] {
    let some = PrefetchStream { first: std::ptr::dangling(), ..PrefetchStream::NONE };
    [
        SideWork::Nothing,
        SideWork::Prefetch(PrefetchStream { rows: 1, advance: 4096, ..some }),
        SideWork::Prefetch(PrefetchStream { rows: 3, row_stride: 1 << 20, period: 16, advance: 64, ..some }),
        SideWork::Prefetch(PrefetchStream { rows: 9, row_stride: 1 << 20, period: 4, advance: 64, ..some }),
        SideWork::PrefetchB { row_ahead: 1024 },
    ]
}

/// One call: what is multiplied, and where the operands lie.
#[derive(Clone, Copy)]
struct TileCase<S: Tested> {
    kernel: Supported<S>,
    rows: usize,
    cols: usize,
    batch: usize,
    a: Layout,
    b: Layout,
    stored: Stored,
    side_work: SideWork,
}

impl<S: Tested> std::fmt::Display for TileCase<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TileCase { rows, cols, batch, a, b, stored, side_work, .. } = self;
        let name = self.kernel.record().name();
        write!(f, "{name}: {rows}x{cols}, {batch} pairs, A {a:?}, B {b:?}, {stored:?}, {side_work:?}")
    }
}

/// The blocks of A and B, canaries in their gaps, and what C holds before.
struct Blocks<E: Number> {
    a: Vec<Matrix<E>>,
    b: Vec<Matrix<E>>,
    c: Matrix<E>,
}

/// The layouts of a block of A (rows, k) that a form can read.
fn a_layouts(form: Form, rows: usize, k: usize) -> Vec<Layout> {
    let repeated = Layout { row_stride: 0, ..Layout::row_major(rows, k) };
    let mut layouts = vec![Layout::row_major(rows, k), Layout::padded(rows, k, 5), repeated];
    if form == Form::Outer {
        let packed = Layout::col_major(rows, k);
        layouts.extend([packed, Storage::Strided.layout(rows, k), Layout::strided(k, rows, 3, 7).transposed()]);
    }
    layouts
}

/// The layouts of a block of B (k, cols) that a kernel can read: a panel, in place in a wider matrix, and just as wide as the tile.
fn b_layouts<S: Tested>(kernel: Supported<S>, k: usize, cols: usize) -> Vec<Layout> {
    match kernel.record().form() {
        Form::Outer | Form::Blocks => [kernel.tile().nr - cols, 101, 0].map(|gap| Layout::padded(k, cols, gap)).into(),
        Form::Dot => [0, 5].map(|gap| Layout::padded(cols, k, gap).transposed()).into(),
    }
}

impl<S: Tested> TileCase<S> {
    /// A tile of one pair whose operands have no gaps.
    fn plain(kernel: Supported<S>, (rows, cols, k): (usize, usize, usize), stored: Stored) -> Self {
        let b = b_layouts(kernel, k, cols)[0];
        TileCase {
            kernel,
            rows,
            cols,
            batch: 1,
            a: Layout::row_major(rows, k),
            b,
            stored,
            side_work: SideWork::Nothing,
        }
    }

    /// A tile with layouts of the operands, store and prefetching drawn by lot.
    fn any(kernel: Supported<S>, (rows, cols, k): (usize, usize, usize), batch: usize, data: &mut Data) -> Self {
        let a = data.choose(&a_layouts(kernel.record().form(), rows, k));
        let b = data.choose(&b_layouts(kernel, k, cols));
        let stored = data.choose(&Stored::all::<S>());
        TileCase { kernel, rows, cols, batch, a, b, stored, side_work: data.choose(&side_works()) }
    }

    fn blocks(&self, data: &mut Data) -> Blocks<S::E> {
        let c = Layout::padded(self.rows, self.cols, GAP);
        Blocks {
            a: (0..self.batch).map(|_| uniform(self.a, data)).collect(),
            b: (0..self.batch).map(|_| uniform(self.b, data)).collect(),
            c: if self.stored.factors().1 == 0.0 { unwritten(c) } else { uniform(c, data) },
        }
    }

    fn epilogue(&self) -> EpilogueOperands {
        let kind = if let Stored::Finished { kind, .. } = self.stored { kind } else { EpilogueKind::NONE };
        EpilogueOperands::new(kind, self.rows, self.cols, 26)
    }

    /// Calls the microkernel.
    ///
    /// # Safety
    /// `pairs` are blocks in this case's layouts; `c` is valid for this case's tile, and `b_copy`, unless it is null, for a block of
    /// B, each with rows that stand `GAP` further apart than they are long.
    unsafe fn run(&self, pairs: &[Pair], c: *mut S::E, b_copy: *mut S::E) {
        let operands = self.epilogue();
        let epilogue = <S::E as Output>::Epilogue::cut(&operands.epilogue(), 0, 0);
        let store = match (self.stored, &epilogue) {
            (Stored::Finished { accumulate, .. }, Some(epilogue)) => Store::Epilogue { accumulate, epilogue },
            (Stored::Finished { .. }, None) => panic!("{self}: the scheme has no such epilogue"),
            (Stored::Overwritten, _) => Store::Overwrite,
            (Stored::Accumulated, _) => Store::Accumulate,
            (Stored::Scaled { alpha, beta }, _) => Store::Scale { alpha: alpha.into(), beta: beta.into() },
        };
        let bytes = |elements: usize| elements * size_of::<S::E>();
        let is_outer = self.kernel.record().form() == Form::Outer;
        let copy_b = SideWork::CopyB { to: b_copy.cast(), stride: bytes(self.cols + GAP) };
        let args = TileArgs {
            pairs,
            k: self.a.cols,
            offset: 0,
            before: 0,
            steps: pairs.len() * self.a.cols,
            a_row_stride: bytes(self.a.row_stride),
            a_col_stride: bytes(self.a.col_stride),
            b_stride: bytes(if is_outer { self.b.row_stride } else { self.b.col_stride }),
            panel_stride: 0,
            c,
            c_row_stride: self.cols + GAP,
            side_work: if b_copy.is_null() { self.side_work } else { copy_b },
            rows: self.rows,
            cols: self.cols,
            store,
        };
        // SAFETY: the operands are promised by the caller; 1 ≤ rows ≤ mr and 1 ≤ cols ≤ nr by the loops below.
        unsafe { self.kernel.run(&args) }
    }

    /// C after a call on `blocks`, whose surroundings are checked.
    fn run_on(&self, blocks: &Blocks<S::E>) -> Vec<S::E> {
        let pairs: Vec<_> = blocks
            .a
            .iter()
            .zip(&blocks.b)
            .map(|(a, b)| Pair { a: a.as_slice().as_ptr().cast(), b: b.as_slice().as_ptr().cast() })
            .collect();
        let mut after = Matrix::with_layout(blocks.c.layout(), &blocks.c.to_row_major());
        // SAFETY: the blocks and C are laid out as `run` asks.
        unsafe { self.run(&pairs, after.as_mut_slice().as_mut_ptr(), std::ptr::null_mut()) };
        after.check();
        after.to_row_major()
    }

    /// Compares C after the call with the oracle.
    #[track_caller]
    fn check(&self, blocks: &Blocks<S::E>, after: &[S::E]) {
        let (alpha, beta) = self.stored.factors();
        let pairs = blocks.a.iter().zip(&blocks.b).map(|(a, b)| (a.view(), b.view())).collect();
        let exact = Exact { alpha: alpha.into(), pairs, beta: beta.into(), c: blocks.c.view() };
        if !matches!(self.stored, Stored::Finished { .. }) {
            return exact.check(&self.to_string(), View::row_major(after, self.rows, self.cols));
        }
        let operands = self.epilogue();
        for (index, &found) in after.iter().enumerate() {
            let (i, j) = (index / self.cols, index % self.cols);
            let sum = exact.element(i, j);
            let (value, bound) = operands.element(i, j, self.batch * self.a.cols, sum.value, sum.magnitude);
            Expected { value, rest: 0.0, bound, ..sum }.check(&format_args!("{self}: ({i}, {j})"), found);
        }
    }

    /// Runs on operands between canaries, the rows of C included.
    fn run_between_canaries(&self, data: &mut Data) {
        let blocks = self.blocks(data);
        self.check(&blocks, &self.run_on(&blocks));
    }

    /// Runs on operands that end, or begin, at a page without access.
    fn run_at_page_border(&self, guard: fn(&[S::E]) -> PageGuarded<S::E>, data: &mut Data) {
        let blocks = self.blocks(data);
        let [a, b] = [&blocks.a[0], &blocks.b[0]].map(|block| guard(block.as_slice()));
        let mut after = guard(blocks.c.as_slice());
        let pair = Pair { a: a.as_slice().as_ptr().cast(), b: b.as_slice().as_ptr().cast() };
        // SAFETY: the blocks and C are laid out as `run` asks.
        unsafe { self.run(&[pair], after.as_mut_slice().as_mut_ptr(), std::ptr::null_mut()) };
        self.check(&blocks, &View::new(after.as_slice(), blocks.c.layout()).to_row_major());
    }
}

/// Every record with every number of rows and of columns that its tile can be cut to.
fn for_each_tile<S: Tested>(mut test: impl FnMut(Supported<S>, usize, usize)) {
    for kernel in records::<S>() {
        let tile = kernel.tile();
        for rows in 1..=tile.mr {
            (1..=tile.nr).for_each(|cols| test(kernel, rows, cols));
        }
    }
}

fn check_every_size_depth_and_batch<S: Tested>() {
    let mut data = Data::new(21);
    for_each_tile::<S>(|kernel, rows, cols| {
        for &k in depths(kernel.record().form()) {
            for batch in 0..=3 {
                TileCase::any(kernel, (rows, cols, k), batch, &mut data).run_between_canaries(&mut data);
            }
        }
    });
}

#[test]
fn tile_of_every_size_depth_and_batch_matches_the_oracle() {
    check_every_size_depth_and_batch::<F32>();
    check_every_size_depth_and_batch::<F64>();
}

fn check_every_store<S: Tested>() {
    let mut data = Data::new(22);
    for_each_tile::<S>(|kernel, rows, cols| {
        for stored in Stored::all::<S>() {
            let case = TileCase::any(kernel, (rows, cols, 3), 1, &mut data);
            TileCase { stored, ..case }.run_between_canaries(&mut data);
        }
    });
}

#[test]
fn tile_of_every_size_with_every_store_matches_the_oracle() {
    check_every_store::<F32>();
    check_every_store::<F64>();
}

fn check_every_stride<S: Tested>() {
    let mut data = Data::new(23);
    for kernel in records::<S>() {
        let (form, tile) = (kernel.record().form(), kernel.tile());
        for (rows, cols) in [(tile.mr, tile.nr), (tile.mr.div_ceil(2), tile.nr.div_ceil(2))] {
            for &k in depths(form) {
                let case = TileCase { batch: 2, ..TileCase::plain(kernel, (rows, cols, k), Stored::Accumulated) };
                for a in a_layouts(form, rows, k) {
                    for b in b_layouts(kernel, k, cols) {
                        TileCase { a, b, ..case }.run_between_canaries(&mut data);
                    }
                }
            }
        }
    }
}

#[test]
fn tile_with_every_stride_of_a_and_b_matches_the_oracle() {
    check_every_stride::<F32>();
    check_every_stride::<F64>();
}

fn check_page_borders<S: Tested>() {
    let mut data = Data::new(24);
    for_each_tile::<S>(|kernel, rows, cols| {
        for k in [1, 3] {
            let case = TileCase::any(kernel, (rows, cols, k), 1, &mut data);
            case.run_at_page_border(PageGuarded::at_end, &mut data);
            case.run_at_page_border(PageGuarded::at_start, &mut data);
        }
    });
    for kernel in records::<S>().into_iter().filter(|kernel| kernel.record().form() == Form::Dot) {
        for &k in depths(Form::Dot).iter().filter(|&&k| k > 0) {
            let case = TileCase::any(kernel, (kernel.tile().mr, kernel.tile().nr, k), 1, &mut data);
            case.run_at_page_border(PageGuarded::at_end, &mut data);
        }
    }
}

#[test]
fn tile_at_a_page_border_touches_nothing_beyond() {
    check_page_borders::<F32>();
    check_page_borders::<F64>();
}
