//! What `cke chat` says of its answers.

use super::advice::Advice;
use crate::language_model::LanguageModel;
use crate::output::note;
use crate::speed::{GenerateTimes, Timings};
use cke_engine::chat::ASSISTANT;
use cke_engine::chat::session::{Answer, ChatSession};
use cke_engine::generate::Finish;
use cke_perf::report::format_bytes;
use cke_report::words::counted;
use serde::Serialize;

/// One answer, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    role: &'static str,
    content: &'a str,
    /// `null` if the model did not think.
    thinking: Option<&'a str>,
    finish: &'static str,
    /// The generated ids; those of a stop string are among them, a token that ends the turn is not.
    tokens: &'a [u32],
    /// Number of tokens of the conversation before the answer.
    prompt_tokens: usize,
    /// Number of those among them that were not read again.
    reused_tokens: usize,
    /// Oldest turns that the model did not see.
    dropped_turns: usize,
    seed: u64,
    timings: Timings,
}

impl<'a> Record<'a> {
    /// The record of an answer.
    pub(super) fn new(answer: &'a Answer, dropped_turns: usize, model: &LanguageModel) -> Record<'a> {
        Record {
            role: ASSISTANT,
            content: &answer.text,
            thinking: Some(answer.thinking.as_str()).filter(|text| !text.is_empty()),
            finish: answer.finish.map_or("interrupted", Finish::name),
            tokens: &answer.tokens,
            prompt_tokens: answer.prompt_tokens,
            reused_tokens: answer.reused_tokens,
            dropped_turns,
            seed: answer.seed,
            timings: Timings::new(model, &times(answer)),
        }
    }
}

/// What an answer took.
pub(super) fn times(answer: &Answer) -> GenerateTimes {
    GenerateTimes {
        prompt_tokens: answer.prompt_tokens - answer.reused_tokens,
        prompt_time: answer.prompt_time,
        generated: answer.tokens.len(),
        decoded: answer.decoded_tokens,
        decode_time: answer.decode_time,
    }
}

/// Says what a person should know of an answer that did not end by itself, or did not see everything.
pub(super) fn print_notes(answer: &Answer, session: &ChatSession<'_>, advice: &Advice) {
    if answer.newly_dropped_turns > 0 {
        let turns = counted(answer.newly_dropped_turns, "more turn");
        note(&format!("the context of {} tokens was full: {turns} dropped from the beginning", session.context()));
    }
    match answer.finish {
        Some(Finish::Context) => note(&format!(
            "the answer was cut at the context of {} tokens: {}",
            session.context(),
            advice.for_answer(session)
        )),
        Some(Finish::Length) => {
            note(&format!("cut off after {}: --max-tokens allows more", counted(answer.tokens.len(), "token")));
        }
        None if answer.is_empty() => note("stopped before the answer; the question is forgotten"),
        None => note("stopped"),
        _ => {}
    }
}

/// Answers `/stats`: the state of the conversation and of the memory.
pub(super) fn print_state(model: &LanguageModel, session: &ChatSession<'_>) {
    let (messages, dropped) = (session.conversation().messages().len(), session.dropped_turns());
    let left_out = if dropped == 0 { String::new() } else { format!(", {} dropped", counted(dropped, "oldest turn")) };
    note(&format!("conversation: {}{left_out}", counted(messages, "message")));
    note(&format!(
        "context: {} of {} tokens in the cache of {}; weights {}",
        session.cached_tokens(),
        session.context(),
        format_bytes(session.cache_bytes() as u64),
        format_bytes(model.causal.weight_bytes() as u64),
    ));
}
