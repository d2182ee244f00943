//! One rule for panels: B (k, n) is cut into panels of nr columns; a panel is (k, nr), rows contiguous, the columns past n zero.
//!
//! The rule depends on nr alone, so every kernel with panels of that width reads the same packed weights.

use super::loops::WholeB;
use super::microkernel::{PackArgs, Supported, Tile};
use crate::error::{Error, expect_size};
use crate::scheme::Scheme;
use crate::scratch::AlignedBuf;
use crate::view::MatRef;

/// B (k, n) in panels, owned.
#[derive(Debug)]
pub struct PackedB<S: Scheme> {
    data: AlignedBuf<S::B>,
    kernel: Supported<S>,
    k: usize,
    n: usize,
    nr: usize,
}

impl<S: Scheme> PackedB<S> {
    /// Zeros, to be filled by [`PackedB::write`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zeroed(kernel: Supported<S>, k: usize, n: usize) -> Result<Self, Error> {
        Ok(PackedB { data: AlignedBuf::zeroed(Self::len_for(kernel, k, n))?, kernel, k, n, nr: kernel.tile().nr })
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
            let out = &mut panel[k0 * nr + col % nr..];
            let args = PackArgs {
                source: block.as_ptr().wrapping_add((col - n0) * block.col_stride()),
                rows: block.rows(),
                cols: end - col,
                row_stride: block.row_stride(),
                col_stride: block.col_stride(),
                out: out.as_mut_ptr(),
                out_stride: nr,
            };
            // SAFETY: rows and columns lie inside the block, and, as was checked, inside B, of whose panel `out` is the rest.
            unsafe { self.kernel.pack(&args) };
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

    pub(crate) fn whole(&self) -> WholeB<S::B> {
        WholeB {
            data: self.data.as_ptr(),
            panel_stride: self.nr.saturating_mul(self.k),
            row_stride: self.nr,
            stride: self.nr,
            is_far: false,
        }
    }
}
