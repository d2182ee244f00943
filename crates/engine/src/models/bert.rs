//! BERT: a transformer that reads in both directions (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers
//! for Language Understanding", 2019).
//!
//! ```text
//! x = layer_norm(word[token] + type[token_type] + position[0…])
//! for each layer:
//!     x = layer_norm(x + attention(x·W_qkv + b)·W_o + b)
//!     x = layer_norm(x + act(x·W_up + b)·W_down + b)
//! ```
//!
//! A batch has no padding: the rows of its sequences stand one after the other in every product, and attention alone looks at
//! one sequence at a time.

use super::{AttentionWork, attend, attention_step, embed_step, for_each_row, plus};
use crate::activations::{Activations, Cut, Lookup, OpContext};
use crate::bundle::Weights;
use crate::config::BertConfig;
use crate::error::Error;
use crate::kernel_names::KernelNames;
use crate::linear::{Inner, Layout, Linear};
use crate::norm::Norm;
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use crate::table::Table;
use crate::weights::Checkpoint;
use cke_kernels::attention::{AttentionPlan, Mask, SequenceRows};
use cke_kernels::gemm::Epilogue;
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::embedding::{add_rows, gather_rows};

/// What may stand before the names of a checkpoint's tensors.
pub(crate) const PREFIXES: [&str; 2] = ["bert.", ""];

/// The tensor that show the prefix.
pub(crate) const PROBES: [&str; 1] = ["embeddings.word_embeddings.weight"];

/// A BERT of any size, its weights packed. Poolers and heads are left out.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    /// (vocabulary, width), row-major.
    word_table: Table,
    /// (positions, width), row-major.
    position_table: Table,
    /// (token types, width), row-major.
    type_table: Table,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    attention: AttentionPlan,
}

#[derive(Debug)]
struct Layer {
    index: usize,
    shape: QkvShape,
    qkv: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
    activation: Activation,
}

/// One sequence to be read.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Token ids.
    pub ids: &'a [u32],
    /// A token type for each id; `None` makes all of them 0.
    pub type_ids: Option<&'a [u32]>,
}

impl<'a> From<&'a [u32]> for Input<'a> {
    fn from(ids: &'a [u32]) -> Input<'a> {
        Input { ids, type_ids: None }
    }
}

/// Run state of one BERT; it grows to the largest batch seen.
#[derive(Debug)]
pub struct BertActivations {
    activations: Activations,
    /// Rows of the last forward pass.
    rows: usize,
}

