//! How operands lie in memory for a kernel, counted in bytes: two that were laid out alike may take each other's place.

use std::fmt;

/// Rows of A as a kernel reads them: blocks of `block_k` products, `block_bytes` each, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFormat {
    /// What a block holds, in which order; with a version where that has changed.
    pub layout: &'static str,
    /// Products of a block: 1 where each element is by itself.
    pub block_k: usize,
    /// Bytes of a block, side data such as a scale included.
    pub block_bytes: usize,
    /// Whether the kernel reads rows where they are, with any strides, so that nothing needs to be prepared. The blocks are then the
    /// elements of a matrix.
    pub is_in_place: bool,
    /// Whether a block depends on all of its row, as on the scale of a row, and not on its own products alone.
    pub needs_whole_rows: bool,
}

impl RowFormat {
    /// Elements where they lie.
    pub(super) const fn of_elements<E>(layout: &'static str) -> RowFormat {
        RowFormat { layout, block_k: 1, block_bytes: size_of::<E>(), is_in_place: true, needs_whole_rows: false }
    }

    /// Bytes of a product but for side data, at least 1.
    pub(super) const fn element_bytes(&self) -> usize {
        let bytes = self.block_bytes / self.block_k;
        if bytes > 0 { bytes } else { 1 }
    }

    /// Bytes of a row of `k` products. Saturates.
    pub const fn row_bytes(&self, k: usize) -> usize {
        k.div_ceil(self.block_k).saturating_mul(self.block_bytes)
    }
}

/// Panels of B as a kernel reads them: `cols` columns each, in blocks of `block_k` products for all of the columns, `block_bytes` each,
/// one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelFormat {
    /// What a block holds, in which order; with a version where that has changed.
    pub layout: &'static str,
    /// Columns of a panel.
    pub cols: usize,
    /// Products of a block: 1 for rows of elements, the group where blocks have scales.
    pub block_k: usize,
    /// Bytes of a block, side data such as scales included.
    pub block_bytes: usize,
}

impl PanelFormat {
    /// Rows of elements.
    pub(super) const fn of_elements<E>(layout: &'static str, cols: usize) -> PanelFormat {
        PanelFormat { layout, cols, block_k: 1, block_bytes: cols * size_of::<E>() }
    }

    /// Bytes of a panel of `k` products. Saturates.
    pub const fn panel_bytes(&self, k: usize) -> usize {
        k.div_ceil(self.block_k).saturating_mul(self.block_bytes)
    }

    /// Bytes of all panels of a B (k, n). Saturates.
    pub const fn bytes(&self, k: usize, n: usize) -> usize {
        n.div_ceil(self.cols).saturating_mul(self.panel_bytes(k))
    }

    /// Bytes of the products of one column and one step of K, at least 1: what blocks are sized by.
    pub(super) const fn element_bytes(&self) -> usize {
        self.block_bytes.div_ceil(self.block_k * self.cols)
    }
}

/// `f32 in panels of 16 columns`
impl fmt::Display for PanelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PanelFormat { layout, cols, block_k, .. } = self;
        write!(f, "{layout} in panels of {cols} columns")?;
        if *block_k > 1 { write!(f, ", blocks of {block_k}") } else { Ok(()) }
    }
}

/// Where blocks of K may begin: where the sums of a tile can stop in C, so that a later call goes on from there with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KBlocks {
    /// Where a chain ends.
    Chains,
    /// After each segment of the dot form.
    Segments,
    /// At multiples of this number of steps.
    Multiples(usize),
    /// Nowhere, since C cannot hold the sums: a call takes all of K, and columns of B are packed whole.
    Whole,
}
