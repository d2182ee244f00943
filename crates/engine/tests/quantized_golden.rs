//! Checkpoints quantised by GPTQ, AWQ and to fp8 against weights that numpy made by the formats' definitions.

mod support;

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use cke_engine::bundle::{Bundle, Weights};
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::load_error::LoadError;
use cke_engine::model_files::ModelFiles;
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::{Checkpoint, Dtype, QuantizedError};
use safetensors::tensor::TensorView;
use safetensors::{Dtype as FileDtype, SafeTensors};
use serde_json::{Value, json};
use support::causal::last_logits;
use support::{bits, golden_dir, runtimes};

/// Each case with the type that the weights of its layers have here.
const CASES: [(&str, Dtype); 8] = [
    ("quantized-gptq", Dtype::INT4_128),
    ("quantized-gptq-act-order", Dtype::INT4),
    ("quantized-gptq-v2", Dtype::INT4_128),
    ("quantized-gptq-symmetric", Dtype::INT4),
    ("quantized-awq", Dtype::INT4_128),
    ("quantized-fp8-block", Dtype::F8_E4M3),
    ("quantized-fp8-tensor", Dtype::F8_E4M3),
    ("quantized-fp8-channel", Dtype::F8_E4M3),
];

const LAYER: &str = "model.layers.0.self_attn.k_proj";

fn checkpoint(bundle: &Bundle) -> &Checkpoint {
    match bundle.weights() {
        Weights::Stored(checkpoint) => checkpoint,
        Weights::Packed(_) => panic!("a directory has a checkpoint"),
    }
}

fn open(case: &str) -> Bundle {
    Bundle::open(&golden_dir(case)).unwrap()
}

#[test]
fn weights_are_those_of_the_definition() {
    for (case, dtype) in CASES {
        let golden = std::fs::read(golden_dir(case).join("golden.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&golden).unwrap();
        let golden = golden.tensor("weight").unwrap();
        let wanted: Vec<f32> = golden.data().as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
        let bundle = open(case);
        let tensor = checkpoint(&bundle).tensor(&format!("{LAYER}.weight")).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, golden.shape()), "{case}");
        assert_eq!(bits(&tensor.read_f32().unwrap()), bits(&wanted), "{case}");
        let cols = golden.shape()[1];
        let mut rows = vec![0.0; 3 * cols];
        tensor.read_rows_f32(4..7, &mut rows).unwrap();
        assert_eq!(bits(&rows), bits(&wanted[4 * cols..7 * cols]), "{case}");
        let blocks = tensor.blocks(4..7).unwrap();
        assert_eq!(blocks.map(|blocks| blocks.len()), dtype.is_blocks().then_some(3 * cols / 128 * 67), "{case}");
        let names: Vec<&str> = checkpoint(&bundle).infos().map(|info| info.name).collect();
        assert!(!names.iter().any(|name| name.ends_with("scales") || name.contains("weight_scale")), "{names:?}");
    }
}

/// The bytes of f32 or other numbers under their names.
type Tensors = HashMap<String, (FileDtype, Vec<usize>, Vec<u8>)>;

fn write(dir: &Path, config: &Value, tensors: &Tensors) {
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(dir.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn config(case: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden_dir(case).join("config.json")).unwrap()).unwrap()
}

/// The same model with weights in f32.
fn plain(case: &str) -> tempfile::TempDir {
    let bundle = open(case);
    let tensors = checkpoint(&bundle).infos().map(|info| {
        let values = checkpoint(&bundle).tensor(info.name).unwrap().read_f32().unwrap();
        let data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        (info.name.to_owned(), (FileDtype::F32, info.shape.to_vec(), data))
    });
    let mut config = config(case);
    config.as_object_mut().unwrap().remove("quantization_config");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config, &tensors.collect());
    dir
}

fn logits(bundle: Bundle, runtime: &Runtime) -> Vec<f32> {
    let model = bundle.into_causal_model(runtime, &|_| ()).unwrap();
    last_logits(&*model, runtime, &[3, 1, 2, 7])
}

#[test]
fn models_run_as_those_of_the_weights_in_f32() {
    for (case, dtype) in CASES {
        let plain = plain(case);
        for runtime in runtimes() {
            let wanted = logits(Bundle::open(plain.path()).unwrap(), &runtime);
            assert_eq!(bits(&logits(open(case), &runtime)), bits(&wanted), "{case}");
            let stored = runtime.with_weights(WeightFormat::Stored);
            let found = logits(open(case), &stored);
            let largest = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            for (a, b) in found.iter().zip(&wanted) {
                // Rows are rounded to eight bits, keys and values to bf16.
                assert!((a - b).abs() < 0.05 * largest, "{case}: {a} beside {b}");
            }
        }
        let usual = if dtype.is_blocks() { WeightFormat::Stored } else { WeightFormat::F32 };
        assert_eq!(open(case).usual_format(), usual, "{case}");
    }
}

#[test]
fn packed_files_give_the_same_bits_in_the_memory_of_the_blocks() {
    let case = "quantized-awq";
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Stored);
    let mut packed = Cursor::new(Vec::new());
    let files = ModelFiles::open(&golden_dir(case)).unwrap();
    Quantizer::open(files).unwrap().write(&runtime, &mut packed, &|_| ()).unwrap();
    let packed = ModelFiles::of_packed(Arc::new(PackedFile::from_bytes(packed.get_ref(), "model.cke").unwrap()));
    let found = logits(Bundle::of_files(&packed).unwrap(), &runtime);
    assert_eq!(bits(&found), bits(&logits(open(case), &runtime)));
    let bytes = |format| {
        let runtime = Runtime::new(Some(1)).unwrap().with_weights(format);
        open(case).into_causal_model(&runtime, &|_| ()).unwrap().weight_bytes()
    };
    // The layers have 16 + 8 + 8 + 16 + 16 outputs of 256 inputs, which are two blocks.
    let layers = 64 * 256 * 4 - 64 * 2 * 67;
    assert!(bytes(WeightFormat::F32) - bytes(WeightFormat::Stored) >= layers);
}

