//! Generation: tokens after tokens, for one prompt ([`Tokens`], an iterator) or for several at once ([`Batch`]).
//!
//! [`GenerateOptions`] says how long a text may become, how tokens are picked ([`sampler`](crate::sampler)) and what ends it.

use crate::activations::Activations;
use crate::cancel::Cancellation;
use crate::error::Error;
use crate::fallible::{reserve, with_capacity, zeros};
use crate::generation_config::GenerationConfig;
use crate::models::causal::{CausalModel, MAX_ROWS, Results, Sequence};
use crate::runtime::Runtime;
use crate::sampler::{Context, Sampler, SamplerConfig};
use std::ops::Range;
use std::time::{Duration, Instant};

/// What happens when a sequence fills the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It ends with [`Finish::Context`]; a longer prompt is an error.
    #[default]
    Stop,
    /// The older half is forgotten and the newer half read again, at positions from 0 on.
    Slide,
}

/// How to generate.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// Tokens to generate for each prompt at most.
    pub max_tokens: usize,
    /// Tokens that a prompt and what was generated for it have together at most.
    pub max_length: Option<usize>,
    /// Generation ends with the first token after so long.
    pub max_time: Option<Duration>,
    /// How the next token is picked. Prompt i of a batch uses `seed + i`.
    pub sampler: SamplerConfig,
    /// Tokens that end a sequence; they are not part of the result.
    pub end_tokens: Vec<u32>,
    /// What happens at the end of the context.
    pub overflow: Overflow,
}

/// Tokens that transformers generates if nothing says how many.
const USUAL_TOKENS: usize = 20;

impl From<&GenerationConfig> for GenerateOptions {
    /// What `generate` of transformers does with a model that has this configuration. Stop strings are for
    /// [`TextStream`](crate::text_stream::TextStream).
    fn from(config: &GenerationConfig) -> GenerateOptions {
        let max_length = config.max_length.filter(|_| config.max_new_tokens.is_none());
        let usual = if max_length.is_some() { usize::MAX } else { USUAL_TOKENS };
        GenerateOptions {
            max_tokens: config.max_new_tokens.unwrap_or(usual),
            max_length,
            max_time: config.max_time,
            sampler: SamplerConfig::from(config),
            end_tokens: config.eos_token_ids.clone(),
            overflow: Overflow::default(),
        }
    }
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model said one of the end tokens.
    EndToken,
    /// `max_tokens` were generated.
    Length,
    /// The context is full.
    Context,
    /// `max_time` is over.
    Time,
    /// The caller had enough, for instance at a stop string.
    Stopped,
}

impl Finish {
    /// One word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Finish::EndToken => "end",
            Finish::Length => "length",
            Finish::Context => "context",
            Finish::Time => "time",
            Finish::Stopped => "stop",
        }
    }
}

/// Tokens that a context has room for from the start, so that it does not grow while it is written.
const RESERVED_TOKENS: usize = 1 << 16;

/// Several sequences that grow together: each step reads the weights once for all of them.
///
/// What a prompt gets does not depend on the others in the batch.
#[derive(Debug)]
pub struct Batch<'m> {
    model: &'m dyn CausalModel,
    runtime: &'m Runtime,
    options: GenerateOptions,
    state: Activations,
    sequences: Vec<Sequence>,
    tracks: Vec<Track>,
    /// (sequences, vocabulary)
    logits: Vec<f32>,
    /// Rows of the logits of sequences that run together.
    together: usize,
    started: Instant,
}

/// What a sequence is besides what the model sees of it.
#[derive(Debug)]
struct Track {
    /// The prompt and what was generated.
    context: Vec<u32>,
    /// Where the cache begins in it.
    start: usize,
    prompt_len: usize,
    /// Length of the context at which it ends.
    max_len: usize,
    sampler: Sampler,
    /// Where its logits stand.
    row: usize,
    /// Whether they are those after the last token.
    has_logits: bool,
    finish: Option<Finish>,
}

impl Track {
    /// A prompt, number `i` of its batch, of which nothing has been read yet.
    fn new(
        model: &dyn CausalModel,
        i: usize,
        mut context: Vec<u32>,
        options: &GenerateOptions,
    ) -> Result<Track, Error> {
        let (limit, vocabulary) = (model.context(), model.vocabulary());
        let prompt_len = context.len();
        if prompt_len == 0 {
            return Err(Error::TooFewTokens { wanted: 1, found: 0 });
        }
        let wanted = prompt_len + usize::from(options.max_tokens > 0);
        if wanted > limit && options.overflow == Overflow::Stop {
            return Err(Error::Context { wanted, limit, hint: ": shorten the prompt or let the window slide" });
        }
        if let Some(position) = context.iter().position(|&id| id as usize >= vocabulary) {
            return Err(Error::UnknownToken { id: context[position], position, vocabulary });
        }
        if let Some(max_length) = options.max_length.filter(|&max| max <= prompt_len && options.max_tokens > 0) {
            return Err(Error::MaxLength { prompt_len, max_length });
        }
        let max_len = prompt_len.saturating_add(options.max_tokens);
        let max_len = options.max_length.map_or(max_len, |max| max.min(max_len));
        reserve(&mut context, (max_len - prompt_len).min(RESERVED_TOKENS))?;
        let seed = options.sampler.seed.wrapping_add(i as u64);
        let sampler = Sampler::new(SamplerConfig { seed, ..options.sampler.clone() }, vocabulary)?;
        let finish = (options.max_tokens == 0).then_some(Finish::Length);
        // A prompt beyond the context keeps its end, and room to go on.
        let start = if prompt_len < limit { 0 } else { prompt_len - limit / 2 };
        Ok(Track { context, start, prompt_len, max_len, sampler, row: i, has_logits: false, finish })
    }

