//! Sentence embeddings against the transformers library: `tests/golden/README.md` says where the numbers come from.

mod support;

use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::error::Error;
use cke_engine::models::bert::Input;
use cke_engine::runtime::Runtime;
use cke_engine::sentence::Pooling;
use cke_kernels::Isa;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use support::{Golden, assert_near, bits, golden_dir, runtimes};

fn open(dir: &Path, options: EmbedOptions, runtime: &Runtime) -> Embedder {
    Embedder::open(dir, options, runtime, &|_| ()).unwrap()
}

fn texts(case: &str) -> Vec<String> {
    serde_json::from_slice(&std::fs::read(golden_dir(case).join("texts.json")).unwrap()).unwrap()
}

fn embed(embedder: &Embedder, texts: &[impl AsRef<str> + Sync], runtime: &Runtime) -> Vec<f32> {
    embedder.embed(texts, &mut embedder.model().activations().unwrap(), runtime).unwrap()
}

/// The tokens that the golden file has for each text.
fn golden_tokens(golden: &Golden) -> Vec<Vec<u32>> {
    let (ids, lengths) = (golden.ids("ids"), golden.ids("lengths"));
    let padded = ids.chunks_exact(ids.len() / lengths.len());
    padded.zip(lengths).map(|(ids, len)| ids[..len as usize].to_vec()).collect()
}

fn check_tokens(embedder: &Embedder, texts: &[String], golden: &Golden) {
    for (text, wanted) in texts.iter().zip(golden_tokens(golden)) {
        assert_eq!(embedder.tokens(text).unwrap(), wanted, "{text:?}");
    }
}

fn check_case(case: &str) {
    let (golden, texts) = (Golden::open(case), texts(case));
    for runtime in runtimes() {
        let embedder = open(&golden_dir(case), EmbedOptions::default(), &runtime);
        check_tokens(&embedder, &texts, &golden);
        assert_near(&embed(&embedder, &texts, &runtime), &golden.floats("embeddings"), case);
    }
}

#[test]
fn mean_and_normalize_match() {
    check_case("st-mean");
}

#[test]
fn cls_without_normalize_matches() {
    check_case("st-cls");
}

/// 1 − a·b / (‖a‖‖b‖)
fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Where all-MiniLM-L6-v2 lies.
#[allow(clippy::print_stderr)] // for the reader of the test's output
fn minilm_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("CKE_MINILM_DIR").map(PathBuf::from);
    if dir.is_none() {
        let is_required = std::env::var("CKE_REQUIRE_MINILM").is_ok_and(|value| value == "1");
        assert!(!is_required, "CKE_REQUIRE_MINILM=1 needs CKE_MINILM_DIR");
        eprintln!("ignored: CKE_MINILM_DIR is not set (tools/golden/fetch_minilm.sh fetches it)");
    }
    dir
}

#[test]
fn minilm_sentences_match() {
    let Some(dir) = minilm_dir() else { return };
    let (golden, texts) = (Golden::open("minilm"), texts("minilm"));
    for runtime in runtimes() {
        let embedder = open(&dir, EmbedOptions::default(), &runtime);
        check_tokens(&embedder, &texts, &golden);
        let (found, wanted) = (embed(&embedder, &texts, &runtime), golden.floats("embeddings"));
        assert_eq!(found.len(), wanted.len());
        let vectors = found.chunks_exact(embedder.width()).zip(wanted.chunks_exact(embedder.width()));
        for ((found, wanted), text) in vectors.zip(&texts) {
            let distance = cosine_distance(found, wanted);
            assert!(distance <= 1e-5, "{text:?} on {}: cosine distance {distance:e}", runtime.cpu().isa());
        }
    }
}

