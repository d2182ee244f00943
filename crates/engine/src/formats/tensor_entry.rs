//! A tensor as the table of a file describes it, whatever the format.

use std::ops::Range;

use crate::dtype::Dtype;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorEntry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    /// Outermost dimension first; row-major.
    pub(crate) shape: Vec<usize>,
    /// Where its bytes lie in the file.
    pub(crate) range: Range<usize>,
}
