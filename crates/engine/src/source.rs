//! Where a model's weights come from: a checkpoint, or random numbers where only speed matters.

use crate::error::Error;
use crate::fallible::{with_capacity, zeros};
use crate::load_error::LoadError;
use crate::weights::{Scope, Tensor};
use std::fmt::Display;
use std::ops::Range;

/// Bytes of f32 that are converted at a time.
const SLAB_BYTES: usize = 4 << 20;

/// A source of named weights, below some prefix.
#[derive(Clone)]
pub struct Source<'a> {
    weights: Weights<'a>,
    /// Told how many bytes of f32 have just been read.
    loaded: &'a dyn Fn(u64),
}

#[derive(Clone)]
enum Weights<'a> {
    Stored(Scope<'a>),
    Random { seed: u64 },
}

impl<'a> Source<'a> {
    /// The tensors below a checkpoint's scope. `loaded` hears of the bytes as they become f32.
    pub fn stored(scope: Scope<'a>, loaded: &'a dyn Fn(u64)) -> Source<'a> {
        Source { weights: Weights::Stored(scope), loaded }
    }

    /// Numbers evenly spread over ±0.05 under any name, the same for the same seed.
    pub fn random(seed: u64) -> Source<'static> {
        Source { weights: Weights::Random { seed }, loaded: &|_| () }
    }

    /// The source below `name.`.
    pub(crate) fn child(&self, name: impl Display) -> Source<'a> {
        let weights = match &self.weights {
            Weights::Stored(scope) => Weights::Stored(scope.child(name)),
            Weights::Random { seed } => Weights::Random { seed: hash(*seed, &name.to_string()) },
        };
        Source { weights, ..*self }
    }

    /// A vector of `len` elements under the first of `names` that exists.
    pub(crate) fn vector(&self, names: &[&str], len: usize) -> Result<Vec<f32>, Error> {
        let array = self.array(names, &[len])?;
        let mut out = zeros(len)?;
        array.read(0..len, &mut out)?;
        Ok(out)
    }

    /// Checks that there is a (rows, cols) matrix of that name, so that memory for it may be asked for.
    pub(crate) fn expect_matrix(&self, name: &str, rows: usize, cols: usize) -> Result<(), LoadError> {
        self.array(&[name], &[rows, cols]).map(drop)
    }

    /// All of a (rows, cols) matrix.
    pub(crate) fn table(&self, name: &str, rows: usize, cols: usize) -> Result<Vec<f32>, Error> {
        self.expect_matrix(name, rows, cols)?;
        let mut out = with_capacity(rows * cols)?;
        self.slabs(name, rows, cols, 1, |_, slab| {
            out.extend_from_slice(slab);
            Ok(())
        })?;
        Ok(out)
    }

    /// Calls `take(first_row, slab)` for each run of rows of a (rows, cols) matrix, in order, with memory for one slab only. Runs begin
    /// at multiples of `unit` rows.
    pub(crate) fn slabs(
        &self,
        name: &str,
        rows: usize,
        cols: usize,
        unit: usize,
        mut take: impl FnMut(usize, &[f32]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let array = self.array(&[name], &[rows, cols])?;
        let rows_in_slab = SLAB_BYTES / size_of::<f32>() / cols.max(1);
        let rows_per_slab = (rows_in_slab - rows_in_slab % unit).max(unit);
        let mut slab = zeros(rows_per_slab.min(rows) * cols)?;
        for first in (0..rows).step_by(rows_per_slab) {
            let range = first..rows.min(first + rows_per_slab);
            let part = &mut slab[..range.len() * cols];
            array.read(range, part)?;
            take(first, part)?;
        }
        Ok(())
    }

    fn array(&self, names: &[&str], shape: &[usize]) -> Result<Array<'a>, LoadError> {
        match &self.weights {
            Weights::Stored(scope) => {
                let tensor = scope.any(names)?.expect_shape(shape)?;
                Ok(Array::Stored(tensor, self.loaded))
            }
            Weights::Random { seed } => Ok(Array::Random(hash(*seed, names[0]))),
        }
    }
}

enum Array<'a> {
    Stored(Tensor<'a>, &'a dyn Fn(u64)),
    Random(u64),
}

impl Array<'_> {
    /// Rows as f32; the file's pages behind them are given back, so that a load never holds the weights twice.
    fn read(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        match self {
            Array::Stored(tensor, loaded) => {
                tensor.read_rows_f32(rows.clone(), out)?;
                tensor.release_rows(rows);
                loaded(size_of_val(out) as u64);
            }
            Array::Random(seed) => {
                let first = (rows.start * out.len() / rows.len().max(1)) as u64;
                for (i, x) in out.iter_mut().enumerate() {
                    let bits = mix(seed.wrapping_add(first + i as u64)) >> 40;
                    *x = (bits as f32 / (1 << 23) as f32 - 1.0) * 0.05;
                }
            }
        }
        Ok(())
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that spreads every bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn hash(seed: u64, name: &str) -> u64 {
    name.bytes().fold(mix(seed), |h, byte| mix(h ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_begin_at_multiples_of_the_unit() {
        let (rows, cols) = (7, SLAB_BYTES / size_of::<f32>() / 4);
        let slabs = |unit: usize| {
            let mut slabs = Vec::new();
            let take = |first, slab: &[f32]| {
                slabs.push((first, slab.len() / cols));
                Ok(())
            };
            Source::random(1).slabs("weight", rows, cols, unit, take).unwrap();
            slabs
        };
        assert_eq!(slabs(1), [(0, 4), (4, 3)]);
        assert_eq!(slabs(3), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(slabs(8), [(0, 7)]);
    }
}
