//! Forward passes that are cancelled between two layers: nothing has changed, and what was called goes on from there.

use cke_engine::bundle::Bundle;
use cke_engine::cancel::Cancellation;
use cke_engine::chat::conversation::Conversation;
use cke_engine::chat::session::{ChatModel, ChatOptions, ChatSession};
use cke_engine::chat::template::ChatTemplate;
use cke_engine::error::Error;
use cke_engine::generate::{Batch, GenerateOptions, Overflow};
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_engine::sampler::SamplerConfig;
use cke_testkit::tiny_models::{Llama, ModelDir};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Layers of the tiny Llama.
const LAYERS: usize = 2;

fn opened(context: usize) -> (ModelDir, Bundle) {
    let dir = Llama { context, ..Llama::default() }.write().unwrap();
    let bundle = Bundle::open(dir.path()).unwrap();
    (dir, bundle)
}

/// A cancellation that is wanted once: when it was asked as often as `at` says; and how often it was asked.
fn once(at: usize) -> (Cancellation, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    (Cancellation::when(move || count.fetch_add(1, Ordering::Relaxed) == at), asked)
}

fn sequence(model: &dyn CausalModel, pending: &[u32]) -> Sequence {
    Sequence { pending: pending.to_vec(), cache: model.cache(100).unwrap() }
}

#[test]
fn pass_that_is_cancelled_changes_no_sequence_and_may_be_run_again() {
    let runtime = Runtime::new(Some(2)).unwrap();
    let model = opened(100).1.into_causal_model(&runtime, &|_| ()).unwrap();
    let logits = |sequences: &mut [Sequence], at: usize| {
        let mut state = model.activations().unwrap();
        model.forward(sequences, Results::All, &mut state, &runtime).unwrap();
        for (sequence, text) in sequences.iter_mut().zip([&[40, 41, 42][..], &[], &[50]]) {
            sequence.pending.extend(text);
        }
        let (cancellation, asked) = once(at);
        state.cancel_by(cancellation);
        if at < LAYERS {
            let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.cache.len()).collect();
            let outcome = model.forward(sequences, Results::Last, &mut state, &runtime);
            assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
            assert_eq!(asked.load(Ordering::Relaxed), at + 1);
            for (sequence, length) in sequences.iter().zip(lengths) {
                assert_eq!(sequence.cache.len(), length);
            }
            assert_eq!([3, 0, 1], [0, 1, 2].map(|i: usize| sequences[i].pending.len()));
        }
        model.forward(sequences, Results::Last, &mut state, &runtime).unwrap();
        let mut logits = vec![0.0; 2 * model.vocabulary()];
        model.logits(0..2, &mut logits, &mut state, &runtime).unwrap();
        let lengths = sequences.iter().map(|sequence| sequence.cache.len()).collect::<Vec<_>>();
        (lengths, logits.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let begin = || [&[60, 61, 62][..], &[70; 20], &[80]].map(|text| sequence(&*model, text));
    let wanted = logits(&mut begin(), LAYERS);
    assert_eq!(wanted.0, [6, 20, 2]);
    for at in 0..LAYERS {
        assert!(logits(&mut begin(), at) == wanted, "cancelled before layer {at}");
    }
}

#[test]
fn batch_goes_on_where_it_was_cancelled() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = opened(20).1.into_causal_model(&runtime, &|_| ()).unwrap();
    // The window slides while the first two run together, and a prompt is longer than it.
    let prompts = vec![vec![65, 66, 67], (60..80).collect(), (60..90).collect()];
    let sampler = SamplerConfig { temperature: 0.9, seed: 4, ..SamplerConfig::default() };
    let options = GenerateOptions { max_tokens: 25, sampler, overflow: Overflow::Slide, ..GenerateOptions::default() };
    let generated = |at: usize| {
        let mut batch = Batch::new(&*model, &runtime, prompts.clone(), options.clone()).unwrap();
        let (cancellation, asked) = once(at);
        batch.cancel_by(cancellation);
        let mut cancelled = 0;
        while let Err(error) = batch.prefill(&mut |_| ()) {
            assert!(matches!(error, Error::Cancelled));
            cancelled += 1;
        }
        let mut heard = vec![Vec::new(); prompts.len()];
        loop {
            match batch.step(&mut |i, token| heard[i].push(token)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::Cancelled) => cancelled += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (0..prompts.len()).for_each(|i| assert_eq!(heard[i], batch.generated(i)));
        (heard, cancelled, asked.load(Ordering::Relaxed))
    };
    let (wanted, cancelled, asked) = generated(usize::MAX);
    assert_eq!(cancelled, 0);
    for at in 0..asked {
        let (found, cancelled, _) = generated(at);
        assert_eq!((found == wanted, cancelled), (true, 1), "cancelled at {at} of {asked}");
    }
}

#[test]
fn chat_goes_on_after_a_question_that_was_cancelled() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let (_dir, bundle) = opened(400);
    let tokenizer = bundle.tokenizer().unwrap();
    let template = ChatTemplate::of(&tokenizer).unwrap().expect("the model has a template");
    let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
    let parts = ChatModel { model: &*model, runtime: &runtime, tokenizer: &tokenizer, template: &template };
    let options = ChatOptions { context: 400, max_tokens: 12, ..ChatOptions::default() };
    let session = || ChatSession::new(parts, options.clone(), Conversation::default()).unwrap();
    let ask = |session: &mut ChatSession<'_>, question: &str| {
        session.ask(question, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let mut undisturbed = session();
    ask(&mut undisturbed, "Hi");
    let wanted = ask(&mut undisturbed, "And you?");

    for at in 0..LAYERS {
        let mut chat = session();
        ask(&mut chat, "Hi");
        let (history, cached) = (chat.conversation().clone(), chat.cached_tokens());
        chat.cancel_by(once(at).0);
        let answer = ask(&mut chat, "And a question that nobody wants to be answered?");
        assert_eq!((answer.finish, answer.is_empty()), (None, true));
        assert_eq!(chat.conversation(), &history);
        assert!(chat.cached_tokens() <= cached);
        let again = ask(&mut chat, "And you?");
        assert_eq!((&again.tokens, again.reused_tokens), (&wanted.tokens, wanted.reused_tokens));
    }
    // In the middle of an answer: what there is of it stays.
    let mut chat = session();
    chat.cancel_by(once(5 * LAYERS).0);
    let answer = ask(&mut chat, "Hi");
    assert_eq!((answer.finish, answer.tokens.len()), (None, 5));
    assert_eq!(chat.conversation().messages().len(), 2);
    assert!(!ask(&mut chat, "And you?").is_empty());
}
