//! GPT-2: a causal transformer with learned positions (Radford et al., "Language Models are Unsupervised Multitask
//! Learners", 2019).
//!
//! ```text
//! x = wte[token] + wpe[position]
//! for each block:
//!     x += attention(layer_norm(x)·W_qkv + b)·W_o + b
//!     x += act(layer_norm(x)·W_fc + b)·W_proj + b
//! logits = layer_norm(x)·wteᵀ
//! ```

use super::tensor_use::{has_own_head, has_packed_own_head};
use super::{AttentionWork, attend, attention_step, embed_step, for_each_row, plus};
use crate::activations::{Activations, Cut, Lookup, span};
use crate::bundle::Weights;
use crate::config::Gpt2Config;
use crate::error::Error;
use crate::formats::packed_file::PackedFile;
use crate::kv_cache::KvCache;
use crate::layer_norm::LayerNorm;
use crate::linear::{Layout, Linear};
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use crate::table::Table;
use crate::weights::Checkpoint;
use cke_kernels::attention::{AttentionPlan, Mask, SequenceRows};
use cke_kernels::gemm::Epilogue;
use cke_kernels::ops::activation::Activation;
use cke_kernels::ops::embedding::{add_rows, gather_rows};

/// Rows of one forward pass at most: longer prompts go through in pieces, which bounds the memory of activations.
pub const MAX_ROWS: usize = 512;

/// Rows whose logits are computed at a time where all are wanted: enough of them to read the head's weights seldom.
pub const LOGIT_ROWS: usize = 128;

/// What may stand before the names of a checkpoint's tensors.
pub(crate) const PREFIXES: [&str; 2] = ["transformer.", ""];

/// Tensors that show the prefix: the first one may be missing where the output projection is stored alone.
pub(crate) const PROBES: [&str; 2] = [TOKEN_TABLE, "wpe.weight"];

/// The token embedding.
pub(crate) const TOKEN_TABLE: &str = "wte.weight";

/// The output projection; it has no prefix.
pub(crate) const HEAD: &str = "lm_head.weight";

/// A GPT-2 of any size, its weights packed.
#[derive(Debug)]
pub struct Gpt2 {
    config: Gpt2Config,
    /// (vocabulary, width), row-major; `None` where the head's packed weights serve as the table.
    token_table: Option<Table>,
    /// (positions, width), row-major.
    position_table: Table,
    blocks: Vec<Block>,
    /// One plan for each block: the scale may differ.
    attention: Vec<AttentionPlan>,
    final_norm: LayerNorm,
    head: Linear,
}

#[derive(Debug)]
struct Block {
    index: usize,
    shape: QkvShape,
    norm_1: LayerNorm,
    qkv: Linear,
    attention_out: Linear,
    norm_2: LayerNorm,
    up: Linear,
    down: Linear,
    activation: Activation,
}

/// Of which pending tokens the results of a forward pass are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// Of all: a row for each token, in order.
    All,
    /// Of the last one of each sequence that has any: a row for each of those, in order. The others end with the keys and values of
    /// the last block, which saves them the rest of it.
    Last,
}

/// One text in the making.
#[derive(Debug)]
pub struct Sequence {
    /// Tokens that the next forward pass takes in; none where the sequence rests.
    pub pending: Vec<u32>,
    /// What came before them.
    pub cache: KvCache,
}

impl Sequence {
    /// Its part in the attention of one layer.
    fn new_rows(&mut self, layer: usize) -> SequenceRows<'_> {
        SequenceRows { rows: self.pending.len(), cache: Some(self.cache.layer(layer)) }
    }
}

/// Factor on the scores of a layer's attention.
fn attention_scale(config: &Gpt2Config, layer: usize) -> f32 {
    let by_width = if config.scale_attn_weights { (config.head_dim() as f32).sqrt() } else { 1.0 };
    let by_layer = if config.scale_attn_by_inverse_layer_idx { (layer + 1) as f32 } else { 1.0 };
    1.0 / (by_width * by_layer)
}

