//! Batch-reduce products: many small products summed into one C, which stays in registers meanwhile.
//!
//! Source: E. Georganas et al., "High-Performance Deep Learning via a Single Building Block", 2019 (arXiv:1906.06440).

use super::chains::{boundary_from, whole_chains};
use super::epilogue::{Epilogue, TileEpilogue};
use super::format::KBlocks;
use super::matrices::{Layout, Matrices};
use super::microkernel::{Form, Supported, Tile};
use super::packed::PackedB;
use super::rows::RowBuf;
use super::select::{Shape, choose};
use super::side_work::SideWork;
use super::strided::Strided;
use super::tile_args::{Pair, Store, TileArgs};
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::scheme::{Output, Real, Scheme};
use crate::scratch::Zeroable;
use crate::threads::{Parallel, Serial, run_tasks};
use crate::view::MatMut;
use std::collections::TryReserveError;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The kernel for C (m, n) ← β · C + Σ Aᵢ (m, k) · Bᵢ (k, n).
///
/// Blocks are summed in their order and each from k = 0 up, as one long sum: with β = 0 the bits are those of one long product,
/// A₀A₁… · B₀B₁… side by side and one below the other, through a [`GemmPlan`](super::GemmPlan), for any number of threads.
#[derive(Clone, Copy, Debug)]
pub struct BrgemmPlan<S: Scheme> {
    kernel: Supported<S>,
    shape: Shape,
    steps_per_pass: usize,
}

/// The operands of a batch-reduce product, and the factor on what C holds.
#[derive(Clone, Copy)]
pub struct Brgemm<'a, S: Scheme> {
    /// Each (m, k).
    pub a: BlocksOfA<'a, S>,
    /// As many, each (k, n).
    pub b: BlocksOfB<'a, S>,
    /// If it is 0, C is not read.
    pub beta: <S::C as Output>::Sum,
}

/// The blocks of A.
#[derive(Clone, Copy)]
pub enum BlocksOfA<'a, S: Scheme> {
    /// In place, with any strides, for a kernel that reads them there.
    Strided(Matrices<'a, S::A>),
    /// Each prepared for the plan's kernel.
    Prepared(&'a [&'a RowBuf]),
}

impl<S: Scheme> BlocksOfA<'_, S> {
    fn count(&self) -> usize {
        match self {
            BlocksOfA::Strided(a) => a.count(),
            BlocksOfA::Prepared(rows) => rows.len(),
        }
    }

    /// The first byte of a block.
    fn address(&self, index: usize) -> *const u8 {
        match self {
            BlocksOfA::Strided(a) => a.address(index).cast(),
            BlocksOfA::Prepared(rows) => rows[index].operand().data,
        }
    }

    /// Bytes from one row of each block to the next, and from one step or block of K; any if there are no blocks.
    fn strides(&self) -> (usize, usize) {
        let Strided { row_stride, col_stride, .. } = match self {
            BlocksOfA::Strided(a) => {
                let Layout { row_stride, col_stride, .. } = a.layout();
                Strided::<S::A> { data: std::ptr::null(), row_stride, col_stride }.bytes()
            }
            BlocksOfA::Prepared([]) => return (0, 0),
            BlocksOfA::Prepared([first, ..]) => first.operand(),
        };
        (row_stride, col_stride)
    }
}

/// The blocks of B.
#[derive(Clone, Copy)]
pub enum BlocksOfB<'a, S: Scheme> {
    /// In place, their columns contiguous, for a kernel whose panels are rows of elements.
    RowMajor(Matrices<'a, S::B>),
    /// Each packed for the plan's kernel.
    Packed(&'a [&'a PackedB<S>]),
}

/// Blocks whose addresses a call of the microkernel finds on the stack.
const PAIRS: usize = 64;
/// A product of so few multiply-adds is done before another thread has woken.
const SMALL: usize = 1 << 16;
/// Tasks per thread that keep the threads busy to the end when one of them is slower.
const TASKS_PER_THREAD: usize = 4;

impl<S: Scheme> BrgemmPlan<S> {
    /// The plan for blocks A (m, k) and B (k, n).
    pub fn new(cpu: &Cpu, shape: Shape) -> Self {
        Self::with_kernel(cpu, choose(cpu, shape), shape)
    }

