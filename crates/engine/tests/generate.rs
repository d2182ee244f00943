//! Generation as a whole: what ends it, batches, the sliding window, and that it allocates nothing once it runs.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::generate::{Batch, Finish, GenerateOptions, Overflow, Tokens};
use cke_engine::models::causal::CausalModel;
use cke_engine::runtime::Runtime;
use cke_engine::sampler::SamplerConfig;
use cke_testkit::{CountingAllocator, allocations};
use std::sync::Arc;
use support::golden_dir;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn model(runtime: &Runtime) -> Arc<dyn CausalModel> {
    Bundle::open(&golden_dir("gpt2-odd")).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

fn runtime() -> Runtime {
    Runtime::new(Some(2)).unwrap()
}

fn options(max_tokens: usize) -> GenerateOptions {
    let sampler = SamplerConfig { temperature: 0.9, top_k: 20, top_p: 0.9, seed: 3, ..SamplerConfig::default() };
    GenerateOptions { max_tokens, sampler, ..GenerateOptions::default() }
}

fn generate(batch: &mut Batch<'_>) {
    batch.prefill(&mut |_| ()).unwrap();
    while batch.step(&mut |_, _| ()).unwrap() {}
}

#[test]
fn step_after_the_first_allocates_nothing() {
    let runtime = runtime();
    let model = model(&runtime);
    let mut batch = Batch::new(&*model, &runtime, vec![vec![1, 2, 3], vec![4; 9]], options(30)).unwrap();
    batch.prefill(&mut |_| ()).unwrap();
    batch.step(&mut |_, _| ()).unwrap();
    for step in 0..25 {
        assert_eq!(allocations(|| assert!(batch.step(&mut |_, _| ()).unwrap())), 0, "step {step}");
    }
}

#[test]
fn batch_gives_each_prompt_what_it_gets_alone() {
    let runtime = runtime();
    let model = model(&runtime);
    let prompts: Vec<Vec<u32>> = vec![vec![5], vec![1, 2, 3, 4, 5, 6, 7], vec![200; 20], vec![9, 8]];
    let mut batch = Batch::new(&*model, &runtime, prompts.clone(), options(15)).unwrap();
    generate(&mut batch);
    for (i, prompt) in prompts.into_iter().enumerate() {
        let mut alone = options(15);
        alone.sampler.seed += i as u64;
        let tokens: Result<Vec<_>, _> = Tokens::new(&*model, &runtime, prompt, alone).unwrap().collect();
        assert_eq!(batch.generated(i), tokens.unwrap(), "prompt {i}");
    }
}

#[test]
fn end_token_ends_one_sequence_and_is_left_out() {
    let runtime = runtime();
    let model = model(&runtime);
    let mut free = Batch::new(&*model, &runtime, vec![vec![1, 2], vec![3, 4]], options(12)).unwrap();
    generate(&mut free);
    let end = free.generated(0)[4];
    let ended = GenerateOptions { end_tokens: vec![end], ..options(12) };
    let mut batch = Batch::new(&*model, &runtime, vec![vec![1, 2], vec![3, 4]], ended).unwrap();
    generate(&mut batch);
    let stop = free.generated(0).iter().position(|&token| token == end).unwrap();
    assert_eq!(batch.generated(0), &free.generated(0)[..stop]);
    assert_eq!(batch.finish(0), Some(Finish::EndToken));
    if !free.generated(1).contains(&end) {
        assert_eq!(batch.generated(1), free.generated(1));
        assert_eq!(batch.finish(1), Some(Finish::Length));
    }
}

#[test]
fn full_context_ends_the_sequence() {
    let runtime = runtime();
    let model = model(&runtime);
    let mut tokens = Tokens::new(&*model, &runtime, vec![1; 40], options(100)).unwrap();
    // 48 positions are read, and the last of them still gives a token.
    assert_eq!(tokens.by_ref().map(Result::unwrap).count(), 9);
    assert_eq!(tokens.finish(), Some(Finish::Context));
}

#[test]
fn sliding_window_goes_on_from_the_newer_half() {
    let runtime = runtime();
    let model = model(&runtime);
    let sliding = GenerateOptions { overflow: Overflow::Slide, ..options(100) };
    let mut batch = Batch::new(&*model, &runtime, vec![vec![1; 40], vec![7; 120]], sliding).unwrap();
    generate(&mut batch);
    assert_eq!((batch.generated(0).len(), batch.generated(1).len()), (100, 100));

    // After the 49th token the model sees the last 24 of 49 at positions 0 to 23.
    let mut context = vec![1; 40];
    context.extend_from_slice(&batch.generated(0)[..9]);
    let greedy = |prompt: Vec<u32>, overflow| {
        let options = GenerateOptions { max_tokens: 1, sampler: SamplerConfig::greedy(), overflow, ..options(1) };
        Tokens::new(&*model, &runtime, prompt, options).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(greedy(context.clone(), Overflow::Slide), greedy(context[25..].to_vec(), Overflow::Stop));
}

#[test]
fn no_tokens_wanted_gives_none() {
    let runtime = runtime();
    let model = model(&runtime);
    let mut tokens = Tokens::new(&*model, &runtime, vec![1; 48], options(0)).unwrap();
    assert!(tokens.next().is_none());
    assert_eq!(tokens.finish(), Some(Finish::Length));
}

#[test]
fn bad_prompts_are_errors() {
    let runtime = runtime();
    let model = model(&runtime);
    let error = |prompt| Tokens::new(&*model, &runtime, prompt, options(5)).unwrap_err();
    assert!(matches!(error(vec![]), Error::TooFewTokens { wanted: 1, found: 0 }));
    assert!(matches!(error(vec![1; 48]), Error::Context { wanted: 49, limit: 48, .. }));
    assert!(matches!(error(vec![1, 211]), Error::UnknownToken { id: 211, position: 1, vocabulary: 211 }));
}
