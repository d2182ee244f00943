//! A packed model computes what the model it was made of does.

use super::support::causal::last_logits;
use super::support::{bits, golden_dir, runtimes};
use super::{int8, open, pack};
use cke_engine::bundle::Bundle;
use cke_engine::embed::{EmbedOptions, Embedder, EmbedderFiles};
use cke_engine::error::Error;
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::load_error::LoadError;
use cke_engine::model_files::ModelFiles;
use cke_engine::models::causal::CausalModel;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use std::cell::Cell;
use std::path::Path;

/// The bits of the logits of the last of some tokens.
fn logits(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32]) -> Vec<u32> {
    bits(&last_logits(model, runtime, ids))
}

#[test]
fn gpt2_on_every_instruction_set_has_the_bits_of_its_directory() {
    for case in ["gpt2-odd", "gpt2-untied", "gpt2-bare", "gpt2-f16", "gpt2-layer-scaled"] {
        let dir = golden_dir(case);
        let file = pack(&dir, &int8()).unwrap();
        for runtime in runtimes().into_iter().map(|runtime| runtime.with_weights(WeightFormat::Int8)) {
            let (stored, packed) = (Bundle::open(&dir).unwrap(), open(&file).unwrap());
            assert_eq!((packed.config(), packed.generation()), (stored.config(), stored.generation()), "{case}");
            let [stored, packed] = [stored, packed].map(|bundle| bundle.into_causal_model(&runtime, &|_| ()).unwrap());
            let ids: Vec<u32> = (0..9).map(|i| i * 7 % packed.vocabulary() as u32).collect();
            assert_eq!(logits(&*packed, &runtime, &ids), logits(&*stored, &runtime, &ids), "{case}");
            assert_eq!(packed.weight_bytes(), stored.weight_bytes(), "{case}");
        }
    }
}

#[test]
fn every_format_that_is_packed_alike_everywhere_is_read_back() {
    let dir = golden_dir("gpt2-odd");
    for format in WeightFormat::ALL.into_iter().filter(|&format| format != WeightFormat::F32) {
        let runtime = Runtime::new(Some(2)).unwrap().with_weights(format);
        let file = pack(&dir, &runtime).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(open(&file).unwrap().packed_format(), Some(format));
        let [stored, packed] = [Bundle::open(&dir).unwrap(), open(&file).unwrap()]
            .map(|bundle| bundle.into_causal_model(&runtime, &|_| ()).unwrap());
        assert_eq!(logits(&*packed, &runtime, &[3, 1, 2]), logits(&*stored, &runtime, &[3, 1, 2]), "{format}");
    }
}

#[test]
fn weights_in_f16_are_packed_as_they_are() {
    let dir = golden_dir("gpt2-f16");
    let runtime = Runtime::new(Some(2)).unwrap().with_weights(WeightFormat::Stored);
    let packed = open(&pack(&dir, &runtime).unwrap()).unwrap();
    assert_eq!((packed.packed_format(), packed.main_format()), (Some(WeightFormat::Stored), WeightFormat::F16));
    let [stored, packed] = [Bundle::open(&dir).unwrap(), packed]
        .map(|bundle| logits(&*bundle.into_causal_model(&runtime, &|_| ()).unwrap(), &runtime, &[3, 1, 2]));
    assert_eq!(packed, stored);
}

#[test]
fn file_has_the_same_bytes_on_every_instruction_set_and_with_any_number_of_threads() {
    let portable = || WeightFormat::ALL.into_iter().filter(|&format| format != WeightFormat::F32);
    for (case, format) in
        ["gpt2-odd", "llama", "bert-odd"].into_iter().flat_map(|case| portable().map(move |f| (case, f)))
    {
        let of = |runtime: Runtime| pack(&golden_dir(case), &runtime.with_weights(format)).unwrap();
        let wanted = of(Runtime::new(Some(1)).unwrap());
        for runtime in runtimes() {
            assert!(of(runtime) == wanted, "{case} as {format}: other bytes");
        }
    }
}

#[test]
fn bert_in_a_file_embeds_as_its_directory_does() {
    let texts = ["A text.", "Another one, and longer than the first.", ""];
    let (runtime, place) = (int8(), tempfile::tempdir().unwrap());
    for case in ["st-mean", "st-cls"] {
        let (dir, path) = (golden_dir(case), place.path().join(case));
        std::fs::write(&path, pack(&dir, &runtime).unwrap()).unwrap();
        let embed = |path: &Path| {
            let embedder = Embedder::open(path, EmbedOptions::default(), &runtime, &|_| ()).unwrap();
            let vectors = embedder.embed(&texts, &mut embedder.model().activations().unwrap(), &runtime).unwrap();
            (bits(&vectors), embedder.limit().clone(), embedder.pooling())
        };
        assert_eq!(embed(&path), embed(&dir), "{case}");
    }
}

