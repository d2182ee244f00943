//! Chats as a whole: what is reused, what is left out, what is kept of answers that fail or are stopped.

use cke_engine::bundle::Bundle;
use cke_engine::chat::Message;
use cke_engine::chat::conversation::Conversation;
use cke_engine::chat::session::{Answer, ChatModel, ChatOptions, ChatSession, Event};
use cke_engine::chat::template::{ChatTemplate, RenderOptions};
use cke_engine::error::Error;
use cke_engine::generate::{Finish, GenerateOptions, Tokens};
use cke_engine::models::causal::CausalModel;
use cke_engine::runtime::Runtime;
use cke_engine::sampler::SamplerConfig;
use cke_engine::tokenizer::Tokenizer;
use cke_testkit::tiny_models::{Llama, ModelDir};
use std::ops::ControlFlow;
use std::sync::Arc;

const END: u32 = Llama::TURN_END as u32;

/// A loaded model.
struct Loaded {
    _dir: ModelDir,
    runtime: Runtime,
    model: Arc<dyn CausalModel>,
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

impl Loaded {
    fn new(llama: Llama) -> Loaded {
        let dir = llama.write().unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let tokenizer = bundle.tokenizer().unwrap();
        let template = ChatTemplate::of(&tokenizer).unwrap().expect("the model has a template");
        let runtime = Runtime::new(Some(2)).unwrap();
        let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
        Loaded { _dir: dir, runtime, model, tokenizer, template }
    }

    fn session(&self, options: ChatOptions, conversation: Conversation) -> ChatSession<'_> {
        let Loaded { runtime, model, tokenizer, template, .. } = self;
        ChatSession::new(ChatModel { model: &**model, runtime, tokenizer, template }, options, conversation).unwrap()
    }

    /// The tokens of a conversation that is to be answered.
    fn prompt(&self, conversation: &Conversation) -> Vec<u32> {
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let text = self.template.render(conversation.messages(), &options).unwrap();
        self.tokenizer.encode(&text, false).unwrap()
    }
}

fn options(max_tokens: usize) -> ChatOptions {
    let sampler = SamplerConfig { temperature: 0.9, top_k: 20, seed: 5, ..SamplerConfig::default() };
    ChatOptions { context: 400, max_tokens, sampler, ..ChatOptions::default() }
}

