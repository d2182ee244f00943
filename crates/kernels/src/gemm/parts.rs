//! Ranges cut into parts, and rows into tiles.

use std::ops::Range;

/// A range cut into parts that differ by at most one, in order.
pub(crate) struct EvenParts {
    start: usize,
    part: usize,
    longer: usize,
    left: usize,
}

impl EvenParts {
    #[inline]
    pub(crate) fn new(whole: usize, limit: usize) -> EvenParts {
        // Without divisions, which small products would notice.
        if whole <= limit {
            return EvenParts { start: 0, part: whole, longer: 0, left: 1 };
        }
        let parts = whole.div_ceil(limit).max(1);
        EvenParts { start: 0, part: whole / parts, longer: whole % parts, left: parts }
    }
}

impl Iterator for EvenParts {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        self.left = self.left.checked_sub(1)?;
        let start = self.start;
        self.start += self.part + usize::from(self.longer > 0);
        self.longer = self.longer.saturating_sub(1);
        Some(start..self.start)
    }
}

/// Part `index` of `whole` cut as [`EvenParts`] does, into so many `parts`.
pub(super) fn part_of(whole: usize, parts: usize, index: usize) -> Range<usize> {
    let (part, longer) = (whole / parts, whole % parts);
    let start = |index: usize| index * part + index.min(longer);
    start(index)..start(index + 1)
}

/// Rows cut into tiles of nearly equal height, in order: a last tile of one row would take nearly as long as a full one. Where tiles multiply
/// several rows at once, these are nearly equal multiples of them, and the rows that are left have a tile of their own.
pub(super) struct TilesOfRows {
    multiples: EvenParts,
    at_once: usize,
    rest: Range<usize>,
}

impl TilesOfRows {
    /// Of `rows` rows, in tiles of at most `mr`.
    #[inline]
    pub(super) fn new(rows: usize, mr: usize, at_once: usize) -> TilesOfRows {
        if at_once == 1 || rows < at_once {
            return TilesOfRows { multiples: EvenParts::new(rows, mr), at_once: 1, rest: 0..0 };
        }
        let whole = rows / at_once;
        TilesOfRows { multiples: EvenParts::new(whole, mr / at_once), at_once, rest: whole * at_once..rows }
    }
}

impl Iterator for TilesOfRows {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        if let Some(part) = self.multiples.next() {
            return Some(part.start * self.at_once..part.end * self.at_once);
        }
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heights of tiles, which follow each other.
    fn heights(rows: usize, mr: usize, at_once: usize) -> Vec<usize> {
        let tiles: Vec<_> = TilesOfRows::new(rows, mr, at_once).collect();
        assert_eq!(tiles.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
        tiles.iter().map(ExactSizeIterator::len).collect()
    }

    #[test]
    fn parts_by_index_are_those_in_order() {
        for (whole, limit) in (0..40).flat_map(|whole| (1..20).map(move |limit| (whole, limit))) {
            let parts: Vec<_> = EvenParts::new(whole, limit).collect();
            let by_index: Vec<_> = (0..parts.len()).map(|index| part_of(whole, parts.len(), index)).collect();
            assert_eq!(parts, by_index, "{whole} in parts of {limit}");
        }
    }

    #[test]
    fn tiles_are_nearly_equal() {
        assert_eq!(heights(12, 12, 1), [12]);
        assert_eq!(heights(13, 12, 1), [7, 6]);
        assert_eq!(heights(20, 8, 1), [7, 7, 6]);
    }

    #[test]
    fn tiles_are_whole_multiples_of_rows_at_once_and_a_rest() {
        assert_eq!(heights(3, 8, 4), [3]);
        assert_eq!(heights(4, 8, 4), [4]);
        assert_eq!(heights(5, 8, 4), [4, 1]);
        assert_eq!(heights(8, 8, 4), [8]);
        assert_eq!(heights(12, 8, 4), [8, 4]);
        assert_eq!(heights(23, 8, 4), [8, 8, 4, 3]);
    }
}
