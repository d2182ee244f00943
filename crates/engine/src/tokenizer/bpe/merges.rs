//! Merges by the tokens that they join.

/// Two tokens that become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tokenizer) struct ResolvedMerge {
    pub(in crate::tokenizer) left: u32,
    pub(in crate::tokenizer) right: u32,
    pub(in crate::tokenizer) union: u32,
}

/// Merges in the order of their left token, and of their right one among those of one left token.
#[derive(Debug, Clone, Default)]
pub(in crate::tokenizer) struct Merges {
    /// Where the merges of each left token begin; one more at the end.
    starts: Vec<u32>,
    merges: Vec<Ranked>,
}

/// A merge of a left token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ranked {
    right: u32,
    /// Its place in the list; the smallest comes first.
    pub(super) rank: u32,
    pub(super) union: u32,
}

impl Merges {
    /// # Panics
    /// Panics if there are 2³² merges.
    pub(super) fn new(list: &[ResolvedMerge]) -> Self {
        let end = list.iter().map(|merge| merge.left as usize + 1).max().unwrap_or(0);
        // Counted one place further on, so that sums are beginnings.
        let mut starts = vec![0u32; end + 1];
        list.iter().for_each(|merge| starts[merge.left as usize + 1] += 1);
        let mut sum = 0;
        starts.iter_mut().for_each(|start| {
            sum += *start;
            *start = sum;
        });
        let mut next = starts.clone();
        let mut merges = vec![Ranked::default(); list.len()];
        for (rank, &ResolvedMerge { left, right, union }) in (0..).zip(list) {
            let at = &mut next[left as usize];
            merges[*at as usize] = Ranked { right, rank, union };
            *at += 1;
        }
        // Stable, so that of a pair that is there twice the last one is that of the greater rank.
        starts.windows(2).for_each(|ends| merges[ends[0] as usize..ends[1] as usize].sort_by_key(|merge| merge.right));
        Self { starts, merges }
    }

    /// The merge of two tokens; the last one if the list has several.
    pub(super) fn find(&self, left: u32, right: u32) -> Option<Ranked> {
        let &[start, end] = self.starts.get(left as usize..left as usize + 2)? else { return None };
        let of_left = &self.merges[start as usize..end as usize];
        let at = of_left.partition_point(|merge| merge.right <= right).checked_sub(1)?;
        Some(of_left[at]).filter(|merge| merge.right == right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_found_and_of_equal_pairs_the_last_one_counts() {
        let list = [(3, 1, 4), (0, 9, 5), (3, 0, 6), (3, 1, 4)];
        let table = Merges::new(&list.map(|(left, right, union)| ResolvedMerge { left, right, union }));
        let found = |left, right| table.find(left, right).map(|merge| (merge.rank, merge.union));
        assert_eq!(found(3, 1), Some((3, 4)));
        assert_eq!(found(3, 0), Some((2, 6)));
        assert_eq!(found(0, 9), Some((1, 5)));
        for (left, right) in [(3, 2), (1, 0), (0, 0), (4, 0), (u32::MAX - 1, 0)] {
            assert_eq!(found(left, right), None);
        }
        assert_eq!(Merges::new(&[]).find(0, 0), None);
    }
}
