//! The sampler allocates when it is made and never again. A test binary of its own, because the allocator is global.

use cke_engine::sampler::{Sampler, SamplerConfig};
use cke_testkit::{CountingAllocator, allocations};

/// GPT-2's vocabulary.
const VOCABULARY: usize = 50_257;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn sample_after_construction_allocates_nothing() {
    let default = SamplerConfig::default;
    let configs = [
        SamplerConfig::greedy(),
        default(),
        SamplerConfig { top_k: 50, ..default() },
        SamplerConfig { top_k: 40_000, repetition_penalty: 1.2, ..default() },
        SamplerConfig { top_p: 0.9, ..default() },
        SamplerConfig {
            temperature: 1.5,
            top_k: 1000,
            top_p: 0.95,
            min_p: 0.01,
            repetition_penalty: 1.1,
            seed: 3,
            ..Default::default()
        },
    ];
    let original: Vec<f32> =
        (0..VOCABULARY as u32).map(|x| (x.wrapping_mul(2_654_435_761) >> 16) as f32 / 5e3).collect();
    let mut logits = original.clone();
    let mut context: Vec<u32> = Vec::with_capacity(16);
    for config in configs {
        let mut sampler = Sampler::new(config.clone(), VOCABULARY).expect("valid settings");
        context.clear();
        let found = allocations(|| {
            for _ in 0..8 {
                logits.copy_from_slice(&original);
                context.push(sampler.sample(&mut logits, &context).expect("a token"));
            }
        });
        assert_eq!(found, 0, "{config:?}");
    }
}
