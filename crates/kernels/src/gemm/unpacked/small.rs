//! Products so small that a plan would take longer than the arithmetic: straight from the operands to the microkernel.

use super::super::chains::DOT_SEGMENT;
use super::super::microkernel::{Form, Ready};
use super::super::room::{ROOM, with_room};
use super::super::select::{Shape, choose_one_off};
use super::super::strided::Strided;
use super::super::sweep::Sweep;
use super::super::tiles::Tiles;
use super::Gemm;
use super::pack_on_the_fly::is_scattered;
use super::select::{Gathered, dot_form, gathering_a_pays, is_narrow, packing_b_saves_sets, reads_long_rows};
use crate::cpu::Cpu;
use crate::scheme::Uniform;
use crate::view::MatMut;

/// How a small product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// Tile by tile, with both operands where they lie.
    Tiles,
    /// Tile by tile, with an operand that is gathered first.
    TilesGathered(Gathered),
    /// Rows of tiles, with B where it lies.
    Sweep,
    /// Rows of tiles, with each panel of B packed first.
    SweepPacked,
}

/// A small product, turned so that C's rows are contiguous.
pub(super) struct Small<S: Uniform> {
    pub(super) kernel: Ready<S::E>,
    pub(super) is_turned: bool,
    method: Method,
    shape: Shape,
    alpha: S::E,
    a: Strided<S::E>,
    b: Strided<S::E>,
    beta: S::E,
    c: *mut S::E,
    c_row_stride: usize,
}

/// Multiply-adds up to which lanes may lie idle: to turn C around would take longer.
const TINY: usize = 4096;

impl<S: Uniform> Small<S> {
    /// The product if it has at most `largest` multiply-adds, and needs no memory but what each thread keeps.
    #[inline(always)]
    pub(super) fn new(cpu: &Cpu, gemm: &Gemm<'_, S>, c: &mut MatMut<'_, S::E>, largest: usize) -> Option<Self> {
        let (mut m, mut n, k) = (gemm.a.rows(), gemm.b.cols(), gemm.a.cols());
        if m.saturating_mul(n).saturating_mul(k) > largest {
            return None;
        }
        let (mut a, mut b) = (Strided::of(&gemm.a), Strided::of(&gemm.b));
        let (mut c_row_stride, c_col_stride) = (c.row_stride(), c.col_stride());
        // A C of one row or one column has both.
        let (has_rows, has_columns) = (c_col_stride == 1 || n == 1, c_row_stride == 1 || m == 1);
        let is_turned = !has_rows || (has_columns && is_narrow(Shape { m, n, k }, &a));
        if !has_columns && (is_turned || (is_narrow(Shape { m, n, k }, &a) && m * n * k > TINY)) {
            return None;
        }
        if is_turned {
            (a, b, m, n) = (b.transposed(), a.transposed(), n, m);
            c_row_stride = c_col_stride;
        }
        let shape = Shape { m, n, k };
        let (kernel, method) = Self::choose(cpu, shape, &a, &b)?;
        let Gemm { alpha, beta, .. } = *gemm;
        Some(Small { kernel, is_turned, method, shape, alpha, a, b, beta, c: c.as_mut_ptr(), c_row_stride })
    }

    #[inline(always)]
    fn choose(cpu: &Cpu, shape: Shape, a: &Strided<S::E>, b: &Strided<S::E>) -> Option<(Ready<S::E>, Method)> {
        if let Some(gathered) = dot_form(shape, a, b)
            && let Some(kernel) = choose_one_off::<S>(cpu, Form::Dot, shape, false)
        {
            let method = match gathered {
                Gathered::Neither if shape.k <= DOT_SEGMENT => Method::Tiles,
                Gathered::Neither => return None,
                Gathered::A | Gathered::B => {
                    if !Self::has_room(gathered.rows(shape, a, b).0, shape.k) {
                        return None;
                    }
                    Method::TilesGathered(gathered)
                }
            };
            return Some((kernel, method));
        }
        let Shape { n, k, .. } = shape;
        let has_rows_of_b = b.col_stride == 1 || n == 1;
        let kernel = choose_one_off::<S>(cpu, Form::Outer, shape, has_rows_of_b)?;
        let sweeps = Sweep::fits(kernel, k);
        let reads_b_in_place = has_rows_of_b && !packing_b_saves_sets(shape, b, kernel.tile());
        let gathers_a = gathering_a_pays(shape, a, kernel.tile());
        let method = match reads_b_in_place {
            true if reads_long_rows(shape, b, cpu.caches()) => return None,
            true if gathers_a && Self::has_room(shape.m, k) => Method::TilesGathered(Gathered::A),
            true if sweeps => Method::Sweep,
            true if is_scattered(shape, a, kernel.tile()) => return None,
            true => Method::Tiles,
            false if sweeps && k * kernel.tile().nr * size_of::<S::E>() <= ROOM => Method::SweepPacked,
            false => return None,
        };
        Some((kernel, method))
    }