#[test]
fn transformer_in_a_folder_is_found_in_the_file() {
    let place = tempfile::tempdir().unwrap();
    let (dir, path) = (place.path().join("model"), place.path().join("model.cke"));
    std::fs::create_dir_all(dir.join("0_Inner/deep")).unwrap();
    std::fs::create_dir_all(dir.join("1_Pooling")).unwrap();
    let copy = |name: &str, to: &str| drop(std::fs::copy(golden_dir("st-mean").join(name), dir.join(to)));
    for name in
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"]
    {
        copy(name, &format!("0_Inner/deep/{name}"));
    }
    copy("1_Pooling/config.json", "1_Pooling/config.json");
    let module =
        |path: &str, kind: &str| format!(r#"{{"path":"{path}","type":"sentence_transformers.models.{kind}"}}"#);
    let modules = [module("./0_Inner/deep", "Transformer"), module("1_Pooling", "Pooling")].join(",");
    std::fs::write(dir.join("modules.json"), format!("[{modules}]")).unwrap();
    std::fs::write(&path, pack(&dir, &int8()).unwrap()).unwrap();
    let embed = |path: &Path| {
        let embedder = Embedder::open(path, EmbedOptions::default(), &int8(), &|_| ()).unwrap();
        let vectors = embedder.embed(&["A text."], &mut embedder.model().activations().unwrap(), &int8()).unwrap();
        (bits(&vectors), embedder.normalize())
    };
    assert_eq!(embed(&path), embed(&dir));
}

#[test]
fn bert_with_older_names_or_a_prefix_is_read_back() {
    for case in ["bert-odd", "bert-legacy", "bert-prefixed", "bert-relu"] {
        let (runtime, dir) = (int8(), golden_dir(case));
        let file = pack(&dir, &runtime).unwrap();
        let hidden = |bundle: Bundle| {
            let model = bundle.into_bert(&runtime, &|_| ()).unwrap();
            let mut state = model.activations().unwrap();
            model.forward(&[(&[1, 2, 3][..]).into()], &mut state, &runtime).unwrap();
            bits(model.hidden(&state))
        };
        assert_eq!(hidden(open(&file).unwrap()), hidden(Bundle::open(&dir).unwrap()), "{case}");
    }
}

#[cfg(feature = "demo-model")]
#[test]
fn demo_model_in_a_file_reads_a_text_as_the_one_in_the_program() {
    let runtime = int8();
    let file = pack(ModelFiles::demo(), &runtime).unwrap();
    let evaluate = |bundle: Bundle| {
        let ids = bundle.tokenizer().unwrap().encode("The iterator <|endoftext|> of a `Vec`", true).unwrap();
        let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
        (negative_log_likelihoods(&*model, &runtime, &ids, &mut |_| ()).unwrap(), ids)
    };
    assert_eq!(evaluate(open(&file).unwrap()), evaluate(Bundle::demo().unwrap()));
}

#[test]
fn loading_reports_as_many_bytes_as_were_announced() {
    let runtime = int8();
    let file = pack(&golden_dir("gpt2-f16"), &runtime).unwrap();
    // In the directory a number has two bytes, and a matrix is read in blocks of columns.
    for bundle in [open(&file).unwrap(), Bundle::open(&golden_dir("gpt2-f16")).unwrap()] {
        let (announced, loaded) = (bundle.load_bytes(), Cell::new(0));
        bundle.into_causal_model(&runtime, &|bytes| loaded.set(loaded.get() + bytes)).unwrap();
        assert_eq!(loaded.get(), announced);
    }
}

#[test]
fn model_without_a_tokenizer_is_packed_without_one() {
    let model = cke_testkit::tiny_models::Gpt2::default().write().unwrap();
    for name in ["tokenizer.json", "vocab.json", "merges.txt"] {
        // Whichever it has.
        let _ = std::fs::remove_file(model.path().join(name));
    }
    let bundle = open(&pack(model.path(), &int8()).unwrap()).unwrap();
    assert!(matches!(bundle.tokenizer(), Err(LoadError::NoTokenizer { .. })));
    bundle.into_causal_model(&int8(), &|_| ()).unwrap();
}

#[test]
fn another_format_than_the_files_is_refused_with_both() {
    let file = pack(&golden_dir("gpt2-odd"), &int8()).unwrap();
    let plain = Runtime::new(Some(1)).unwrap();
    let error = open(&file).unwrap().into_causal_model(&plain, &|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("model.cke: wanted weights as f32, found a file packed as int8 (leave out"), "{error}");
    let error = pack(&golden_dir("gpt2-odd"), &plain).unwrap_err();
    assert!(matches!(error, Error::NotPortable { format: "f32" }), "{error}");
}

#[test]
fn packed_file_is_not_packed_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.cke");
    std::fs::write(&path, pack(&golden_dir("gpt2-odd"), &int8()).unwrap()).unwrap();
    let error = pack(ModelFiles::open(&path).unwrap(), &int8()).unwrap_err().to_string();
    assert!(error.contains("it is a packed file already"), "{error}");
}

#[test]
fn model_of_another_architecture_is_called_what_it_is() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.cke");
    std::fs::write(&path, pack(&golden_dir("gpt2-odd"), &int8()).unwrap()).unwrap();
    let error = EmbedderFiles::open(&path, EmbedOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "model.cke holds a gpt2 model, this needs a BERT model");
}

#[test]
fn file_that_changes_while_it_is_open_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.cke");
    let content = pack(&golden_dir("gpt2-odd"), &int8()).unwrap();
    std::fs::write(&path, &content).unwrap();
    let bundle = Bundle::open(&path).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
        .unwrap();
    let error = bundle.into_causal_model(&int8(), &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Load(LoadError::Changed { .. })), "{error}");
}