    /// As [`BrgemmPlan::new`], with a kernel of the caller's choice.
    ///
    /// # Panics
    /// If it is a kernel of [`Form::Dot`].
    pub fn with_kernel(cpu: &Cpu, kernel: Supported<S>, shape: Shape) -> Self {
        assert_ne!(kernel.record().form(), Form::Dot, "{} reads B along k", kernel.record().name());
        // What a pass reads of B for every tile of rows takes about half of L2, and its blocks have room on the stack. Sums that do not go on
        // in C where a chain ends take one pass.
        let steps_in_l2 = cpu.caches().l2 / 2 / kernel.record().panel_format().panel_bytes(1);
        let steps_per_pass = match kernel.tiles().kernel().k_blocks {
            KBlocks::Chains => steps_in_l2.min(shape.k.saturating_mul(PAIRS / 2)).max(1),
            KBlocks::Segments | KBlocks::Multiples(_) | KBlocks::Whole => usize::MAX,
        };
        BrgemmPlan { kernel, shape, steps_per_pass }
    }

    /// The kernel.
    pub fn kernel(&self) -> Supported<S> {
        self.kernel
    }

    /// Rows and columns of C, and length of each product.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// C ← β · C + Σ Aᵢ · Bᵢ. The columns of C (m, n) are contiguous; no blocks at all are fine.
    ///
    /// # Errors
    /// If the sizes do not match, or a B was packed for another kernel. C is then untouched.
    pub fn run(&self, operands: &Brgemm<'_, S>, c: MatMut<'_, S::C>, pool: &dyn Parallel) -> Result<(), Error> {
        self.run_all(operands, None, c, pool)
    }

    fn run_all(
        &self,
        operands: &Brgemm<'_, S>,
        epilogue: Option<&Epilogue<'_>>,
        mut c: MatMut<'_, S::C>,
        pool: &dyn Parallel,
    ) -> Result<(), Error> {
        self.check(operands, &c)?;
        let Shape { m, n, k } = self.shape;
        if m == 0 || n == 0 {
            return Ok(());
        }
        let job = Job { plan: self, operands, epilogue, c: c.as_mut_ptr(), c_row_stride: c.row_stride() };
        let Tile { mr, nr } = self.kernel.tile();
        let work = m.saturating_mul(n).saturating_mul(k).saturating_mul(operands.a.count());
        let pool = if work < SMALL { &Serial } else { pool };
        let (threads, panels) = (pool.threads(), n.div_ceil(nr));
        let tasks = if threads > 1 { threads.saturating_mul(TASKS_PER_THREAD) } else { 1 };
        let rows_per_task = m.div_ceil(tasks.div_ceil(panels)).next_multiple_of(mr);
        let row_blocks = m.div_ceil(rows_per_task);
        let failed = AtomicBool::new(false);
        run_tasks(pool, panels * row_blocks, &|task, _worker| {
            let _session = self.kernel.tiles().begin_session();
            let (panel, start) = (task / row_blocks, task % row_blocks * rows_per_task);
            // SAFETY: the sizes were checked, C is borrowed exclusively, and tasks own disjoint parts of it.
            let outcome = unsafe { job.run_panel(panel, start..m.min(start + rows_per_task)) };
            failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        });
        if failed.into_inner() {
            Err(Error::OutOfMemory { bytes: job.most_pairs() * size_of::<Pair>() })
        } else {
            Ok(())
        }
    }

    fn check(&self, operands: &Brgemm<'_, S>, c: &MatMut<'_, S::C>) -> Result<(), Error> {
        let Shape { m, n, k } = self.shape;
        expect_size("rows of C", m, c.rows())?;
        expect_size("columns of C", n, c.cols())?;
        if n > 1 {
            expect_size("column stride of C", 1, c.col_stride())?;
        }
        let count = operands.a.count();
        match operands.a {
            BlocksOfA::Strided(a) if count > 0 => {
                self.check_in_place(self.kernel.record().row_format().is_in_place)?;
                expect_size("rows of each A", m, a.layout().rows)?;
                expect_size("columns of each A", k, a.layout().cols)?;
            }
            BlocksOfA::Strided(_) => {}
            BlocksOfA::Prepared(rows) => rows.iter().try_for_each(|rows| {
                expect_size("rows of each A", m, rows.rows())?;
                expect_size("columns of each A", k, rows.k())?;
                rows.check_format(self.kernel)
            })?,
        }
        match operands.b {
            BlocksOfB::RowMajor(b) => {
                expect_size("matrices B", count, b.count())?;
                if count > 0 {
                    self.check_in_place(self.kernel.record().form() == Form::Outer)?;
                    let Layout { rows, cols, col_stride, .. } = b.layout();
                    expect_size("rows of each B", k, rows)?;
                    expect_size("columns of each B", n, cols)?;
                    if n > 1 {
                        expect_size("column stride of each B", 1, col_stride)?;
                    }
                }
                Ok(())
            }
            BlocksOfB::Packed(packed) => {
                expect_size("packed matrices B", count, packed.len())?;
                packed.iter().try_for_each(|b| self.check_packed(b))
            }
        }
    }