#[test]
fn other_texts_and_threads_change_no_bit() {
    // Enough for more than one forward pass.
    let texts: Vec<String> = texts("st-mean").into_iter().cycle().take(500).collect();
    let mut wanted: HashMap<Isa, Vec<u32>> = HashMap::new();
    for runtime in runtimes() {
        let embedder = open(&golden_dir("st-mean"), EmbedOptions::default(), &runtime);
        let mut state = embedder.model().activations().unwrap();
        assert!(texts.iter().map(|text| embedder.tokens(text).unwrap().len()).sum::<usize>() > 2 * 2048);
        let together = bits(&embedder.embed(&texts, &mut state, &runtime).unwrap());
        for (text, together) in texts.iter().zip(together.chunks_exact(embedder.width())).take(8) {
            assert_eq!(bits(&embedder.embed(&[text], &mut state, &runtime).unwrap()), together, "{text:?}");
        }
        let backwards: Vec<&String> = texts.iter().rev().collect();
        let backwards = bits(&embedder.embed(&backwards, &mut state, &runtime).unwrap());
        assert!(together.chunks_exact(36).eq(backwards.chunks_exact(36).rev()));
        assert!(together == *wanted.entry(runtime.cpu().isa()).or_insert_with(|| together.clone()));
    }
}

/// The vector of a text by the definition of a pooling, from the token vectors in f64.
fn pooled(pooling: Pooling, hidden: &[f32], width: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = hidden.chunks_exact(width).collect();
    let sum = |j: usize| rows.iter().map(|row| f64::from(row[j])).sum::<f64>();
    let count = rows.len() as f64;
    let element = |j: usize| match pooling {
        Pooling::Mean => (sum(j) / count) as f32,
        Pooling::MeanSqrtLen => (sum(j) / count.sqrt()) as f32,
        Pooling::Cls => rows[0][j],
        Pooling::LastToken => rows[rows.len() - 1][j],
        Pooling::Max => rows.iter().map(|row| row[j]).fold(f32::NEG_INFINITY, f32::max),
    };
    (0..width).map(element).collect()
}

#[test]
fn options_win_over_the_files() {
    let runtime = Runtime::new(Some(2)).unwrap();
    for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Max, Pooling::MeanSqrtLen, Pooling::LastToken] {
        let options = EmbedOptions { pooling: Some(pooling), normalize: Some(false), ..EmbedOptions::default() };
        let embedder = open(&golden_dir("st-mean"), options, &runtime);
        assert_eq!((embedder.pooling(), embedder.normalize()), (pooling, false));
        let mut state = embedder.model().activations().unwrap();
        for text in texts("st-mean") {
            let ids = embedder.tokens(&text).unwrap();
            embedder.model().forward(&[Input::from(&ids[..])], &mut state, &runtime).unwrap();
            let wanted = pooled(pooling, embedder.model().hidden(&state), embedder.width());
            assert_near(&embed(&embedder, &[&text], &runtime), &wanted, &format!("{pooling:?} of {text:?}"));
        }
    }
}

/// A copy of a golden model without its sentence-transformers files.
fn plain_copy(case: &str, into: &Path) {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(golden_dir(case).join(name), into.join(name)).unwrap();
    }
}

/// `st-cls` with the transformer in a folder of its own and another `sentence_bert_config.json`.
fn foldered_copy(settings: &str, into: &Path) {
    let (transformer, pooling) = (into.join("0_Transformer"), into.join("1_Pooling"));
    for folder in [&transformer, &pooling] {
        std::fs::create_dir(folder).unwrap();
    }
    plain_copy("st-cls", &transformer);
    std::fs::copy(golden_dir("st-cls").join("1_Pooling/config.json"), pooling.join("config.json")).unwrap();
    let modules = r#"[{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
                      {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#;
    std::fs::write(into.join("modules.json"), modules).unwrap();
    std::fs::write(transformer.join("sentence_bert_config.json"), settings).unwrap();
}

#[test]
fn model_without_sentence_files_takes_mean_normalize_and_all_positions() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    plain_copy("st-cls", dir.path());
    let embedder = open(dir.path(), EmbedOptions::default(), &runtime);
    assert_eq!((embedder.pooling(), embedder.normalize(), embedder.max_tokens()), (Pooling::Mean, true, 32));
    let vector = embed(&embedder, &["the river"], &runtime);
    let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    assert!((norm - 1.0).abs() < 1e-6, "{norm}");
}

