//! A chat with a model, turn after turn: [`ChatSession::new`], then [`ChatSession::ask`] for each question.

mod answer;
mod prompt;

use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use self::answer::Answer;

use self::answer::AnswerText;
use self::prompt::Prompt;
use super::conversation::Conversation;
use super::prefix::reusable;
use super::template::ChatTemplate;
use super::thinking::{Piece, prompt_opens_thinking};
use super::turn_end::TurnEnd;
use super::{ASSISTANT, Message, USER};
use crate::activations::Activations;
use crate::cancel::Cancellation;
use crate::error::Error;
use crate::fallible::{reserve, with_capacity, zeros};
use crate::generate::Finish;
use crate::models::causal::{CausalModel, MAX_ROWS, Results, Sequence};
use crate::runtime::Runtime;
use crate::sampler::{Context, Sampler, SamplerConfig};
use crate::tokenizer::Tokenizer;

/// A model with what it takes to talk with it.
#[derive(Clone, Copy, Debug)]
pub struct ChatModel<'m> {
    /// The model.
    pub model: &'m dyn CausalModel,
    /// What it runs on.
    pub runtime: &'m Runtime,
    /// Its tokenizer.
    pub tokenizer: &'m Tokenizer,
    /// Its chat template.
    pub template: &'m ChatTemplate,
}

/// How to chat.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions {
    /// Positions of the cache: tokens that the conversation, as its template writes it, and the new answer have together at most.
    pub context: usize,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Tokens that the conversation and the new answer have together at most, if a model's configuration says so.
    pub max_length: Option<usize>,
    /// An answer ends with the first token after so long.
    pub max_time: Option<Duration>,
    /// How the next token is picked. The answer after `n` others has the seed `seed + n`, and one that is given anew for the `r`-th
    /// time 2³²·r more.
    pub sampler: SamplerConfig,
    /// Tokens that end an answer, beside the one that the template puts there.
    pub end_tokens: Vec<u32>,
    /// Texts that end an answer.
    pub stop_strings: Vec<String>,
    /// Whether the model thinks before it answers, for templates that ask.
    pub thinking: Option<bool>,
    /// Seconds since the Unix epoch of the date that templates may show, for the whole chat. `None` is today.
    pub now: Option<u64>,
    /// Whether the oldest turns are left out if the context has no room for the next answer. The system prompt stays.
    pub drops_oldest: bool,
}

/// What happens while an answer is made.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A part of the conversation is going to be read.
    Reading {
        /// Tokens read for this answer.
        done: usize,
        /// Tokens to read for it: those that the cache does not hold.
        total: usize,
    },
    /// A token was picked. The text that it makes certain may be none.
    Token(&'a [Piece]),
}

/// Hears what happens, and says whether to go on.
pub type Listener<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

/// A conversation with a model, and the cache of what the model has read of it.
///
/// For each answer the conversation is rendered and tokenized anew; the tokens with which the cache begins are not read again. An
/// answer has the same bits as in a session that is given the history at once, and as a prompt of these tokens gets from
/// [`Batch`](crate::generate::Batch).
///
/// An answer without its thinking becomes part of the conversation, also one that was stopped. If there is an error, or the first
/// token was not reached, the conversation is as it was before.
#[derive(Debug)]
pub struct ChatSession<'m> {
    parts: ChatModel<'m>,
    options: ChatOptions,
    stop_tokens: Vec<u32>,
    conversation: Conversation,
    /// Oldest turns that the model does not read.
    dropped: usize,
    /// How often the last question was answered anew.
    retries: u64,
    sequence: Sequence,
    /// The tokens in the cache.
    cached: Vec<u32>,
    state: Activations,
    logits: Vec<f32>,
    sampler: Sampler,
}