    fn check_packed(&self, b: &PackedB<S>) -> Result<(), Error> {
        expect_size("rows of each packed B", self.shape.k, b.k())?;
        expect_size("columns of each packed B", self.shape.n, b.n())?;
        b.check_format(self.kernel)
    }

    /// Whether the kernel reads an operand where it is.
    fn check_in_place(&self, is_in_place: bool) -> Result<(), Error> {
        let record = self.kernel.record();
        if is_in_place {
            return Ok(());
        }
        let (kernel, wanted) = (record.name(), record.row_format().layout);
        Err(Error::RowsForAnotherKernel { kernel, wanted, found: "a matrix in place" })
    }
}

impl<S: Scheme<C = f32>> BrgemmPlan<S> {
    /// C ← act(scale · (β · C + Σ Aᵢ · Bᵢ) + bias) · multiplier + residual, otherwise as [`BrgemmPlan::run`].
    ///
    /// # Errors
    /// As [`BrgemmPlan::run`], where the sizes of the epilogue are not those of C, and for [`Multiplier::SecondHalf`](super::Multiplier).
    pub fn run_with_epilogue(
        &self,
        operands: &Brgemm<'_, S>,
        epilogue: &Epilogue<'_>,
        c: MatMut<'_, S::C>,
        pool: &dyn Parallel,
    ) -> Result<(), Error> {
        if epilogue.is_gate() {
            return Err(Error::HalvesOfASum);
        }
        epilogue.check(self.shape.m, self.shape.n)?;
        self.run_all(operands, Some(epilogue), c, pool)
    }
}

/// A checked call, with C as an address, so that threads can write disjoint parts of it.
struct Job<'a, S: Scheme> {
    plan: &'a BrgemmPlan<S>,
    operands: &'a Brgemm<'a, S>,
    epilogue: Option<&'a Epilogue<'a>>,
    /// Valid for reads and writes at `i · c_row_stride + j`, i < m, j < n.
    c: *mut S::C,
    c_row_stride: usize,
}

// SAFETY: the pointer stands for an exclusive borrow of Send + Sync elements, each of which is written by one task.
unsafe impl<S: Scheme> Sync for Job<'_, S> {}

