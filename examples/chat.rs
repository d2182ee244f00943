//! A conversation over standard input with any model that continues texts: a line is a question, the answer appears token by token.
//! Questions and answers are marked by `Q:` and `A:`, which every such model can go on with; `cke_engine::chat` has what models that were
//! taught to converse want. Without `--model MODEL` (a directory, a GGUF file or a packed file) the demo model answers, which knows nothing
//! but the Rust documentation.
//!
//! The model's cache is kept from turn to turn, so that only what is new is read. When the context has no room for another answer,
//! the oldest turns are forgotten and the rest is read again.
//!
//! ```text
//! cargo run --release -p cke-examples --bin chat
//! printf 'What is a Vec?\nAnd an iterator?\n' | cargo run --release -p cke-examples --bin chat
//! ```

use cke_engine::activations::Activations;
use cke_engine::bundle::Bundle;
use cke_engine::models::causal::{CausalModel, MAX_ROWS, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_engine::sampler::{Sampler, SamplerConfig};
use cke_engine::text_stream::TextStream;
use cke_engine::tokenizer::Tokenizer;
use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

/// Tokens of an answer at most.
const ANSWER: usize = 80;

/// What begins the user's turn, and so ends the model's.
const USER: &str = "\nQ:";
const MODEL: &str = "\nA:";

struct Chat<'m> {
    runtime: &'m Runtime,
    model: &'m dyn CausalModel,
    tokenizer: &'m Tokenizer,
    end_tokens: Vec<u32>,
    sampler: Sampler,
    stream: TextStream,
    state: Activations,
    /// Its cache holds the beginning of `context`.
    sequence: Sequence,
    /// All turns that are remembered.
    context: Vec<u32>,
    /// Tokens of each of them, a question and its answer.
    turns: VecDeque<usize>,
    logits: Vec<f32>,
}

impl<'m> Chat<'m> {
    fn new(
        runtime: &'m Runtime,
        model: &'m dyn CausalModel,
        tokenizer: &'m Tokenizer,
        end_tokens: Vec<u32>,
    ) -> Result<Self, Box<dyn Error>> {
        let (positions, vocabulary) = (model.context(), model.vocabulary());
        if positions <= ANSWER {
            return Err(format!("wanted a model with more than {ANSWER} positions, found {positions}").into());
        }
        let settings =
            SamplerConfig { temperature: 0.7, top_k: 40, repetition_penalty: 1.1, ..SamplerConfig::default() };
        Ok(Chat {
            runtime,
            model,
            tokenizer,
            end_tokens,
            sampler: Sampler::new(settings, vocabulary)?,
            stream: TextStream::new(vec![USER.to_owned()])?,
            state: model.activations()?,
            sequence: Sequence { pending: Vec::with_capacity(MAX_ROWS), cache: model.cache(positions)? },
            context: Vec::new(),
            turns: VecDeque::new(),
            logits: vec![0.0; vocabulary],
        })
    }

    /// Answers a line; `show` gets the answer in pieces.
    fn answer(&mut self, line: &str, show: &mut dyn FnMut(&str) -> std::io::Result<()>) -> Result<(), Box<dyn Error>> {
        let mut text = format!("{USER} {line}{MODEL}");
        let question = self.tokenizer.encode(&text, false)?;
        self.make_room(question.len() + ANSWER);
        let start = self.context.len();
        let longest = self.model.context() - ANSWER;
        self.context.extend(&question[question.len().saturating_sub(longest)..]);

        self.stream.reset();
        for _ in 0..ANSWER {
            self.read()?;
            let token = self.sampler.sample(&mut self.logits, &self.context)?;
            if self.end_tokens.contains(&token) {
                break;
            }
            self.context.push(token);
            let piece = self.stream.push(self.tokenizer.token_bytes(token)?);
            text.push_str(piece);
            show(piece)?;
            if self.stream.stopped() {
                break;
            }
        }
        let piece = self.stream.finish();
        text.push_str(piece);
        show(piece)?;
        self.remember(start, &text)
    }

    /// Forgets the oldest turns until `tokens` more tokens fit, or no turn is left.
    fn make_room(&mut self, tokens: usize) {
        while self.context.len() + tokens > self.model.context()
            && let Some(oldest) = self.turns.pop_front()
        {
            self.context.drain(..oldest);
            // Every token moves to another position, which its keys and values depend on.
            self.sequence.cache.truncate(0);
        }
    }

    /// Reads what the cache does not hold yet, and gets the logits after the last token.
    fn read(&mut self) -> Result<(), Box<dyn Error>> {
        for piece in self.context[self.sequence.cache.len()..].chunks(MAX_ROWS) {
            self.sequence.pending.extend_from_slice(piece);
            self.model.forward(
                std::slice::from_mut(&mut self.sequence),
                Results::Last,
                &mut self.state,
                self.runtime,
            )?;
        }
        Ok(self.model.logits(0..1, &mut self.logits, &mut self.state, self.runtime)?)
    }

    /// Makes the context from `start` on what was shown: without what the model said after the answer's end.
    fn remember(&mut self, start: usize, text: &str) -> Result<(), Box<dyn Error>> {
        let said = self.context.split_off(start);
        let room = self.model.context() - start;
        let turn = self.tokenizer.encode_truncated(text, false, room)?;
        let same = said.iter().zip(&turn).take_while(|(said, turn)| said == turn).count();
        self.sequence.cache.truncate(start + same);
        self.turns.push_back(turn.len());
        self.context.extend(turn);
        Ok(())
    }
}

/// The model that was asked for.
fn model_argument() -> Result<Option<String>, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => Ok(None),
        [option, model] if option == "--model" => Ok(Some(model.clone())),
        _ => Err("usage: chat [--model MODEL]".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bundle = match model_argument()? {
        Some(model) => Bundle::open(Path::new(&model))?,
        None => Bundle::demo()?,
    };
    // In the numbers that its file has, if that is a GGUF file or a packed one.
    let runtime = Runtime::new(None)?.with_weights(bundle.usual_format());
    let tokenizer = bundle.tokenizer()?;
    let end_tokens = bundle.generation().eos_token_ids.clone();
    let model = bundle.into_causal_model(&runtime, &|_bytes| ())?;
    let mut chat = Chat::new(&runtime, &*model, &tokenizer, end_tokens)?;

    let (stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let is_terminal = stdin.is_terminal();
    let mut lines = stdin.lock().lines();
    loop {
        if is_terminal {
            write!(stdout, "Q: ")?;
            stdout.flush()?;
        }
        let Some(line) = lines.next().transpose()? else { return Ok(()) };
        // A terminal shows what is typed by itself.
        if !is_terminal {
            writeln!(stdout, "Q: {line}")?;
        }
        write!(stdout, "A:")?;
        chat.answer(&line, &mut |piece| {
            write!(stdout, "{piece}")?;
            stdout.flush()
        })?;
        writeln!(stdout)?;
    }
}
