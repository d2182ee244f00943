//! How the operands of a product lie in memory: row-major, with the leading dimension from one row to the next.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Elements from one row to the next of the stored A, B and C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leading {
    /// Of A as it is stored: at least k, or at least m if A is transposed.
    pub a: usize,
    /// Of B as it is stored: at least n, or at least k if B is transposed.
    pub b: usize,
    /// Of C: at least n.
    pub c: usize,
}

impl fmt::Display for Leading {
    /// `768:768:4096`, of A, B and C.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.a, self.b, self.c)
    }
}

/// One operand as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Rows in memory.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Elements from one row to the next, at least `cols`.
    pub leading: usize,
}

impl Stored {
    /// Elements in memory, with those after the end of each row. Saturates.
    pub fn len(&self) -> usize {
        self.rows.saturating_mul(self.leading)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the rows follow each other without gaps.
    pub fn is_tight(&self) -> bool {
        self.leading == self.cols
    }
}
