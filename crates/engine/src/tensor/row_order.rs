//! The order in which a file has the rows of a tensor.

use std::ops::Range;

/// Which row of the file is which row of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// The model's own order.
    Model,
    /// Rows of a head alternate between its two halves: row 2i + h of a head in the file is row i + h·`head_rows`/2 of it in the model.
    ///
    /// GGUF files of the llama architecture have queries and keys so, for rotary embeddings that turn adjacent pairs.
    AlternatingHalves {
        /// Rows of a head, an even number.
        head_rows: usize,
    },
}

impl RowOrder {
    /// The place in the file of a row of the model.
    pub(crate) fn stored(self, row: usize) -> usize {
        match self {
            RowOrder::Model => row,
            RowOrder::AlternatingHalves { head_rows } => {
                let (inside, half) = (row % head_rows, head_rows / 2);
                row - inside + 2 * (inside % half) + inside / half
            }
        }
    }

    /// Rows of the file that hold `rows` of the model: whole heads, if order is by heads; never more than `all`.
    pub(crate) fn stored_range(self, rows: Range<usize>, all: usize) -> Range<usize> {
        match self {
            RowOrder::AlternatingHalves { head_rows } if !rows.is_empty() => {
                rows.start / head_rows * head_rows..rows.end.next_multiple_of(head_rows).min(all)
            }
            _ => rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_each_head_are_taken_from_its_two_halves_in_turns() {
        let order = RowOrder::AlternatingHalves { head_rows: 6 };
        // In the file, the model's rows 0 3 1 4 2 5 of each head.
        let stored: Vec<usize> = (0..12).map(|row| order.stored(row)).collect();
        assert_eq!(stored, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(order.stored_range(7..8, 12), 6..12);
        assert_eq!(order.stored_range(5..7, 12), 0..12);
        assert_eq!(order.stored_range(3..3, 12), 3..3);
    }
}
