//! One rule for panels: B (k, n) is cut into panels of nr columns; a panel is (k, nr), rows contiguous, the columns past n zero.
//!
//! The rule depends on nr alone, so every kernel with panels of that width reads the same packed weights.

use super::registry::{Supported, Tile};
use crate::error::{Error, expect_size};
use crate::scheme::Scheme;
use crate::scratch::AlignedBuf;
use crate::view::MatRef;
use std::ops::Range;

/// Elements of K that are transposed at a time: a block of them for nr columns stays in the first cache level.
const TRANSPOSE_BLOCK: usize = 32;

/// B (k, n) in panels, owned.
#[derive(Debug)]
pub struct PackedB<S: Scheme> {
    data: AlignedBuf<S::B>,
    k: usize,
    n: usize,
    nr: usize,
}

/// B (k, n) in panels, borrowed; the panels may stand further apart than they are long.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a, S: Scheme> {
    data: &'a [S::B],
    panel_stride: usize,
    nr: usize,
}

impl<S: Scheme> PackedB<S> {
    /// Zeros, to be filled by [`PackedB::write`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zeroed(kernel: Supported<S>, k: usize, n: usize) -> Result<Self, Error> {
        Ok(PackedB { data: AlignedBuf::zeroed(Self::len_for(kernel, k, n))?, k, n, nr: kernel.tile().nr })
    }

    /// Elements of all panels, the columns past n included.
    pub(crate) fn len_for(kernel: Supported<S>, k: usize, n: usize) -> usize {
        let Tile { nr, .. } = kernel.tile();
        n.div_ceil(nr).saturating_mul(nr).saturating_mul(k)
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns of a panel.
    pub fn nr(&self) -> usize {
        self.nr
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.data)
    }

    /// Packs `block` as the part of B that starts at row `k0` and column `n0`.
    ///
    /// # Errors
    /// Where the block reaches outside B.
    pub fn write(&mut self, k0: usize, n0: usize, block: MatRef<'_, S::B>) -> Result<(), Error> {
        let (k, n, nr) = (self.k, self.n, self.nr);
        if block.rows() > k.saturating_sub(k0) {
            return Err(Error::Size {
                what: "rows of B that are left to pack",
                wanted: k.saturating_sub(k0),
                found: block.rows(),
            });
        }
        if block.cols() > n.saturating_sub(n0) {
            return Err(Error::Size {
                what: "columns of B that are left to pack",
                wanted: n.saturating_sub(n0),
                found: block.cols(),
            });
        }
        if block.rows() == 0 {
            return Ok(());
        }
        let mut col = n0;
        while col < n0 + block.cols() {
            let end = (col - col % nr + nr).min(n0 + block.cols());
            let panel = &mut self.data[(col / nr) * nr * k..][..nr * k];
            write_panel(&mut panel[k0 * nr..], nr, col % nr, &block, col - n0..end - n0);
            col = end;
        }
        Ok(())
    }

    /// out ← column `j` of B: (k).
    ///
    /// # Errors
    /// Where there is no such column or `out` is not k elements.
    pub fn copy_column(&self, j: usize, out: &mut [S::B]) -> Result<(), Error> {
        if j >= self.n {
            return Err(Error::Size { what: "column of packed B, below", wanted: self.n, found: j });
        }
        expect_size("elements for a column of packed B", self.k, out.len())?;
        let panel = &self.data[(j / self.nr) * self.nr * self.k..][..self.nr * self.k];
        for (x, row) in out.iter_mut().zip(panel.chunks_exact(self.nr)) {
            *x = row[j % self.nr];
        }
        Ok(())
    }

    pub(crate) fn panels(&self) -> Panels<'_, S> {
        Panels { data: &self.data, panel_stride: self.nr.saturating_mul(self.k), nr: self.nr }
    }
}

/// Writes the columns `cols` of `block` into the rows of a panel, starting at its column `at`.
fn write_panel<T: Copy>(panel: &mut [T], nr: usize, at: usize, block: &MatRef<'_, T>, cols: Range<usize>) {
    let (row_stride, col_stride) = (block.row_stride(), block.col_stride());
    // SAFETY: p < rows and j < cols, so the element lies inside the view.
    let element = |p: usize, j: usize| unsafe { *block.as_ptr().add(p * row_stride + j * col_stride) };
    if col_stride == 1 {
        for (p, row) in panel.chunks_exact_mut(nr).enumerate().take(block.rows()) {
            for (x, j) in row[at..].iter_mut().zip(cols.clone()) {
                *x = element(p, j);
            }
        }
        return;
    }
    for p0 in (0..block.rows()).step_by(TRANSPOSE_BLOCK) {
        let rows = p0..block.rows().min(p0 + TRANSPOSE_BLOCK);
        for (i, j) in cols.clone().enumerate() {
            for p in rows.clone() {
                panel[p * nr + at + i] = element(p, j);
            }
        }
    }
}

impl<'a, S: Scheme> Panels<'a, S> {
    /// Panels of `nr` columns that start `panel_stride` elements apart in `data`.
    pub(crate) fn new(data: &'a [S::B], panel_stride: usize, nr: usize) -> Self {
        Panels { data, panel_stride, nr }
    }

    /// Row `p` of panel `index`; that and the rows up to `p + rows` are checked to exist.
    #[inline]
    pub(crate) fn rows(&self, index: usize, p: usize, rows: usize) -> *const S::B {
        self.data[index * self.panel_stride + p * self.nr..][..rows * self.nr].as_ptr()
    }
}
