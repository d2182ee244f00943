//! Tensors under other names, twice, missing or not used.

use super::{gpt2, load, logits, notices, replace_weights, runtime, set};
use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::load_error::LoadError;
use cke_engine::notice::Notice;
use cke_testkit::tiny_models::{self, Dtype, ModelDir, Tensor, safetensors, safetensors_bytes};
use serde_json::json;
use std::path::Path;

/// A head of another size or other values than the embedding.
fn head(model: &ModelDir, change: impl Fn(f32) -> f32) -> Tensor {
    let table = model.tensor("wte.weight").unwrap();
    let values = table.values.iter().map(|&x| change(x)).collect();
    Tensor { name: "lm_head.weight".to_owned(), shape: table.shape.clone(), values }
}

#[test]
fn head_that_differs_from_the_tied_embedding_is_used_and_named() {
    let model = gpt2();
    let plain = logits(model.path());
    let own = head(&model, |x| 2.0 * x + 1.0);
    replace_weights(&model, &[model.tensors.clone(), vec![own]].concat());
    let both = logits(model.path());
    assert_ne!(both, plain);
    assert_eq!(
        notices(model.path()),
        [
            "config.json: `tie_word_embeddings` true is not followed: the checkpoint's `lm_head.weight` differs from its \
          `wte.weight`, and both are used"
        ]
    );
    let runtime = runtime();
    let loaded = load(model.path(), &runtime);
    let of_positions = 40 * loaded.width() * size_of::<f32>();
    assert!(loaded.weight_bytes() - loaded.bytes_per_token() > of_positions, "a table of its own");
    // As if the flag said so.
    set(&model, "config.json", "tie_word_embeddings", json!(false));
    assert_eq!(logits(model.path()), both);
    assert_eq!(notices(model.path()), [""; 0]);
}

#[test]
fn head_that_equals_the_tied_embedding_changes_nothing() {
    let model = gpt2();
    let plain = logits(model.path());
    replace_weights(&model, &[model.tensors.clone(), vec![head(&model, |x| x)]].concat());
    assert_eq!(logits(model.path()), plain);
    assert_eq!(notices(model.path()), [""; 0]);
}

#[test]
fn head_alone_stands_for_the_tied_embedding() {
    for prefix in ["", "transformer."] {
        let model = tiny_models::Gpt2 { prefix, ..tiny_models::Gpt2::default() }.write().unwrap();
        let plain = logits(model.path());
        let mut tensors = model.tensors.clone();
        tensors[0].name = "lm_head.weight".to_owned();
        replace_weights(&model, &tensors);
        assert_eq!(logits(model.path()), plain, "{prefix:?}");
        assert_eq!(notices(model.path()), [""; 0]);
    }
}

#[test]
fn decoder_with_a_tied_head_follows_its_tensors() {
    let model = tiny_models::Llama::default().write().unwrap();
    let untied = logits(model.path());
    set(&model, "config.json", "tie_word_embeddings", json!(true));
    assert_eq!(logits(model.path()), untied);
    let wanted = "`tie_word_embeddings` true is not followed: the checkpoint's `lm_head.weight` differs from its `embed_tokens.weight`";
    assert!(matches!(&notices(model.path())[..], [notice] if notice.contains(wanted)), "{:?}", notices(model.path()));
    // Either stands for both.
    let is_head = |tensor: &Tensor| tensor.name == "lm_head.weight";
    let mut tensors: Vec<Tensor> = model.tensors.iter().filter(|tensor| !is_head(tensor)).cloned().collect();
    replace_weights(&model, &tensors);
    let table = logits(model.path());
    assert_ne!(table, untied);
    tensors[0].name = "lm_head.weight".to_owned();
    replace_weights(&model, &tensors);
    assert_eq!((logits(model.path()), notices(model.path())), (table, Vec::new()));
}

