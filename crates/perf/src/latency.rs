//! Load latency against the size of what is read, and what small pages add to it.
//!
//! One thread follows a chain of addresses, one per cache line, in random order: each load must wait for the one before,
//! and no prefetcher can guess the next. Once the pages that hold the lines outnumber the entries of the TLB, every load
//! also waits for a walk through the page tables; the difference between small and huge pages is the cost of that.

use std::hint::black_box;
use std::time::Duration;

use serde::Serialize;

pub use crate::buffer::Pages;

use crate::buffer::Buffer;
use crate::throughput::{Effort, MeasureError, best_rate};

/// Time of one load that waits for the load before, for one working set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Bytes of the lines that are visited.
    pub bytes: usize,
    /// The pages that the lines lie on.
    pub pages: Pages,
    /// Nanoseconds per load.
    pub nanoseconds: f64,
}

const WORDS_PER_LINE: usize = 64 / size_of::<u64>();
/// Loads between two looks at the clock: 5 µs or more.
const LOADS: usize = 4096;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Measures the latency of loads within `bytes` (rounded down to whole lines of 64 bytes, at least two): the best of
/// `rounds` rounds of 2 ms.
///
/// # Errors
///
/// Returns [`MeasureError::Memory`] if the memory cannot be allocated; also the errors of [`best_rate`].
pub fn measure_latency(bytes: usize, pages: Pages, rounds: usize) -> Result<Latency, MeasureError> {
    let lines = (bytes / 64).max(2);
    let mut buffer = Buffer::reserve(lines * 64, pages)?;
    link_in_random_order(buffer.words());
    let mut position = 0;
    let chunk = move || {
        position = follow(buffer.words(), position, LOADS);
        LOADS as u64
    };
    let rate = best_rate(vec![chunk], Effort { rounds, window: Duration::from_millis(2) })?;
    Ok(Latency { bytes: lines * 64, pages, nanoseconds: 1e9 / rate })
}

/// Makes the first word of each line the index of the next line's first word, in one cycle through all lines.
///
/// Source: S. Sattolo, "An algorithm to generate a random cyclic permutation", Information Processing Letters 22(6), 1986.
fn link_in_random_order(words: &mut [u64]) {
    let lines = words.len() / WORDS_PER_LINE;
    for line in 0..lines {
        words[line * WORDS_PER_LINE] = (line * WORDS_PER_LINE) as u64;
    }
    let mut state = SEED;
    for line in (1..lines).rev() {
        // Marsaglia's xorshift64, good enough to defeat a prefetcher.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = (state % line as u64) as usize;
        words.swap(line * WORDS_PER_LINE, other * WORDS_PER_LINE);
    }
}

/// The word that `loads` steps lead to.
fn follow(words: &[u64], start: usize, loads: usize) -> usize {
    let end = (0..loads).fold(start, |position, _| words[position] as usize);
    black_box(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_in_random_order_is_one_cycle_through_all_lines() {
        let lines = 1000;
        let mut words = vec![0; lines * WORDS_PER_LINE];
        link_in_random_order(&mut words);
        let mut visited = vec![false; lines];
        let mut position = 0;
        for _ in 0..lines {
            assert!(!std::mem::replace(&mut visited[position / WORDS_PER_LINE], true), "line visited twice");
            position = follow(&words, position, 1);
        }
        assert_eq!(position, 0);
    }

    #[test]
    fn measure_latency_both_kinds_of_pages_are_positive() {
        for pages in [Pages::Small, Pages::Huge] {
            let latency = measure_latency(16 << 10, pages, 2).expect("a small set");
            assert!(latency.nanoseconds.is_finite() && latency.nanoseconds > 0.0, "{latency:?}");
            assert_eq!((latency.bytes, latency.pages), (16 << 10, pages));
        }
    }

    #[test]
    fn measure_latency_impossible_set_is_refused() {
        assert!(matches!(measure_latency(usize::MAX, Pages::Huge, 1), Err(MeasureError::Memory { .. })));
    }
}
