//! The configuration and the settings of generation that keys become.

use super::{config, model, own_file};
use cke_testkit::{GgufLlama, GgufValue};
use serde_json::json;

#[test]
fn configuration_has_the_defaults_of_the_format() {
    let file = GgufLlama::default().gguf().without("llama.rope.freq_base").without("llama.attention.head_count_kv");
    let mut file = file.without("llama.rope.dimension_count");
    // As many heads of keys as of queries.
    let key = file.tensors.iter_mut().find(|tensor| tensor.name == "blk.0.attn_k.weight").unwrap();
    (key.shape, key.data) = (vec![64, 64], vec![0; 64 * 2 * 34]);
    let found = config(&file);
    assert_eq!((&found["rope_theta"], &found["num_key_value_heads"]), (&json!(10_000.0), &json!(4)));
    assert_eq!((&found["head_dim"], &found["tie_word_embeddings"]), (&json!(16), &json!(true)));
    assert_eq!((&found["attention_bias"], found.get("rope_scaling")), (&json!(false), None));
    assert_eq!(config(&GgufLlama { tied: false, ..GgufLlama::default() }.gguf())["tie_word_embeddings"], false);
}

#[test]
fn key_that_nothing_follows_is_kept_for_the_notices_and_one_that_matters_is_refused() {
    let file = GgufLlama::default().gguf().key("llama.new_thing", 3u32).key("llama.list", &["a"][..]);
    let found = config(&file.clone().key("llama.expert_count", 0u32));
    assert_eq!((&found["llama.new_thing"], &found["llama.list"]), (&json!(3), &json!("ARRAY of 1 STRING")));
    assert!(found.as_object().unwrap().keys().filter(|key| key.starts_with("llama.")).count() == 2, "{found}");
    for (key, value) in
        [("expert_count", GgufValue::U32(8)), ("logit_scale", 2f32.into()), ("attention.scale", 2f32.into())]
    {
        let message = model(&file.clone().key(&format!("llama.{key}"), value)).unwrap_err().to_string();
        assert!(message.contains(&format!("`llama.{key}`: wanted no such key or 0")), "{message}");
    }
}

#[test]
fn generation_settings_have_every_end_token_and_the_recommended_sampler() {
    let file = GgufLlama::default().gguf().key("tokenizer.ggml.eot_token_id", 7u32);
    let wanted = json!({"eos_token_id": [2, 7], "bos_token_id": 1});
    assert_eq!(own_file(&file, "generation_config.json"), wanted);
    let same = file.key("tokenizer.ggml.eot_token_id", 2u32).key("general.sampling.temp", 0.6f32);
    let found = own_file(&same.key("general.sampling.mirostat", 1u32), "generation_config.json");
    assert_eq!((&found["eos_token_id"], &found["temperature"]), (&json!([2]), &json!(0.6)));
    assert_eq!((&found["do_sample"], &found["general.sampling.mirostat"]), (&json!(true), &json!(1)));
    let bare =
        GgufLlama::default().gguf().without("tokenizer.ggml.bos_token_id").without("tokenizer.ggml.eos_token_id");
    assert_eq!(model(&bare).unwrap().own_file("generation_config.json").unwrap(), None);
}
