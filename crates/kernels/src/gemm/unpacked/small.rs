//! Products so small that a plan would take longer than the arithmetic: straight from the operands to the microkernel.

use super::super::macro_kernel::{EvenParts, store};
use super::super::microkernel::{Extra, Form, Pair, TileArgs};
use super::super::select::{Shape, choose_one_off};
use super::Gemm;
use crate::cpu::Cpu;
use crate::scheme::Uniform;
use crate::view::MatMut;

/// The kernel for a product of at most `largest` multiply-adds whose rows of B and C are contiguous; `None` for other products.
#[inline(always)]
pub(super) fn kernel<S: Uniform>(
    cpu: &Cpu,
    gemm: &Gemm<'_, S>,
    c: &MatMut<'_, S::E>,
    largest: usize,
) -> Option<Supported<S>> {
    let (m, n, k) = (gemm.a.rows(), gemm.b.cols(), gemm.a.cols());
    let contiguous = gemm.b.col_stride() == 1 && c.col_stride() == 1;
    if !contiguous || n == 1 || m.saturating_mul(n).saturating_mul(k) > largest {
        return None;
    }
    choose_one_off::<S>(cpu, Form::Outer, Shape { m, n, k }, true)
}

/// Computes the product where it has at most `largest` multiply-adds and rows of B and C that are contiguous; otherwise returns false.
///
/// # Safety
/// The sizes of A, B and C belong together, and none is 0.
#[inline]
pub(super) unsafe fn run<S: Uniform>(cpu: &Cpu, gemm: &Gemm<'_, S>, c: &mut MatMut<'_, S::E>, largest: usize) -> bool {
    let Gemm { alpha, a, b, beta } = *gemm;
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let Some(kernel) = kernel(cpu, gemm, c, largest) else {
        return false;
    };
    let (tile, row_stride) = (kernel.tile(), c.row_stride());
    let mut args = TileArgs {
        pairs: &[Pair { a: a.as_ptr(), b: b.as_ptr() }],
        k,
        offset: 0,
        before: 0,
        steps: k,
        a_row_stride: a.row_stride(),
        a_col_stride: a.col_stride(),
        b_stride: b.row_stride(),
        c: c.as_mut_ptr(),
        c_row_stride: row_stride,
        extra: Extra::Nothing,
        cols: n,
        store: store(alpha, beta),
    };
    // A case of its own: the loops around a single tile cost a product of this size two to four per cent.
    if m <= tile.mr && n <= tile.nr {
        // SAFETY: one tile is all of C; the views vouch for their elements.
        unsafe { kernel.run(m, &args) };
        return true;
    }
    for part in EvenParts::new(m, tile.mr) {
        for col in (0..n).step_by(tile.nr) {
            let panel = b.as_ptr().wrapping_add(col);
            args.cols = tile.nr.min(n - col);
            let rows = a.as_ptr().wrapping_add(part.start * a.row_stride());
            args.c = c.as_mut_ptr().wrapping_add(part.start * row_stride + col);
            // SAFETY: the tile lies inside C, and its rows and columns inside A and B, for whose elements the views vouch.
            unsafe { kernel.run(part.len(), &TileArgs { pairs: &[Pair { a: rows, b: panel }], ..args }) };
        }
    }
    true
}