impl Gpt2 {
    /// Loads the weights of a checkpoint, with or without the `transformer.` prefix. Calls `loaded` with the number of bytes
    /// that were packed.
    ///
    /// If the configuration ties the output projection to the token embedding, a checkpoint may hold either, or both: both are
    /// used if they differ.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has the wrong shape, a file has changed, or an allocation fails.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &Gpt2Config,
        runtime: &Runtime,
        loaded: &dyn Fn(u64),
    ) -> Result<Gpt2, Error> {
        Gpt2::load_stored(checkpoint, config, runtime, Loading::reporting(loaded))
    }

    /// Loads the weights of a checkpoint or of a packed file.
    pub(crate) fn load_from(
        weights: &Weights,
        config: &Gpt2Config,
        runtime: &Runtime,
        loading: Loading<'_>,
    ) -> Result<Gpt2, Error> {
        match weights {
            Weights::Stored(checkpoint) => Gpt2::load_stored(checkpoint, config, runtime, loading),
            Weights::Packed(file) => Gpt2::load_packed(file, config, runtime, loading),
        }
    }

    fn load_packed(
        file: &PackedFile,
        config: &Gpt2Config,
        runtime: &Runtime,
        loading: Loading<'_>,
    ) -> Result<Gpt2, Error> {
        let source = Source::packed(file, runtime, loading)?;
        let tie_word_embeddings = config.tie_word_embeddings && !has_packed_own_head(file);
        let is_table = tie_word_embeddings && file.is_panels(TOKEN_TABLE) == Some(true);
        let head = if is_table { TOKEN_TABLE } else { HEAD };
        Gpt2::build(&source, (&source, head), &Gpt2Config { tie_word_embeddings, ..config.clone() }, runtime)
    }

    fn load_stored(
        checkpoint: &Checkpoint,
        config: &Gpt2Config,
        runtime: &Runtime,
        loading: Loading<'_>,
    ) -> Result<Gpt2, Error> {
        let mut config = config.clone();
        config.tie_word_embeddings = !has_own_head(checkpoint, config.tie_word_embeddings)?;
        let root = Source::stored(checkpoint.root(), loading);
        let model = match checkpoint.scope(&PREFIXES, TOKEN_TABLE) {
            Ok(scope) => Source::stored(scope, loading),
            // The output projection stands for both.
            Err(_) if config.tie_word_embeddings && checkpoint.contains(HEAD) => {
                let model = Source::stored(checkpoint.scope(&PREFIXES, PROBES[1])?, loading);
                return Gpt2::build(&model, (&root, HEAD), &config, runtime);
            }
            Err(error) => return Err(error.into()),
        };
        let head = if config.tie_word_embeddings { (&model, TOKEN_TABLE) } else { (&root, HEAD) };
        Gpt2::build(&model, head, &config, runtime)
    }

    /// A model of the given sizes with random weights, to measure speed.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub fn random(config: &Gpt2Config, seed: u64, runtime: &Runtime) -> Result<Gpt2, Error> {
        let source = Source::random(seed);
        let head = if config.tie_word_embeddings { TOKEN_TABLE } else { HEAD };
        Gpt2::build(&source, (&source, head), config, runtime)
    }

    /// The model below `model`, with the output projection that a source has under a name.
    fn build(
        model: &Source<'_>,
        (head, name): (&Source<'_>, &str),
        config: &Gpt2Config,
        runtime: &Runtime,
    ) -> Result<Gpt2, Error> {
        let (cpu, width, vocabulary) = (runtime.cpu(), config.n_embd, config.vocab_size);
        let head = Linear::without_bias(runtime, head, name, Layout::OutIn, width, vocabulary)?.named("logits", None);
        let is_tied = config.tie_word_embeddings;
        let token_table = if is_tied { None } else { Some(model.table(TOKEN_TABLE, vocabulary, width)?) };
        let position_table = model.table("wpe.weight", config.n_positions, width)?;
        let mut blocks = Vec::with_capacity(config.n_layer);
        let mut attention = Vec::with_capacity(config.n_layer);
        for layer in 0..config.n_layer {
            blocks.push(Block::load(&model.child(format_args!("h.{layer}")), layer, config, runtime)?);
            attention.push(config.qkv_shape().attention(cpu, attention_scale(config, layer))?);
        }
        let final_norm = LayerNorm::load(&model.child("ln_f"), width, config.layer_norm_epsilon)?;
        Ok(Gpt2 { config: config.clone(), token_table, position_table, blocks, attention, final_norm, head })
    }

    /// The sizes.
    pub fn config(&self) -> &Gpt2Config {
        &self.config
    }

    /// Bytes of all weights as they are held.
    pub fn weight_bytes(&self) -> usize {
        let tables = self.token_table.as_deref().map_or(0, size_of_val) + size_of_val(&self.position_table[..]);
        tables + self.head.bytes() + self.blocks.iter().map(Block::bytes).sum::<usize>()
    }

    /// Bytes of the weights that one token is multiplied with.
    pub fn bytes_per_token(&self) -> usize {
        self.head.bytes() + self.blocks.iter().map(Block::bytes).sum::<usize>()
    }

    /// Multiply-adds counted as two operations for one forward pass over `tokens` positions after `before` others, with the
    /// results and logits of `logits` of them.
    pub fn flops(&self, tokens: usize, before: usize, logits: usize) -> u64 {
        let Gpt2Config { n_embd, n_layer, n_inner, vocab_size, .. } = self.config;
        let shape = self.config.qkv_shape();
        let before_attention = n_embd * shape.row_width();
        let after_attention = shape.query_width() * n_embd + 2 * n_embd * n_inner;
        let linear = tokens * n_layer * (before_attention + after_attention) - (tokens - logits) * after_attention;
        let pairs = tokens * before + tokens * (tokens + 1) / 2;
        let attention = pairs * n_layer * 2 * shape.query_width();
        2 * (linear + attention + logits * n_embd * vocab_size) as u64
    }

    /// An empty cache for `capacity` positions.
    ///
    /// # Errors
    /// If that is more than the model's context, or memory cannot be allocated.
    pub fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        self.check_context(capacity)?;
        KvCache::new(&self.attention, capacity)
    }

    /// Fresh run state.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub fn activations(&self) -> Result<Activations, Error> {
        Activations::new()
    }

    fn check_context(&self, wanted: usize) -> Result<(), Error> {
        let limit = self.config.n_positions;
        if wanted <= limit { Ok(()) } else { Err(Error::Context { wanted, limit, hint: "" }) }
    }

    /// Runs the pending tokens of all sequences, at most [`MAX_ROWS`] in all, through every block, and appends them to the caches.
    /// [`Gpt2::hidden`] and [`Gpt2::logits`] then give the rows of `results`. A row has the same bits whatever else is wanted.
    ///
    /// # Errors
    /// If a token is unknown, a sequence outgrows its cache, there is no token or too many. Nothing has changed then.
    pub fn forward(
        &self,
        sequences: &mut [Sequence],
        results: Results,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let rows = sequences.iter().map(|sequence| sequence.pending.len()).sum::<usize>();
        if rows == 0 || rows > MAX_ROWS {
            return Err(
                cke_kernels::Error::Size { what: "rows of a forward pass", wanted: MAX_ROWS, found: rows }.into()
            );
        }
        sequences.iter().try_for_each(|sequence| self.check_sequence(sequence))?;
        let width = self.config.n_embd;
        let mut cut = Cut::new(rows, runtime.threads());
        state.reserve(cut, width, self.config.n_inner, self.config.qkv_shape())?;
        self.embed(sequences, state, runtime)?;
        let work = AttentionWork::of(sequences);
        for (block, plan) in self.blocks.iter().zip(&self.attention) {
            block.attend(plan, work, sequences, cut, state, runtime)?;
            if results == Results::Last && block.index + 1 == self.blocks.len() {
                cut = Cut::new(keep_last_rows(sequences, width, state), runtime.threads());
            }
            block.feed_forward(width, cut, state, runtime)?;
        }
        sequences.iter_mut().for_each(|sequence| sequence.pending.clear());
        let len = cut.rows() * width;
        self.final_norm.run(&state.stream[..len], &mut state.normed[..len], runtime)
    }

    /// The final hidden states (rows, width) of the last forward pass.
    pub fn hidden<'s>(&self, rows: usize, state: &'s Activations) -> &'s [f32] {
        &state.normed[..rows * self.config.n_embd]
    }

    /// Logits (rows.len(), vocabulary) of the given rows of the last forward pass, into `out`.
    ///
    /// # Errors
    /// If `out` has another size.
    pub fn logits(
        &self,
        rows: std::ops::Range<usize>,
        out: &mut [f32],
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let width = self.config.n_embd;
        let hidden = &state.normed[rows.start * width..rows.end * width];
        self.head.run(hidden, out, Epilogue::default(), runtime, &mut state.scratch)
    }

    fn check_sequence(&self, sequence: &Sequence) -> Result<(), Error> {
        let (first, vocabulary) = (sequence.cache.len(), self.config.vocab_size);
        let wanted = first + sequence.pending.len();
        self.check_context(wanted)?;
        if wanted > sequence.cache.capacity() {
            return Err(Error::Context { wanted, limit: sequence.cache.capacity(), hint: " (of its cache)" });
        }
        match sequence.pending.iter().position(|&id| id as usize >= vocabulary) {
            Some(i) => Err(Error::UnknownToken { id: sequence.pending[i], position: first + i, vocabulary }),
            None => Ok(()),
        }
    }

    /// x = wte[token] + wpe[position] for every pending token.
    fn embed(&self, sequences: &[Sequence], state: &mut Activations, runtime: &Runtime) -> Result<(), Error> {
        let (width, cpu) = (self.config.n_embd, runtime.cpu());
        state.lookups.clear();
        for sequence in sequences {
            let places = sequence.pending.iter().zip(sequence.cache.len() as u32..);
            state.lookups.extend(places.map(|(&token, position)| Lookup { token, kind: 0, position }));
        }
        let (lookups, rows) = (&state.lookups, state.lookups.len());
        runtime.step(
            || embed_step(rows, width),
            || {
                for_each_row(runtime.pool(), &mut state.stream[..rows * width], width, |row, x| {
                    let Lookup { token, position, .. } = lookups[row];
                    match &self.token_table {
                        Some(table) => gather_rows(table, width, &[token], x)?,
                        None => self.head.copy_output(token as usize, x)?,
                    }
                    add_rows(cpu, &self.position_table, width, &[position], x)
                })
            },
        )
    }
}

