//! How rotary frequencies are scaled for long contexts: keys and tensors of a GGUF file as `rope_scaling` of `config.json`.

use std::f64::consts::TAU;

use serde_json::{Map, Value as Json, json};

use super::config::Settings;
use super::error::GgufError;
use crate::dtype::Dtype;
use crate::load_error::LoadError;

/// Most factors, one for each pair of numbers of a head.
const MAX_FACTORS: usize = 1 << 16;

/// The constants with which all of Llama 3's frequencies are scaled.
const LLAMA3_LOW: f64 = 1.0;
const LLAMA3_HIGH: f64 = 4.0;
const LLAMA3_CONTEXT: u64 = 8192;

/// The `rope_scaling` of a file, if there is one.
///
/// # Errors
/// Fails if the kind of scaling or its factors are not supported, a key has the wrong type, or a tensor of factors is missing
/// or malformed.
pub(super) fn rope_scaling(settings: &mut Settings<'_>, theta: f64) -> Result<Option<Json>, LoadError> {
    if let Some(scaling) = of_long_context(settings)? {
        return Ok(Some(scaling));
    }
    if let Some(factors) = factors(settings, "rope_freqs.weight")? {
        return llama3(settings, &factors, theta);
    }
    of_keys(settings)
}

/// Scaling by keys alone.
fn of_keys(settings: &mut Settings<'_>) -> Result<Option<Json>, LoadError> {
    const KEYS: [&str; 2] = ["rope.scaling.factor", "rope.scale_linear"];
    let [factor, older_factor] = [settings.number(KEYS[0])?, settings.number(KEYS[1])?];
    settings.name_key("rope_scaling.factor", KEYS[usize::from(factor.is_none())]);
    let factor = factor.or(older_factor);
    let kind = settings.text("rope.scaling.type")?.map(str::to_owned);
    // 0 stands for none.
    let factor = factor.filter(|factor| *factor != 0.0 && *factor != 1.0);
    match (kind.as_deref(), factor) {
        (Some("none"), _) | (None | Some("linear" | "yarn"), None) => Ok(None),
        (None | Some("linear"), Some(factor)) => Ok(Some(json!({"rope_type": "linear", "factor": factor}))),
        (Some("yarn"), Some(factor)) => yarn(settings, factor).map(Some),
        (Some(found), _) => {
            let key = settings.full_key("rope.scaling.type");
            Err(LoadError::config(settings.file.path(), key, "one of none, linear, yarn", format!("{found:?}")))
        }
    }
}

/// YaRN (Peng, Quesnelle, Fan and Shippole, 2023).
fn yarn(settings: &mut Settings<'_>, factor: f64) -> Result<Json, LoadError> {
    let mut scaling = Map::from_iter([("rope_type".to_owned(), "yarn".into()), ("factor".to_owned(), factor.into())]);
    const LENGTH: (&str, &str) = ("original_max_position_embeddings", "rope.scaling.original_context_length");
    if let Some(length) = settings.size(LENGTH.1)? {
        scaling.insert(LENGTH.0.to_owned(), length.into());
        settings.name_key(&format!("rope_scaling.{}", LENGTH.0), LENGTH.1);
    }
    for (name, key) in [("beta_fast", "rope.scaling.yarn_beta_fast"), ("beta_slow", "rope.scaling.yarn_beta_slow")] {
        if let Some(beta) = settings.number(key)? {
            scaling.insert(name.to_owned(), beta.into());
            settings.name_key(&format!("rope_scaling.{name}"), key);
        }
    }
    for key in ["rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor"] {
        if let Some(found) = settings.number(key)?.filter(|factor| *factor != 1.0) {
            let key = settings.full_key(key);
            return Err(LoadError::config(
                settings.file.path(),
                key,
                "1 (others are not supported)",
                found.to_string(),
            ));
        }
    }
    Ok(Json::Object(scaling))
}

