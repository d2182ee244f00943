//! Which keys a query sees.

use crate::error::Error;
use std::ops::Range;

/// Which keys of its sequence a query at position p sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    Full,
    /// 0..=p.
    Causal,
    /// The last w up to its own, a sliding window: max(0, p − w + 1)..=p. Keys before it cost no time but for those that share
    /// a KV block with a visible one. Source: Jiang et al., "Mistral 7B", 2023, section 2; w counts the query's own position, as in
    /// the configurations of the `transformers` library.
    Window(usize),
}

impl Mask {
    /// Whether a query sees at least itself.
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Mask::Window(0) => {
                Err(Error::Size { what: "positions of the attention's window, at least", wanted: 1, found: 0 })
            }
            _ => Ok(()),
        }
    }
}

/// What the queries of one sequence see: each at least one key, and no query a key before the first or behind the last that the
/// next one sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visible {
    pub(super) mask: Mask,
    /// The position of row 0.
    pub(super) first: usize,
    /// Positions of the sequence.
    pub(super) len: usize,
}

impl Visible {
    /// The keys that the query of a row sees.
    pub(super) fn to(self, row: usize) -> Range<usize> {
        let end = self.first + row + 1;
        match self.mask {
            Mask::Full => 0..self.len,
            Mask::Causal => 0..end,
            Mask::Window(width) => end.saturating_sub(width)..end,
        }
    }

    /// The keys from the first to the last that the queries of some rows, of which there is one, see.
    pub(super) fn to_rows(self, rows: Range<usize>) -> Range<usize> {
        self.to(rows.start).start..self.to(rows.end - 1).end
    }
}
