//! One block: attention, then the feed-forward layer.

use super::rotary::Rotary;
use crate::activations::{Activations, Angles, Cut, OpContext};
use crate::error::Error;
use crate::linear::{Inner, Linear};
use crate::models::causal::Sequence;
use crate::models::{AttentionWork, ROWS_PER_TASK, attend, attention_step, plus};
use crate::norm::Norm;
use crate::profile::Step;
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use cke_kernels::attention::{AttentionPlan, Mask};
use cke_kernels::gemm::{Epilogue, Multiplier};
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::norm::rms_norm_in_place;
use cke_kernels::threads::for_each_chunk;

/// A block of a decoder.
#[derive(Debug)]
pub(in crate::models) struct Block {
    pub(in crate::models) index: usize,
    pub(in crate::models) width: usize,
    pub(in crate::models) shape: QkvShape,
    pub(in crate::models) attention_norm: Norm,
    pub(in crate::models) qkv: Linear,
    /// Norms of queries and keys.
    pub(in crate::models) head_norms: Option<HeadNorms>,
    /// Which of the model's rotaries turns queries and keys.
    pub(in crate::models) rotary: Option<usize>,
    pub(in crate::models) attention: AttentionPlan,
    pub(in crate::models) mask: Mask,
    pub(in crate::models) attention_out: Linear,
    /// Of what attention adds to the stream.
    pub(in crate::models) attention_out_norm: Option<Norm>,
    pub(in crate::models) feed_forward_norm: Norm,
    pub(in crate::models) feed_forward: FeedForward,
    pub(in crate::models) down: Linear,
    /// Of what the feed-forward layer adds to the stream.
    pub(in crate::models) down_norm: Option<Norm>,
}

/// Root-mean-square norms of each head of queries and keys, with the gains (head_dim).
#[derive(Debug)]
pub(in crate::models) struct HeadNorms {
    pub(in crate::models) query_gain: Vec<f32>,
    pub(in crate::models) key_gain: Vec<f32>,
    pub(in crate::models) epsilon: f32,
}

/// From the normed stream (rows, width) to the inside of the feed-forward layer (rows, inner).
#[derive(Debug)]
pub(in crate::models) enum FeedForward {
    /// act(x·W + b)
    Plain { up: Linear, activation: Activation },
    /// act(x·W_gate + b) · (x·W_up + b), both weights side by side.
    Gated { gate_up: Linear, activation: Activation },
}

impl Block {
    pub(super) fn attention(&self) -> &AttentionPlan {
        &self.attention
    }

    pub(super) fn linears(&self) -> [&Linear; 4] {
        let (FeedForward::Plain { up: first, .. } | FeedForward::Gated { gate_up: first, .. }) = &self.feed_forward;
        [&self.qkv, &self.attention_out, first, &self.down]
    }

    pub(super) fn bytes(&self) -> usize {
        self.linears().iter().map(|linear| linear.bytes()).sum()
    }

    /// Multiply-adds for `rows` rows that see `pairs` keys in all, of which `results` go on after the attention's keys and values.
    pub(super) fn multiply_adds(&self, rows: usize, results: usize, pairs: usize) -> usize {
        let [qkv, rest @ ..] = self.linears().map(Linear::elements);
        rows * qkv + results * rest.iter().sum::<usize>() + pairs * 2 * self.shape.query_width()
    }

    /// Attention of all rows of the stream, before it is added to them.
    pub(super) fn attend(
        &self,
        work: AttentionWork,
        sequences: &mut [Sequence],
        cut: Cut,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let (plan, shape) = (&self.attention, self.shape);
        let Activations { stream, normed, attended, qkv, workspace, angles, .. } = state;
        let on = &mut OpContext { runtime, workspace };
        for part in cut.parts() {
            let normed = normed.of_mut(0..part.len());
            self.attention_norm.run(stream.of(part.clone()), normed, runtime);
            self.qkv.run(normed, qkv.of_mut(part), Epilogue::default(), on)?;
        }
        let rows = cut.rows();
        let qkv = qkv.of_mut(0..rows);
        self.turn(qkv, angles, runtime);
        runtime.step(
            || attention_step(plan, self.index, rows, work),
            || {
                let sequences = sequences.iter_mut().map(|sequence| sequence.new_rows(self.index));
                attend(plan, shape, sequences, self.mask, qkv, attended.of_mut(0..rows), &mut on.of_kernels())
            },
        )
    }

    /// Norms of queries and keys, and their turning by the positions of their rows.
    fn turn(&self, qkv: &mut [f32], angles: &[Angles], runtime: &Runtime) {
        if self.head_norms.is_none() && self.rotary.is_none() {
            return;
        }
        let (cpu, shape) = (runtime.cpu(), self.shape);
        let (queries, keys) = (shape.queries(), shape.keys());
        let turn_row = |row: usize, x: &mut [f32]| {
            if let Some(HeadNorms { query_gain, key_gain, epsilon }) = &self.head_norms {
                rms_norm_in_place(cpu, &mut x[queries.clone()], query_gain, *epsilon).expect("whole heads");
                rms_norm_in_place(cpu, &mut x[keys.clone()], key_gain, *epsilon).expect("whole heads");
            }
            if let Some(index) = self.rotary {
                // Queries and keys lie side by side, and all heads have the same size.
                Rotary::turn(cpu, &mut x[queries.start..keys.end], shape.head_dim, &angles[index], row);
            }
        };
        let (row_width, bytes) = (shape.row_width(), 2 * size_of_val(qkv));
        runtime.step(
            || Step::other("rotate", Some(self.index), bytes),
            || {
                for_each_chunk(runtime.pool(), qkv, ROWS_PER_TASK * row_width, |index, rows| {
                    for (i, x) in rows.chunks_exact_mut(row_width).enumerate() {
                        turn_row(index * ROWS_PER_TASK + i, x);
                    }
                });
            },
        );
    }

    /// What comes after the attention, for the rows of `cut`.
    pub(super) fn finish(&self, cut: Cut, state: &mut Activations, runtime: &Runtime) -> Result<(), Error> {
        let Activations { stream, normed, attended, middle, inner, inner_rows, workspace, .. } = state;
        let on = &mut OpContext { runtime, workspace };
        for part in cut.parts() {
            let own = 0..part.len();
            let (x, attended) = (stream.of_mut(part.clone()), attended.of(part));
            let (normed, middle) = (normed.of_mut(own.clone()), middle.of_mut(own.clone()));
            match &self.attention_out_norm {
                None => self.attention_out.run(attended, middle, plus(x, self.width)?, on)?,
                Some(norm) => {
                    self.attention_out.run(attended, normed, Epilogue::default(), on)?;
                    norm.run_adding(normed, x, middle, runtime);
                }
            }
            self.feed_forward_norm.run(middle, normed, runtime);
            let (into, activation, multiplier) = match &self.feed_forward {
                FeedForward::Plain { up, activation } => (up, *activation, Multiplier::One),
                FeedForward::Gated { gate_up, activation } => (gate_up, *activation, Multiplier::SecondHalf),
            };
            let activate = Epilogue { activation, multiplier, ..Epilogue::default() };
            let inner = Inner { floats: inner.of_mut(own), rows: inner_rows };
            let inner = into.run_for(&self.down, normed, inner, activate, on)?;
            match &self.down_norm {
                None => self.down.run_from(inner, x, plus(middle, self.width)?, on)?,
                Some(norm) => {
                    self.down.run_from(inner, normed, Epilogue::default(), on)?;
                    norm.run_adding(normed, middle, x, runtime);
                }
            }
        }
        Ok(())
    }
}
