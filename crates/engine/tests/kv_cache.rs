//! Caches of several sequences with one beginning, and the bound of their pool.

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::models::causal::{CausalModel, MAX_ROWS, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_kernels::Error as KernelError;
use cke_kernels::attention::{KvDtype, KvPool};
use cke_testkit::tiny_models::Llama;
use std::sync::Arc;

const CONTEXT: usize = 1300;

fn model(runtime: &Runtime) -> Arc<dyn CausalModel> {
    let dir = Llama { context: CONTEXT, ..Llama::default() }.write().unwrap();
    Bundle::open(dir.path()).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

fn token(i: usize) -> u32 {
    (i * 37 % 90 + 32) as u32
}

fn sequence(model: &dyn CausalModel, pool: &KvPool) -> Sequence {
    Sequence { pending: Vec::new(), cache: model.cache_in(pool, CONTEXT).unwrap() }
}

/// Reads tokens into some sequences; the bits of the logits of each one's last.
fn read(model: &dyn CausalModel, runtime: &Runtime, sequences: &mut [Sequence], ids: &[&[u32]]) -> Vec<Vec<u32>> {
    let mut state = model.activations().unwrap();
    let at_once = MAX_ROWS / sequences.len();
    let most = ids.iter().map(|ids| ids.len()).max().unwrap();
    for start in (0..most).step_by(at_once) {
        for (sequence, ids) in sequences.iter_mut().zip(ids) {
            sequence.pending.extend(&ids[start.min(ids.len())..ids.len().min(start + at_once)]);
        }
        model.forward(sequences, Results::Last, &mut state, runtime).unwrap();
    }
    let mut logits = vec![0.0; sequences.len() * model.vocabulary()];
    model.logits(0..sequences.len(), &mut logits, &mut state, runtime).unwrap();
    logits.chunks(model.vocabulary()).map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn sequences_that_share_a_beginning_have_the_bits_of_sequences_alone() {
    for (threads, kv) in [(1, KvDtype::F32), (3, KvDtype::Bf16), (2, KvDtype::Int8)] {
        let runtime = Runtime::new(Some(threads)).unwrap().with_kv(kv);
        let (model, pool) = (model(&runtime), KvPool::of_bytes(1 << 30));
        let prefix: Vec<u32> = (0..700).map(token).collect();
        let ends = [3, 5, 7].map(|step| (0..9).map(|i| token(i * step)).collect::<Vec<u32>>());
        let alone = ends.each_ref().map(|end| {
            let mut sequences = [sequence(&*model, &KvPool::unbounded())];
            read(&*model, &runtime, &mut sequences, &[&[&prefix[..], end].concat()]).concat()
        });

        let mut first = [sequence(&*model, &pool)];
        read(&*model, &runtime, &mut first, &[&prefix]);
        let held = pool.used();
        let [first] = first;
        let mut sequences = [first.fork().unwrap(), first.fork().unwrap(), first];
        assert_eq!(pool.used(), held);
        let together = read(&*model, &runtime, &mut sequences, &ends.each_ref().map(|end| &end[..]));
        assert!(together == alone, "{threads} threads, {kv}: other bits");
        // Of two KV blocks the first is shared still.
        assert!(pool.used() < 2 * held + held / 2, "{} of {held}", pool.used());
    }
}

#[test]
fn pool_that_is_full_is_an_error_that_changes_nothing() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = model(&runtime);
    // For one sequence of two KV blocks, and the first block of a second.
    let pool = KvPool::of_bytes(model.cache_bytes(1536).min(2 * model.cache_bytes(CONTEXT)));
    let mut sequences = [sequence(&*model, &pool), sequence(&*model, &pool)];
    let ids: Vec<u32> = (0..600).map(token).collect();
    read(&*model, &runtime, &mut sequences, &[&ids, &ids[..500]]);
    let used = pool.used();
    sequences[0].pending.extend(&ids[..10]);
    sequences[1].pending.extend(&ids[..100]);
    let mut state = model.activations().unwrap();
    let error = model.forward(&mut sequences, Results::Last, &mut state, &runtime).unwrap_err();
    assert!(matches!(error, Error::Kernel(KernelError::CacheFull { unit: "bytes", .. })), "{error}");
    assert!(error.to_string().starts_with("the cache of keys and values is full: wanted room for "), "{error}");
    assert_eq!((sequences[0].cache.len(), sequences[1].cache.len(), pool.used()), (600, 500, used));
    // Without the first there is room.
    let [first, second] = sequences;
    drop(first);
    let mut second = [second];
    model.forward(&mut second, Results::Last, &mut state, &runtime).unwrap();
    assert_eq!(second[0].cache.len(), 600);
}

#[test]
fn unknown_token_is_an_error_that_changes_nothing() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = model(&runtime);
    let unknown = model.vocabulary() as u32;
    let mut sequences = [sequence(&*model, &KvPool::unbounded())];
    read(&*model, &runtime, &mut sequences, &[&[1, 2]]);
    let mut state = model.activations().unwrap();
    for id in [unknown, u32::MAX] {
        sequences[0].pending = vec![3, id];
        let error = model.forward(&mut sequences, Results::Last, &mut state, &runtime).unwrap_err();
        assert!(matches!(error, Error::UnknownToken { id: found, position: 3, .. } if found == id), "{error}");
        assert_eq!((sequences[0].cache.len(), &sequences[0].pending), (2, &vec![3, id]));
    }
    sequences[0].pending.clear();
    let after = read(&*model, &runtime, &mut sequences, &[&[3]]);
    let mut fresh = [sequence(&*model, &KvPool::unbounded())];
    assert_eq!(after, read(&*model, &runtime, &mut fresh, &[&[1, 2, 3]]));
}
