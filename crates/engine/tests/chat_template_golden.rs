//! Chat templates against transformers: `tests/golden/README.md` says where the texts come from.

mod support;

use cke_engine::chat::Message;
use cke_engine::chat::template::{ChatTemplate, RenderOptions, TemplateTokens};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use support::golden_dir;

#[derive(Deserialize)]
struct Golden {
    now: u64,
    templates: BTreeMap<String, Template>,
    conversations: Vec<Vec<Message>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Template {
    text: String,
    tokens: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    conversation: usize,
    add_generation_prompt: bool,
    continue_final: bool,
    thinking: Option<bool>,
    /// `None`: transformers refuses it.
    text: Option<String>,
}

fn compile(name: &str, template: &Template) -> ChatTemplate {
    let token = |name: &str| template.tokens.get(name).cloned();
    let tokens = TemplateTokens {
        bos_token: token("bos_token"),
        eos_token: token("eos_token"),
        unk_token: token("unk_token"),
        pad_token: token("pad_token"),
    };
    ChatTemplate::new(&template.text, tokens, Path::new(name)).unwrap()
}

#[test]
fn conversations_of_every_template_are_the_texts_of_transformers() {
    let file = golden_dir("chat-templates").join("golden.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((golden.templates.len(), golden.cases.len()), (12, 558));
    let templates: BTreeMap<_, _> =
        golden.templates.iter().map(|(name, template)| (name.clone(), compile(name, template))).collect();
    for case in golden.cases {
        let options = RenderOptions {
            add_generation_prompt: case.add_generation_prompt,
            continue_final: case.continue_final,
            thinking: case.thinking,
            now: Some(golden.now),
        };
        let found = templates[&case.template].render(&golden.conversations[case.conversation], &options);
        let what = format!("{}, conversation {}, {options:?}", case.template, case.conversation);
        match (found, case.text) {
            (Ok(found), Some(wanted)) => assert_eq!(found, wanted, "{what}"),
            (Err(_), None) => {}
            (found, wanted) => panic!("{what}: wanted {wanted:?}, found {found:?}"),
        }
    }
}
