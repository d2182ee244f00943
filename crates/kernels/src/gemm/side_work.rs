//! What a microkernel does beside the multiply-adds, in the same steps of K: prefetching for later tiles, or leaving a packed copy of B.

use crate::scratch::LINE;

/// What a kernel of [`Form::Outer`](super::Form::Outer) does besides multiplying.
#[derive(Clone, Copy, Debug)]
pub enum SideWork {
    /// Nothing.
    Nothing,
    /// Prefetches memory that a later tile will read.
    Prefetch(PrefetchStream),
    /// Prefetches rows of B, in the tile's columns, some steps before it reads them: for a B that no tile before has asked for.
    PrefetchB {
        /// Bytes ahead for a single row and one panel of quantised weights.
        row_ahead: usize,
    },
    /// Leaves a copy of what it reads of B, rows `stride` bytes apart, and prefetches as [`SideWork::PrefetchB`]. Of one pair only.
    CopyB {
        /// Where element (0, 0) goes.
        to: *mut u8,
        /// Bytes from one row of the copy to the next.
        stride: usize,
    },
}

/// Cache lines that a microkernel prefetches, at most one in each step of K: in steps 0 to rows − 1 of every period the lines
/// `row_stride` bytes apart, from one period to the next `advance` bytes further on. A hint: any address will do.
#[derive(Clone, Copy, Debug)]
pub struct PrefetchStream {
    /// The first line.
    pub first: *const u8,
    /// Lines of one period.
    pub rows: usize,
    /// Bytes from one of them to the next.
    pub row_stride: usize,
    /// Steps of K that a period takes.
    pub period: usize,
    /// Bytes from a line to that of the next period.
    pub advance: usize,
}

impl PrefetchStream {
    /// No lines.
    pub const NONE: PrefetchStream =
        PrefetchStream { first: std::ptr::null(), rows: 0, row_stride: 0, period: 1, advance: 0 };

    /// One line in each step, `advance` bytes apart.
    pub(super) fn each_step(first: *const u8, advance: usize) -> PrefetchStream {
        PrefetchStream { first, rows: 1, row_stride: 0, period: 1, advance }
    }

    /// The lines of contiguous rows, each as soon as its elements, of which a step takes `step_bytes`, would be reached.
    pub(super) fn rows(first: *const u8, rows: usize, row_stride: usize, step_bytes: usize) -> PrefetchStream {
        PrefetchStream { first, rows, row_stride, period: (LINE / step_bytes).max(1), advance: LINE }
    }
}

/// Rows up to which panels of narrow weights are multiplied by faster than memory delivers them. Kernels then prefetch: the hardware alone
/// does not keep up with one panel after the other.
pub(super) const STREAMED_ROWS: usize = 4;

/// Bytes ahead of weights in 16 bits.
pub(super) const STREAM_AHEAD: usize = 4096;

/// Bytes ahead of quantised weights in all panels together, except for one row and one panel: more rows stop at each group for longer.
pub(super) const GROUP_STREAM_AHEAD: usize = 8192;
