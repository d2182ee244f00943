//! Tables of numbers, in memory of their own or where they lie in a packed file.

use crate::formats::mapping::FileRange;
use cke_kernels::scratch::AlignedBuf;
use std::ops::Deref;

/// Numbers that do not change.
#[derive(Debug)]
pub(crate) enum Table {
    Owned(AlignedBuf<f32>),
    Shared(FileRange),
}

impl Deref for Table {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Table::Owned(numbers) => numbers,
            Table::Shared(range) => range.as_f32(),
        }
    }
}