impl Bert {
    /// Loads the weights of a checkpoint, with or without the `bert.` prefix. Calls `loaded` with the
    /// number of bytes that have just been read.
    ///
    /// # Errors
    /// If a tensor is missing or misshapen, a file shrank, or memory cannot be allocated.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &BertConfig,
        runtime: &Runtime,
        loaded: &dyn Fn(u64),
    ) -> Result<Bert, Error> {
        Bert::load_stored(checkpoint, config, runtime, Loading::reporting(loaded))
    }

    /// Loads the weights of a checkpoint or of a packed file.
    pub(crate) fn load_from(
        weights: &Weights,
        config: &BertConfig,
        runtime: &Runtime,
        loading: Loading<'_>,
    ) -> Result<Bert, Error> {
        match weights {
            Weights::Stored(checkpoint) => Bert::load_stored(checkpoint, config, runtime, loading),
            Weights::Packed(file) => Bert::build(&Source::packed(file, runtime, loading)?, config, runtime),
        }
    }

    fn load_stored(
        checkpoint: &Checkpoint,
        config: &BertConfig,
        runtime: &Runtime,
        loading: Loading<'_>,
    ) -> Result<Bert, Error> {
        let scope = checkpoint.scope(&PREFIXES, PROBES[0])?;
        Bert::build(&Source::stored(scope, loading), config, runtime)
    }

    /// A model of the given sizes with random weights, to measure speed.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub fn random(config: &BertConfig, seed: u64, runtime: &Runtime) -> Result<Bert, Error> {
        Bert::build(&Source::random(seed), config, runtime)
    }

    fn build(source: &Source<'_>, config: &BertConfig, runtime: &Runtime) -> Result<Bert, Error> {
        let width = config.hidden_size;
        let embeddings = source.child("embeddings");
        let table = |name: &str, rows| embeddings.child(name).table(runtime.pool(), "weight", rows, width);
        let word_table = table("word_embeddings", config.vocab_size)?;
        let position_table = table("position_embeddings", config.max_position_embeddings)?;
        let type_table = table("token_type_embeddings", config.type_vocab_size)?;
        let embedding_norm = Norm::legacy_layer(&embeddings.child("LayerNorm"), width, config.layer_norm_eps)?;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| Layer::load(&source.child(format_args!("encoder.layer.{layer}")), layer, config, runtime))
            .collect::<Result<_, _>>()?;
        let scale = 1.0 / (config.head_dim() as f32).sqrt();
        let attention = config.qkv_shape().attention(runtime.cpu(), scale, runtime.kv_dtype())?;
        let config = config.clone();
        Ok(Bert { config, word_table, position_table, type_table, embedding_norm, layers, attention })
    }

    /// The sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Bytes of all weights as they are held.
    pub fn weight_bytes(&self) -> usize {
        let tables = [&self.word_table, &self.position_table, &self.type_table].map(|table| size_of_val(&table[..]));
        tables.iter().sum::<usize>() + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }

    /// The kernels that compute it.
    pub fn kernels(&self) -> KernelNames {
        let linears = self.layers.iter().flat_map(Layer::linears);
        KernelNames::new(linears.flat_map(Linear::kernels), [&self.attention].into_iter())
    }

    /// Multiply-adds counted as two operations for one forward pass over sequences of the given lengths.
    pub fn flops(&self, lengths: &[usize]) -> u64 {
        let BertConfig { hidden_size: width, intermediate_size: inner, num_hidden_layers: layers, .. } = self.config;
        let tokens: usize = lengths.iter().sum();
        let pairs: usize = lengths.iter().map(|len| len * len).sum();
        let shape = self.config.qkv_shape();
        let linear = tokens * width * (shape.row_width() + shape.query_width() + 2 * inner);
        let attention = pairs * 2 * shape.query_width();
        2 * (layers * (linear + attention)) as u64
    }

    /// Fresh run state for this model.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub fn activations(&self) -> Result<BertActivations, Error> {
        Ok(BertActivations { activations: Activations::new()?, rows: 0 })
    }

    /// Runs every sequence of a batch through all layers; [`Bert::hidden`] then gives the result.
    ///
    /// A sequence's result has the same bits whatever the rest of the batch and the number of threads are.
    ///
    /// # Errors
    /// Returns [`Error::InSequence`] if a sequence is empty, longer than the model's positions, or has a token or a
    /// token type that the model does not know; nothing has changed then. Fails if an allocation fails.
    pub fn forward(&self, batch: &[Input<'_>], state: &mut BertActivations, runtime: &Runtime) -> Result<(), Error> {
        for (sequence, input) in batch.iter().enumerate() {
            self.check(input).map_err(|error| error.in_sequence(sequence))?;
        }
        let rows = batch.iter().map(|input| input.ids.len()).sum();
        let cut = Cut::new(rows, runtime.threads());
        let BertActivations { activations, rows: rows_held } = state;
        *rows_held = 0;
        activations.reserve(cut, self.config.widths())?;
        if rows > 0 {
            self.embed(batch, activations, runtime)?;
            self.layers.iter().try_for_each(|layer| layer.run(&self.attention, batch, cut, activations, runtime))?;
        }
        *rows_held = rows;
        Ok(())
    }

    /// The hidden states after the last layer (rows, width) of the last forward pass: a row for each token, the sequences one
    /// after the other.
    pub fn hidden<'s>(&self, state: &'s BertActivations) -> &'s [f32] {
        state.activations.stream.of(0..state.rows)
    }

    /// Whether the model can read a sequence.
    pub(crate) fn check(&self, input: &Input<'_>) -> Result<(), Error> {
        let BertConfig { vocab_size: vocabulary, type_vocab_size: types, .. } = self.config;
        let (wanted, limit) = (input.ids.len(), self.config.max_position_embeddings);
        if wanted == 0 {
            return Err(Error::TooFewTokens { wanted: 1, found: 0 });
        }
        if wanted > limit {
            return Err(Error::Context { wanted, limit, hint: "" });
        }
        if let Some(position) = input.ids.iter().position(|&id| id as usize >= vocabulary) {
            return Err(Error::UnknownToken { id: input.ids[position], position, vocabulary });
        }
        let Some(type_ids) = input.type_ids else { return Ok(()) };
        if type_ids.len() != wanted {
            return Err(cke_kernels::Error::Size { what: "token types", wanted, found: type_ids.len() }.into());
        }
        match type_ids.iter().position(|&id| id as usize >= types) {
            Some(position) => Err(Error::UnknownTokenType { id: type_ids[position], position, types }),
            None => Ok(()),
        }
    }

    /// x = layer_norm(word[token] + type[token_type] + position[0…]) for every sequence.
    fn embed(&self, batch: &[Input<'_>], state: &mut Activations, runtime: &Runtime) -> Result<(), Error> {
        let (width, cpu) = (self.config.hidden_size, runtime.cpu());
        state.lookups.clear();
        for Input { ids, type_ids } in batch {
            let kind = |position: u32| type_ids.map_or(0, |type_ids: &[u32]| type_ids[position as usize]);
            let lookup = |(position, &token)| Lookup { token, kind: kind(position), position };
            state.lookups.extend((0..).zip(ids.iter()).map(lookup));
        }
        let (lookups, rows) = (&state.lookups, state.lookups.len());
        let sum = state.normed.of_mut(0..rows);
        runtime.step(
            || embed_step(rows, width),
            || {
                for_each_row(runtime.pool(), sum, width, |row, x| {
                    let Lookup { token, kind, position } = lookups[row];
                    gather_rows(&self.word_table, width, &[token], x)?;
                    add_rows(cpu, &self.type_table, width, &[kind], x)?;
                    add_rows(cpu, &self.position_table, width, &[position], x)
                })
            },
        )?;
        self.embedding_norm.run(sum, state.stream.of_mut(0..rows), runtime);
        Ok(())
    }
}