    /// Picks the next token.
    fn sample(&mut self, logits: &mut [f32]) -> Result<u32, Error> {
        let context = Context { tokens: &self.context, prompt_len: self.prompt_len, max_len: Some(self.max_len) };
        Ok(self.sampler.sample_in(logits, &context)?)
    }
}

impl<'m> Batch<'m> {
    /// A batch of prompts, none of which has been read yet.
    ///
    /// # Errors
    /// If a prompt is empty, or leaves no room in the context and the window must not slide, or a setting is out of range.
    pub fn new(
        model: &'m dyn CausalModel,
        runtime: &'m Runtime,
        prompts: Vec<Vec<u32>>,
        options: GenerateOptions,
    ) -> Result<Batch<'m>, Error> {
        let mut sequences = with_capacity(prompts.len())?;
        let mut tracks = with_capacity(prompts.len())?;
        for (i, prompt) in prompts.into_iter().enumerate() {
            let track = Track::new(model, i, prompt, &options)?;
            let length = track.max_len.min(model.context());
            sequences.push(Sequence { pending: with_capacity(MAX_ROWS)?, cache: model.cache(length)? });
            tracks.push(track);
        }
        let logits = zeros(sequences.len() * model.vocabulary())?;
        let (state, started) = (model.activations()?, Instant::now());
        Ok(Batch { model, runtime, options, state, sequences, tracks, logits, together: 0, started })
    }

    /// Ends forward passes with [`Error::Cancelled`] from when on that is wanted. What was called goes on from there if it is called again.
    pub fn cancel_by(&mut self, cancellation: Cancellation) {
        self.state.cancel_by(cancellation);
    }

    /// Reads every prompt, and calls `read` with the number of tokens of each part. The next [`Batch::step`] picks the first new
    /// tokens.
    ///
    /// # Errors
    /// If the model fails.
    pub fn prefill(&mut self, read: &mut dyn FnMut(usize)) -> Result<(), Error> {
        (0..self.sequences.len()).try_for_each(|i| self.catch_up(i, read))
    }

    /// Makes the cache of a sequence hold its context, and its logits those after the last token.
    fn catch_up(&mut self, i: usize, read: &mut dyn FnMut(usize)) -> Result<(), Error> {
        let (sequence, track) = (&mut self.sequences[i], &mut self.tracks[i]);
        if track.has_logits {
            return Ok(());
        }
        for piece in track.context[track.start + sequence.cache.len()..].chunks(MAX_ROWS) {
            sequence.pending.clear();
            sequence.pending.extend_from_slice(piece);
            self.model.forward(std::slice::from_mut(sequence), Results::Last, &mut self.state, self.runtime)?;
            read(piece.len());
        }
        let vocabulary = self.model.vocabulary();
        let logits = &mut self.logits[track.row * vocabulary..][..vocabulary];
        self.model.logits(0..1, logits, &mut self.state, self.runtime)?;
        track.has_logits = true;
        Ok(())
    }

    /// Picks one more token for each unfinished sequence, calls `each(sequence, token)` for it, and runs the model on all of them.
    /// Returns whether any sequence goes on. After a call that was cancelled it picks nothing and runs what is missing.
    ///
    /// # Errors
    /// If the model or the sampler fails.
    pub fn step(&mut self, each: &mut dyn FnMut(usize, u32)) -> Result<bool, Error> {
        if self.tracks.iter().all(|track| track.has_logits || track.finish.is_some()) {
            self.pick(each)?;
            self.place();
        }
        self.advance()?;
        Ok(self.tracks.iter().any(|track| track.finish.is_none()))
    }

    /// Picks the next token of each unfinished sequence.
    fn pick(&mut self, each: &mut dyn FnMut(usize, u32)) -> Result<(), Error> {
        let vocabulary = self.model.vocabulary();
        for (i, track) in self.tracks.iter_mut().enumerate().filter(|(_, track)| track.finish.is_none()) {
            let logits = &mut self.logits[track.row * vocabulary..][..vocabulary];
            let token = track.sample(logits)?;
            if self.options.end_tokens.contains(&token) {
                track.finish = Some(Finish::EndToken);
                continue;
            }
            track.context.push(token);
            track.has_logits = false;
            each(i, token);
            if track.context.len() >= track.max_len {
                track.finish = Some(Finish::Length);
            } else if self.options.max_time.is_some_and(|max| self.started.elapsed() > max) {
                track.finish = Some(Finish::Time);
            }
        }
        Ok(())
    }

    /// Where the next logits go: those of sequences that run together stand side by side from the front, those of sequences that are read
    /// again at the back.
    fn place(&mut self) {
        let limit = self.model.context();
        let mut back = self.sequences.len();
        self.together = 0;
        for (track, sequence) in self.tracks.iter_mut().zip(&mut self.sequences) {
            if track.finish.is_some() {
                continue;
            }
            if sequence.cache.len() < limit {
                track.row = self.together;
                self.together += 1;
            } else if self.options.overflow == Overflow::Stop {
                track.finish = Some(Finish::Context);
            } else {
                back -= 1;
                track.row = back;
                track.start = track.context.len() - limit / 2;
                sequence.cache.truncate(0);
            }
        }
    }

    /// Runs the model on what it has not seen of each unfinished sequence.
    fn advance(&mut self) -> Result<(), Error> {
        for i in 0..self.sequences.len() {
            if self.tracks[i].finish.is_none() && self.tracks[i].row >= self.together {
                self.catch_up(i, &mut |_| ())?;
            }
        }
        for first in (0..self.sequences.len()).step_by(MAX_ROWS) {
            self.run_together(first..self.sequences.len().min(first + MAX_ROWS))?;
        }
        Ok(())
    }

    /// One forward pass over the newest tokens of those among some sequences that run together.
    fn run_together(&mut self, piece: Range<usize>) -> Result<(), Error> {
        let (sequences, tracks) = (&mut self.sequences[piece.clone()], &mut self.tracks[piece]);
        let is_in = |track: &Track| track.finish.is_none() && !track.has_logits && track.row < self.together;
        let Some(first_row) = tracks.iter().find(|track| is_in(track)).map(|track| track.row) else { return Ok(()) };
        let mut count = 0;
        for (track, sequence) in tracks.iter().zip(&mut *sequences) {
            sequence.pending.clear();
            if is_in(track) {
                sequence.pending.extend(track.context.last());
                count += 1;
            }
        }
        let vocabulary = self.model.vocabulary();
        self.model.forward(sequences, Results::Last, &mut self.state, self.runtime)?;
        let logits = &mut self.logits[first_row * vocabulary..][..count * vocabulary];
        self.model.logits(0..count, logits, &mut self.state, self.runtime)?;
        tracks.iter_mut().filter(|track| is_in(track)).for_each(|track| track.has_logits = true);
        Ok(())
    }

    /// Ends a sequence that the caller has had enough of.
    pub fn stop(&mut self, sequence: usize) {
        self.tracks[sequence].finish.get_or_insert(Finish::Stopped);
    }

    /// Why a sequence ended, where it has.
    pub fn finish(&self, sequence: usize) -> Option<Finish> {
        self.tracks[sequence].finish
    }

    /// The tokens generated for a sequence so far.
    pub fn generated(&self, sequence: usize) -> &[u32] {
        let track = &self.tracks[sequence];
        &track.context[track.prompt_len..]
    }

    /// Bytes of the caches.
    pub fn cache_bytes(&self) -> usize {
        self.sequences.iter().map(|sequence| sequence.cache.bytes()).sum()
    }
}

