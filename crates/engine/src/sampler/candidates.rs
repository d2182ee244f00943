//! The tokens that are still possible, and the filters that make them fewer.

use std::cmp::Ordering;

use super::random::SplitMix64;
use super::weight::{UNIT, weight};

/// Logits that are weighed at a time: enough for vector code, few enough to skip most blocks under top-k.
const BLOCK: usize = 16;

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    pub(super) logit: f32,
    /// Its probability relative to the likeliest token's, see [`weight`]; never 0.
    pub(super) weight: u64,
}

impl Candidate {
    /// The less likely first, of equal ones the lower token. No candidate is NaN.
    fn by_likelihood(&self, other: &Self) -> Ordering {
        self.logit.partial_cmp(&other.logit).unwrap_or(Ordering::Equal).then(self.token.cmp(&other.token))
    }

    fn by_token(&self, other: &Self) -> Ordering {
        self.token.cmp(&other.token)
    }
}

/// The possible tokens; the buffer is as large as the vocabulary and reused.
#[derive(Debug)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
}

impl Candidates {
    pub(super) fn with_capacity(vocabulary: usize) -> Self {
        Self { list: Vec::with_capacity(vocabulary) }
    }

    /// Takes every token whose logit is at least `threshold`, with the weight `e^((logit − max) / temperature)`.
    ///
    /// Logits of `+∞`, which can only be the largest, share the whole probability.
    pub(super) fn fill(&mut self, logits: &[f32], threshold: f32, max: f32, temperature: f32) {
        let scale = 1.0 / f64::from(temperature);
        let exponent = |logit: f32| if logit == max { 0.0 } else { (f64::from(logit) - f64::from(max)) * scale };
        self.list.clear();
        for (block, first) in logits.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            if block.iter().all(|&logit| logit < threshold) {
                continue;
            }
            let mut weights = [0; BLOCK];
            for (w, &logit) in weights.iter_mut().zip(block) {
                *w = weight(exponent(logit));
            }
            for ((token, &logit), &weight) in (first..).zip(block).zip(&weights) {
                if logit >= threshold && weight > 0 {
                    self.list.push(Candidate { token, logit, weight });
                }
            }
        }
    }

    /// Removes the least likely while their probabilities add up to at most `1 − top_p`, but never the likeliest.
    pub(super) fn keep_top_p(&mut self, top_p: f32) {
        let total = self.total();
        let removable = ((1.0 - f64::from(top_p)) * total as f64) as u64;
        // Those of at most the average weight of what is removable are all removable, and quickly told: often most.
        let average = removable / self.list.len() as u64;
        self.list.retain(|candidate| candidate.weight > average || candidate.weight == UNIT);
        let removable = removable - (total - self.total());
        let removed = split_by_weight(&mut self.list, removable, Candidate::by_likelihood);
        let removed = removed.min(self.list.len() - 1);
        self.list.drain(..removed);
    }

    /// Removes those less likely than `min_p` times the likeliest.
    pub(super) fn keep_min_p(&mut self, min_p: f32) {
        let smallest = f64::from(min_p) * UNIT as f64; // the likeliest token has weight UNIT and is still there
        self.list.retain(|candidate| candidate.weight as f64 >= smallest);
    }

    /// Draws one by its weight. The order of the list does not matter.
    pub(super) fn draw(&mut self, random: &mut SplitMix64) -> u32 {
        let target = random.below(self.total());
        let drawn = split_by_weight(&mut self.list, target, Candidate::by_token);
        self.list[drawn].token
    }

    pub(super) fn total(&self) -> u64 {
        self.list.iter().map(|candidate| candidate.weight).sum()
    }

    #[cfg(test)]
    pub(super) fn list(&self) -> &[Candidate] {
        &self.list
    }
}

/// Partitions the list so that, in the given order, the candidates before the returned index together weigh at most
/// `allowance` and the one at the index would exceed it. Gives the length where nothing exceeds it.
///
/// A binary search over a list that is partitioned only where the search goes: linear time, where sorting is not.
fn split_by_weight(
    list: &mut [Candidate],
    allowance: u64,
    order: impl Fn(&Candidate, &Candidate) -> Ordering,
) -> usize {
    let (mut start, mut end, mut left) = (0, list.len(), allowance);
    while start < end {
        let middle = start + (end - start) / 2;
        list[start..end].select_nth_unstable_by(middle - start, &order);
        let weight: u64 = list[start..=middle].iter().map(|candidate| candidate.weight).sum();
        if weight <= left {
            left -= weight;
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}

/// The `k`-th largest of `logits`, −∞ where there are fewer; `k` is at least 1.
///
/// `buffer` has room for `2·k` values or all logits, whichever is fewer. It collects values above the best bound known
/// so far and is cut to the `k` largest whenever it is full: linear time, and for small `k` little but comparisons.
pub(super) fn kth_largest(logits: &[f32], k: usize, buffer: &mut Vec<f32>) -> f32 {
    if k >= logits.len() {
        return f32::NEG_INFINITY;
    }
    let full = buffer_len(k, logits.len());
    let mut threshold = f32::NEG_INFINITY;
    buffer.clear();
    for &logit in logits {
        if logit > threshold {
            buffer.push(logit);
            if buffer.len() == full {
                threshold = cut_to_largest(buffer, k);
            }
        }
    }
    if buffer.len() > k { cut_to_largest(buffer, k) } else { threshold }
}

/// Room that [`kth_largest`] needs.
pub(super) fn buffer_len(k: usize, vocabulary: usize) -> usize {
    k.saturating_mul(2).min(vocabulary)
}

fn cut_to_largest(values: &mut Vec<f32>, k: usize) -> f32 {
    let (_, &mut kth, _) = values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    values.truncate(k);
    kth
}