    /// Whether `rows` rows along k fit the memory that each thread keeps.
    #[inline(always)]
    fn has_room(rows: usize, k: usize) -> bool {
        rows.saturating_mul(k).saturating_mul(size_of::<S::E>()) <= ROOM
    }

    /// Computes it, or returns false if there is no room.
    ///
    /// # Safety
    /// The sizes of A, B and C match, and none is 0.
    #[inline(always)]
    pub(super) unsafe fn run(&self) -> bool {
        // SAFETY: promised by the caller.
        unsafe {
            match self.method {
                Method::Tiles => self.run_tiles(self.a, self.b),
                Method::TilesGathered(gathered) => return self.run_gathered(gathered),
                Method::Sweep => self.sweep(self.b, self.kernel.tile().nr).run(0..self.shape.m, self.shape.n),
                Method::SweepPacked => return self.run_packed(),
            }
        }
        true
    }

    /// With panels of B that are `panel_stride` elements apart.
    #[inline(always)]
    fn sweep(&self, b: Strided<S::E>, panel_stride: usize) -> Sweep<S::E> {
        let Small { kernel, shape, a, c, c_row_stride, alpha, beta, .. } = *self;
        let (a, Strided { data: b, row_stride: b_row_stride, .. }) = (a.bytes(), b.bytes());
        let panel_stride = panel_stride * size_of::<S::E>();
        Sweep { kernel, k: shape.k, a, b, b_row_stride, panel_stride, c, c_row_stride, alpha, beta }
    }

    /// # Safety
    /// As [`Small::run`].
    #[inline(never)]
    unsafe fn run_packed(&self) -> bool {
        let Shape { m, n, k } = self.shape;
        let panel = self.kernel.tile().nr * k;
        // As many panels at a time as there is room for, so that C is written in long pieces.
        let cols_at_a_time = ROOM / size_of::<S::E>() / panel * self.kernel.tile().nr;
        let done = with_room(|room: *mut S::E| {
            for col in (0..n).step_by(cols_at_a_time) {
                let cols = cols_at_a_time.min(n - col);
                // SAFETY: columns of B, for whose panels there is room, as was checked; the rest is promised by the caller.
                unsafe {
                    self.pack(col, cols, room);
                    self.sweep_packed(room, col).run(0..m, cols);
                }
            }
        });
        done.is_some()
    }

    /// Packs these columns of B in panels.
    ///
    /// # Safety
    /// As [`Small::run`]; there is room for the panels.
    unsafe fn pack(&self, first: usize, cols: usize, room: *mut S::E) {
        let (k, nr) = (self.shape.k, self.kernel.tile().nr);
        for start in (0..cols).step_by(nr) {
            let (source, cols) = (self.b.from(0, first + start), nr.min(cols - start));
            let args = source.copied_to(k, cols, room.wrapping_add(start * k), nr);
            // SAFETY: promised by the caller.
            unsafe { self.kernel.copy(&args) };
        }
    }

    /// The sweep over packed panels, for C from a column on.
    fn sweep_packed(&self, panels: *const S::E, col: usize) -> Sweep<S::E> {
        let (k, nr) = (self.shape.k, self.kernel.tile().nr);
        let b = Strided { data: panels, row_stride: nr, col_stride: 1 };
        let sweep = self.sweep(b, nr * k);
        Sweep { c: sweep.c.wrapping_add(col), ..sweep }
    }

    /// # Safety
    /// As [`Small::run`].
    #[inline(never)]
    unsafe fn run_gathered(&self, gathered: Gathered) -> bool {
        let k = self.shape.k;
        let (rows, source) = gathered.rows(self.shape, &self.a, &self.b);
        let done = with_room(|room: *mut S::E| {
            let args = source.copied_to(rows, k, room, k);
            let copy = Strided { data: room.cast_const(), row_stride: k, col_stride: 1 };
            let (a, b) = gathered.replaced(self.a, self.b, copy);
            // SAFETY: all of an operand, for which the room has room, as was checked; the rest is promised by the caller.
            unsafe {
                self.kernel.copy(&args);
                self.run_tiles(a, b);
            }
        });
        done.is_some()
    }

    /// # Safety
    /// As [`Small::run`].
    #[inline(always)]
    unsafe fn run_tiles(&self, a: Strided<S::E>, b: Strided<S::E>) {
        let Small { kernel, shape: Shape { m, n, k }, alpha, beta, c, c_row_stride, .. } = *self;
        let tiles = Tiles { kernel, k, before: 0, a: a.bytes(), b: b.bytes(), c, c_row_stride, alpha, beta };
        // SAFETY: promised by the caller.
        unsafe { tiles.run(0..m, 0..n) }
    }
}
