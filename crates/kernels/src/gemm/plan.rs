//! Choose once, pack once, run often.

use super::blocking::Blocking;
use super::destination::{Destination, Input, Place};
use super::epilogue::Epilogue;
use super::loops::WholeB;
use super::macro_kernel::Product;
use super::microkernel::{Form, Supported};
use super::packed::PackedB;
use super::portions::{self, InPortions, Portion};
use super::rows::{self, RowBuf};
use super::select::{FEW_ROWS, Shape, choose};
use super::strided::Strided;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::scheme::Scheme;
use crate::scratch::{Arena, HugePages, PerWorker, Scratch};
use crate::threads::Parallel;
use crate::view::{MatMut, MatRef};
use std::ptr::null_mut;

/// What a call works with: the threads, and memory that is reused from call to call.
#[allow(missing_debug_implementations, reason = "a caller's pool need not implement Debug")]
pub struct Ctx<'a> {
    /// Threads to spread the work over.
    pub pool: &'a dyn Parallel,
    /// Working memory.
    pub scratch: &'a mut Scratch,
}

/// Bytes of A up to which it is copied.
const LARGEST_COPY: usize = 64 << 20;

/// The kernel for products with one B: C (m, n) = act(scale · A (m, k) · B (k, n) + bias) · multiplier + residual.
///
/// One plan and one packed B serve every m. The order of summation depends on k alone: a row of C has the same bits whatever
/// the other rows are, and whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct GemmPlan<S: Scheme> {
    kernel: Supported<S>,
    /// Reads the same rows and panels. For as few as one of its tiles takes.
    kernel_for_few_rows: Supported<S>,
    cpu: Cpu,
    blocking: Option<Blocking>,
    n: usize,
    k: usize,
}

impl<S: Scheme> GemmPlan<S> {
    /// The plan for B (k, n) and products of up to about `shape.m` rows.
    pub fn new(cpu: &Cpu, shape: Shape) -> Self {
        let plan = Self::with_kernel(cpu, choose(cpu, shape), shape);
        let other = choose(cpu, Shape { m: 1, ..shape });
        let formats = |kernel: Supported<S>| (kernel.record().row_format(), kernel.record().panel_format());
        if formats(other) == formats(plan.kernel) { GemmPlan { kernel_for_few_rows: other, ..plan } } else { plan }
    }

    /// As [`GemmPlan::new`], with a kernel of the caller's choice.
    ///
    /// # Panics
    /// If it is a kernel of [`Form::Dot`].
    pub fn with_kernel(cpu: &Cpu, kernel: Supported<S>, shape: Shape) -> Self {
        assert_ne!(kernel.record().form(), Form::Dot, "{} reads B along k", kernel.record().name());
        GemmPlan { kernel, kernel_for_few_rows: kernel, cpu: *cpu, blocking: None, n: shape.n, k: shape.k }
    }

    /// The same plan with blocks of the caller's choice: mc and kc at least 1, nc a multiple of the kernel's nr.
    ///
    /// # Errors
    /// If they are not.
    pub fn with_blocking(self, blocking: Blocking) -> Result<Self, Error> {
        let nr = self.kernel.tile().nr;
        for (what, size, unit) in [("mc", blocking.mc, 1), ("kc", blocking.kc, 1), ("nc", blocking.nc, nr)] {
            if size == 0 || size % unit != 0 {
                return Err(Error::Size { what, wanted: unit, found: size });
            }
        }
        Ok(GemmPlan { blocking: Some(blocking), ..self })
    }

    /// The kernel.
    pub fn kernel(&self) -> Supported<S> {
        self.kernel
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// B in the panels that this plan's kernel reads.
    ///
    /// # Errors
    /// If B is not (k, n), or its memory cannot be allocated.
    pub fn pack_b(&self, b: MatRef<'_, S::B>) -> Result<PackedB<S>, Error> {
        expect_size("rows of B", self.k, b.rows())?;
        expect_size("columns of B", self.n, b.cols())?;
        let mut packed = self.empty_b()?;
        packed.write(0, 0, b)?;
        Ok(packed)
    }

    /// Room for B, to be filled piece by piece with [`PackedB::write`].
    ///
    /// # Errors
    /// If its memory cannot be allocated.
    pub fn empty_b(&self) -> Result<PackedB<S>, Error> {
        PackedB::zeroed(self.kernel, self.k, self.n)
    }

    /// The same in memory beside that of other weights, which one that reads them all is faster with.
    ///
    /// # Errors
    /// If its memory cannot be allocated.
    pub fn empty_b_in(&self, pages: &HugePages) -> Result<PackedB<S>, Error> {
        PackedB::zeroed_in(pages, self.kernel, self.k, self.n)
    }

    /// Bytes that packed B takes; no memory is allocated for the answer. Saturates.
    pub fn packed_b_bytes(&self) -> usize {
        self.kernel.record().panel_format().bytes(self.k, self.n)
    }
}

impl<S: Scheme<C = f32>> GemmPlan<S> {
    /// C = act(scale · A·B + bias) · multiplier + residual. A (m, k) and C (m, n) may have any strides; C is not read. With
    /// [`Multiplier::SecondHalf`](super::Multiplier) C is (m, n / 2).
    ///
    /// A kernel that reads rows in a format of its own has them prepared first; products that share an A prepare it once with
    /// [`RowBuf::prepare`] and call [`GemmPlan::run_prepared`].
    ///
    /// # Errors
    /// If the sizes do not match, B was packed for another kernel, or memory for prepared rows, expanded panels or what threads hold of
    /// the results cannot be allocated. C is then untouched.
    pub fn run(
        &self,
        a: MatRef<'_, S::A>,
        b: &PackedB<S>,
        c: MatMut<'_, f32>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        self.run_into(Input::Matrix(a), b, Destination::F32(c), epilogue, ctx)
    }

