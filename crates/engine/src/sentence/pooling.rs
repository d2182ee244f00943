//! How the vectors of a text's tokens become one vector: the configuration of a pooling module.

use serde_json::Value;

use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// How the vectors of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The vector of the first token, `[CLS]`.
    Cls,
    /// Their maximum, element by element.
    Max,
    /// Their sum divided by the square root of their number.
    MeanSqrtLen,
    /// The vector of the last token.
    LastToken,
}

/// Keys of the file with the names of the width: the newer one first.
const WIDTH_KEYS: [&str; 2] = ["embedding_dimension", "word_embedding_dimension"];

/// The other keys of the file beside the flags of [`Pooling::KNOWN`].
const OTHER_KEYS: [&str; 2] = ["include_prompt", "pooling_mode"];

impl Pooling {
    /// Every pooling that the layout knows: its flag, its name in newer files, and what it is here.
    const KNOWN: [(&'static str, &'static str, Option<Self>); 6] = [
        ("pooling_mode_cls_token", "cls", Some(Self::Cls)),
        ("pooling_mode_mean_tokens", "mean", Some(Self::Mean)),
        ("pooling_mode_max_tokens", "max", Some(Self::Max)),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Some(Self::MeanSqrtLen)),
        ("pooling_mode_lasttoken", "lasttoken", Some(Self::LastToken)),
        ("pooling_mode_weightedmean_tokens", "weightedmean", None),
    ];

    /// Its name, as newer files of the layout have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::LastToken => "lasttoken",
        }
    }

    /// Reads a pooling module's `config.json`; its vectors must have the width of the model.
    pub(super) fn read(json: &JsonObject, width: Option<usize>) -> Result<Self, LoadError> {
        for key in WIDTH_KEYS {
            let declared = json.size(key, usize::MAX)?;
            if let (Some(declared), Some(width)) = (declared, width)
                && declared != width
            {
                return Err(json.wrong(key, format!("the model's width {width}")));
            }
        }
        if let Some(mode) = json.get("pooling_mode") {
            // Several would be put one after the other.
            let name = match mode.as_array().map(Vec::as_slice) {
                Some([single]) => single.as_str(),
                Some(_) => None,
                None => mode.as_str(),
            };
            let known = Self::KNOWN.iter().find(|(_, known, _)| Some(*known) == name);
            let wanted = "one of mean, cls, max, mean_sqrt_len_tokens or lasttoken";
            return known.and_then(|(.., pooling)| *pooling).ok_or_else(|| json.wrong("pooling_mode", wanted));
        }
        let mut chosen = None;
        for (flag, _, pooling) in Self::KNOWN {
            if json.flag(flag)?.unwrap_or(false) {
                let Some(pooling) = pooling else { return Err(json.wrong(flag, "false (not supported)")) };
                if chosen.replace(pooling).is_some() {
                    return Err(json.wrong(flag, "false, for another pooling is on (a concatenation is not supported)"));
                }
            }
        }
        // The library's default.
        Ok(chosen.unwrap_or(Self::Mean))
    }
}

/// What a pooling module's file says and is not followed.
pub(super) fn notices(json: &JsonObject) -> Vec<Notice> {
    let is_flag = |key: &str| Pooling::KNOWN.iter().any(|(flag, ..)| *flag == key);
    json.unknown_keys(|key| is_flag(key) || WIDTH_KEYS.contains(&key) || OTHER_KEYS.contains(&key))
}

/// Checks the configuration of a module that has none but the names of its input and output, if it has a file.
pub(super) fn check_normalize(json: &JsonObject) -> Result<Vec<Notice>, LoadError> {
    const KEYS: [&str; 2] = ["module_input_name", "module_output_name"];
    for key in KEYS {
        if json.get(key).is_some_and(|name| name != &Value::from("sentence_embedding")) {
            return Err(json.wrong(key, "\"sentence_embedding\""));
        }
    }
    Ok(json.unknown_keys(|key| KEYS.contains(&key)))
}
