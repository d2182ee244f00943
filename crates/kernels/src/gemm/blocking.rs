//! How far each loop goes before the next one out takes a step: sizes that keep each operand in its cache level.

use super::microkernel::Tile;
use super::select::Shape;
use crate::cpu::Caches;
use std::ops::Range;

/// Block sizes of loops 3 (rows of A), 4 (K) and 5 (columns of B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// Rows of A per block.
    pub mc: usize,
    /// Length of K per block.
    pub kc: usize,
    /// Columns of B per block, a multiple of nr.
    pub nc: usize,
}

/// Rows of a block of A that make up for the reading of a panel of B from beyond L2.
const ROWS_PER_PANEL: usize = 64;

/// Tasks per thread that keep the threads busy to the end when one of them is slower.
const TASKS_PER_THREAD: usize = 6;

impl Blocking {
    /// Blocks for C (m, n) += A (m, k) · B (k, n), whose elements take `a_bytes` and `b_bytes`.
    ///
    /// One panel of B (kc × nr) shares L2 with one block of A (mc × kc): the panel is read once for each tile of rows, the block
    /// once for each panel. K stays whole while the panel takes a third of L2, since each more pass reads and writes C again; and where
    /// one tile takes all rows, so that no panel is read twice: memory delivers a long stream faster than its pieces.
    pub fn choose(
        tile: Tile,
        (a_bytes, b_bytes): (usize, usize),
        caches: Caches,
        threads: usize,
        shape: Shape,
    ) -> Blocking {
        let Shape { m, n, k } = shape;
        if k <= SHALLOW && m > tile.mr {
            return Blocking::shallow(tile, caches.l2 / 2 / b_bytes, threads, shape);
        }
        let room_for_a = caches.l2 * 2 / 5 / a_bytes;
        let limit = match m {
            _ if m <= tile.mr => usize::MAX,
            // With rows enough in each block of A to make up for the reading of B from beyond L2.
            _ => (caches.l2 / 3 / b_bytes / tile.nr).min(room_for_a / m.min(ROWS_PER_PANEL)),
        };
        let kc = even_part(k, limit.max(16), 1);
        let panels = n.div_ceil(tile.nr).clamp(1, usize::MAX / tile.nr);
        let tasks = if threads > 1 { threads.saturating_mul(TASKS_PER_THREAD) } else { 1 };
        // Few panels: rows make up the number of tasks.
        let rows_per_task = m.div_ceil((tasks / panels).max(1)).max(1);
        let mc = even_part(m, rows_per_task.min(room_for_a / kc), tile.mr);
        let row_blocks = m.div_ceil(mc).max(1);
        let panels_per_block = equal_blocks(panels, tasks.div_ceil(row_blocks), threads);
        Blocking { mc, kc, nc: panels_per_block * tile.nr }
    }
}

/// Products up to which the writing of C takes longer than the arithmetic.
pub(super) const SHALLOW: usize = 64;

impl Blocking {
    /// Blocks of whole rows of C, so that it is written in long pieces, as far as the rows of B that they need fit in half of L2, which
    /// has room for `elements`.
    fn shallow(tile: Tile, elements: usize, threads: usize, Shape { m, n, k }: Shape) -> Blocking {
        let panels = (elements / tile.nr / k.max(1)).clamp(1, n.div_ceil(tile.nr).max(1));
        let tasks = if threads > 1 { threads.saturating_mul(TASKS_PER_THREAD) } else { 1 };
        Blocking { mc: even_part(m, m.div_ceil(tasks), tile.mr), kc: k.max(1), nc: panels * tile.nr }
    }
}

/// Panels that are read once, from memory above all, cut for some threads: a long stream for each, and short ones for who is done
/// first. Every new stream costs the time until the hardware has seen where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    panels: usize,
    threads: usize,
    long: usize,
    short: usize,
}

impl Streams {
    pub(super) fn new(panels: usize, threads: usize) -> Streams {
        let long = if threads > 1 { panels * 3 / 4 / threads } else { panels };
        Streams { panels, threads, long, short: (panels / (16 * threads)).max(1) }
    }

    pub(super) fn count(self) -> usize {
        self.threads + (self.panels - self.threads * self.long).div_ceil(self.short)
    }

    /// The panels of one stream, of which there may be none.
    pub(super) fn get(self, index: usize) -> Range<usize> {
        let start = match index.checked_sub(self.threads) {
            None => index * self.long,
            Some(index) => self.threads * self.long + index * self.short,
        };
        let len = if index < self.threads { self.long } else { self.short };
        start..self.panels.min(start + len)
    }
}

/// Panels of a block, for about `blocks` of them: cut so that each thread gets as many blocks as any other where some number from
/// `blocks` to twice as many allows it.
fn equal_blocks(panels: usize, blocks: usize, threads: usize) -> usize {
    let wanted = blocks..=blocks.saturating_mul(2).min(panels);
    let sizes = wanted.map(|blocks| panels.div_ceil(blocks));
    let is_even = |&size: &usize| panels.div_ceil(size).is_multiple_of(threads) && panels.is_multiple_of(size);
    sizes.into_iter().find(is_even).unwrap_or_else(|| panels.div_ceil(blocks))
}

/// The smallest number of equal parts of `whole` that are at most `limit`, as the size of a part rounded up to `unit`.
fn even_part(whole: usize, limit: usize, unit: usize) -> usize {
    let parts = whole.div_ceil(limit.max(unit)).max(1);
    let part = whole.div_ceil(parts);
    part.checked_next_multiple_of(unit).unwrap_or(part).max(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_within_the_limit() {
        assert_eq!(even_part(768, 1000, 1), 768);
        assert_eq!(even_part(3072, 1000, 1), 768);
        assert_eq!(even_part(100, 64, 6), 54);
        assert_eq!(even_part(0, 64, 6), 6);
        assert_eq!(even_part(5, 0, 6), 6);
    }

    #[test]
    fn blocks_are_shared_out_evenly_where_they_can_be() {
        assert_eq!(equal_blocks(64, 12, 2), 4);
        assert_eq!(equal_blocks(48, 12, 2), 4);
        assert_eq!(equal_blocks(16, 12, 2), 2);
        assert_eq!(equal_blocks(13, 12, 2), 2);
        assert_eq!(equal_blocks(3, 12, 2), 1);
        assert_eq!(equal_blocks(1048, 12, 2), 88);
    }

    #[test]
    fn streams_cover_the_panels_once() {
        for threads in 1..=5 {
            for panels in 0..200 {
                let streams = Streams::new(panels, threads);
                let covered: Vec<usize> = (0..streams.count()).flat_map(|index| streams.get(index)).collect();
                assert_eq!(covered, (0..panels).collect::<Vec<_>>(), "{panels} panels, {threads} threads");
            }
        }
    }

    #[test]
    fn blocks_are_never_empty() {
        let tile = Tile { mr: 6, nr: 64 };
        let tiny = Caches { l1d: 1, l2: 1, l3: 0 };
        for (m, n, k) in [(0, 0, 0), (1, 1, 1), (7, 100, 1_000_000), (1_000_000, 1, 1)] {
            let Blocking { mc, kc, nc } = Blocking::choose(tile, (4, 4), tiny, 3, Shape { m, n, k });
            assert!(mc > 0 && kc > 0 && nc > 0 && nc % 64 == 0, "{m} {n} {k}");
        }
    }
}
