//! Settings of sentence-transformers.

use super::{notices, replace_weights, runtime, set};
use cke_engine::embed::{EmbedOptions, Embedder, Prompt};
use cke_engine::error::Error;
use cke_engine::load_error::LoadError;
use cke_engine::notice::Notice;
use cke_testkit::tiny_models::{self, ModelDir, Tensor};
use serde_json::json;

/// A BERT in the layout of sentence-transformers, with 512 positions.
fn sentence_model() -> ModelDir {
    let model = tiny_models::Bert { context: 512, ..tiny_models::Bert::default() }.write().unwrap();
    let modules = r#"[{"path":"","type":"sentence_transformers.models.Transformer"},
        {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;
    model.replace("modules.json", modules).unwrap();
    std::fs::create_dir(model.path().join("1_Pooling")).unwrap();
    model.replace("1_Pooling/config.json", r#"{"pooling_mode":"mean"}"#).unwrap();
    model
}

fn open(model: &ModelDir, options: EmbedOptions) -> Result<Embedder, Error> {
    Embedder::open(model.path(), options, &runtime(), &|_| ())
}

#[test]
fn longest_input_of_a_model_saved_again_is_256_of_its_tokenizer_and_not_512() {
    let model = sentence_model();
    // What sentence-transformers 6 writes.
    let settings = json!({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
        "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}});
    model.replace("sentence_bert_config.json", settings.to_string()).unwrap();
    set(&model, "tokenizer_config.json", "model_max_length", json!(256));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "256 tokens (`model_max_length` of tokenizer_config.json)");
    assert_eq!(embedder.tokens(&"a ".repeat(600)).unwrap().len(), 256);
    assert_eq!(embedder.notices(), []);
    let runtime = runtime();
    let texts = ["a".to_owned(), "b ".repeat(254), "c ".repeat(255), "d ".repeat(9999)];
    let state = &mut embedder.model().activations().unwrap();
    assert_eq!(embedder.embed_noting_cuts(&texts, state, &runtime).unwrap().cut.len(), 2);

    set(&model, "sentence_bert_config.json", "max_seq_length", json!(128));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "128 tokens (`max_seq_length` of sentence_bert_config.json)");

    set(&model, "sentence_bert_config.json", "max_seq_length", json!(null));
    set(&model, "tokenizer_config.json", "model_max_length", json!(1e30));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "512 tokens (`max_position_embeddings` of config.json)");
}

#[test]
fn longest_input_beyond_the_positions_is_named() {
    let model = sentence_model();
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":1000}"#).unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.max_tokens(), 512);
    let notice = embedder.notices()[0].to_string();
    assert!(
        notice.ends_with("`max_seq_length` 1000 is not followed: texts are cut at the model's 512 positions"),
        "{notice}"
    );
}

#[test]
fn longest_input_without_room_for_the_special_tokens_is_refused_by_file_and_key() {
    let model = sentence_model();
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":1}"#).unwrap();
    let message = open(&model, EmbedOptions::default()).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "sentence_bert_config.json: `max_seq_length`: wanted at least the 2 special tokens of each text, found 1"
        ),
        "{message}"
    );
}

#[test]
fn arguments_of_the_tokenizer_under_their_older_name_come_first() {
    let model = sentence_model();
    set(&model, "sentence_bert_config.json", "tokenizer_args", json!({"model_max_length": 10}));
    set(&model, "sentence_bert_config.json", "processor_kwargs", json!({"model_max_length": 12}));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let wanted = "10 tokens (`tokenizer_args.model_max_length` of sentence_bert_config.json)";
    assert_eq!(embedder.limit().to_string(), wanted);
}

