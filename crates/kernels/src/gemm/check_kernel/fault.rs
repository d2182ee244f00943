//! What can be wrong with a microkernel.

/// What a microkernel got wrong, in the first call that showed it.
#[derive(Clone, PartialEq, thiserror::Error)]
#[error("{kernel}, tile of {rows} rows and {cols} columns, {pairs} pairs with k = {k}, {store}: {fault}")]
pub struct KernelFault {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Rows of the tile.
    pub rows: usize,
    /// Columns of the tile.
    pub cols: usize,
    /// Length of each product.
    pub k: usize,
    /// Products that were to be summed.
    pub pairs: usize,
    /// What was to be done with the sums.
    pub store: &'static str,
    /// What went wrong.
    pub fault: Fault,
}

crate::debug_as_display!(KernelFault);

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An element of C is not what the operands make it.
    #[error("C[{row}][{col}]: wanted {wanted}, found {found}")]
    Element {
        /// Its row.
        row: usize,
        /// Its column.
        col: usize,
        /// What a plain loop says.
        wanted: f64,
        /// What the kernel says.
        found: f64,
    },
    /// An element comes out otherwise than in the largest tile: its order of summation depends on the size of the tile.
    #[error("C[{row}][{col}]: wanted the bits of the largest tile, {wanted:e}, found {found:e}")]
    Order {
        /// Its row.
        row: usize,
        /// Its column.
        col: usize,
        /// What it is in the largest tile.
        wanted: f64,
        /// What it is here.
        found: f64,
    },
    /// An element comes out otherwise when a call stops where a chain ends and another goes on: the kernel does not sum in chains.
    #[error(
        "C[{row}][{col}]: wanted the same bits from one call, {wanted:e}, and from two calls that part after step {at}, {found:e}"
    )]
    Chains {
        /// Its row.
        row: usize,
        /// Its column.
        col: usize,
        /// Steps of the first of the two calls.
        at: usize,
        /// What one call gives.
        wanted: f64,
        /// What two calls give.
        found: f64,
    },
    /// The copy of B that [`SideWork::CopyB`](crate::gemm::SideWork::CopyB) asks for is not B.
    #[error("copy of B, row {row}, column {col}: wanted {wanted}, found {found}")]
    Copy {
        /// Row of B.
        row: usize,
        /// Column of B.
        col: usize,
        /// The element of B.
        wanted: f64,
        /// The element of the copy.
        found: f64,
    },
    /// A column of packed B does not read back as it was.
    #[error("column {col} of packed B, row {row}: wanted {wanted}, found {found}")]
    Column {
        /// Row of B.
        row: usize,
        /// Column of B.
        col: usize,
        /// What was packed.
        wanted: f64,
        /// What is read.
        found: f64,
    },
    /// Memory beside the tile, or beside the copy of B, was written.
    #[error("wrote outside its rows and columns, {offset} elements from the first")]
    Outside {
        /// Elements from element (0, 0) to the first that was written.
        offset: isize,
    },
}

crate::debug_as_display!(Fault);
