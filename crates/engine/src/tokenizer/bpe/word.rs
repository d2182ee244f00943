//! A word while its tokens are joined.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::merges::Merges;

/// The tokens of a word, as a linked list in one block.
#[derive(Debug)]
pub(super) struct Word {
    symbols: Vec<Symbol>,
}

#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    /// Bytes of the word; 0 for a symbol that became part of the one before it.
    bytes: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// A merge that was possible when it was found, in the order in which they are made: by rank, then from left to right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    /// Its left symbol.
    at: usize,
    union: u32,
}

impl Word {
    pub(super) fn with_capacity(symbols: usize) -> Self {
        Self { symbols: Vec::with_capacity(symbols) }
    }

    pub(super) fn push(&mut self, id: u32, bytes: usize) {
        let at = self.symbols.len();
        let before = at.checked_sub(1);
        if let Some(before) = before {
            self.symbols[before].after = Some(at);
        }
        self.symbols.push(Symbol { id, bytes, before, after: None });
    }

    /// Joins neighbours as long as there is a merge for any.
    pub(super) fn merge(&mut self, merges: &Merges) {
        let mut candidates: BinaryHeap<Reverse<Candidate>> =
            (0..self.symbols.len()).filter_map(|at| self.candidate(at, merges)).collect();
        while let Some(Reverse(Candidate { at, union, .. })) = candidates.pop() {
            // Either symbol may be another by now.
            if self.candidate(at, merges).is_none_or(|Reverse(now)| now.union != union) {
                continue;
            }
            self.join(at, union);
            let before = self.symbols[at].before;
            candidates.extend(before.into_iter().chain([at]).filter_map(|at| self.candidate(at, merges)));
        }
    }

    /// The merge of a symbol with the one after it.
    fn candidate(&self, at: usize, merges: &Merges) -> Option<Reverse<Candidate>> {
        let left = self.symbols[at];
        let right = self.symbols[left.after.filter(|_| left.bytes > 0)?];
        let merge = merges.find(left.id, right.id)?;
        Some(Reverse(Candidate { rank: merge.rank, at, union: merge.union }))
    }

    /// Makes one symbol of one and the one after it.
    fn join(&mut self, at: usize, union: u32) {
        let Some(right) = self.symbols[at].after else { return };
        let Symbol { bytes, after, .. } = self.symbols[right];
        self.symbols[right].bytes = 0;
        let left = &mut self.symbols[at];
        *left = Symbol { id: union, bytes: left.bytes + bytes, after, ..*left };
        if let Some(after) = after {
            self.symbols[after].before = Some(at);
        }
    }

    /// Id and bytes of each token.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u32, usize)> {
        self.symbols.iter().filter(|symbol| symbol.bytes > 0).map(|symbol| (symbol.id, symbol.bytes))
    }
}
