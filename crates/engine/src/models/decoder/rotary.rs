//! Rotary position embeddings: pairs of columns of queries and keys turned by angles that grow with the position.

use crate::activations::{Activations, Angles};
use crate::config::{RopeConfig, RopeScaling};
use crate::error::Error;
use crate::fallible::reserve;
use crate::models::causal::Sequence;
use cke_kernels::Cpu;
use cke_kernels::ops::rope::{self, Pairing, frequencies};

/// One way of turning.
#[derive(Debug)]
pub(in crate::models) struct Rotary {
    /// Radians for each position, of each pair of a head.
    frequencies: Vec<f32>,
    /// Those of sequences with room for more positions than this, if they have others.
    beyond: Option<(usize, Vec<f32>)>,
    /// Factor on cosines and sines.
    attention_factor: f32,
}

impl Rotary {
    /// What a configuration asks for.
    pub(in crate::models) fn new(config: &RopeConfig) -> Result<Rotary, Error> {
        let (theta, mut own) = (f64::from(config.theta), vec![0.0; config.rotary_dims / 2]);
        let (mut beyond, mut attention_factor) = (None, 1.0);
        match &config.scaling {
            RopeScaling::None => frequencies::inverse_frequencies(theta, &mut own),
            RopeScaling::Linear { factor } => frequencies::linear(theta, f64::from(*factor), &mut own),
            RopeScaling::Llama3(scaling) => frequencies::llama3(theta, scaling, &mut own),
            RopeScaling::Yarn { ramp, attention_factor: given } => {
                frequencies::yarn(theta, ramp, &mut own);
                attention_factor = *given;
            }
            RopeScaling::LongRope { short_factor, long_factor, original_positions, attention_factor: given } => {
                frequencies::long_rope(theta, short_factor, &mut own)?;
                let mut long = vec![0.0; own.len()];
                frequencies::long_rope(theta, long_factor, &mut long)?;
                beyond = Some((*original_positions, long));
                attention_factor = *given;
            }
        }
        Ok(Rotary { frequencies: own, beyond, attention_factor })
    }

    /// Those of a sequence. Its cache's room decides, not its length: keys that are kept must fit the queries that come later.
    fn frequencies(&self, capacity: usize) -> &[f32] {
        match &self.beyond {
            Some((positions, frequencies)) if capacity > *positions => frequencies,
            _ => &self.frequencies,
        }
    }

    /// The angles of all pending tokens.
    fn angles(&self, sequences: &[Sequence], angles: &mut Angles) -> Result<(), Error> {
        let pairs = self.frequencies.len();
        let rows = sequences.iter().map(|sequence| sequence.pending.len()).sum::<usize>();
        angles.pairs = pairs;
        for values in [&mut angles.cos, &mut angles.sin] {
            values.clear();
            reserve(values, rows * pairs)?;
            values.resize(rows * pairs, 0.0);
        }
        let positions = sequences.iter().flat_map(|sequence| {
            let frequencies = self.frequencies(sequence.cache.capacity());
            sequence.positions().map(move |position| (position as usize, frequencies))
        });
        let rows = angles.cos.chunks_exact_mut(pairs).zip(angles.sin.chunks_exact_mut(pairs));
        for ((position, frequencies), (cos, sin)) in positions.zip(rows) {
            rope::angles(frequencies, position, self.attention_factor, cos, sin)?;
        }
        Ok(())
    }

    /// Turns the heads of a row by the angles of that row.
    pub(super) fn turn(cpu: &Cpu, heads: &mut [f32], head_dim: usize, angles: &Angles, row: usize) {
        let own = row * angles.pairs..(row + 1) * angles.pairs;
        let (cos, sin) = (&angles.cos[own.clone()], &angles.sin[own]);
        rope::rotate(cpu, heads, head_dim, cos, sin, Pairing::Half).expect("whole heads and pairs of them");
    }
}

/// The angles of all pending tokens for each way of turning.
pub(super) fn angles(rotaries: &[Rotary], sequences: &[Sequence], state: &mut Activations) -> Result<(), Error> {
    state.angles.resize_with(rotaries.len(), Angles::default);
    rotaries.iter().zip(&mut state.angles).try_for_each(|(rotary, angles)| rotary.angles(sequences, angles))
}