#[test]
fn what_is_not_followed_is_named() {
    for (case, dtype) in CASES {
        let notices: Vec<String> = open(case).notices().iter().map(ToString::to_string).collect();
        match dtype {
            Dtype::F8_E4M3 => assert!(
                matches!(&notices[..], [notice] if notice.contains("activations are not rounded to eight bits")),
                "{notices:?}"
            ),
            _ => assert!(notices.is_empty(), "{case}: {notices:?}"),
        }
    }
}

fn tensors(case: &str) -> Tensors {
    let file = std::fs::read(golden_dir(case).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let own =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    tensors.tensors().into_iter().map(own).collect()
}

/// The error of a case after a change of its layer's tensors.
fn error_of(case: &str, change: impl FnOnce(&mut Tensors)) -> LoadError {
    let (dir, mut tensors) = (tempfile::tempdir().unwrap(), tensors(case));
    change(&mut tensors);
    write(dir.path(), &config(case), &tensors);
    Bundle::open(dir.path()).unwrap_err()
}

fn part(name: &str) -> String {
    format!("{LAYER}.{name}")
}

#[test]
fn tensors_that_do_not_match_are_errors_that_name_them() {
    for case in ["quantized-gptq", "quantized-awq"] {
        for name in ["qzeros", "scales"] {
            let error = error_of(case, |tensors| drop(tensors.remove(&part(name))));
            assert!(matches!(&error, LoadError::MissingTensor { wanted, .. } if *wanted == [part(name)]), "{error}");
            let error = error_of(case, |tensors| {
                let (_, shape, _) = tensors.get_mut(&part(name)).unwrap();
                shape.reverse();
            });
            assert!(matches!(&error, LoadError::Shape { tensor, .. } if *tensor == part(name)), "{error}");
            let error = error_of(case, |tensors| tensors.get_mut(&part(name)).unwrap().0 = other_type(name));
            let is_type = |problem: &QuantizedError| matches!(problem, QuantizedError::Type { .. });
            assert!(matches!(&error, LoadError::Quantized { problem, .. } if is_type(problem)), "{error}");
        }
        let error = error_of(case, |tensors| {
            let copy = tensors["model.norm.weight"].clone();
            tensors.insert(part("weight"), copy);
        });
        assert!(error.to_string().contains(&format!("the file has `{LAYER}.weight`, too")), "{error}");
    }
}

/// Another type of as many bytes.
fn other_type(name: &str) -> FileDtype {
    if name == "scales" { FileDtype::I16 } else { FileDtype::U32 }
}

#[test]
fn groups_that_are_not_there_are_errors() {
    for group in [2, -1, i32::MIN] {
        let error = error_of("quantized-gptq", |tensors| {
            let (_, _, data) = tensors.get_mut(&part("g_idx")).unwrap();
            data[4 * 77..][..4].copy_from_slice(&group.to_le_bytes());
        });
        let wanted = QuantizedError::Group { input: 77, found: group, groups: 2 };
        assert!(matches!(&error, LoadError::Quantized { problem, .. } if *problem == wanted), "{error}");
    }
    let error = error_of("quantized-gptq", |tensors| {
        let (_, shape, _) = tensors.get_mut(&part("qweight")).unwrap();
        *shape = vec![shape[0] * 2, shape[1] / 2];
    });
    assert!(matches!(error, LoadError::Quantized { problem: QuantizedError::Outputs { found: 4 }, .. }), "{error}");
}

#[test]
fn scales_of_another_number_are_errors() {
    for (case, name) in [("quantized-fp8-block", "weight_scale_inv"), ("quantized-fp8-channel", "weight_scale")] {
        let error = error_of(case, |tensors| {
            let (_, shape, data) = tensors.get_mut(&part(name)).unwrap();
            *shape = vec![3, 1];
            data.truncate(12);
            data.resize(12, 0);
        });
        let is_scales = |problem: &QuantizedError| matches!(problem, QuantizedError::Scales { .. });
        assert!(matches!(&error, LoadError::Quantized { problem, .. } if is_scales(problem)), "{error}");
    }
    let error = error_of("quantized-fp8-tensor", |tensors| drop(tensors.remove(&part("weight_scale"))));
    assert!(matches!(error, LoadError::MissingTensor { .. }), "{error}");
}

#[test]
fn settings_that_are_not_supported_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    for (key, value) in [("bits", json!(3)), ("group_size", json!(0)), ("quant_method", json!("bitsandbytes"))] {
        let mut config = config("quantized-gptq");
        config["quantization_config"][key] = value;
        write(dir.path(), &config, &tensors("quantized-gptq"));
        let error = Bundle::open(dir.path()).unwrap_err();
        let wanted = format!("quantization_config.{key}");
        assert!(matches!(&error, LoadError::Config { key, .. } if *key == wanted), "{error}");
    }
    // Groups of another size than the tensors have.
    let mut config = config("quantized-gptq");
    config["quantization_config"]["group_size"] = json!(64);
    write(dir.path(), &config, &tensors("quantized-gptq"));
    assert!(matches!(Bundle::open(dir.path()).unwrap_err(), LoadError::Shape { .. }));
}
