//! What the arguments of a BLAS routine can be: layouts, transpositions, operands with a leading dimension.

use std::ffi::{c_char, c_int};

/// The convention of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Everything by reference, matrices column-major.
    Fortran,
    /// By value, with the layout as first argument: 101 or 102.
    Cblas { layout: c_int },
}

impl Caller {
    /// The layout of the matrices; `None` if the argument is neither.
    pub(crate) fn layout(self) -> Option<Layout> {
        match self {
            Caller::Fortran | Caller::Cblas { layout: 102 } => Some(Layout::ColMajor),
            Caller::Cblas { layout: 101 } => Some(Layout::RowMajor),
            Caller::Cblas { .. } => None,
        }
    }
}

/// Which elements of a matrix are adjacent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Those of a row.
    RowMajor,
    /// Those of a column.
    ColMajor,
}

/// How an operand enters a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trans {
    /// As it is stored.
    No,
    /// Transposed. Conjugation changes nothing in a real matrix.
    Yes,
}

impl Trans {
    /// Of CBLAS's number: 111, 112 (transposed) or 113 (conjugated too).
    pub(crate) fn from_number(number: c_int) -> Option<Trans> {
        match number {
            111 => Some(Trans::No),
            112 | 113 => Some(Trans::Yes),
            _ => None,
        }
    }

    /// Of Fortran's letter: N, T or C, of either case.
    pub(crate) fn from_letter(letter: c_char) -> Option<Trans> {
        match u8::from_ne_bytes(letter.to_ne_bytes()).to_ascii_uppercase() {
            b'N' => Some(Trans::No),
            b'T' | b'C' => Some(Trans::Yes),
            _ => None,
        }
    }

    /// The other one.
    pub(crate) fn flipped(self) -> Trans {
        match self {
            Trans::No => Trans::Yes,
            Trans::Yes => Trans::No,
        }
    }
}

/// The position of the lowest bad argument in the list of Fortran's routine, from 1; 0 is the layout, which CBLAS puts before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadArgument(pub(crate) c_int);

/// `Ok` if the argument at `position` is good.
pub(crate) fn expect(good: bool, position: c_int) -> Result<(), BadArgument> {
    if good { Ok(()) } else { Err(BadArgument(position)) }
}

/// A matrix that is read: op(X), of which X is stored with a leading dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<T> {
    pub(crate) trans: Trans,
    pub(crate) data: *const T,
    /// Elements between the columns of a column-major matrix, the rows of a row-major one.
    pub(crate) ld: i64,
}

impl<T> Operand<T> {
    /// Whether the leading dimension has room for op(X) (rows, cols) of a column-major X.
    pub(crate) fn has_room(&self, rows: i64, cols: i64) -> bool {
        let stored_rows = match self.trans {
            Trans::No => rows,
            Trans::Yes => cols,
        };
        self.ld >= stored_rows.max(1)
    }
}
