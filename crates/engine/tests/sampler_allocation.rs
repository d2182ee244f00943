//! The sampler allocates when it is made and never again. A test binary of its own, because the allocator is global.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cke_engine::sampler::{Sampler, SamplerConfig};

/// GPT-2's vocabulary.
const VOCABULARY: usize = 50_257;

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a constant-initialised thread-local
// without destructor, whose use allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` with this layout, hence from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as in `dealloc`; the caller promises a valid `new_size`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn sample_after_construction_allocates_nothing() {
    let default = SamplerConfig::default;
    let configs = [
        SamplerConfig::greedy(),
        default(),
        SamplerConfig { top_k: 50, ..default() },
        SamplerConfig { top_k: 40_000, repetition_penalty: 1.2, ..default() },
        SamplerConfig { top_p: 0.9, ..default() },
        SamplerConfig { temperature: 1.5, top_k: 1000, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.1, seed: 3 },
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

#[test]
fn allocations_of_a_vector_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8; 100]))), 1);
}
