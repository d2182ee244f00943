use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// Header and data of a file, read by a JSON library.
fn parse(bytes: &[u8]) -> (BTreeMap<String, Value>, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let (header, data) = bytes[8..].split_at(length);
    (serde_json::from_slice(header).expect("the header is an object"), data)
}

#[test]
fn safetensors_header_describes_the_data_without_holes() {
    let mut data = Data::new(3);
    let tensors = [Tensor::normal(&mut data, "a", &[2, 3], 0.0, 1.0), Tensor::normal(&mut data, "b", &[5], 0.0, 1.0)];
    let file = safetensors(&tensors, Dtype::F32);
    let (header, data) = parse(&file);
    assert_eq!((file.len() - data.len()) % 8, 0);
    assert_eq!(data.len(), 44);
    assert_eq!(header["a"], serde_json::json!({"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}));
    assert_eq!(header["b"], serde_json::json!({"dtype": "F32", "shape": [5], "data_offsets": [24, 44]}));
    let first = f32::from_le_bytes(data[..4].try_into().expect("4 bytes"));
    assert_eq!(first, tensors[0].values[0]);
}

#[test]
fn safetensors_of_half_formats_round_to_nearest() {
    let tensor = Tensor { name: "x".into(), shape: vec![2], values: vec![1.0, -2.0 - 1.0 / 256.0] };
    let (f16_file, bf16_file) =
        (safetensors(std::slice::from_ref(&tensor), Dtype::F16), safetensors(&[tensor], Dtype::Bf16));
    assert_eq!(parse(&f16_file).1, [0x00, 0x3c, 0x02, 0xc0]);
    assert_eq!(parse(&bf16_file).1, [0x80, 0x3f, 0x00, 0xc0]);
}

#[test]
fn gpt2_directory_holds_config_and_every_tensor_of_its_shape() {
    let model = Gpt2 { prefix: "transformer.", tied: false, ..Gpt2::default() };
    let written = model.write().expect("the directory is written");
    let config: Value = serde_json::from_str(&model.config()).expect("valid JSON");
    assert_eq!(config["n_embd"], 39);
    let file = fs::read(written.path().join("model.safetensors")).expect("one file of weights");
    let (header, _) = parse(&file);
    assert_eq!(header.len(), 1 + 2 + 2 * 12 + 2 + 1); // metadata, embeddings, blocks, last norm, head
    assert_eq!(header["transformer.h.1.attn.c_attn.weight"]["shape"], serde_json::json!([39, 117]));
    assert_eq!(header["lm_head.weight"]["shape"], serde_json::json!([211, 39]));
    assert!(!written.path().join("vocab.json").exists());
}

#[test]
fn gpt2_with_large_vocabulary_has_a_tokenizer_of_every_byte() {
    let written = Gpt2 { vocabulary: 300, ..Gpt2::default() }.write().expect("the directory is written");
    let text = fs::read_to_string(written.path().join("vocab.json")).expect("a vocabulary");
    let vocabulary: BTreeMap<String, usize> = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(vocabulary.len(), 257);
    for (token, id) in [("A", 0x41), ("\"", 0x22), ("\\", 0x5c), ("Ġ", 0x20), ("Ċ", 0x0a), ("Ń", 0xad)] {
        assert_eq!(vocabulary[token], id, "{token}");
    }
}

#[test]
fn llama_tokenizer_has_every_byte_and_the_tokens_of_its_template() {
    let written = Llama::default().write().expect("the directory is written");
    let read = |name: &str| fs::read(written.path().join(name)).expect("the file");
    let tokenizer: Value = serde_json::from_slice(&read("tokenizer.json")).expect("valid JSON");
    assert_eq!(tokenizer["model"]["vocab"].as_object().expect("a vocabulary").len(), 256);
    assert_eq!(tokenizer["added_tokens"][1]["id"], Llama::TURN_END);
    let settings: Value = serde_json::from_slice(&read("tokenizer_config.json")).expect("valid JSON");
    let template = settings["chat_template"].as_str().expect("a template");
    assert!(template.contains("<|im_start|>") && template.contains('\n'));
    let (header, _) = parse(&read("model.safetensors")).0.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    assert_eq!(header.len(), 1 + 2 + 2 * 9 + 1); // metadata, embedding and head, blocks, last norm
}

#[test]
fn bert_directory_with_shards_indexes_every_tensor() {
    let model = Bert { prefix: "bert.", shards: 3, dtype: Dtype::Bf16, ..Bert::default() };
    let written = model.write().expect("the directory is written");
    let text = fs::read_to_string(written.path().join("model.safetensors.index.json")).expect("an index");
    let index: Value = serde_json::from_str(&text).expect("valid JSON");
    let map = index["weight_map"].as_object().expect("a map");
    assert_eq!(map.len(), 3 + 2 + 2 * 16 + 2);
    for tensor in &written.tensors {
        let file = map[&tensor.name].as_str().expect("a file name");
        let bytes = fs::read(written.path().join(file)).expect("the shard");
        assert_eq!(parse(&bytes).0[&tensor.name]["shape"], serde_json::json!(tensor.shape));
    }
}

#[test]
fn bert_vocabulary_has_as_many_lines_as_the_model_has_tokens() {
    let model = Bert::default();
    let written = model.write().expect("the directory is written");
    let text = fs::read_to_string(written.path().join("vocab.txt")).expect("a vocabulary");
    assert_eq!(text.lines().count(), model.vocabulary);
    assert_eq!(text.lines().nth(5), Some("a"));
}

#[test]
fn same_seed_writes_the_same_weights() {
    assert_eq!(Gpt2::default().tensors(), Gpt2::default().tensors());
    assert_ne!(Gpt2::default().tensors(), Gpt2 { seed: 9, ..Gpt2::default() }.tensors());
}