impl<S: Scheme> Job<'_, S> {
    /// Computes the rows `rows` of one panel of C.
    ///
    /// # Safety
    /// The operands fit the plan, and nobody else uses this part of C meanwhile.
    unsafe fn run_panel(&self, panel: usize, rows: Range<usize>) -> Result<(), TryReserveError> {
        let BrgemmPlan { kernel, steps_per_pass, .. } = *self.plan;
        let empty = Pair { a: std::ptr::null(), b: std::ptr::null() };
        let (mut on_stack, mut on_heap) = ([empty; PAIRS], Vec::new());
        if self.most_pairs() > PAIRS {
            on_heap.try_reserve_exact(self.most_pairs())?;
            on_heap.resize(self.most_pairs(), empty);
        }
        let room = if on_heap.is_empty() { &mut on_stack[..] } else { &mut on_heap[..] };
        let (mut start, total) = (0usize, self.steps());
        // No steps still make one pass, which stores a tile of β · C.
        loop {
            let end = boundary_from(start.saturating_add(steps_per_pass)).min(total);
            for part in kernel.tiles().kernel().tiles_of_rows(rows.len()) {
                let part = rows.start + part.start..rows.start + part.end;
                // SAFETY: promised by the caller.
                unsafe { self.run_tile(start..end, panel, part, room) }
            }
            start = end;
            if end == total {
                return Ok(());
            }
        }
    }

    /// Steps of the whole sum.
    fn steps(&self) -> usize {
        self.operands.a.count().saturating_mul(self.plan.shape.k)
    }

    /// The most blocks that a pass reaches: a pass goes on to the end of a chain, and may begin and end inside a block.
    fn most_pairs(&self) -> usize {
        let longest = whole_chains(self.plan.steps_per_pass, self.steps());
        (longest / self.plan.shape.k.max(1)).saturating_add(2).min(self.operands.a.count())
    }

    /// Where product `index` finds its operands for the tile at `row` and `panel`.
    fn pair(&self, index: usize, panel: usize, row: usize) -> Pair {
        let a = &self.operands.a;
        Pair {
            a: a.address(index).wrapping_add(row * a.strides().0),
            b: match self.operands.b {
                BlocksOfB::RowMajor(b) => b.address(index).wrapping_add(panel * self.plan.kernel.tile().nr).cast(),
                BlocksOfB::Packed(packed) => packed[index].whole(self.plan.kernel).from(panel, 0).data,
            },
        }
    }

    /// Adds these steps of the whole sum to one tile. `room` is for the addresses of their blocks.
    ///
    /// # Safety
    /// As [`Job::run_panel`].
    unsafe fn run_tile(&self, steps: Range<usize>, panel: usize, rows: Range<usize>, room: &mut [Pair]) {
        let BrgemmPlan { kernel, shape, .. } = *self.plan;
        let Brgemm { b, beta, .. } = self.operands;
        let (nr, col) = (kernel.tile().nr, panel * kernel.tile().nr);
        let cols = nr.min(shape.n - col);
        let c = self.c.wrapping_add(rows.start * self.c_row_stride + col);
        let (is_first, is_last) = (steps.start == 0, steps.end == self.steps());
        let accumulate = !is_first || *beta != <S::C as Output>::Sum::zero();
        if is_first && accumulate && *beta != <S::C as Output>::Sum::one() {
            // SAFETY: the tile lies inside C.
            unsafe { scale(c, self.c_row_stride, rows.len(), cols, *beta) };
        }
        let epilogue = self.epilogue.filter(|_| is_last);
        let epilogue = epilogue.and_then(|whole| <S::C as Output>::Epilogue::cut(whole, rows.start, col));
        let store = match &epilogue {
            Some(epilogue) => Store::Epilogue { accumulate, epilogue },
            None if accumulate => Store::Accumulate,
            None => Store::Overwrite,
        };
        let first = steps.start.checked_div(shape.k).unwrap_or(0);
        let blocks = first
            ..steps.end.checked_div(shape.k).map_or(0, |end| end + usize::from(!steps.end.is_multiple_of(shape.k)));
        let pairs = &mut room[..blocks.len()];
        for (pair, index) in pairs.iter_mut().zip(blocks) {
            *pair = self.pair(index, panel, rows.start);
        }
        let (a_row_stride, a_col_stride) = self.operands.a.strides();
        let args = TileArgs {
            pairs,
            k: shape.k,
            offset: steps.start - first * shape.k,
            before: steps.start,
            steps: steps.len(),
            a_row_stride,
            a_col_stride,
            b_stride: match b {
                BlocksOfB::RowMajor(b) => b.layout().row_stride.wrapping_mul(size_of::<S::B>()),
                BlocksOfB::Packed(_) => kernel.record().panel_format().block_bytes,
            },
            panel_stride: kernel.record().panel_format().panel_bytes(shape.k),
            c,
            c_row_stride: self.c_row_stride,
            side_work: SideWork::Nothing,
            rows: rows.len(),
            cols,
            store,
        };
        // SAFETY: the blocks are as large as the plan says, so the tile's parts of them and of C exist; 1 ≤ rows ≤ mr, 1 ≤ cols ≤ nr.
        unsafe { kernel.run(&args) }
    }
}

/// C ← β · C for one tile.
///
/// # Safety
/// `c` is valid for reads and writes at `i · row_stride + j`, i < rows, j < cols.
unsafe fn scale<E: Output>(c: *mut E, row_stride: usize, rows: usize, cols: usize, beta: E::Sum) {
    for i in 0..rows {
        // SAFETY: promised by the caller; the elements of a row are contiguous.
        let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * row_stride), cols) };
        row.iter_mut().for_each(|x| *x = x.scaled(beta));
    }
}
