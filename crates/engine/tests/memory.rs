//! The estimate of a model's memory against what the loaded model holds.

use cke_engine::config::{Activation, BertConfig, Gpt2Config, ModelConfig};
use cke_engine::memory::{MemoryEstimate, Run};
use cke_engine::models::bert::Bert;
use cke_engine::models::causal::CausalModel;
use cke_engine::models::gpt2;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_kernels::attention::KvDtype;
use cke_kernels::{Cpu, Isa};

fn gpt2_config(tie_word_embeddings: bool) -> Gpt2Config {
    Gpt2Config {
        vocab_size: 211,
        n_positions: 40,
        n_embd: 39,
        n_layer: 2,
        n_head: 3,
        n_inner: 77,
        activation: Activation::GeluTanh,
        layer_norm_epsilon: 1e-5,
        tie_word_embeddings,
        scale_attn_weights: true,
        scale_attn_by_inverse_layer_idx: false,
        eos_token_ids: vec![],
        bos_token_id: None,
    }
}

fn bert_config() -> BertConfig {
    BertConfig {
        vocab_size: 211,
        hidden_size: 39,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 77,
        max_position_embeddings: 40,
        type_vocab_size: 2,
        activation: Activation::GeluErf,
        layer_norm_eps: 1e-12,
        pad_token_id: None,
    }
}

/// A runtime for every ISA of this machine and every format: packed sizes depend on the kernel.
fn runtimes() -> impl Iterator<Item = Runtime> {
    let cpu = *Cpu::host().expect("CKE_ISA is valid");
    let isas = Isa::ALL.into_iter().filter(move |&isa| cpu.has(isa.needs()));
    let runtime = move |isa| Runtime::with_cpu(cpu.capped(isa), Some(1)).expect("one thread");
    isas.flat_map(move |isa| WeightFormat::ALL.map(|format| runtime(isa).with_weights(format)))
}

/// The memory of a model that holds sequences of these lengths.
fn estimate(config: &ModelConfig, runtime: &Runtime, lengths: &[usize]) -> MemoryEstimate {
    let (weights, kv) = (runtime.weight_format(), runtime.kv_dtype());
    let run = Run { cpu: runtime.cpu(), threads: runtime.threads(), weights, kv, lengths, logits: 1 };
    MemoryEstimate::new(config, run).expect("valid sizes")
}

#[test]
fn estimate_gpt2_equals_what_the_model_holds() {
    for runtime in runtimes() {
        for is_tied in [true, false] {
            let config = gpt2_config(is_tied);
            let estimate = estimate(&ModelConfig::Gpt2(config.clone()), &runtime, &[config.n_positions]);
            let model = gpt2::random(&config, 1, &runtime).expect("a tiny model");
            assert_eq!(estimate.weights, model.weight_bytes(), "tied: {is_tied}");
            let mut cache = model.cache(config.n_positions).expect("the context");
            assert_eq!((cache.bytes(), model.cache_bytes(config.n_positions)), (0, estimate.kv_cache));
            cache.reserve(config.n_positions).expect("little memory");
            assert_eq!(cache.bytes(), estimate.kv_cache);
            assert!(estimate.total() > estimate.weights + estimate.kv_cache);
        }
    }
}

#[test]
fn estimate_bert_equals_what_the_model_holds() {
    for runtime in runtimes() {
        let config = bert_config();
        let estimate = estimate(&ModelConfig::Bert(config.clone()), &runtime, &[config.max_position_embeddings]);
        let model = Bert::random(&config, 1, &runtime).expect("a tiny model");
        assert_eq!(estimate.weights, model.weight_bytes());
        assert_eq!(estimate.kv_cache, 0);
        assert!(estimate.activations > 0);
    }
}

#[test]
fn estimate_counts_every_sequence_and_the_numbers_of_keys_and_values() {
    let runtime = Runtime::new(Some(1)).expect("one thread");
    let config = ModelConfig::Gpt2(gpt2_config(true));
    let model = gpt2::random(&gpt2_config(true), 1, &runtime).expect("a tiny model");
    let of = |lengths: &[usize]| estimate(&config, &runtime, lengths);
    assert_eq!(of(&[7, 40, 3]).kv_cache, [7, 40, 3].map(|length| model.cache_bytes(length)).iter().sum::<usize>());
    assert_eq!(of(&[7, 40, 3]).weights, of(&[40]).weights);
    let [wide, narrow, narrowest] = KvDtype::ALL.map(|kv| {
        let runtime = Runtime::new(Some(1)).expect("one thread").with_kv(kv);
        let model = gpt2::random(&gpt2_config(true), 1, &runtime).expect("a tiny model");
        let kv_cache = estimate(&config, &runtime, &[40]).kv_cache;
        assert_eq!(kv_cache, model.cache_bytes(40), "{kv}");
        kv_cache
    });
    assert!(narrowest < narrow && narrow < wide && wide == of(&[40]).kv_cache);
    assert_eq!(of(&[usize::MAX; 3]).total(), usize::MAX);
}
