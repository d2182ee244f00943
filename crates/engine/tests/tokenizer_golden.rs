//! Tokenizers against the transformers library's ids.

use std::path::{Path, PathBuf};

use cke_engine::config::{Activation, ModelConfig};
use cke_engine::sentence::{Pooling, SentenceConfig};
use cke_engine::text_stream::TextStream;
use cke_engine::tokenizer::Tokenizer;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<u32>,
    ids_with_special: Vec<u32>,
    decoded: String,
}

fn golden_dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn load(name: &str, model_vocab: usize) -> (Tokenizer, Vec<Golden>) {
    let dir = golden_dir(name);
    let goldens = serde_json::from_slice(&std::fs::read(dir.join("golden.json")).unwrap()).unwrap();
    (Tokenizer::load(&dir, model_vocab).unwrap(), goldens)
}

fn assert_goldens(name: &str) {
    let (tokenizer, goldens) = load(name, 1000);
    assert!(!goldens.is_empty());
    for golden in goldens {
        let text = &golden.text;
        assert_eq!(tokenizer.encode(text, false).unwrap(), golden.ids, "{name}: ids of {text:?}");
        assert_eq!(tokenizer.encode(text, true).unwrap(), golden.ids_with_special, "{name}: ids of {text:?}");
        assert_eq!(tokenizer.decode(&golden.ids, false).unwrap(), golden.decoded, "{name}: text of {text:?}");
    }
}

#[test]
fn bpe_of_older_files_gives_the_reference_ids() {
    assert_goldens("tokenizer-bpe");
}

#[test]
fn word_pieces_of_older_files_give_the_reference_ids() {
    assert_goldens("tokenizer-wordpiece");
}

#[test]
fn cased_word_pieces_of_older_files_give_the_reference_ids() {
    assert_goldens("tokenizer-wordpiece-cased");
}

#[test]
fn streamed_tokens_are_the_reference_text() {
    let (tokenizer, goldens) = load("tokenizer-bpe", 420);
    for golden in goldens {
        let mut stream = TextStream::new(Vec::new()).unwrap();
        let mut text = String::new();
        for &id in &golden.ids {
            text.push_str(stream.push(tokenizer.token_bytes(id).unwrap()));
        }
        text.push_str(stream.finish());
        assert_eq!(text, golden.decoded);
    }
}

#[test]
fn token_bytes_of_any_ids_make_the_decoded_text() {
    let (tokenizer, _) = load("tokenizer-bpe", 420);
    for start in 0..tokenizer.vocab_size() as u32 {
        // 389 is prime to 420, so the ids wander over the whole vocabulary.
        let ids: Vec<u32> = (0..7).map(|i| (start + 389 * i) % 420).collect();
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap().to_vec()).collect();
        assert_eq!(String::from_utf8_lossy(&bytes), tokenizer.decode(&ids, false).unwrap(), "{ids:?}");
    }
}

#[test]
fn special_tokens_are_found_by_role() {
    let (bpe, _) = load("tokenizer-bpe", 420);
    assert_eq!((bpe.special_tokens().eos, bpe.vocab_size()), (Some(419), 420));
    assert!(bpe.is_special(419) && !bpe.is_special(0));
    assert_eq!(bpe.decode(&[0, 419], true).unwrap(), "!");

    let (pieces, goldens) = load("tokenizer-wordpiece", 1000);
    let special = pieces.special_tokens();
    let ids = &goldens[0].ids_with_special;
    assert_eq!((special.cls, special.sep), (ids.first().copied(), ids.last().copied()));
    assert_eq!(special.pad, pieces.token_id("[PAD]"));
    assert_eq!(special.eos, None);
}

#[test]
fn truncated_text_keeps_its_special_tokens() {
    let (tokenizer, goldens) = load("tokenizer-wordpiece", 1000);
    let longest = goldens.iter().max_by_key(|golden| golden.ids.len()).unwrap();
    assert!(longest.ids.len() > 6);
    let special = *tokenizer.special_tokens();
    let mut wanted = vec![special.cls.unwrap()];
    wanted.extend(&longest.ids[..4]);
    wanted.push(special.sep.unwrap());
    let texts = [longest.text.as_str(), ""];
    let found = tokenizer.encode_batch(&texts, true, 6).unwrap();
    assert_eq!(found, [wanted, vec![special.cls.unwrap(), special.sep.unwrap()]]);
    assert_eq!(tokenizer.encode_truncated(texts[0], false, 3).unwrap(), longest.ids[..3]);
    assert_eq!(tokenizer.encode_truncated(texts[0], false, 0).unwrap(), [0u32; 0]);
}

/// The ids of `texts.json`, cut at `max_len`, and those in `golden.safetensors`.
fn assert_sentence_ids(name: &str, model_vocab: usize, max_len: usize) {
    let dir = golden_dir(name);
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(dir.join("texts.json")).unwrap()).unwrap();
    let golden = std::fs::read(dir.join("golden.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&golden).unwrap();
    let integers = |name: &str| -> Vec<i64> {
        let data = golden.tensor(name).unwrap().data();
        data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
    };
    let (lengths, ids) = (integers("lengths"), integers("ids"));
    let longest = ids.len() / lengths.len();
    let tokenizer = Tokenizer::load(&dir, model_vocab).unwrap();
    let found = tokenizer.encode_batch(&texts, true, max_len).unwrap();
    for ((row, length), found) in ids.chunks(longest).zip(lengths).zip(found) {
        let wanted: Vec<u32> = row[..length as usize].iter().map(|&id| id as u32).collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn sentence_models_load_and_cut_as_the_reference_does() {
    for (name, pooling, normalize) in [("st-mean", Pooling::Mean, true), ("st-cls", Pooling::Cls, false)] {
        let dir = golden_dir(name);
        let model = ModelConfig::load(&dir).unwrap();
        let sentence = SentenceConfig::load(&dir, Some(model.width())).unwrap().unwrap();
        assert_eq!((sentence.pooling, sentence.normalize), (pooling, normalize), "{name}");
        let limit = sentence.limit.expect("the file sets one");
        assert_eq!((limit.tokens, limit.key.as_str()), (24, "max_seq_length"), "{name}");
        assert_eq!(sentence.transformer.path("x"), dir.join("x"), "{name}");
        assert_sentence_ids(name, model.vocab_size(), 24);
    }
}

#[test]
fn configurations_of_the_golden_models_are_read() {
    let ModelConfig::Gpt2(untied) = ModelConfig::load(&golden_dir("gpt2-untied")).unwrap() else { panic!() };
    assert_eq!((untied.vocab_size, untied.n_embd, untied.n_head, untied.n_inner), (211, 51, 3, 130));
    assert_eq!((untied.activation, untied.layer_norm_epsilon), (Activation::Relu, 1e-3));
    assert!(!untied.tie_word_embeddings && untied.scale_attn_weights);
    let ModelConfig::Gpt2(scaled) = ModelConfig::load(&golden_dir("gpt2-layer-scaled")).unwrap() else { panic!() };
    assert!(scaled.scale_attn_by_inverse_layer_idx && scaled.tie_word_embeddings);
    assert_eq!((scaled.n_inner, scaled.head_dim(), scaled.eos_token_ids), (96, 8, vec![210]));
    let ModelConfig::Bert(relu) = ModelConfig::load(&golden_dir("bert-relu")).unwrap() else { panic!() };
    assert_eq!((relu.hidden_size, relu.intermediate_size, relu.max_position_embeddings), (51, 100, 48));
    assert_eq!((relu.activation, relu.layer_norm_eps, relu.type_vocab_size), (Activation::Relu, 1e-3, 2));
}
