//! The products that an audit measures.

use cke_perf::peers::Product;
use cke_perf::random::Random;
use serde::Serialize;
use std::ops::RangeInclusive;

/// What a product is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Squares from tiny to large.
    Squares,
    /// One layer of a transformer with more and more rows: from one token to a long prompt.
    Rows,
    /// Other layers of transformers.
    Layers,
    /// Scores and values of one attention head.
    Attention,
    /// Any sizes and transposes.
    Odd,
}

impl Family {
    /// Every family, in the order of the report.
    pub(crate) const ALL: [Family; 5] = [Family::Squares, Family::Rows, Family::Layers, Family::Attention, Family::Odd];

    /// Whether its products differ in one size only, so that neighbours should do about as well.
    pub(crate) fn is_ladder(self) -> bool {
        matches!(self, Family::Squares | Family::Rows)
    }

    /// Products drawn at random; ladders ascend.
    fn products(self, is_quick: bool, random: &mut Random) -> Vec<Product> {
        let count = |quick: usize, full: usize| if is_quick { quick } else { full };
        match self {
            Family::Squares => squares(count(3, 8), random),
            Family::Rows => rows(count(3, 8), random),
            Family::Layers => (0..count(0, 5)).map(|_| layer(random)).collect(),
            Family::Attention => (0..count(1, 2)).flat_map(|_| head(random)).collect(),
            Family::Odd => (0..count(1, 8)).map(|_| odd(random)).collect(),
        }
    }
}

/// One square in each of `count` equal parts of the logarithmic range from 12 to 2048.
fn squares(count: usize, random: &mut Random) -> Vec<Product> {
    const OCTAVES: f64 = 7.4;
    let edge = |i: usize| (12.0 * (OCTAVES * i as f64 / count as f64).exp2()) as usize;
    let size = (0..count).map(|i| (edge(i), edge(i + 1) - 1));
    size.map(|(low, high)| random.size(low..=high)).map(|n| product([n, n, n], false, false)).collect()
}

/// One layer with more and more rows, the first one alone.
fn rows(count: usize, random: &mut Random) -> Vec<Product> {
    let (n, k) = weights(random);
    let heights = (0..count).map(|i| match i {
        0 => 1,
        // Quick ladders have two octaves a step.
        i => random.size(1 << (i * 8 / count)..=(2 << (i * 8 / count)) - 1),
    });
    heights.map(|m| product([m, n, k], false, true)).collect()
}

/// Outputs and inputs of a layer.
fn weights(random: &mut Random) -> (usize, usize) {
    (multiple(random, 64, 256..=4096), multiple(random, 64, 256..=4096))
}

fn layer(random: &mut Random) -> Product {
    let (n, k) = weights(random);
    // A third are single tokens.
    let m = if random.size(1..=3) == 1 { 1 } else { random.size(2..=1024) };
    product([m, n, k], false, true)
}

/// Scores and values of one head over one length.
fn head(random: &mut Random) -> [Product; 2] {
    let (length, size) = (random.size(32..=512), multiple(random, 16, 32..=128));
    [product([length, length, size], false, true), product([length, size, length], false, false)]
}

fn odd(random: &mut Random) -> Product {
    product([(); 3].map(|()| random.size(1..=2048)), random.coin(), random.coin())
}

/// A multiple of `step`.
fn multiple(random: &mut Random, step: usize, range: RangeInclusive<usize>) -> usize {
    step * random.size(range.start() / step..=range.end() / step)
}

fn product([m, n, k]: [usize; 3], transpose_a: bool, transpose_b: bool) -> Product {
    Product { m, n, k, transpose_a, transpose_b, leading: None }
}

/// A product with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is an example of.
    pub family: Family,
    /// The product.
    pub product: Product,
}

/// All products, family by family: the draw of this seed, each product once.
pub fn suite(is_quick: bool, seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut cases: Vec<Case> = Vec::new();
    for family in Family::ALL {
        for product in family.products(is_quick, &mut random) {
            if cases.iter().all(|case| case.product != product) {
                cases.push(Case { family, product });
            }
        }
    }
    cases
}

/// A product in short notation: `2048³`, `1×3072×768 nt`.
pub fn label(product: &Product) -> String {
    let Product { m, n, k, transpose_a, transpose_b, .. } = *product;
    let letter = |is_transposed| if is_transposed { 't' } else { 'n' };
    let size = if m == n && n == k { format!("{m}³") } else { format!("{m}×{n}×{k}") };
    if transpose_a || transpose_b { format!("{size} {}{}", letter(transpose_a), letter(transpose_b)) } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_of_a_seed_is_always_the_same_and_of_another_differs() {
        for is_quick in [true, false] {
            assert_eq!(suite(is_quick, 7), suite(is_quick, 7));
            assert_ne!(suite(is_quick, 7), suite(is_quick, 8));
        }
    }

    #[test]
    fn suite_of_any_seed_is_short_varied_and_without_repetition() {
        for seed in 0..50 {
            let cases = suite(false, seed);
            assert!((25..40).contains(&cases.len()) && suite(true, seed).len() < 12, "seed {seed}");
            assert!(Family::ALL.iter().all(|family| cases.iter().any(|case| case.family == *family)), "seed {seed}");
            assert!(cases.iter().any(|case| case.product.has_vector()), "seed {seed}");
            for (i, case) in cases.iter().enumerate() {
                assert!(cases[i + 1..].iter().all(|other| other.product != case.product), "{case:?} occurs twice");
            }
        }
    }

    #[test]
    fn suite_ladders_ascend() {
        for seed in 0..50 {
            for (family, is_quick) in [(Family::Squares, false), (Family::Rows, false), (Family::Rows, true)] {
                let cases = suite(is_quick, seed).into_iter().filter(|case| case.family == family);
                assert!(cases.map(|case| case.product.m).is_sorted(), "seed {seed}");
            }
        }
    }

    #[test]
    fn label_is_short_for_squares_and_names_transposes() {
        let of = |text: &str| label(&text.parse().expect("a product"));
        assert_eq!(["64 64 64", "1 3072 768 n t", "512 512 512 t n"].map(of), ["64³", "1×3072×768 nt", "512³ tn"]);
    }
}