/// Phi-3's factors for short and for long texts, which are tensors.
fn of_long_context(settings: &mut Settings<'_>) -> Result<Option<Json>, LoadError> {
    const NAMES: [&str; 2] = ["rope_factors_long.weight", "rope_factors_short.weight"];
    let [long, short] = [factors(settings, NAMES[0])?, factors(settings, NAMES[1])?];
    let (long, short) = match (long, short) {
        (None, None) => return Ok(None),
        (Some(long), Some(short)) => (long, short),
        (long, _) => {
            let missing = if long.is_none() { NAMES[0] } else { NAMES[1] };
            let (file, present) = (settings.file.path().to_owned(), settings.file.infos().count());
            return Err(LoadError::MissingTensor { file, wanted: vec![missing.to_owned()], present });
        }
    };
    let mut scaling = json!({"rope_type": "longrope", "long_factor": long, "short_factor": short});
    for key in ["rope.scaling.type", "rope.scaling.factor"] {
        // Said by the tensors.
        settings.pass(key);
    }
    if let Some(factor) = settings.number("rope.scaling.attn_factor")?.filter(|factor| *factor != 0.0) {
        scaling["attention_factor"] = factor.into();
        settings.name_key("rope_scaling.attention_factor", "rope.scaling.attn_factor");
    }
    Ok(Some(scaling))
}

/// The factors that divide the frequencies of each pair, if the file has a tensor of them.
fn factors(settings: &Settings<'_>, name: &str) -> Result<Option<Vec<f64>>, LoadError> {
    let Some(tensor) = settings.file.get(name) else { return Ok(None) };
    let wanted = usize::try_from(settings.rotated() / 2).unwrap_or(usize::MAX).min(MAX_FACTORS);
    let is_list = tensor.dtype() == Dtype::F32 && tensor.shape() == [wanted];
    let wrong = |wanted: String, found: String| {
        let problem = GgufError::Tensor { tensor: name.to_owned(), wanted, found };
        LoadError::gguf(settings.file.path(), problem)
    };
    if !is_list {
        let found = format!("{:?} of {}", tensor.shape(), tensor.dtype());
        return Err(wrong(format!("{wanted} factors of F32, half of the rotated width"), found));
    }
    let factors = tensor.read_f32()?;
    match factors.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
        Some(found) => Err(wrong("factors above 0".to_owned(), found.to_string())),
        None => Ok(Some(factors.into_iter().map(f64::from).collect())),
    }
}

/// Llama 3's scaling, whose constants are not in the file: found again from its factors.
fn llama3(settings: &Settings<'_>, factors: &[f64], theta: f64) -> Result<Option<Json>, LoadError> {
    let factor = factors.iter().copied().fold(1.0, f64::max);
    if factors.iter().all(|factor| *factor == 1.0) {
        return Ok(None);
    }
    let pairs = factors.len();
    let wrong = factors.iter().enumerate().find(|(pair, found)| {
        let wanted = llama3_factor(theta.powf(*pair as f64 / pairs as f64), factor);
        (**found - wanted).abs() > 1e-3 * wanted
    });
    if let Some((pair, found)) = wrong {
        let problem = GgufError::Tensor {
            tensor: "rope_freqs.weight".to_owned(),
            wanted: format!("the factors of Llama 3 up to {factor}, for base {theta}"),
            found: format!("{found} for pair {pair}"),
        };
        return Err(LoadError::gguf(settings.file.path(), problem));
    }
    Ok(Some(json!({
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LLAMA3_LOW,
        "high_freq_factor": LLAMA3_HIGH,
        "original_max_position_embeddings": LLAMA3_CONTEXT,
    })))
}

/// What divides the frequency 1/`inverse`: 1 for short waves, `factor` for long ones, and between both in between.
fn llama3_factor(inverse: f64, factor: f64) -> f64 {
    let waves = LLAMA3_CONTEXT as f64 / (TAU * inverse);
    let smooth = ((waves - LLAMA3_LOW) / (LLAMA3_HIGH - LLAMA3_LOW)).clamp(0.0, 1.0);
    1.0 / ((1.0 - smooth) / factor + smooth)
}
