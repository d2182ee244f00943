//! Random products: sizes drawn log-uniformly, class by class, with all transposes and with gaps between rows.
//!
//! The same seed draws the same products of a class, whatever else is drawn; more of them begin with the same ones.

use super::dtype::Dtype;
use super::product::Product;
use super::stored::{Leading, Stored};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::f64::consts::SQRT_2;
use std::fmt;

/// Most bytes of A, B and C in memory together, with the gaps between their rows.
pub const MOST_BYTES: u64 = 256_000_000;
/// Most flops of a product.
pub const MOST_FLOPS: u64 = 40_000_000_000;

/// What products are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Each dimension 1 to 48.
    Small,
    /// M or N 1 to 16, the others 64 to 20,000.
    Skinny,
    /// M and N 1 to 64, K 1,000 to 200,000.
    Deep,
    /// K 1 to 16, M and N 64 to 4,000.
    Shallow,
    /// K or N 32 to 128, the others 16 to 2,048.
    Attention,
    /// M 1 to 1,024, N and K 256 to 12,000, weights stored (N, K).
    Model,
    /// All 64 to 2,048, the largest at most twice the smallest.
    Square,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 7] =
        [Class::Small, Class::Skinny, Class::Deep, Class::Shallow, Class::Attention, Class::Model, Class::Square];

    /// The name used in flags and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Small => "small",
            Class::Skinny => "skinny",
            Class::Deep => "deep",
            Class::Shallow => "shallow",
            Class::Attention => "attention",
            Class::Model => "model",
            Class::Square => "square",
        }
    }

    /// (m, n, k).
    fn sizes(self, random: &mut Random) -> (usize, usize, usize) {
        match self {
            Class::Small => (random.size(1..=48), random.size(1..=48), random.size(1..=48)),
            Class::Skinny => {
                let (few, many, k) = (random.size(1..=16), random.size(64..=20_000), random.size(64..=20_000));
                if random.coin() { (few, many, k) } else { (many, few, k) }
            }
            Class::Deep => (random.size(1..=64), random.size(1..=64), random.size(1_000..=200_000)),
            Class::Shallow => (random.size(64..=4_000), random.size(64..=4_000), random.size(1..=16)),
            Class::Attention => {
                let (m, head, other) = (random.size(16..=2_048), random.size(32..=128), random.size(16..=2_048));
                if random.coin() { (m, head, other) } else { (m, other, head) }
            }
            Class::Model => (random.size(1..=1_024), random.size(256..=12_000), random.size(256..=12_000)),
            Class::Square => {
                let middle = random.size(64..=2_048) as f64;
                let least = ((middle / SQRT_2).ceil() as usize).max(64);
                let most = ((middle * SQRT_2) as usize).min(2 * least).min(2_048);
                (random.size(least..=most), random.size(least..=most), random.size(least..=most))
            }
        }
    }

    /// Whether A and B are transposed.
    fn transposes(self, random: &mut Random) -> (bool, bool) {
        let drawn = (random.coin(), random.coin());
        if self == Class::Model { (false, true) } else { drawn }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first `count` products of a class. The numbers' format decides how many elements fit in 4096 bytes and in [`MOST_BYTES`].
pub fn draw(class: Class, count: usize, seed: u64, dtype: Dtype) -> Vec<Product> {
    let mut random = random(class, seed);
    (0..count).map(|_| product(class, &mut random, dtype)).collect()
}

fn product(class: Class, random: &mut Random, dtype: Dtype) -> Product {
    let tight = loop {
        let (m, n, k) = class.sizes(random);
        let (transpose_a, transpose_b) = class.transposes(random);
        let product = Product { m, n, k, transpose_a, transpose_b, leading: None };
        if product.memory(dtype) <= MOST_BYTES && product.work(dtype).flops <= MOST_FLOPS {
            break product;
        }
    };
    with_gaps(tight, random, dtype)
}

/// The product with leading dimensions drawn for each operand; one whose gaps take too much memory stays without them.
fn with_gaps(tight: Product, random: &mut Random, dtype: Dtype) -> Product {
    let drawn = [tight.stored_a(), tight.stored_b(), tight.stored_c()].map(|matrix| leading(matrix, random, dtype));
    let mut leading = tight.leading_dimensions();
    let mut product = tight;
    for (operand, drawn) in drawn.into_iter().enumerate() {
        let wider = match operand {
            0 => Leading { a: drawn, ..leading },
            1 => Leading { b: drawn, ..leading },
            _ => Leading { c: drawn, ..leading },
        };
        let candidate = tight.with_leading(wider);
        if candidate.memory(dtype) <= MOST_BYTES {
            (leading, product) = (wider, candidate);
        }
    }
    product
}

/// Another sequence for each class.
fn random(class: Class, seed: u64) -> Random {
    let first = |seed| Random::new(seed).next_u64();
    Random::new(first(seed) ^ first(class as u64))
}

/// A leading dimension: no gap, some elements more, or the next multiple of 4096 bytes, each with the same probability.
fn leading(Stored { cols, .. }: Stored, random: &mut Random, dtype: Dtype) -> usize {
    const PAGE_BYTES: usize = 4096;
    const LARGEST_GAP: usize = 256;
    let kind = random.next_u64() % 3;
    let gap = random.size(1..=LARGEST_GAP);
    match kind {
        0 => cols,
        1 => cols + gap,
        _ => cols.next_multiple_of(PAGE_BYTES / dtype.bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeInclusive;

    const MANY: usize = 2_000;

    fn is_in_class(class: Class, Product { m, n, k, transpose_a, transpose_b, .. }: Product) -> bool {
        let within = |range: RangeInclusive<usize>, sizes: &[usize]| sizes.iter().all(|size| range.contains(size));
        match class {
            Class::Small => within(1..=48, &[m, n, k]),
            Class::Skinny => within(1..=16, &[m.min(n)]) && within(64..=20_000, &[m.max(n), k]),
            Class::Deep => within(1..=64, &[m, n]) && within(1_000..=200_000, &[k]),
            Class::Shallow => within(64..=4_000, &[m, n]) && within(1..=16, &[k]),
            Class::Attention => within(16..=2_048, &[m, n, k]) && (within(32..=128, &[n]) || within(32..=128, &[k])),
            Class::Model => {
                within(1..=1_024, &[m]) && within(256..=12_000, &[n, k]) && (transpose_a, transpose_b) == (false, true)
            }
            Class::Square => within(64..=2_048, &[m, n, k]) && m.max(n).max(k) <= 2 * m.min(n).min(k),
        }
    }

    #[test]
    fn draw_keeps_to_class_memory_and_flops() {
        for (class, dtype) in Class::ALL.into_iter().flat_map(|class| Dtype::ALL.map(|dtype| (class, dtype))) {
            for seed in [0, 1, u64::MAX] {
                for product in draw(class, MANY, seed, dtype) {
                    assert!(is_in_class(class, product), "{class}: {product}");
                    assert!(product.memory(dtype) <= MOST_BYTES, "{class}: {product}");
                    assert!(product.work(dtype).flops <= MOST_FLOPS, "{class}: {product}");
                    assert_eq!(product.to_string().parse(), Ok(product), "a report's product can be measured again");
                }
            }
        }
    }

    #[test]
    fn draw_is_that_of_its_seed_and_longer_ones_begin_alike() {
        for class in Class::ALL {
            let first = draw(class, 20, 7, Dtype::F32);
            assert_eq!(draw(class, 50, 7, Dtype::F32)[..20], first);
            assert_ne!(draw(class, 20, 8, Dtype::F32), first);
        }
    }

    #[test]
    fn draw_has_all_transposes_and_all_kinds_of_leading_dimensions() {
        let products = draw(Class::Square, MANY, 3, Dtype::F32);
        for transposes in [(false, false), (false, true), (true, false), (true, true)] {
            let with = products.iter().filter(|product| (product.transpose_a, product.transpose_b) == transposes);
            assert!((MANY / 6..MANY / 3).contains(&with.count()), "{transposes:?}");
        }
        for stored in [Product::stored_a, Product::stored_b, Product::stored_c] {
            let operands = || products.iter().map(stored);
            let is_page = |matrix: &Stored| !matrix.is_tight() && matrix.leading.is_multiple_of(1024);
            let (tight, pages) = (operands().filter(Stored::is_tight).count(), operands().filter(is_page).count());
            for count in [tight, pages, MANY - tight - pages] {
                assert!((MANY / 4..MANY / 2).contains(&count), "{tight} tight, {pages} of pages");
            }
        }
    }
}