impl Layer {
    fn load(source: &Source<'_>, index: usize, config: &BertConfig, runtime: &Runtime) -> Result<Layer, Error> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear =
            |name: &str, inputs, outputs| Linear::load(runtime, &source.child(name), Layout::OutIn, inputs, outputs);
        let norm = |name: &str| {
            Norm::legacy_layer(&source.child(name), width, config.layer_norm_eps).map(|norm| norm.in_layer(index))
        };
        let shape = config.qkv_shape();
        let projections = ["query", "key", "value"].map(|name| source.child("attention.self").child(name));
        Ok(Layer {
            index,
            shape,
            qkv: Linear::qkv(runtime, &projections, width, shape, true)?.named("qkv", index),
            attention_out: linear("attention.output.dense", shape.query_width(), width)?.named("attention out", index),
            attention_norm: norm("attention.output.LayerNorm")?,
            up: linear("intermediate.dense", width, inner)?.named("up", index),
            down: linear("output.dense", inner, width)?.named("down", index),
            output_norm: norm("output.LayerNorm")?,
            activation: config.activation.into(),
        })
    }

    fn linears(&self) -> [&Linear; 4] {
        [&self.qkv, &self.attention_out, &self.up, &self.down]
    }

    fn bytes(&self) -> usize {
        self.linears().map(Linear::bytes).iter().sum()
    }

    fn run(
        &self,
        plan: &AttentionPlan,
        batch: &[Input<'_>],
        cut: Cut,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let (shape, width) = (self.shape, plan.width());
        let Activations { stream, normed, attended, qkv, middle, inner, inner_rows, workspace, .. } = state;
        let on = &mut OpContext { runtime, workspace };
        for part in cut.parts() {
            self.qkv.run(stream.of(part.clone()), qkv.of_mut(part), Epilogue::default(), on)?;
        }
        let rows = cut.rows();
        let pairs = || batch.iter().map(|input| input.ids.len() * input.ids.len()).sum();
        runtime.step(
            || attention_step(plan, self.index, rows, AttentionWork { pairs: pairs(), kept: 0 }),
            || {
                let sequences = batch.iter().map(|input| SequenceRows { rows: input.ids.len(), cache: None });
                let (qkv, attended) = (qkv.of(0..rows), attended.of_mut(0..rows));
                attend(plan, shape, sequences, Mask::Full, qkv, attended, &mut on.of_kernels())
            },
        )?;
        let activate = Epilogue { activation: self.activation, ..Epilogue::default() };
        for part in cut.parts() {
            let own = 0..part.len();
            let (x, attended) = (stream.of_mut(part.clone()), attended.of(part));
            let (normed, sum) = (normed.of_mut(own.clone()), middle.of_mut(own.clone()));
            self.attention_out.run(attended, sum, plus(x, width)?, on)?;
            self.attention_norm.run(sum, normed, runtime);
            let inner = Inner { floats: inner.of_mut(own), rows: inner_rows };
            let inner = self.up.run_for(&self.down, normed, inner, activate, on)?;
            self.down.run_from(inner, sum, plus(normed, width)?, on)?;
            self.output_norm.run(sum, x, runtime);
        }
        Ok(())
    }
}
