//! The tokens that are still possible, and the filters that make them fewer.

use std::cmp::Ordering;

use super::random::SplitMix64;
use super::weight::{UNIT, exponential, logarithm, weight};

/// Tokens that top-h looks at.
pub(super) const TOP_H_TOKENS: usize = 100;

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
    /// Largest logit and inverse temperature, from which the weights were computed.
    max: f32,
    scale: f64,
}

impl Candidates {
    /// None yet, in a list with room for all.
    pub(super) fn new(list: Vec<Candidate>) -> Self {
        Self { list, max: 0.0, scale: 1.0 }
    }

    /// Takes every token whose logit is at least `threshold`, with the weight `e^((logit − max) / temperature)`.
    ///
    /// Logits of `+∞`, which can only be the largest, share the whole probability.
    pub(super) fn fill(&mut self, logits: &[f32], threshold: f32, max: f32, temperature: f32) {
        let scale = 1.0 / f64::from(temperature);
        let exponent = |logit: f32| exponent(logit, max, scale);
        (self.max, self.scale) = (max, scale);
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

    /// Keeps the likeliest while their share of the entropy of all is at most `top_h`.
    pub(super) fn keep_top_h(&mut self, top_h: f32) {
        self.list.sort_unstable_by(|a, b| b.by_likelihood(a));
        self.list.truncate(TOP_H_TOKENS);
        let log_total = self.log_total();
        let term = |candidate: &Candidate, own: &Self| {
            let log = own.exponent(candidate) - log_total;
            -exponential(log.max(-30.0)) * log
        };
        let limit = f64::from(top_h) * self.list.iter().map(|candidate| term(candidate, self)).sum::<f64>();
        let mut sum = 0.0;
        let within = |candidate: &&Candidate| {
            sum += term(candidate, self);
            sum <= limit
        };
        let kept = self.list.iter().take_while(within).count().max(1);
        self.list.truncate(kept);
    }

    /// Keeps the `k` likeliest and those as likely as the last of them; the list is sorted, the likeliest first.
    pub(super) fn keep_top_k(&mut self, k: usize) {
        if k == 0 || k >= self.list.len() {
            return;
        }
        let smallest = self.list[k - 1].logit;
        self.list.retain(|candidate| candidate.logit >= smallest);
    }

    /// Keeps those whose information is nearest to the entropy, until they reach `mass`.
    pub(super) fn keep_typical(&mut self, mass: f32) {
        let (log_total, entropy) = (self.log_total(), self.entropy());
        let (max, scale) = (self.max, self.scale);
        let distance = |candidate: &Candidate| (log_total - exponent(candidate.logit, max, scale) - entropy).abs();
        self.list.sort_unstable_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.by_token(b)));
        let (total, mut sum) = (self.total() as f64, 0);
        let before = |candidate: &&Candidate| {
            sum += candidate.weight;
            (sum as f64) < f64::from(mass) * total
        };
        let last = self.list.iter().take_while(before).count().min(self.list.len() - 1);
        let furthest = distance(&self.list[last]);
        self.list.retain(|candidate| distance(candidate) <= furthest);
    }

    /// Removes those of a probability below `smallest`, but never the likeliest.
    pub(super) fn keep_from(&mut self, smallest: f64) {
        let smallest = smallest * self.total() as f64;
        let largest = self.list.iter().map(|candidate| candidate.logit).fold(f32::NEG_INFINITY, f32::max);
        self.list.retain(|candidate| candidate.weight as f64 >= smallest || candidate.logit == largest);
    }

    /// As [`Candidates::keep_from`] with `min(η, √η·e^−H)`.
    pub(super) fn keep_eta(&mut self, eta: f64) {
        let sharpness = exponential((-self.entropy()).max(-30.0));
        self.keep_from(eta.min(eta.sqrt() * sharpness));
    }

    /// ln of the sum of the weights relative to the likeliest one's.
    fn log_total(&self) -> f64 {
        logarithm(self.total() as f64 / UNIT as f64)
    }

    /// −Σ p ln p
    fn entropy(&self) -> f64 {
        let (total, log_total) = (self.total() as f64, self.log_total());
        let term = |candidate: &Candidate| candidate.weight as f64 / total * (log_total - self.exponent(candidate));
        self.list.iter().map(term).sum()
    }

    fn exponent(&self, candidate: &Candidate) -> f64 {
        exponent(candidate.logit, self.max, self.scale)
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

/// ln of a token's weight relative to the likeliest one's.
fn exponent(logit: f32, max: f32, scale: f64) -> f64 {
    if logit == max { 0.0 } else { (f64::from(logit) - f64::from(max)) * scale }
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
