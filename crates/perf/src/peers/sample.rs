//! Random numbers, the same in every process.

use super::operands::Element;
use super::stored::Stored;
use crate::random::Random;
use cke_kernels::Error;
use cke_kernels::scratch::AlignedBuf;
use serde::{Deserialize, Serialize};

/// What numbers are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Uniform in [−1, 1).
    Uniform,
    /// The normal distribution with mean 0 and variance 1. Sums of products of such numbers cancel.
    Normal,
    /// Uniform in [0, 1]. Sums only grow.
    Positive,
}

impl Data {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Data::Uniform => "uniform",
            Data::Normal => "normal",
            Data::Positive => "positive",
        }
    }
}

/// Normal numbers in the table that [`Numbers`] draws from.
const NORMALS: usize = 1 << 16;

/// A sequence of random numbers.
pub(super) struct Numbers {
    random: Random,
    data: Data,
    normals: Vec<f64>,
}

impl Numbers {
    /// The same sequence for the same seed.
    pub(super) fn new(data: Data, seed: u64) -> Numbers {
        let mut random = Random::new(seed);
        let normals = if data == Data::Normal { (0..NORMALS).map(|_| random.normal()).collect() } else { Vec::new() };
        Numbers { random, data, normals }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> f64 {
        match self.data {
            Data::Uniform => self.random.uniform(),
            Data::Positive => self.random.uniform().abs(),
            // One of the table, moved by up to 2⁻¹² of itself, so that all its digits are random.
            Data::Normal => {
                self.normals[self.random.next_u64() as usize % NORMALS] * (1.0 + self.random.uniform() / 4096.0)
            }
        }
    }

    /// The next `len`.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub(super) fn take<T: Element>(&mut self, len: usize) -> Result<AlignedBuf<T>, Error> {
        let mut numbers = AlignedBuf::zeroed(len)?;
        numbers.iter_mut().for_each(|x| *x = T::nearest(self.next()));
        Ok(numbers)
    }

    /// A matrix whose gaps between rows hold no numbers.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub(super) fn take_matrix<T: Element>(&mut self, matrix: Stored) -> Result<AlignedBuf<T>, Error> {
        let mut numbers = AlignedBuf::zeroed(matrix.len())?;
        for row in numbers.chunks_exact_mut(matrix.leading) {
            let (row, gap) = row.split_at_mut(matrix.cols);
            row.iter_mut().for_each(|x| *x = T::nearest(self.next()));
            gap.fill(T::NAN);
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_mean_and_the_variance_of_their_distribution() {
        for (data, mean, variance) in
            [(Data::Uniform, 0.0, 1.0 / 3.0), (Data::Normal, 0.0, 1.0), (Data::Positive, 0.5, 1.0 / 12.0)]
        {
            let mut numbers = Numbers::new(data, 7);
            let drawn: Vec<f64> = (0..100_000).map(|_| numbers.next()).collect();
            let found = drawn.iter().sum::<f64>() / 1e5;
            let spread = drawn.iter().map(|x| (x - found) * (x - found)).sum::<f64>() / 1e5;
            assert!((found - mean).abs() < 0.02 && (spread - variance).abs() < 0.02, "{data:?}: {found}, {spread}");
        }
    }

    #[test]
    fn numbers_are_those_of_their_seed() {
        let drawn = |seed| -> Vec<f32> { Numbers::new(Data::Normal, seed).take(100).expect("little memory").to_vec() };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