impl<'m> ChatSession<'m> {
    /// A session that goes on with `conversation`, of which nothing has been read yet.
    ///
    /// # Errors
    /// Fails if `options.context` is larger than the model's context, an allocation fails, a setting is out of its range, or the template
    /// cannot render a question and an answer.
    pub fn new(
        parts: ChatModel<'m>,
        mut options: ChatOptions,
        conversation: Conversation,
    ) -> Result<ChatSession<'m>, Error> {
        let ChatModel { model, tokenizer, template, .. } = parts;
        let turn_end = TurnEnd::of(template)?;
        let texts = tokenizer.special_ids().iter().filter_map(|&id| Some((tokenizer.token(id)?, id)));
        let specials: Vec<(String, u32)> = texts.collect();
        let specials = || specials.iter().map(|(text, id)| (text.as_str(), *id));
        let stop_tokens = turn_end.stop_tokens(&options.end_tokens, specials());
        let text = turn_end.text().trim();
        if turn_end.special_token(specials()).is_none() && !text.is_empty() {
            options.stop_strings.push(text.to_owned());
        }
        options.sampler.rules.end_tokens.clone_from(&stop_tokens);
        options.now.get_or_insert_with(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        AnswerText::new(&options.stop_strings, false, tokenizer)?;
        Ok(ChatSession {
            stop_tokens,
            conversation,
            dropped: 0,
            retries: 0,
            sequence: Sequence { pending: with_capacity(MAX_ROWS)?, cache: model.cache(options.context)? },
            cached: with_capacity(options.context)?,
            state: model.activations()?,
            logits: zeros(model.vocabulary())?,
            sampler: Sampler::new(options.sampler.clone(), model.vocabulary())?,
            parts,
            options,
        })
    }

    /// Stops answers from when on that is wanted, between two layers of a forward pass, as if the listener did.
    pub fn cancel_by(&mut self, cancellation: Cancellation) {
        self.state.cancel_by(cancellation);
    }

    /// Answers a question. `listen` may stop the answer.
    ///
    /// # Errors
    /// Fails if the template refuses the conversation, the context has no room for it and an answer, or the model or the sampler
    /// fails.
    pub fn ask(&mut self, question: impl Into<String>, listen: &mut Listener<'_>) -> Result<Answer, Error> {
        let (dropped, retries) = (self.dropped, std::mem::take(&mut self.retries));
        self.conversation.push(Message::user(question));
        let outcome = self.answer(listen);
        if !is_kept(&outcome) {
            self.conversation.drop_last();
            (self.dropped, self.retries) = (dropped, retries);
        }
        outcome
    }

    /// Answers the last question anew, in place of the last answer, if there is one.
    ///
    /// # Errors
    /// Fails if the last message but the answer is no question, and as [`ChatSession::ask`].
    pub fn regenerate(&mut self, listen: &mut Listener<'_>) -> Result<Answer, Error> {
        let (dropped, former) = (self.dropped, self.conversation.drop_answer());
        self.retries += u64::from(former.is_some());
        let has_question = self.conversation.history().last().is_some_and(|last| last.role == USER);
        let outcome = if has_question { self.answer(listen) } else { Err(Error::NoQuestion) };
        if !is_kept(&outcome) {
            self.dropped = dropped;
            if let Some(former) = former {
                self.conversation.push(former);
                self.retries -= 1;
            }
        }
        outcome
    }

    /// The conversation.
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Goes on with another conversation. What both begin with is not read again.
    pub fn set_conversation(&mut self, conversation: Conversation) {
        self.conversation = conversation;
        (self.dropped, self.retries) = (0, 0);
    }

    /// Forgets everything but the system prompt.
    pub fn clear(&mut self) {
        self.conversation.clear();
        (self.dropped, self.retries) = (0, 0);
    }

    /// Gives the conversation another system prompt, or takes it away; the history stays.
    pub fn set_system(&mut self, system: Option<String>) {
        self.conversation.set_system(system);
    }

    /// Oldest turns of the conversation that the model does not read.
    pub fn dropped_turns(&self) -> usize {
        self.dropped
    }

    /// Tokens in the cache.
    pub fn cached_tokens(&self) -> usize {
        self.cached.len()
    }

    /// Tokens of an answer at most.
    pub fn max_tokens(&self) -> usize {
        self.options.max_tokens
    }

    /// Positions of the cache.
    pub fn context(&self) -> usize {
        self.options.context
    }

    /// Bytes of the cache.
    pub fn cache_bytes(&self) -> usize {
        self.sequence.cache.bytes()
    }

    /// Answers the last question, and adds the answer to the conversation.
    fn answer(&mut self, listen: &mut Listener<'_>) -> Result<Answer, Error> {
        let Prompt { text, tokens, dropped } = self.prompt()?;
        let mut answer = Answer {
            prompt_tokens: tokens.len(),
            reused_tokens: reusable(&self.cached, &tokens),
            newly_dropped_turns: dropped.saturating_sub(self.dropped),
            seed: self.seed(),
            ..Answer::default()
        };
        self.dropped = dropped;
        let mut writing =
            AnswerText::new(&self.options.stop_strings, prompt_opens_thinking(&text), self.parts.tokenizer)?;
        let started = Instant::now();
        let is_read = self.read(&tokens, listen)?.is_continue();
        answer.prompt_time = started.elapsed();
        if is_read {
            self.sampler.reseed(answer.seed);
            self.generate(tokens, &mut answer, &mut writing, listen)?;
        }
        (answer.thinking, answer.text) = writing.into_parts();
        if !answer.is_empty() {
            self.conversation.push(Message::assistant(answer.text.clone()));
        }
        Ok(answer)
    }