impl Block {
    fn load(source: &Source<'_>, layer: usize, config: &Gpt2Config, runtime: &Runtime) -> Result<Block, Error> {
        let (width, inner, epsilon) = (config.n_embd, config.n_inner, config.layer_norm_epsilon);
        let shape = config.qkv_shape();
        let linear =
            |name: &str, inputs, outputs| Linear::load(runtime, &source.child(name), Layout::InOut, inputs, outputs);
        Ok(Block {
            index: layer,
            shape,
            norm_1: LayerNorm::load(&source.child("ln_1"), width, epsilon)?.in_layer(layer),
            qkv: linear("attn.c_attn", width, shape.row_width())?.named("qkv", layer),
            attention_out: linear("attn.c_proj", shape.query_width(), width)?.named("attention out", layer),
            norm_2: LayerNorm::load(&source.child("ln_2"), width, epsilon)?.in_layer(layer),
            up: linear("mlp.c_fc", width, inner)?.named("up", layer),
            down: linear("mlp.c_proj", inner, width)?.named("down", layer),
            activation: config.activation.into(),
        })
    }

    fn bytes(&self) -> usize {
        [&self.qkv, &self.attention_out, &self.up, &self.down].map(Linear::bytes).iter().sum()
    }

    /// Attention of all rows of the stream, before it is added to them.
    fn attend(
        &self,
        plan: &AttentionPlan,
        work: AttentionWork,
        sequences: &mut [Sequence],
        cut: Cut,
        state: &mut Activations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let (width, shape) = (plan.width(), self.shape);
        let Activations { stream, normed, attended, qkv, scratch, .. } = state;
        for part in cut.parts() {
            let normed = &mut normed[..part.len() * width];
            self.norm_1.run(&stream[span(&part, width)], normed, runtime)?;
            let qkv = &mut qkv[span(&part, shape.row_width())];
            self.qkv.run(normed, qkv, Epilogue::default(), runtime, scratch)?;
        }
        let rows = cut.rows();
        runtime.step(
            || attention_step(plan, self.index, rows, work),
            || {
                let sequences = sequences.iter_mut().map(|sequence| sequence.new_rows(self.index));
                let qkv = &qkv[..rows * shape.row_width()];
                let attended = &mut attended[..rows * shape.query_width()];
                attend(plan, shape, sequences, Mask::Causal, qkv, attended, &mut runtime.ctx(scratch))
            },
        )
    }

