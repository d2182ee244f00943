//! How a checkpoint's weights were quantised: `quantization_config`.
//!
//! Which layers are quantised is seen from their tensors, so that lists of modules have no effect.

use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::notice::Notice;

const KEY: &str = "quantization_config";

/// Inputs of a group at most: the whole of the widest layer.
const MAX_GROUP: usize = super::MAX_INNER;

/// A way of quantising weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantization {
    /// Whole numbers of four bits around zero points, as GPTQModel and AutoGPTQ write them.
    Gptq {
        /// Inputs with one scale; `None` if all of an output have the same.
        group_size: Option<usize>,
        /// How zero points are stored.
        zeros: StoredZeros,
    },
    /// The same as AutoAWQ writes them.
    Awq {
        /// Inputs with one scale; `None` if all of an output have the same.
        group_size: Option<usize>,
    },
    /// Floating-point numbers of eight bits with scales.
    Fp8 {
        /// Outputs and inputs with one scale; `None` if a whole tensor or an output has the same.
        block: Option<[usize; 2]>,
    },
}

/// How GPTQ's zero points are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredZeros {
    /// As they are.
    Same,
    /// Less one.
    LessOne,
    /// All are 8, stored as 7 or, under the same name of the format, as 8.
    Symmetric,
}

impl Quantization {
    /// How the model that `json` describes was quantised; `None` if it was not.
    pub(crate) fn read(json: &JsonObject) -> Result<Option<Quantization>, LoadError> {
        let Some(own) = json.object(KEY)? else { return Ok(None) };
        Ok(Some(match own.text("quant_method")? {
            Some("gptq") => gptq(&own)?,
            Some("awq") => awq(&own)?,
            Some("fp8") => fp8(&own)?,
            Some("compressed-tensors") => compressed_tensors(&own)?,
            _ => return Err(own.wrong("quant_method", "gptq, awq, fp8 or compressed-tensors")),
        }))
    }

    /// What the model's files say of quantisation and is not followed.
    pub(crate) fn notice(self, json: &JsonObject) -> Option<Notice> {
        let Quantization::Fp8 { .. } = self else { return None };
        Some(json.not_followed(KEY, "weights are read as it says, activations are not rounded to eight bits"))
    }
}

fn gptq(own: &JsonObject) -> Result<Quantization, LoadError> {
    expect_bits(own, "bits")?;
    let overrides = own.object("dynamic")?;
    // What begins with `-:` leaves modules as they are.
    if overrides.is_some_and(|overrides| overrides.entries().any(|(module, _)| !module.starts_with("-:"))) {
        return Err(own.wrong("dynamic", "no settings of single modules"));
    }
    let is_symmetric = own.flag("sym")?.unwrap_or(false);
    let zeros = match own.text("checkpoint_format")?.unwrap_or("gptq") {
        "gptq_v2" => StoredZeros::Same,
        "gptq" if is_symmetric => StoredZeros::Symmetric,
        "gptq" => StoredZeros::LessOne,
        _ => return Err(own.wrong("checkpoint_format", "gptq or gptq_v2")),
    };
    Ok(Quantization::Gptq { group_size: group_size(own, "group_size")?, zeros })
}

fn awq(own: &JsonObject) -> Result<Quantization, LoadError> {
    // The names of AutoAWQ's own file come second.
    let name = |first, second| if own.get(first).is_some() { first } else { second };
    expect_bits(own, name("bits", "w_bit"))?;
    if !own.text("version")?.unwrap_or("gemm").eq_ignore_ascii_case("gemm") {
        return Err(own.wrong("version", "gemm"));
    }
    if own.flag("zero_point")? == Some(false) {
        return Err(own.wrong("zero_point", "true"));
    }
    Ok(Quantization::Awq { group_size: group_size(own, name("group_size", "q_group_size"))? })
}

fn fp8(own: &JsonObject) -> Result<Quantization, LoadError> {
    if !matches!(own.text("fmt")?, None | Some("e4m3" | "float8_e4m3fn")) {
        return Err(own.wrong("fmt", "e4m3"));
    }
    Ok(Quantization::Fp8 { block: block_size(own, "weight_block_size")? })
}

fn compressed_tensors(own: &JsonObject) -> Result<Quantization, LoadError> {
    if !matches!(own.text("format")?, Some("float-quantized")) {
        return Err(own.wrong("format", "float-quantized"));
    }
    const GROUPS: &str = "config_groups";
    let groups = own.required(GROUPS, own.object(GROUPS)?, "an object")?;
    let mut block = None;
    for (index, (name, _)) in groups.entries().enumerate() {
        let group = groups.required(name, groups.object(name)?, "an object")?;
        let weights = group.required("weights", group.object("weights")?, "an object")?;
        if weights.integer("num_bits", 8..=8)?.is_none() || weights.text("type")? != Some("float") {
            return Err(group.wrong("weights", "`num_bits` 8 and `type` \"float\""));
        }
        let own_block = block_size(&weights, "block_structure")?;
        if index > 0 && own_block != block {
            return Err(own.wrong(GROUPS, "groups of one `block_structure`"));
        }
        block = own_block;
    }
    Ok(Quantization::Fp8 { block })
}