    /// The seed of the next answer. It depends on the conversation alone, so that a history that is loaded goes on as it would have.
    fn seed(&self) -> u64 {
        let answers = self.conversation.history().iter().filter(|message| message.role == ASSISTANT).count();
        self.options.sampler.seed.wrapping_add(answers as u64).wrapping_add(self.retries << 32)
    }

    /// Makes the cache hold `tokens`, and the logits those after the last of them, unless the listener breaks off.
    fn read(&mut self, tokens: &[u32], listen: &mut Listener<'_>) -> Result<ControlFlow<()>, Error> {
        let kept = reusable(&self.cached, tokens);
        self.cached.truncate(kept);
        self.sequence.cache.truncate(kept);
        for piece in tokens[kept..].chunks(MAX_ROWS) {
            let progress = Event::Reading { done: self.cached.len() - kept, total: tokens.len() - kept };
            if listen(progress).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.forward(piece)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.compute_logits()?;
        Ok(ControlFlow::Continue(()))
    }

    /// Appends tokens to the cache, all of them or, if it is cancelled, none.
    fn forward(&mut self, tokens: &[u32]) -> Result<ControlFlow<()>, Error> {
        self.sequence.pending.clear();
        self.sequence.pending.extend_from_slice(tokens);
        let sequences = std::slice::from_mut(&mut self.sequence);
        match self.parts.model.forward(sequences, Results::Last, &mut self.state, self.parts.runtime) {
            Err(Error::Cancelled) => return Ok(ControlFlow::Break(())),
            outcome => outcome?,
        }
        self.cached.extend_from_slice(tokens);
        Ok(ControlFlow::Continue(()))
    }

    fn compute_logits(&mut self) -> Result<(), Error> {
        self.parts.model.logits(0..1, &mut self.logits, &mut self.state, self.parts.runtime)
    }

    /// Picks token after token until one of the ends of [`Finish`] or the listener's.
    fn generate(
        &mut self,
        mut context: Vec<u32>,
        answer: &mut Answer,
        writing: &mut AnswerText,
        listen: &mut Listener<'_>,
    ) -> Result<(), Error> {
        let (started, prompt_len) = (Instant::now(), context.len());
        let max_len = prompt_len.saturating_add(self.options.max_tokens);
        let max_len = self.options.max_length.map_or(max_len, |max| max.min(max_len));
        reserve(&mut context, max_len.min(self.options.context + 1).saturating_sub(prompt_len))?;
        while context.len() < max_len {
            let step = Instant::now();
            let history = Context { tokens: &context, prompt_len, max_len: Some(max_len) };
            let token = self.sampler.sample_in(&mut self.logits, &history)?;
            answer.decode_time += step.elapsed();
            if self.stop_tokens.contains(&token) {
                answer.finish = Some(Finish::EndToken);
                break;
            }
            context.push(token);
            let is_stopped = listen(Event::Token(writing.push(token, self.parts.tokenizer)?)).is_break();
            answer.finish = if writing.is_stopped() {
                Some(Finish::Stopped)
            } else if context.len() >= max_len {
                Some(Finish::Length)
            } else if self.options.max_time.is_some_and(|max| started.elapsed() > max) {
                Some(Finish::Time)
            } else if self.cached.len() >= self.options.context {
                Some(Finish::Context)
            } else {
                None
            };
            if is_stopped || answer.finish.is_some() {
                break;
            }
            let step = Instant::now();
            if self.forward(&[token])?.is_break() {
                break;
            }
            self.compute_logits()?;
            answer.decoded_tokens += 1;
            answer.decode_time += step.elapsed();
        }
        // Nothing is wanted if the loop was never entered.
        if context.len() >= max_len {
            answer.finish.get_or_insert(Finish::Length);
        }
        answer.tokens = context.split_off(prompt_len);
        let _ = listen(Event::Token(writing.finish())); // what was held back; it is the end anyway
        Ok(())
    }
}

/// Whether an answer is part of the conversation.
fn is_kept(outcome: &Result<Answer, Error>) -> bool {
    outcome.as_ref().is_ok_and(|answer| !answer.is_empty())
}
