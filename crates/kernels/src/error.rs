//! What can be wrong with a call.

use crate::attention::KvFormat;
use crate::cpu::CpuError;
use crate::gemm::PanelFormat;

/// Makes `Debug` print the message of an error type, because that is what `unwrap` and a `main` that returns the error show.
#[doc(hidden)]
#[macro_export]
macro_rules! debug_as_display {
    ($error:ty) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}

/// A call that cannot be carried out; nothing was written.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A view would reach outside its slice.
    #[error(
        "a {rows}×{cols} view with strides ({row_stride}, {col_stride}) needs {needed} elements, its slice has {found}"
    )]
    ViewOutOfBounds {
        /// Rows of the view.
        rows: usize,
        /// Columns of the view.
        cols: usize,
        /// Elements from one row to the next.
        row_stride: usize,
        /// Elements from one column to the next.
        col_stride: usize,
        /// Elements that the view spans; `usize::MAX` where that overflows.
        needed: usize,
        /// Elements that the slice has.
        found: usize,
    },
    /// A mutable view would reach one element in two ways.
    #[error("a mutable {rows}×{cols} view with strides ({row_stride}, {col_stride}) overlaps itself")]
    ViewOverlaps {
        /// Rows of the view.
        rows: usize,
        /// Columns of the view.
        cols: usize,
        /// Elements from one row to the next.
        row_stride: usize,
        /// Elements from one column to the next.
        col_stride: usize,
    },
    /// A matrix of another crate that runs backwards.
    #[error(
        "a {rows}×{cols} matrix with strides ({row_stride}, {col_stride}): wanted strides of 0 or more; copy it into standard order"
    )]
    NegativeStride {
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
        /// Elements from one row to the next.
        row_stride: isize,
        /// Elements from one column to the next.
        col_stride: isize,
    },
    /// The CPU cannot be used as the environment demands.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// Sizes that do not match.
    #[error("{what}: wanted {wanted}, found {found}")]
    Size {
        /// Which size.
        what: &'static str,
        /// What the other operands demand.
        wanted: usize,
        /// What was passed.
        found: usize,
    },
    /// Packed weights whose panels were made for another kernel.
    #[error(
        "packed weights are {found}, this plan's kernel {kernel} reads {wanted}; pack them with the plan that runs them"
    )]
    PackedForAnotherKernel {
        /// The plan's kernel.
        kernel: &'static str,
        /// The format that it reads.
        wanted: PanelFormat,
        /// The format of the packed weights.
        found: PanelFormat,
    },
    /// Packed weights in the memory of somebody else are written to.
    #[error("packed weights in shared memory cannot be written; pack into weights of their own")]
    SharedWeights,
    /// Rows of A that are not in the format of the plan's kernel.
    #[error(
        "rows of A are prepared as {found}, this plan's kernel {kernel} reads {wanted}; prepare them for that kernel"
    )]
    RowsForAnotherKernel {
        /// The plan's kernel.
        kernel: &'static str,
        /// The layout that it reads.
        wanted: &'static str,
        /// The layout of the rows.
        found: &'static str,
    },
    /// A sum of products whose halves are to be multiplied with each other.
    #[error(
        "a sum of products cannot multiply the two halves of its columns; multiply by a matrix instead, or run a plan of one product"
    )]
    HalvesOfASum,
    /// A cache of keys and values that was made for another attention plan.
    #[error(
        "the attention plan reads caches of {wanted}, found a cache of {found}; make the cache with the plan that runs it"
    )]
    CacheForAnotherPlan {
        /// The plan's format.
        wanted: KvFormat,
        /// The cache's format.
        found: KvFormat,
    },
    /// A cache of keys and values that may not hold more.
    #[error("the cache of keys and values is full: wanted room for {wanted} more {unit}, {free} of {limit} are free")]
    CacheFull {
        /// What is counted: positions of one cache, or bytes of a pool.
        unit: &'static str,
        /// What is needed.
        wanted: usize,
        /// What is left.
        free: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An id that a table has no row for.
    #[error("id {id} at position {position} is outside a table of {rows} rows")]
    IdOutOfRange {
        /// The id.
        id: u32,
        /// Where it stands among the ids.
        position: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// Memory could not be had.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The operating system gave no thread.
    #[error("cannot start worker thread {index}: {reason}")]
    Thread {
        /// Which worker.
        index: usize,
        /// What the operating system said.
        reason: String,
    },
}

crate::debug_as_display!(Error);

/// `Ok` where `found == wanted`.
pub(crate) fn expect_size(what: &'static str, wanted: usize, found: usize) -> Result<(), Error> {
    if wanted == found { Ok(()) } else { Err(Error::Size { what, wanted, found }) }
}

/// `Ok` if `found` is a multiple of `width`: zero or more whole rows. Nothing but 0 is a multiple of 0.
pub(crate) fn expect_rows(what: &'static str, width: usize, found: usize) -> Result<(), Error> {
    expect_size(what, found.checked_next_multiple_of(width).unwrap_or(0), found)
}
