//! Any JSON under any key of the files beside the weights: an error or a model, never a panic.

use cke_engine::bundle::Bundle;
use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::generate::{GenerateOptions, Tokens};
use cke_engine::runtime::Runtime;
use cke_testkit::tiny_models::{Bert, Gpt2, ModelDir};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// Keys of all those files together: what one file knows is unknown to another.
const KEYS: [&str; 66] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "added_tokens_decoder",
    "additional_special_tokens",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token",
    "bos_token_id",
    "cls_token",
    "default_prompt_name",
    "do_lower_case",
    "do_sample",
    "document_length",
    "embedding_dimension",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "extra_special_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "include_prompt",
    "mask_token",
    "max_len",
    "max_length",
    "max_new_tokens",
    "max_seq_length",
    "max_time",
    "min_length",
    "min_new_tokens",
    "min_p",
    "modality_config",
    "model_args",
    "model_max_length",
    "model_type",
    "module_input_name",
    "no_repeat_ngram_size",
    "num_beams",
    "pad_token",
    "pooling_mode",
    "pooling_mode_max_tokens",
    "processing_kwargs",
    "prompts",
    "remove_invalid_values",
    "repetition_penalty",
    "sep_token",
    "sequence_bias",
    "similarity_fn_name",
    "split_special_tokens",
    "stop_strings",
    "strip_accents",
    "suppress_tokens",
    "temperature",
    "tokenizer_args",
    "tokenizer_class",
    "top_h",
    "top_k",
    "truncate_dim",
    "truncation_side",
    "typical_p",
    "unk_token",
];

fn scalar() -> impl Strategy<Value = Value> {
    let texts =
        ["", "left", "query", "mean", "[CLS]", "[new]", "BertTokenizer", "PreTrainedTokenizerFast", "a b", "é\u{0}"];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..300).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|x| json!(x)),
        prop::sample::select(&[0.0, 0.5, 1.0, 1e30][..]).prop_map(|x| json!(x)),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        let keys = prop::sample::select(vec![
            "text",
            "model_max_length",
            "max_length",
            "content",
            "special",
            "query",
            "7",
            "300",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..3).prop_map(|pairs| pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(&KEYS[..]), value()), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into())
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(Some(1)).unwrap())
}

/// What one of the files says beside what it has.
fn write(model: &ModelDir, file: &str, change: &Value) {
    let path = model.path().join(file);
    let old = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut json = old.unwrap_or_else(|| json!({}));
    if let (Value::Object(json), Value::Object(change)) = (&mut json, change) {
        json.extend(change.clone());
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    model.replace(file, json.to_string()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn generation_with_any_settings_gives_tokens_or_an_error(
        generation in object(), tokenizer in object(), special in object(), config in object(),
    ) {
        let model = Gpt2 { vocabulary: 260, width: 6, layers: 1, ..Gpt2::default() }.write().unwrap();
        write(&model, "tokenizer_config.json", &tokenizer);
        write(&model, "special_tokens_map.json", &special);
        write(&model, "config.json", &config);
        write(&model, "generation_config.json", &generation);
        let Ok(bundle) = Bundle::open(model.path()) else { return Ok(()) };
        let wishes = bundle.generation().clone();
        let Ok(tokenizer) = bundle.tokenizer() else { return Ok(()) };
        let Ok(prompt) = tokenizer.encode("Any text, [CLS] [new]", true) else { return Ok(()) };
        let Ok(gpt2) = bundle.into_causal_model(runtime(), &|_| ()) else { return Ok(()) };
        let options = GenerateOptions { max_time: None, ..GenerateOptions::from(&wishes) };
        let Ok(tokens) = Tokens::new(&*gpt2, runtime(), prompt, options) else { return Ok(()) };
        for token in tokens.take(30) {
            prop_assert!(token.is_err() || token.is_ok_and(|token| token < 260));
        }
    }

    #[test]
    fn embedding_with_any_settings_gives_numbers_or_an_error(
        input in object(), texts in object(), tokenizer in object(), pooling in object(), normalize in object(),
    ) {
        let model = Bert { width: 6, layers: 1, ..Bert::default() }.write().unwrap();
        let module = |kind: &str, path: &str| json!({"path": path, "type": format!("sentence_transformers.models.{kind}")});
        let modules = json!([module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")]);
        model.replace("modules.json", modules.to_string()).unwrap();
        write(&model, "sentence_bert_config.json", &input);
        write(&model, "config_sentence_transformers.json", &texts);
        write(&model, "tokenizer_config.json", &tokenizer);
        write(&model, "1_Pooling/config.json", &pooling);
        write(&model, "2_Normalize/config.json", &normalize);
        let Ok(embedder) = Embedder::open(model.path(), EmbedOptions::default(), runtime(), &|_| ()) else { return Ok(()) };
        let texts = ["", "some text [MASK]", "long text "].map(|text| text.repeat(9));
        let state = &mut embedder.model().activations().unwrap();
        if let Ok(vectors) = embedder.embed(&texts, state, runtime()) {
            prop_assert_eq!(vectors.len(), texts.len() * embedder.width());
        }
    }
}