/// The tokens that continue one prompt, as an iterator. The first call of `next` reads the prompt.
///
/// It ends after the last token; [`Tokens::finish`] then says why. An error ends it too.
#[derive(Debug)]
pub struct Tokens<'m> {
    batch: Batch<'m>,
    is_read: bool,
}

impl<'m> Tokens<'m> {
    /// The continuation of `prompt`.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub fn new(
        model: &'m dyn CausalModel,
        runtime: &'m Runtime,
        prompt: Vec<u32>,
        options: GenerateOptions,
    ) -> Result<Tokens<'m>, Error> {
        Ok(Tokens { batch: Batch::new(model, runtime, vec![prompt], options)?, is_read: false })
    }

    /// Why it ended, where it has.
    pub fn finish(&self) -> Option<Finish> {
        self.batch.finish(0)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<u32, Error>;

    fn next(&mut self) -> Option<Result<u32, Error>> {
        if self.finish().is_some() {
            return None;
        }
        let mut token = None;
        let outcome = if std::mem::replace(&mut self.is_read, true) { Ok(()) } else { self.batch.prefill(&mut |_| ()) }
            .and_then(|()| self.batch.step(&mut |_, new| token = Some(new)));
        match outcome {
            Ok(_) => token.map(Ok),
            Err(error) => {
                self.batch.stop(0);
                Some(Err(error))
            }
        }
    }
}