fn expect_bits(own: &JsonObject, key: &str) -> Result<(), LoadError> {
    let bits = own.integer(key, 4..=4).map_err(|_| own.wrong(key, "4 (other numbers of bits are not supported)"))?;
    own.required(key, bits, "4").map(drop)
}

/// The size of groups; −1 stands for all inputs.
fn group_size(own: &JsonObject, key: &str) -> Result<Option<usize>, LoadError> {
    if own.get(key).and_then(serde_json::Value::as_i64) == Some(-1) {
        return Ok(None);
    }
    own.required_size(key, MAX_GROUP).map(Some)
}

/// Rows and columns of a block.
fn block_size(own: &JsonObject, key: &str) -> Result<Option<[usize; 2]>, LoadError> {
    let Some(value) = own.get(key) else { return Ok(None) };
    let sizes: Option<Vec<usize>> =
        value.as_array().and_then(|list| list.iter().map(|size| usize::try_from(size.as_u64()?).ok()).collect());
    match sizes.as_deref() {
        Some(&[rows, cols]) if (1..=MAX_GROUP).contains(&rows) && (1..=MAX_GROUP).contains(&cols) => {
            Ok(Some([rows, cols]))
        }
        _ => Err(own.wrong(key, format!("two whole numbers from 1 to {MAX_GROUP}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn read(own: &Value) -> Result<Option<Quantization>, LoadError> {
        let text = json!({ KEY: own }).to_string();
        Quantization::read(&JsonObject::parse(text.as_bytes(), Path::new("config.json")).unwrap())
    }

    #[test]
    fn published_settings_are_read() {
        let gptq = |group_size, zeros| Quantization::Gptq { group_size, zeros };
        let cases = [
            (json!({"quant_method": "gptq", "bits": 4, "group_size": 128}), gptq(Some(128), StoredZeros::LessOne)),
            (
                json!({"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": true, "dynamic": {"-:lm_head": {}}}),
                gptq(None, StoredZeros::Symmetric),
            ),
            (
                json!({"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": true, "checkpoint_format": "gptq_v2"}),
                gptq(Some(32), StoredZeros::Same),
            ),
            (
                json!({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm", "zero_point": true}),
                Quantization::Awq { group_size: Some(64) },
            ),
            (
                json!({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}),
                Quantization::Awq { group_size: Some(64) },
            ),
            (json!({"quant_method": "fp8", "activation_scheme": "static"}), Quantization::Fp8 { block: None }),
            (
                json!({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}),
                Quantization::Fp8 { block: Some([128, 128]) },
            ),
            (
                json!({"quant_method": "compressed-tensors", "format": "float-quantized",
                    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}}}),
                Quantization::Fp8 { block: None },
            ),
        ];
        for (own, wanted) in cases {
            assert_eq!(read(&own).unwrap(), Some(wanted), "{own}");
        }
        assert_eq!(read(&Value::Null).unwrap(), None);
    }

    #[test]
    fn other_settings_are_refused_by_their_key() {
        let cases = [
            ("quant_method", json!({"bits": 4})),
            ("quant_method", json!({"quant_method": "bitsandbytes"})),
            ("bits", json!({"quant_method": "gptq", "bits": 3, "group_size": 128})),
            ("bits", json!({"quant_method": "gptq", "group_size": 128})),
            ("group_size", json!({"quant_method": "gptq", "bits": 4, "group_size": 0})),
            ("group_size", json!({"quant_method": "gptq", "bits": 4})),
            ("dynamic", json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {".*": {"bits": 8}}})),
            ("checkpoint_format", json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"})),
            ("version", json!({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemv"})),
            ("zero_point", json!({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": false})),
            ("fmt", json!({"quant_method": "fp8", "fmt": "e5m2"})),
            ("weight_block_size", json!({"quant_method": "fp8", "weight_block_size": [128]})),
            ("format", json!({"quant_method": "compressed-tensors", "format": "pack-quantized"})),
            ("config_groups", json!({"quant_method": "compressed-tensors", "format": "float-quantized"})),
        ];
        for (key, own) in cases {
            let error = read(&own).unwrap_err();
            let wanted = format!("{KEY}.{key}");
            assert!(matches!(&error, LoadError::Config { key, .. } if *key == wanted), "{own}: {error}");
        }
    }
}