    /// What comes after the attention, for the rows of `cut`.
    fn feed_forward(&self, width: usize, cut: Cut, state: &mut Activations, runtime: &Runtime) -> Result<(), Error> {
        let inner_width = self.up.outputs();
        let Activations { stream, normed, attended, middle, inner, scratch, .. } = state;
        let activate = Epilogue { activation: self.activation, ..Epilogue::default() };
        for part in cut.parts() {
            let (own, len) = (span(&part, width), part.len());
            let (x, normed) = (&mut stream[own.clone()], &mut normed[..len * width]);
            let (middle, inner) = (&mut middle[..len * width], &mut inner[..len * inner_width]);
            self.attention_out.run(&attended[own], middle, plus(x, width)?, runtime, scratch)?;
            self.norm_2.run(middle, normed, runtime)?;
            self.up.run(normed, inner, activate, runtime, scratch)?;
            self.down.run(inner, x, plus(middle, width)?, runtime, scratch)?;
        }
        Ok(())
    }
}

/// Moves the row of each sequence's last pending token, and its attention, to the front; returns how many there are.
fn keep_last_rows(sequences: &[Sequence], width: usize, state: &mut Activations) -> usize {
    let (mut end, mut kept) = (0, 0);
    for sequence in sequences.iter().filter(|sequence| !sequence.pending.is_empty()) {
        end += sequence.pending.len();
        for rows in [&mut state.stream, &mut state.attended] {
            rows.copy_within((end - 1) * width..end * width, kept * width);
        }
        kept += 1;
    }
    kept
}

impl AttentionWork {
    /// What every layer has to do for the pending tokens.
    fn of(sequences: &[Sequence]) -> AttentionWork {
        sequences.iter().fold(AttentionWork::default(), |work, sequence| {
            let (rows, before) = (sequence.pending.len(), sequence.cache.len());
            let pairs = rows * before + rows * (rows + 1) / 2;
            AttentionWork { pairs: work.pairs + pairs, kept: work.kept + before }
        })
    }
}