    /// As [`GemmPlan::run`], with rows of A that were prepared for a kernel which reads the same format.
    ///
    /// # Errors
    /// As [`GemmPlan::run`], and if the rows were prepared in another format.
    pub fn run_prepared(
        &self,
        a: &RowBuf,
        b: &PackedB<S>,
        c: MatMut<'_, f32>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        self.run_into(Input::Prepared(a), b, Destination::F32(c), epilogue, ctx)
    }

    /// As [`GemmPlan::run`] and [`GemmPlan::run_prepared`], with results in other numbers than f32, or as rows for the next product.
    ///
    /// # Errors
    /// As those two. If the operands do not match, rows to be filled keep their content; after other errors they are empty.
    pub fn run_into(
        &self,
        a: Input<'_, S::A>,
        b: &PackedB<S>,
        mut destination: Destination<'_>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        let m = self.check(a, b)?;
        let n = epilogue.check(m, self.n)?;
        let place = destination.open(m, n)?;
        let call = self.call(m, place, epilogue, ctx.pool);
        let (for_results, for_rows) = ctx.scratch.two_parts();
        let rooms = for_results.take_per_worker(ctx.pool.threads(), call.room())?;
        let rows = match a {
            Input::Prepared(rows) => rows.operand(),
            Input::Matrix(a) => self.rows_of(a, for_rows, ctx.pool)?,
        };
        // SAFETY: A is borrowed, or in the scratch, in the kernel's format; the destination is borrowed exclusively and vouches for C's
        // place; all sizes were checked.
        unsafe { self.run_checked(&call, rows, b, &rooms) };
        destination.close(m, n);
        Ok(())
    }

    /// A as the kernel reads it: where it lies, or prepared in `room`.
    fn rows_of(&self, a: MatRef<'_, S::A>, room: &mut Arena, pool: &dyn Parallel) -> Result<Strided<u8>, Error> {
        let is_in_place = self.kernel.record().row_format().is_in_place;
        if is_in_place && !self.copying_pays(&a) {
            return Ok(Strided::of(&a).bytes());
        }
        match room.take(rows::prepared_bytes(self.kernel, a.rows(), a.cols())) {
            Ok(room) => Ok(rows::prepare(self.kernel, a, room, pool)),
            Err(_) if is_in_place => Ok(Strided::of(&a).bytes()),
            Err(error) => Err(error),
        }
    }

    /// Whether to copy an A that the kernel could read in place.
    fn copying_pays(&self, a: &MatRef<'_, S::A>) -> bool {
        let is_small = a.rows().saturating_mul(a.cols()) <= LARGEST_COPY / size_of::<S::A>();
        is_small && Strided::of(a).copy_saves_sets(a.rows(), self.n, self.kernel.tile().mr)
    }

    /// Checks the operands; returns the rows of A.
    fn check(&self, a: Input<'_, S::A>, b: &PackedB<S>) -> Result<usize, Error> {
        let (m, k) = match a {
            Input::Matrix(a) => (a.rows(), a.cols()),
            Input::Prepared(rows) => (rows.rows(), rows.k()),
        };
        expect_size("columns of A", self.k, k)?;
        expect_size("rows of packed B", self.k, b.k())?;
        expect_size("columns of packed B", self.n, b.n())?;
        b.check_format(self.kernel)?;
        if let Input::Prepared(rows) = a {
            rows.check_format(self.kernel)?;
        }
        Ok(m)
    }

