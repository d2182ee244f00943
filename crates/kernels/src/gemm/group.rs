//! Groups of a row: elements in a row, copied out of a matrix with any strides. Those of a column are a row of the transpose.

use crate::view::MatRef;

/// N elements of a row from `start` on, filled up with zeros.
#[inline(always)]
pub(super) fn group_of<const N: usize>(x: MatRef<'_, f32>, row: usize, start: usize) -> [f32; N] {
    let mut group = [0.0; N];
    copy_group(x, row, start, &mut group);
    group
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
