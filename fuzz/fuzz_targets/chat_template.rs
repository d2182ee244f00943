//! Any bytes as a chat template: no panic when it is compiled and when it renders conversations, within its bounds.

#![no_main]

use std::path::Path;

use cke_engine::chat::Message;
use cke_engine::chat::template::{ChatTemplate, RenderOptions, TemplateTokens};
use libfuzzer_sys::fuzz_target;

/// More than any text may be for conversations as short as these.
const MOST_TEXT: usize = (1 << 20) + (1 << 12);

/// A panic inside the template engine is an error for whoever renders; one of our own code ends the run.
fn allow_panics_of_the_engine() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/minijinja-")) {
            abort(panic);
        }
    }));
}

fuzz_target!(init: allow_panics_of_the_engine(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let token = |text: &str| Some(text.to_owned());
    let tokens = TemplateTokens { bos_token: token("<s>"), eos_token: token("</s>"), ..TemplateTokens::default() };
    let Ok(template) = ChatTemplate::new(&text, tokens, Path::new("fuzzed")) else { return };
    let question = || Message::user("What is 2 + 2?\n <b>{{ 7 }}</b>");
    let short = [question()];
    let long = [Message::new("system", "Be brief."), question(), Message::assistant("<think>x</think>4"), question()];
    for continue_final in [false, true] {
        for messages in [&short[..], &long[..]] {
            let options = RenderOptions {
                add_generation_prompt: !continue_final,
                continue_final,
                thinking: Some(continue_final),
                now: Some(1_700_000_000),
            };
            if let Ok(text) = template.render(messages, &options) {
                assert!(text.len() <= MOST_TEXT, "{} bytes of text", text.len());
            }
        }
    }
});