    /// The kernel for this many rows and its blocks.
    fn call<'a>(&self, m: usize, place: Place, epilogue: &'a Epilogue<'a>, pool: &'a dyn Parallel) -> Call<'a, S> {
        let has_few_rows = m <= FEW_ROWS.min(self.kernel_for_few_rows.tile().mr) && self.blocking.is_none();
        let kernel = if has_few_rows { self.kernel_for_few_rows } else { self.kernel };
        let record = kernel.record();
        let is_gate = epilogue.is_gate();
        let n = if is_gate { self.n / 2 } else { self.n };
        let shape = Shape { m, n, k: self.k };
        let blocking = self.blocking.unwrap_or_else(|| {
            let bytes = (record.row_format().element_bytes(), record.panel_format().element_bytes());
            Blocking::choose(record.tile(), bytes, self.cpu.caches(), pool.threads(), shape)
        });
        let is_direct = matches!(place, Place::F32 { .. }) && !is_gate;
        let portion =
            (!is_direct).then(|| Portion::new(kernel.tiles(), blocking, shape, place.columns_together(), is_gate));
        Call { kernel, blocking, shape, portion, place, epilogue, pool }
    }

    /// # Safety
    /// The sizes were checked, A is valid for reads in the kernel's format with as many rows as C, the place for writes of C, and each
    /// worker has the room that `call` asks for.
    unsafe fn run_checked(&self, call: &Call<'_, S>, a: Strided<u8>, b: &PackedB<S>, rooms: &PerWorker<'_, f32>) {
        let Call { kernel, blocking, shape: Shape { m, n, k }, portion, place, epilogue, pool } = *call;
        let (c, c_row_stride, c_col_stride) = match place {
            Place::F32 { c, row_stride, col_stride } => (c, row_stride, col_stride),
            Place::Bf16 { .. } | Place::Rows { .. } => (null_mut(), 0, 1),
        };
        let product = Product {
            kernel: kernel.tiles(),
            m,
            n,
            k,
            c,
            c_row_stride,
            c_col_stride,
            alpha: 1.0,
            beta: 0.0,
            epilogue: Some(epilogue),
        };
        let row_ahead = self.cpu.core_family().rates().row_stream_ahead;
        let b = WholeB { row_ahead, ..b.whole(kernel) };
        let Some(portion) = portion else {
            // SAFETY: A and C by the caller's promise, PackedB vouches for the panels.
            return unsafe { product.run(a, b, blocking, Some(rooms), pool) };
        };
        // SAFETY: as above, and rooms by the caller's promise.
        unsafe { self.run_in_portions(call, portion, product, a, b, rooms) };
    }

    /// Not inlined: products that go straight to C, which are also called on small stacks, need none of this.
    ///
    /// # Safety
    /// As [`GemmPlan::run_checked`], for its product and panels.
    #[inline(never)]
    unsafe fn run_in_portions(
        &self,
        call: &Call<'_, S>,
        portion: Portion,
        product: Product<'_, f32>,
        a: Strided<u8>,
        b: WholeB,
        rooms: &PerWorker<'_, f32>,
    ) {
        let Call { blocking, place, epilogue, pool, .. } = *call;
        let product = InPortions::new(&self.cpu, product, b, place, portion, blocking);
        // SAFETY: promised by the caller.
        unsafe {
            if epilogue.is_gate() {
                run_gated(call, product, a, rooms);
            } else {
                product.run(a, blocking, rooms, pool);
            }
        }
    }
}

/// Not inlined, as [`GemmPlan::run_in_portions`] is not.
///
/// # Safety
/// As [`InPortions::run`] for a gate.
#[inline(never)]
unsafe fn run_gated<S: Scheme<C = f32>>(
    call: &Call<'_, S>,
    first: InPortions<'_>,
    a: Strided<u8>,
    rooms: &PerWorker<'_, f32>,
) {
    let linear = portions::epilogues(call.epilogue, call.kernel.tiles(), call.shape.n);
    // SAFETY: promised by the caller.
    unsafe { first.gated(&linear).run(a, call.blocking, rooms, call.pool) };
}

/// What a call runs with.
struct Call<'a, S: Scheme> {
    kernel: Supported<S>,
    blocking: Blocking,
    /// With the columns of C.
    shape: Shape,
    /// What each worker holds of results that kernels do not leave in C.
    portion: Option<Portion>,
    place: Place,
    epilogue: &'a Epilogue<'a>,
    pool: &'a dyn Parallel,
}

impl<S: Scheme> Call<'_, S> {
    /// Elements of room that each worker needs: for its portion, and behind it for expanded panels.
    fn room(&self) -> usize {
        let (kernel, Shape { m, k, .. }) = (self.kernel.tiles(), self.shape);
        let kc = kernel.block_of_k(self.blocking.kc, k).min(k);
        let portion = PerWorker::<f32>::padded(self.portion.map_or(0, Portion::elements));
        portion.saturating_add(kernel.expanded_bytes(m, kc).div_ceil(size_of::<f32>()))
    }
}