#[test]
fn transformer_in_a_folder_of_its_own_is_found() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    foldered_copy(r#"{"max_seq_length": 24}"#, dir.path());
    let embedder = open(dir.path(), EmbedOptions::default(), &runtime);
    let wanted = Golden::open("st-cls").floats("embeddings");
    assert_near(&embed(&embedder, &texts("st-cls"), &runtime), &wanted, "st-cls in folders");
}

#[test]
fn lowercasing_leaves_special_tokens_whole() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let [plain, lowering] = [false, true].map(|lower| {
        let dir = tempfile::tempdir().unwrap();
        foldered_copy(&format!(r#"{{"max_seq_length": 24, "do_lower_case": {lower}}}"#), dir.path());
        let settings = r#"{"tokenizer_class": "BertTokenizer", "do_lower_case": false}"#;
        std::fs::write(dir.path().join("0_Transformer/tokenizer_config.json"), settings).unwrap();
        open(dir.path(), EmbedOptions::default(), &runtime)
    });
    let text = "The [MASK] RIVER";
    // As sentence-transformers 6 does; before it, the whole text was lowered, `[MASK]` too.
    assert_ne!(plain.tokens(text).unwrap(), lowering.tokens(text).unwrap());
    assert_eq!(lowering.tokens(text).unwrap(), plain.tokens("the [MASK] river").unwrap());
}

#[test]
fn longest_input_beyond_the_positions_is_bounded_by_them() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    foldered_copy(r#"{"max_seq_length": 1000}"#, dir.path());
    let embedder = open(dir.path(), EmbedOptions::default(), &runtime);
    assert_eq!(embedder.max_tokens(), 32);
    assert_eq!(embedder.tokens(&"river ".repeat(1000)).unwrap().len(), 32);
}

#[test]
fn empty_text_is_its_special_tokens() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let embedder = open(&golden_dir("st-mean"), EmbedOptions::default(), &runtime);
    assert_eq!(embedder.tokens("").unwrap().len(), 2);
    assert_eq!(embed(&embedder, &["", " \n"], &runtime).len(), 2 * embedder.width());
    assert!(embed(&embedder, &[""; 0], &runtime).is_empty());
}

#[test]
fn text_without_tokens_is_named() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    plain_copy("st-mean", dir.path());
    let file = dir.path().join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    tokenizer["post_processor"] = serde_json::Value::Null;
    std::fs::write(&file, tokenizer.to_string()).unwrap();
    // BERT's own class would put its tokens round every text.
    let settings = r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#;
    std::fs::write(dir.path().join("tokenizer_config.json"), settings).unwrap();
    let embedder = open(dir.path(), EmbedOptions::default(), &runtime);
    let mut state = embedder.model().activations().unwrap();
    let error = embedder.embed(&["river", ""], &mut state, &runtime).unwrap_err();
    assert!(matches!(error, Error::InSequence { sequence: 1, .. }), "{error:?}");
}

#[test]
fn another_architecture_is_refused() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden_dir("gpt2-odd").join(name), dir.path().join(name)).unwrap();
    }
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(golden_dir("tokenizer-bpe").join(name), dir.path().join(name)).unwrap();
    }
    let config = dir.path().join("config.json");
    let json = std::fs::read_to_string(&config).unwrap().replace("\"vocab_size\": 211", "\"vocab_size\": 420");
    std::fs::write(&config, json).unwrap();
    let error = Embedder::open(dir.path(), EmbedOptions::default(), &runtime, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::WrongArchitecture { wanted: "BERT", .. }), "{error}");
}