fn ask(session: &mut ChatSession<'_>, question: &str) -> Answer {
    session.ask(question, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn conversation(messages: &[(&str, &str)]) -> Conversation {
    let mut conversation = Conversation::default();
    messages.iter().for_each(|(role, content)| conversation.push(Message::new(*role, *content)));
    conversation
}

/// What an answer is, but for the way to it.
fn content(answer: &Answer) -> (&str, &[u32], Option<Finish>, usize, u64) {
    (&answer.text, &answer.tokens, answer.finish, answer.prompt_tokens, answer.seed)
}

#[test]
fn turn_with_reuse_equals_that_of_a_session_that_is_given_the_history() {
    let loaded = Loaded::new(Llama::default());
    for sampler in [options(0).sampler, SamplerConfig::greedy()] {
        let options = ChatOptions { sampler, ..options(20) };
        let mut session = loaded.session(options.clone(), Conversation::new(Some("Be brief.".to_owned())));
        let first = ask(&mut session, "One?");
        assert_eq!((first.reused_tokens, first.text.is_empty()), (0, false));
        let history = session.conversation().clone();
        let second = ask(&mut session, "Two, é?");
        // All but the end of the turn was in the cache, which an answer of printing characters is with the same tokens.
        assert!(second.reused_tokens >= first.prompt_tokens + first.tokens.len() - 1, "{second:?}");

        let mut fresh = loaded.session(options, history);
        let again = ask(&mut fresh, "Two, é?");
        assert_eq!(again.reused_tokens, 0);
        assert_eq!(content(&again), content(&second));
        assert_eq!(fresh.conversation(), session.conversation());
        assert_eq!(fresh.conversation().messages().len(), 5);
    }
}

#[test]
fn answer_equals_the_generation_of_the_same_tokens() {
    let loaded = Loaded::new(Llama::default());
    let mut session = loaded.session(options(30), Conversation::default());
    ask(&mut session, "Hi");
    let answer = ask(&mut session, "And you?");
    let mut asked = session.conversation().clone();
    asked.drop_answer();
    let mut sampler = SamplerConfig { seed: answer.seed, ..options(0).sampler };
    sampler.rules.end_tokens = vec![END];
    let generation = GenerateOptions { max_tokens: 30, sampler, end_tokens: vec![END], ..GenerateOptions::default() };
    let tokens = Tokens::new(&*loaded.model, &loaded.runtime, loaded.prompt(&asked), generation).unwrap();
    assert_eq!(answer.tokens, tokens.map(Result::unwrap).collect::<Vec<_>>());
    assert_eq!(answer.seed, 6);
}

#[test]
fn special_tokens_of_the_template_are_single_ids_and_end_an_answer() {
    let loaded = Loaded::new(Llama::default());
    let mut ends = 0;
    for seed in 0..20 {
        let sampler = SamplerConfig { seed, ..options(0).sampler };
        let mut session = loaded.session(ChatOptions { sampler, ..options(100) }, Conversation::default());
        let answer = ask(&mut session, "Hi");
        assert_eq!(answer.prompt_tokens, 3 + "user\nHi\nassistant\n".len());
        assert!(!answer.tokens.contains(&END));
        ends += usize::from(answer.finish == Some(Finish::EndToken));
    }
    assert!(ends > 0);
}

#[test]
fn regenerated_answer_takes_the_place_of_the_last_one() {
    let loaded = Loaded::new(Llama::default());
    let mut session = loaded.session(options(12), Conversation::default());
    let error = session.regenerate(&mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::NoQuestion));
    let first = ask(&mut session, "Hi");
    let second = session.regenerate(&mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((first.seed, second.seed), (5, 5 + (1 << 32)));
    assert_ne!(first.tokens, second.tokens);
    assert_eq!(second.reused_tokens, second.prompt_tokens - 1);
    assert_eq!(session.conversation().history(), [Message::user("Hi"), Message::assistant(second.text)]);
    assert_eq!(ask(&mut session, "Yes?").seed, 6);
}

#[test]
fn stopped_answer_is_kept_as_far_as_it_came() {
    let loaded = Loaded::new(Llama::default());
    let mut session = loaded.session(options(50), Conversation::default());
    let whole = ask(&mut session, "Hi");
    session.clear();
    let mut count = 0;
    let stopped = session.ask("Hi", &mut |event| {
        count += usize::from(matches!(event, Event::Token(_)));
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let stopped = stopped.unwrap();
    assert_eq!((stopped.finish, &stopped.tokens[..]), (None, &whole.tokens[..3]));
    assert_eq!(session.conversation().history(), [Message::user("Hi"), Message::assistant(&whole.text[..3])]);
}

#[test]
fn answer_stopped_before_its_first_token_changes_nothing() {
    let loaded = Loaded::new(Llama::default());
    let mut session = loaded.session(options(8), Conversation::default());
    ask(&mut session, "Hi");
    let before = session.conversation().clone();
    let stopped = session.ask("And?", &mut |_| ControlFlow::Break(())).unwrap();
    assert!(stopped.is_empty());
    assert_eq!(session.conversation(), &before);
    assert!(session.regenerate(&mut |_| ControlFlow::Break(())).unwrap().is_empty());
    assert_eq!(session.conversation(), &before);
    let mut fresh = loaded.session(options(8), before);
    assert_eq!(content(&ask(&mut session, "Go on.")), content(&ask(&mut fresh, "Go on.")));
}

#[test]
fn conversation_that_outgrows_the_context_is_an_error_and_stays() {
    let loaded = Loaded::new(Llama::default());
    let mut session = loaded.session(ChatOptions { context: 60, ..options(8) }, Conversation::default());
    ask(&mut session, "Hi");
    let before = session.conversation().clone();
    let error = session.ask("x".repeat(70), &mut |_| panic!("nothing is read")).unwrap_err();
    assert!(
        matches!(error, Error::ConversationTooLong { tokens, is_cut: false, context: 60 } if tokens > 110),
        "{error}"
    );
    assert!(error.to_string().contains("the context has 60 and must have room for an answer"), "{error}");
    let error = session.ask("x".repeat(20_000), &mut |_| panic!("nothing is read")).unwrap_err();
    assert!(error.to_string().contains("more than 16384 tokens"), "{error}");
    assert_eq!(session.conversation(), &before);
    session.clear();
    ask(&mut session, "Hi");
}

#[test]
fn full_context_ends_the_answer() {
    let loaded = Loaded::new(Llama::default());
    let mut sampler = SamplerConfig::greedy();
    sampler.rules.suppressed = vec![END];
    let mut session = loaded.session(ChatOptions { context: 30, sampler, ..options(100) }, Conversation::default());
    let answer = ask(&mut session, "Hi");
    // 30 positions are read, and the last of them still gives a token.
    assert_eq!((answer.finish, answer.prompt_tokens + answer.tokens.len()), (Some(Finish::Context), 31));
    assert_eq!(session.cached_tokens(), 30);
}

#[test]
fn oldest_turns_are_left_out_if_asked_for_and_the_system_prompt_stays() {
    let loaded = Loaded::new(Llama::default());
    let history = [("system", "S"), ("user", "aaaa"), ("assistant", "bbbb"), ("user", "cccc"), ("assistant", "dddd")];
    // Each turn has 29 tokens, the system prompt 11, the question with what begins the answer 20.
    let options = ChatOptions { context: 80, drops_oldest: true, ..options(4) };
    let mut session = loaded.session(options.clone(), conversation(&history));
    let answer = ask(&mut session, "e");
    assert!(answer.newly_dropped_turns == 2 && session.dropped_turns() == 2, "{answer:?}");
    assert_eq!(session.conversation().messages().len(), 7);

    let mut short = loaded.session(options.clone(), conversation(&history[..1]));
    let alone = ask(&mut short, "e");
    assert_eq!(alone.prompt_tokens, answer.prompt_tokens);
    let mut greedy =
        loaded.session(ChatOptions { sampler: SamplerConfig::greedy(), ..options }, conversation(&history));
    greedy.ask("e", &mut |_| ControlFlow::Continue(())).unwrap();
    let error = greedy.ask("x".repeat(80), &mut |_| panic!("nothing is read")).unwrap_err();
    assert!(matches!(error, Error::ConversationTooLong { context: 80, .. }), "{error}");
    assert_eq!(greedy.dropped_turns(), 2);
}

#[test]
fn question_that_the_template_refuses_is_forgotten() {
    let template = "{% for m in messages %}\n{% if m.content == 'no' %}{{ raise_exception('not so') }}{% endif %}\
                    {{ m.content }}<|im_end|>{% endfor %}";
    let loaded = Loaded::new(Llama { template, ..Llama::default() });
    let mut session = loaded.session(options(4), Conversation::default());
    ask(&mut session, "yes");
    let before = session.conversation().clone();
    let error = session.ask("no", &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("line 2 of the chat template refuses") && error.contains("not so"), "{error}");
    assert_eq!(session.conversation(), &before);
    ask(&mut session, "yes");
}

#[test]
fn thinking_is_no_part_of_the_history() {
    let loaded = Loaded::new(Llama::default());
    let think = |thinking| ChatOptions { thinking: Some(thinking), ..options(10) };
    let mut session = loaded.session(think(true), Conversation::default());
    let answer = ask(&mut session, "Hi");
    assert!(!answer.thinking.is_empty() && answer.text.is_empty(), "{answer:?}");
    assert_eq!(session.conversation().history()[1], Message::assistant(""));
    let mut session = loaded.session(think(false), Conversation::default());
    let answer = ask(&mut session, "Hi");
    assert!(answer.thinking.is_empty() && !answer.text.is_empty(), "{answer:?}");
}

#[test]
fn cache_that_the_model_cannot_have_is_an_error() {
    let loaded = Loaded::new(Llama::default());
    let Loaded { runtime, model, tokenizer, template, .. } = &loaded;
    let parts = ChatModel { model: &**model, runtime, tokenizer, template };
    let options = ChatOptions { context: 401, ..options(4) };
    let error = ChatSession::new(parts, options, Conversation::default()).unwrap_err();
    assert!(matches!(error, Error::Context { wanted: 401, limit: 400, .. }), "{error}");
}
