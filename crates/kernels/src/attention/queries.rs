//! Which rows and heads some queries of a key head are of.

use std::ops::Range;

/// Some queries that share a key head, at least one. Query i of all is that of row i / group and of the group's head i % group.
#[derive(Clone, Debug)]
pub(super) struct Queries {
    /// Their rows: the first and the last may have queries that are not among these.
    rows: Range<usize>,
    /// The head of the first query.
    head: usize,
    group: usize,
    len: usize,
}

impl Queries {
    /// Those of a range, if there are any.
    pub(super) fn new(range: Range<usize>, group: usize) -> Option<Queries> {
        let last = range.end.checked_sub(1).filter(|&last| range.start <= last)?;
        let (row, head) = (range.start / group, range.start % group);
        Some(Queries { rows: row..last / group + 1, head, group, len: range.len() })
    }

    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The row of each, and its head among those of the group, in order. Counted, not divided, which a query over few keys would notice.
    pub(super) fn places(&self) -> Places {
        Places { row: self.rows.start, head: self.head, group: self.group, left: self.len }
    }
}

/// Rows and heads of queries.
#[derive(Clone, Debug)]
pub(super) struct Places {
    row: usize,
    head: usize,
    group: usize,
    left: usize,
}

impl Iterator for Places {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        self.left = self.left.checked_sub(1)?;
        let place = (self.row, self.head);
        self.head += 1;
        if self.head == self.group {
            (self.row, self.head) = (self.row + 1, 0);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_quotients_and_remainders() {
        for group in [1, 2, 3, 7] {
            for range in [0..1, 0..9, 2..3, 5..20, 6..14] {
                let queries = Queries::new(range.clone(), group).expect("some");
                let wanted: Vec<_> = range.map(|i| (i / group, i % group)).collect();
                assert_eq!(queries.places().collect::<Vec<_>>(), wanted);
                let rows = wanted[0].0..wanted[wanted.len() - 1].0 + 1;
                assert_eq!((queries.rows(), queries.len()), (rows, wanted.len()));
            }
        }
        assert!(Queries::new(0..0, 2).is_none() && Queries::new(5..5, 2).is_none());
    }
}
