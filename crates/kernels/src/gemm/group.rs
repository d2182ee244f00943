//! Groups of a row: elements in a row, copied out of a matrix with any strides. Those of a column are a row of the transpose.

use crate::view::MatRef;

/// N elements of a row from `start` on, filled up with zeros: in place if they are contiguous, otherwise copied to `room`. They are
/// returned by reference, so that the compiler loads them as vectors.
#[inline(always)]
pub(super) fn group_of<'a, const N: usize>(
    x: MatRef<'a, f32>,
    row: usize,
    start: usize,
    room: &'a mut [f32; N],
) -> &'a [f32; N] {
    if row < x.rows() && x.cols() >= N && start <= x.cols() - N && x.col_stride() == 1 {
        // SAFETY: N elements of the row, one behind the other, as was checked.
        return unsafe { &*x.as_ptr().wrapping_add(row * x.row_stride() + start).cast::<[f32; N]>() };
    }
    *room = [0.0; N];
    copy_group(x, row, start, room);
    room
}

/// out ← the elements of a row from `start` on, as far as there are any.
#[inline(always)]
pub(super) fn copy_group(x: MatRef<'_, f32>, row: usize, start: usize, out: &mut [f32]) {
    assert!(row < x.rows() && start <= x.cols(), "wanted a group inside the matrix");
    let (first, stride) = (x.as_ptr().wrapping_add(row * x.row_stride() + start * x.col_stride()), x.col_stride());
    let len = out.len().min(x.cols() - start);
    for (p, out) in out[..len].iter_mut().enumerate() {
        // SAFETY: element (row, start + p) of the view, as was checked.
        *out = unsafe { *first.wrapping_add(p * stride) };
    }
}
