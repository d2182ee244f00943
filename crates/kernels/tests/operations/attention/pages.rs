//! Caches that grow by pages, share them, and take them from a bounded pool.

use super::{Layer, assert_identical, each_isa};
use cke_kernels::Error;
use cke_kernels::attention::{KvCache, KvDtype, KvPool, Mask};
use cke_kernels::threads::ThreadPool;

/// Query heads, key heads and head dimension.
const SIZES: (usize, usize, usize) = (2, 1, 17);
/// Positions of two KV blocks and of a part of a third, for panels of any width.
const PREFIX: usize = 1100;

/// Reads the positions up to `to`, some at a time.
fn read(layer: &Layer, cache: &mut KvCache, to: usize, at_a_time: usize, pool: &ThreadPool) -> Vec<f32> {
    let mut out = Vec::new();
    while cache.len() < to {
        let from = cache.len();
        out.extend(layer.step(from, to.min(from + at_a_time), Some(cache), Mask::Causal, pool));
    }
    out
}

#[test]
fn forks_share_pages_and_go_on_with_the_bits_of_caches_of_their_own() {
    each_isa(|cpu| {
        for dtype in KvDtype::ALL {
            let pool = ThreadPool::new(2).unwrap();
            let mut first = Layer::new(cpu, SIZES, PREFIX + 60);
            first.plan = first.plan.with_kv(dtype);
            let mut second = Layer::new(cpu, SIZES, PREFIX + 61);
            second.plan = first.plan;
            let (width, kv_width) = (2 * 17, 17);
            // The same beginning, other ends.
            second.q[..PREFIX * width].copy_from_slice(&first.q[..PREFIX * width]);
            second.k[..PREFIX * kv_width].copy_from_slice(&first.k[..PREFIX * kv_width]);
            second.v[..PREFIX * kv_width].copy_from_slice(&first.v[..PREFIX * kv_width]);

            let memory = KvPool::of_bytes(1 << 30);
            let mut cache = first.plan.cache_in(&memory, PREFIX + 100).unwrap();
            read(&first, &mut cache, PREFIX, 700, &pool);
            let held = memory.used();
            assert_eq!(held, cache.bytes());
            let mut fork = cache.fork().unwrap();
            assert_eq!((fork.len(), fork.bytes(), memory.used()), (PREFIX, held, held), "{dtype}");

            let found = read(&second, &mut fork, PREFIX + 61, 9, &pool);
            assert!(memory.used() < held + held / 2, "{dtype}: more than a page was copied");
            assert_identical("the fork", &found, &second.whole_cached(&pool)[PREFIX * width..]);
            let found = read(&first, &mut cache, PREFIX + 60, 60, &pool);
            assert_identical("the one it was made of", &found, &first.whole_cached(&pool)[PREFIX * width..]);

            // What was shared outlives the one that had it first; a fork that goes back writes to pages of its own.
            let mut again = fork.fork().unwrap();
            drop(cache);
            again.truncate(300);
            let found = read(&second, &mut again, PREFIX, 400, &pool);
            let whole = second.whole_cached(&pool);
            assert_identical("the fork, again", &found, &whole[300 * width..PREFIX * width]);
            fork.truncate(PREFIX);
            assert_identical("after it", &read(&second, &mut fork, PREFIX + 61, 61, &pool), &whole[PREFIX * width..]);
            drop((fork, again));
            assert_eq!(memory.used(), 0);
        }
    });
}

impl Layer {
    /// The whole sequence, read at once into a cache of its own.
    fn whole_cached(&self, pool: &ThreadPool) -> Vec<f32> {
        self.step(0, self.len, Some(&mut self.plan.cache(self.len).unwrap()), Mask::Causal, pool)
    }
}

#[test]
fn memory_is_taken_as_positions_come_and_the_pool_is_its_bound() {
    each_isa(|cpu| {
        let (layer, pool) = (Layer::new(cpu, SIZES, 1200), ThreadPool::new(1).unwrap());
        let memory = KvPool::of_bytes(layer.plan.cache_bytes(1024));
        let mut cache = layer.plan.cache_in(&memory, 1200).unwrap();
        assert_eq!((cache.bytes(), memory.used()), (0, 0));
        read(&layer, &mut cache, 1, 1, &pool);
        let page = cache.bytes();
        assert!(page > 0 && page <= memory.limit() / 2);
        read(&layer, &mut cache, 900, 899, &pool);
        assert_eq!(cache.bytes(), 2 * page);
        let mut other = layer.plan.cache_in(&memory, 1200).unwrap();
        let error = other.reserve(1).unwrap_err();
        assert!(matches!(error, Error::CacheFull { unit: "bytes", wanted, .. } if wanted == page), "{error}");
        let error = cache.reserve(301).unwrap_err();
        let wanted = "the cache of keys and values is full: wanted room for 301 more positions, 300 of 1200 are free";
        assert_eq!(error.to_string(), wanted);
        // Nothing has changed, and what is given back can be had.
        assert_eq!((cache.len(), cache.bytes(), other.bytes()), (900, 2 * page, 0));
        cache.truncate(10);
        cache.shrink();
        assert_eq!(memory.used(), page);
        other.reserve(1).unwrap();
        let found = read(&layer, &mut other, 100, 33, &pool);
        assert_identical("the other", &found, &layer.whole(Mask::Causal, 1)[..found.len()]);
    });
}
