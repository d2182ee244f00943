//! Four ways to add products in f32, and their errors: the solution of an exercise of the book. The same numbers on every machine.
//!
//! cargo run --release -p cke-examples --bin sums

const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Sums of each length, of which the root mean square counts.
const SUMS: usize = 20;

type Dot = fn(&[f32], &[f32]) -> f32;
const WAYS: [(&str, Dot); 4] =
    [("one chain", one_chain), ("chains of 128", chains), ("halves", halves), ("compensated", compensated)];

// ANCHOR: ways
fn one_chain(x: &[f32], y: &[f32]) -> f32 {
    x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + x * y)
}

fn chains(x: &[f32], y: &[f32]) -> f32 {
    x.chunks(128).zip(y.chunks(128)).fold(0.0, |sum, (x, y)| sum + one_chain(x, y))
}

fn halves(x: &[f32], y: &[f32]) -> f32 {
    if x.len() <= 8 {
        return one_chain(x, y);
    }
    let middle = x.len() / 2;
    halves(&x[..middle], &y[..middle]) + halves(&x[middle..], &y[middle..])
}

/// Kahan's sum: what an addition rounds off is added to the next product.
fn compensated(x: &[f32], y: &[f32]) -> f32 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let product = x * y + lost;
        let next = sum + product;
        lost = product - (next - sum);
        sum = next;
    }
    sum
}
// ANCHOR_END: ways

/// Numbers from 0 to 1 with 24 bits, always the same.
struct Random(u64);

impl Random {
    fn vector(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    /// A linear congruential generator, with Knuth's factor.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }
}

/// The root mean square of |sum − exact| / exact for each way; all products are positive.
fn errors(len: usize) -> [f64; WAYS.len()] {
    let mut random = Random(len as u64);
    let mut squares = [0.0; WAYS.len()];
    for _ in 0..SUMS {
        let (x, y) = (random.vector(len), random.vector(len));
        let exact: f64 = x.iter().zip(&y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
        for ((_, dot), square) in WAYS.iter().zip(&mut squares) {
            *square += ((f64::from(dot(&x, &y)) - exact) / exact).powi(2);
        }
    }
    squares.map(|sum| (sum / SUMS as f64).sqrt())
}

fn main() {
    let names = WAYS.map(|(name, _)| name);
    println!("| products | {} |\n| ---: |{}", names.join(" | "), " ---: |".repeat(WAYS.len()));
    for len in LENGTHS {
        println!("| {len} | {} |", errors(len).map(|error| format!("{error:.1e}")).join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_adds_all_products() {
        for len in [0, 1, 7, 8, 9, 127, 128, 129, 1000] {
            // Whole numbers: nothing is rounded.
            let x: Vec<f32> = (0..len).map(|i| (i % 5) as f32).collect();
            let wanted: f32 = x.iter().map(|x| 2.0 * x).sum();
            for (name, dot) in WAYS {
                assert_eq!(dot(&x, &vec![2.0; len]), wanted, "{name}, {len} products");
            }
        }
    }

    #[test]
    fn long_sums_are_more_exact_in_chains_and_most_with_compensation() {
        let [one_chain, chains, halves, compensated] = errors(100_000);
        assert!(one_chain > 4.0 * chains && chains > halves && halves >= compensated);
    }
}