#[test]
fn name_that_the_metadata_gives_to_a_tensor_is_found_as_save_model_leaves_it() {
    let model = tiny_models::Gpt2 { prefix: "transformer.", ..tiny_models::Gpt2::default() }.write().unwrap();
    let plain = logits(model.path());
    let mut tensors = model.tensors.clone();
    tensors[0].name = "lm_head.weight".to_owned();
    let file = safetensors(&tensors, Dtype::F32);
    let header_len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + header_len]).unwrap();
    let metadata = r#"{"transformer.wte.weight":"lm_head.weight","format":"pt"}"#;
    let header = header.replacen(r#"{"format":"pt"}"#, metadata, 1);
    model.replace("model.safetensors", safetensors_bytes(&header, &file[8 + header_len..])).unwrap();
    for tied in [true, false] {
        set(&model, "config.json", "tie_word_embeddings", json!(tied));
        assert_eq!(logits(model.path()), plain, "tied: {tied}");
        assert_eq!(notices(model.path()), [""; 0]);
    }
}

#[test]
fn untied_head_that_is_missing_is_an_error() {
    let model = gpt2();
    set(&model, "config.json", "tie_word_embeddings", json!(false));
    let error = Bundle::open(model.path()).unwrap().into_causal_model(&runtime(), &|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::MissingTensor { wanted, .. }) if wanted == &["lm_head.weight"]),
        "{error}"
    );
}

#[test]
fn tensors_that_nothing_uses_are_named_but_masks_and_heads_are_not() {
    let extra = |name: &str| Tensor { name: name.to_owned(), shape: vec![1], values: vec![0.0] };
    let model = gpt2();
    let known = ["h.0.attn.bias", "h.1.attn.masked_bias", "score.weight"].map(extra);
    let unknown = ["h.2.ln_1.weight", "h.0.attn.c_attn.lora_A.weight", "v_head.bias"].map(extra);
    replace_weights(&model, &[model.tensors.clone(), known.to_vec(), unknown.to_vec()].concat());
    let wanted =
        "model.safetensors: 3 tensors are not used: `h.2.ln_1.weight`, `h.0.attn.c_attn.lora_A.weight`, `v_head.bias`";
    assert_eq!(notices(model.path()), [wanted]);

    let bert = tiny_models::Bert { prefix: "bert.", ..tiny_models::Bert::default() }.write().unwrap();
    let known = ["bert.embeddings.position_ids", "cls.predictions.bias", "bert.pooler.dense.extra", "qa_outputs.bias"];
    let unknown = ["bert.encoder.layer.9.output.dense.bias", "linear.weight"].map(extra);
    replace_weights(&bert, &[bert.tensors.clone(), known.map(extra).to_vec(), unknown.to_vec()].concat());
    let wanted = "model.safetensors: 2 tensors are not used: `bert.encoder.layer.9.output.dense.bias`, `linear.weight`";
    assert_eq!(notices(bert.path()), [wanted]);
}

#[test]
fn golden_models_use_all_of_their_tensors() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for entry in std::fs::read_dir(golden).unwrap() {
        let dir = entry.unwrap().path();
        if dir.join("config.json").exists() {
            let bundle = Bundle::open(&dir).unwrap();
            // Of fp8 the rounding of activations is not followed, whatever the tensors are.
            let of_tensors = bundle.notices().iter().filter(|notice| notice.key() != Some("quantization_config"));
            let notices: Vec<&Notice> = of_tensors.chain(&bundle.generation().notices).collect();
            assert!(notices.is_empty(), "{}: {notices:?}", dir.display());
        }
    }
}

#[test]
fn norm_of_gpt2_under_the_older_name_is_missing_as_in_transformers() {
    let model = gpt2();
    let mut tensors = model.tensors.clone();
    tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.replace("ln_f.weight", "ln_f.gamma"));
    replace_weights(&model, &tensors);
    assert_eq!(notices(model.path()), ["model.safetensors: 1 tensor is not used: `ln_f.gamma`"]);
    let error = Bundle::open(model.path()).unwrap().into_causal_model(&runtime(), &|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::MissingTensor { wanted, .. }) if wanted == &["ln_f.weight"]),
        "{error}"
    );
}
