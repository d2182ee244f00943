//! The operands of a tile while a call goes through its steps.

use super::super::side_work::{PrefetchStream, SideWork};
use super::super::tile_args::{Pair, TileArgs};
use crate::scheme::Element;
use crate::simd::Simd;
use std::ptr::{null, null_mut};

/// Rows of the tallest tile.
pub(super) const MAX_ROWS: usize = 16;

/// How far a call has come: the operands of the next step, and what it does besides.
pub(in crate::gemm) struct Operands<'p, E: Element, const MR: usize> {
    /// One address for each four rows, so that those of a tall tile are not counted up one after the other in every step.
    pub(super) a: [*const E; MAX_ROWS / 4],
    pub(in crate::gemm) b: *const E,
    /// Steps that are left of the pair.
    pub(in crate::gemm) left: usize,
    later_pairs: &'p [Pair],
    lines: PrefetchStream,
    /// Step in the period of the lines.
    step: usize,
    /// Where the next row of the copy goes, and bytes from one to the next.
    pub(super) copy: (*mut E, usize),
}

impl<'p, E: Element, const MR: usize> Operands<'p, E, MR> {
    /// Those of the first step of a call, before which a format has this many blocks of A and of B.
    #[inline(always)]
    pub(super) fn new(blocks_before: (usize, usize), args: &TileArgs<'p, E>) -> Self {
        let (a, b, left, later_pairs) = ([null(); MAX_ROWS / 4], null(), 0, args.pairs);
        let (mut lines, mut copy) = (PrefetchStream::NONE, (null_mut(), 0));
        match args.side_work {
            SideWork::Prefetch(some) => lines = some,
            SideWork::CopyB { to, stride } => copy = (to.cast(), stride),
            SideWork::Nothing | SideWork::PrefetchB { .. } => {}
        }
        let mut operands = Operands { a, b, left, later_pairs, lines, step: 0, copy };
        operands.next_pair(blocks_before, args, args.offset);
        operands
    }

    /// Goes on to the step `offset` of the next pair, if there is one, which `a` blocks of A and `b` of B lie before.
    #[inline(always)]
    pub(super) fn next_pair(&mut self, (a, b): (usize, usize), args: &TileArgs<'_, E>, offset: usize) {
        let Some((pair, later)) = self.later_pairs.split_first() else { return };
        for group in 0..MR.div_ceil(4) {
            self.a[group] = pair.a.wrapping_add(4 * group * args.a_row_stride + a * args.a_col_stride).cast();
        }
        self.b = pair.b.wrapping_add(b * args.b_stride).cast();
        (self.left, self.later_pairs) = (args.k - offset, later);
    }

    /// Where row i of A has its next block; the strides of one row and of three rows are given.
    #[inline(always)]
    pub(in crate::gemm) fn a(&self, i: usize, stride: usize, three_rows: usize) -> *const E {
        self.a[i / 4].wrapping_byte_add([0, stride, 2 * stride, three_rows][i % 4])
    }

    /// Goes on to the next block of A.
    #[inline(always)]
    pub(in crate::gemm) fn next_block_of_a(&mut self, args: &TileArgs<'_, E>) {
        for group in 0..MR.div_ceil(4) {
            self.a[group] = opaque(self.a[group].wrapping_byte_add(args.a_col_stride));
        }
    }

    /// Asks for the next line of a stream of one line in each block of B.
    #[inline(always)]
    pub(in crate::gemm) fn prefetch_line<S: Simd<E>>(&mut self, s: S) {
        s.prefetch(self.lines.first.cast());
        self.lines.first = self.lines.first.wrapping_add(self.lines.advance);
    }

    /// Goes on by some steps of the pair.
    #[inline(always)]
    pub(super) fn advance(&mut self, args: &TileArgs<'_, E>, steps: usize) {
        for a in &mut self.a[..MR.div_ceil(4)] {
            *a = a.wrapping_byte_add(steps * args.a_col_stride);
        }
        self.b = self.b.wrapping_byte_add(steps * args.b_stride);
        self.left -= steps;
    }

    /// Asks for the line of this step, if it has one.
    #[inline(always)]
    pub(in crate::gemm) fn prefetch_row<S: Simd<E>>(&mut self, s: S) {
        let lines = &mut self.lines;
        let has_line = self.step < lines.rows;
        // Before a branch compilers load all that a step multiplies, for which NEON has too few registers. So there is none: a step without a
        // line asks for the first one again.
        if cfg!(target_arch = "aarch64") || has_line {
            let row = if has_line { self.step } else { 0 };
            s.prefetch(lines.first.wrapping_add(row * lines.row_stride).cast());
        }
        self.step += 1;
        if self.step == lines.period {
            self.step = 0;
            lines.first = lines.first.wrapping_add(lines.advance);
        }
    }
}

/// A barrier for the compiler: it keeps no value from memory in registers across it, and loads nothing before it. The registers stay free for
/// sums.
#[inline(always)]
pub(in crate::gemm) fn keep_in_memory() {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("", options(nostack, preserves_flags)) };
}

/// The same value, about which the compiler knows nothing.
#[inline(always)]
pub(in crate::gemm) fn opaque<T>(value: *const T) -> *const T {
    let mut address = value.addr();
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    value.with_addr(address)
}