#[test]
fn sentence_settings_that_would_make_other_vectors_are_refused() {
    let cases = [
        ("sentence_bert_config.json", "transformer_task", json!("fill-mask")),
        ("sentence_bert_config.json", "module_output_name", json!("sentence_embedding")),
        ("sentence_bert_config.json", "modality_config", json!({"message": {"method": "forward"}})),
        ("sentence_bert_config.json", "config_args", json!({"num_hidden_layers": 1})),
        ("sentence_bert_config.json", "tokenizer_args.do_lower_case", json!({"do_lower_case": false})),
        (
            "sentence_bert_config.json",
            "processing_kwargs.text.add_special_tokens",
            json!({"text": {"add_special_tokens": false}}),
        ),
        ("config_sentence_transformers.json", "model_type", json!("SparseEncoder")),
        ("config_sentence_transformers.json", "default_prompt_name", json!("no such")),
        ("config_sentence_transformers.json", "truncate_dim", json!(0)),
        ("config_sentence_transformers.json", "prompts.query", json!({"query": 1})),
        ("1_Pooling/config.json", "pooling_mode", json!(["mean", "cls"])),
        ("1_Pooling/config.json", "embedding_dimension", json!(40)),
        ("tokenizer_config.json", "model_max_length", json!(-1)),
        ("tokenizer_config.json", "truncation_side", json!("middle")),
    ];
    for (file, key, value) in cases {
        let model = sentence_model();
        let top = key.split('.').next().unwrap();
        let top = if key.starts_with("prompts") { "prompts" } else { top };
        set(&model, file, top, value);
        let error = open(&model, EmbedOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(&error, Error::Load(LoadError::Config { key: found, .. }) if found == key),
            "{key}: {message}"
        );
        assert!(message.contains(file), "{message}");
    }
    let model = sentence_model();
    model
        .replace(
            "modules.json",
            r#"[{"path":"","type":"custom_st.Transformer"},{"path":"1_Pooling","type":"custom_st.Pooling"}]"#,
        )
        .unwrap();
    let message = open(&model, EmbedOptions::default()).unwrap_err().to_string();
    assert!(message.contains("custom_st.Transformer"), "{message}");
}

#[test]
fn sentence_settings_that_are_not_followed_are_named() {
    let model = sentence_model();
    model
        .replace(
            "sentence_bert_config.json",
            r#"{"query_length":32,"colour":1,"model_args":{"torch_dtype":"float16"}}"#,
        )
        .unwrap();
    model
        .replace("config_sentence_transformers.json", r#"{"__version__":{},"similarity_fn_name":"dot","size":2}"#)
        .unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let keys: Vec<&str> = embedder.notices().iter().filter_map(Notice::key).collect();
    assert_eq!(keys, ["model_args", "query_length", "colour", "size"]);

    std::fs::remove_file(model.path().join("modules.json")).unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let kinds: Vec<&str> = embedder.notices().iter().map(Notice::kind).collect();
    assert_eq!(kinds, ["unread file", "unread file"]);
}

#[test]
fn prompt_that_the_model_does_not_have_is_an_error_with_those_it_has() {
    let model = sentence_model();
    model
        .replace("config_sentence_transformers.json", r#"{"prompts":{"query":"query: ","passage":"passage: "}}"#)
        .unwrap();
    let named = |name: &str| EmbedOptions { prompt: Some(Prompt::Named(name.to_owned())), ..EmbedOptions::default() };
    let message = open(&model, named("quest")).unwrap_err().to_string();
    assert_eq!(message, "prompt \"quest\": wanted one of `document`, `passage`, `query`");
    assert_eq!(open(&model, named("passage")).unwrap().prompt(), "passage: ");
}

#[test]
fn norm_of_bert_that_has_both_names_is_the_older_one_as_in_transformers() {
    let vector = |model: &ModelDir| {
        let embedder = open(model, EmbedOptions::default()).unwrap();
        embedder.embed(&["a b"], &mut embedder.model().activations().unwrap(), &runtime()).unwrap()
    };
    let model = sentence_model();
    let plain = vector(&model);
    let at = model.tensors.iter().position(|tensor| tensor.name == "embeddings.LayerNorm.weight").unwrap();
    let mut changed = model.tensors.clone();
    changed[at].values.iter_mut().for_each(|x| *x *= -3.0);
    replace_weights(&model, &changed);
    let wanted = vector(&model);
    assert_ne!(wanted, plain);
    let older = Tensor { name: "embeddings.LayerNorm.gamma".to_owned(), ..changed[at].clone() };
    replace_weights(&model, &[model.tensors.clone(), vec![older]].concat());
    assert_eq!(vector(&model), wanted);
    assert_eq!(notices(model.path()), ["model.safetensors: 1 tensor is not used: `embeddings.LayerNorm.weight`"]);
}
