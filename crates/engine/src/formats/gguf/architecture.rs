//! The architectures of GGUF files, and what their tensors are called in checkpoints of transformers.

use std::sync::Arc;

use super::config::{self, Settings};
use super::error::GgufError;
use super::{GgufFile, WeightFile};
use crate::formats::tensor_entry::TensorEntry;
use crate::load_error::LoadError;
use crate::tensor::{Conversion, RowOrder};

/// Heads of a model at most, for which a file may have weights.
const MAX_HEADS: u64 = 1 << 17;

/// A family of models as GGUF files have it.
#[derive(Debug)]
pub(super) struct Architecture {
    /// `general.architecture`, and what the names of its keys begin with.
    pub(super) name: &'static str,
    /// `model_type` of its `config.json`.
    pub(super) model_type: &'static str,
    /// Tensors of a layer whose names differ from those of [`LAYER_NAMES`].
    own_names: &'static [(&'static str, &'static str)],
    /// Whether the rows of queries and keys alternate between the halves of a head.
    has_alternating_heads: bool,
    /// What is added to the weights of norms in the file: 1 for models that multiply by 1 + weight.
    norm_excess: f32,
    /// What `config.json` has for this family alone.
    pub(super) settings: fn(&mut Settings<'_>) -> Result<(), LoadError>,
}

/// Every supported architecture.
const ARCHITECTURES: [Architecture; 7] = [
    // Mistral and SmolLM2, too.
    Architecture {
        name: "llama",
        model_type: "llama",
        own_names: &[],
        has_alternating_heads: true,
        norm_excess: 0.0,
        settings: config::llama,
    },
    Architecture {
        name: "smollm3",
        model_type: "smollm3",
        own_names: &[],
        has_alternating_heads: true,
        norm_excess: 0.0,
        settings: config::smollm3,
    },
    Architecture {
        name: "qwen2",
        model_type: "qwen2",
        own_names: &[],
        has_alternating_heads: false,
        norm_excess: 0.0,
        settings: config::qwen2,
    },
    Architecture {
        name: "qwen3",
        model_type: "qwen3",
        own_names: &[],
        has_alternating_heads: false,
        norm_excess: 0.0,
        settings: config::qwen3,
    },
    Architecture {
        name: "gemma2",
        model_type: "gemma2",
        own_names: &GEMMA_NAMES,
        has_alternating_heads: false,
        norm_excess: 1.0,
        settings: config::gemma2,
    },
    Architecture {
        name: "gemma3",
        model_type: "gemma3_text",
        own_names: &GEMMA_NAMES,
        has_alternating_heads: false,
        norm_excess: 1.0,
        settings: config::gemma3,
    },
    Architecture {
        name: "phi3",
        model_type: "phi3",
        own_names: &[("ffn_up", "mlp.gate_up_proj")],
        has_alternating_heads: false,
        norm_excess: 0.0,
        settings: config::phi3,
    },
];

/// Modules outside of layers.
const GLOBAL_NAMES: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

/// Modules of a layer.
const LAYER_NAMES: [(&str, &str); 12] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Gemma has norms before and after each half of a layer.
const GEMMA_NAMES: [(&str, &str); 3] = [
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

/// A name of a file, taken apart: `blk.3.attn_q.weight`, `output.weight`.
struct FileName<'a> {
    layer: Option<u32>,
    module: &'a str,
    /// `weight` or `bias`.
    parameter: &'a str,
}

impl<'a> FileName<'a> {
    fn parse(name: &'a str) -> Option<FileName<'a>> {
        let (rest, parameter) =
            name.rsplit_once('.').filter(|(_, parameter)| ["weight", "bias"].contains(parameter))?;
        let Some(rest) = rest.strip_prefix("blk.") else {
            return Some(FileName { layer: None, module: rest, parameter });
        };
        let (number, module) = rest.split_once('.')?;
        let layer = number.parse::<u32>().ok().filter(|layer| layer.to_string() == number)?;
        Some(FileName { layer: Some(layer), module, parameter })
    }
}

impl Architecture {
    /// The architecture of a file.
    ///
    /// # Errors
    /// Fails if the architecture is missing or not supported, or the file is not a model.
    pub(super) fn of(file: &GgufFile) -> Result<&'static Architecture, LoadError> {
        const KEY: &str = "general.architecture";
        let known = || ARCHITECTURES.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
        let wanted = || format!("one of {}", known());
        if let Some(kind) = file.text("general.type")?.filter(|kind| *kind != "model") {
            return Err(LoadError::config(file.path(), "general.type", "\"model\"", format!("{kind:?}")));
        }
        let name = file.text(KEY)?;
        let name = file.required(KEY, name, &wanted())?;
        let found = ARCHITECTURES.iter().find(|known| known.name == name);
        found.ok_or_else(|| LoadError::config(file.path(), KEY, wanted(), format!("{name:?}")))
    }

    /// The name of a tensor in checkpoints; one that is not known is `None`.
    fn model_name(&self, name: &FileName<'_>) -> Option<String> {
        let FileName { layer, module, parameter } = name;
        let find = |names: &[(&str, &'static str)]| names.iter().find(|(own, _)| own == module).map(|(_, to)| *to);
        match layer {
            None => Some(format!("{}.{parameter}", find(&GLOBAL_NAMES)?)),
            Some(layer) => {
                let module = find(self.own_names).or_else(|| find(&LAYER_NAMES))?;
                Some(format!("model.layers.{layer}.{module}.{parameter}"))
            }
        }
    }
}

/// The names of the tensors of a GGUF file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GgufNames(&'static Architecture);

impl GgufNames {
    /// What the file calls a tensor that checkpoints call `name`; `None` if nothing is called so.
    pub(crate) fn in_file(self, name: &str) -> Option<String> {
        let (rest, parameter) = name.rsplit_once('.')?;
        let find = |names: &[(&'static str, &str)], module: &str| {
            names.iter().find(|(_, to)| *to == module).map(|(own, _)| *own)
        };
        let Some(of_layer) = rest.strip_prefix("model.layers.") else {
            return Some(format!("{}.{parameter}", find(&GLOBAL_NAMES, rest)?));
        };
        let (layer, module) = of_layer.split_once('.')?;
        let own = find(self.0.own_names, module).or_else(|| find(&LAYER_NAMES, module))?;
        Some(format!("blk.{layer}.{own}.{parameter}"))
    }
}

/// The tensors of a GGUF file as a checkpoint has them.
pub(crate) struct GgufTensors {
    /// What the file calls them.
    pub(crate) names: GgufNames,
    /// The parts of the file.
    pub(crate) sources: Vec<Arc<WeightFile>>,
    /// Part by part, in the order of their data.
    pub(crate) tensors: Vec<ModelTensor>,
}

/// A tensor under its name in checkpoints.
pub(crate) struct ModelTensor {
    pub(crate) entry: TensorEntry,
    pub(crate) conversion: Conversion,
    /// Index of the part that holds it.
    pub(crate) part: usize,
}

impl GgufFile {
    /// All tensors under the names that checkpoints have for them; those without one keep their own.
    ///
    /// # Errors
    /// Fails if the architecture is not supported, rows do not match the heads, or two tensors have the same name.
    pub(crate) fn model_tensors(&self) -> Result<GgufTensors, LoadError> {
        let architecture = Architecture::of(self)?;
        let mut tensors = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            for entry in &part.tensors {
                let (name, conversion) = self.in_model(architecture, entry)?;
                tensors.push(ModelTensor { entry: TensorEntry { name, ..entry.clone() }, conversion, part: index });
            }
        }
        let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LoadError::gguf(self.path(), GgufError::DuplicateTensor { tensor: pair[0].to_owned() }));
        }
        let sources = self.parts.iter().map(|part| Arc::clone(&part.file)).collect();
        Ok(GgufTensors { names: GgufNames(architecture), sources, tensors })
    }

    /// The name of a tensor in checkpoints, and what makes it the one that checkpoints have.
    fn in_model(&self, architecture: &Architecture, entry: &TensorEntry) -> Result<(String, Conversion), LoadError> {
        let parsed = FileName::parse(&entry.name);
        let known = parsed.and_then(|parsed| Some((architecture.model_name(&parsed)?, parsed.module)));
        let Some((name, module)) = known else { return Ok((entry.name.clone(), Conversion::NONE)) };
        let rows = match module {
            "attn_q" if architecture.has_alternating_heads => self.alternating(entry, architecture, false)?,
            "attn_k" if architecture.has_alternating_heads => self.alternating(entry, architecture, true)?,
            _ => RowOrder::Model,
        };
        let excess = if module.ends_with("_norm") { architecture.norm_excess } else { 0.0 };
        Ok((name, Conversion { rows, excess }))
    }

    /// The order of rows of queries or keys.
    fn alternating(
        &self,
        entry: &TensorEntry,
        architecture: &Architecture,
        is_key: bool,
    ) -> Result<RowOrder, LoadError> {
        let count = |key: &str| self.integer(&format!("{}.{key}", architecture.name), 1..=MAX_HEADS);
        let key_heads = if is_key { count("attention.head_count_kv")? } else { None };
        let heads = match key_heads {
            Some(heads) => heads,
            None => {
                let key = format!("{}.attention.head_count", architecture.name);
                self.required(&key, count("attention.head_count")?, "the number of heads")?
            }
        };
        let rows = entry.shape.first().copied().unwrap_or(1);
        if rows == 0 || !(rows as u64).is_multiple_of(2 * heads) {
            let problem = GgufError::HeadRows { tensor: entry.name.clone(), heads, rows };
            return Err(LoadError::gguf(self.path(), problem));
        }
        Ok(RowOrder::AlternatingHalves { head_rows: rows / heads as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_file_become_those_of_checkpoints() {
        let model_name = |architecture: &str, name| {
            let architecture = ARCHITECTURES.iter().find(|known| known.name == architecture).unwrap();
            FileName::parse(name).and_then(|name| architecture.model_name(&name))
        };
        for (architecture, name, wanted) in [
            ("llama", "token_embd.weight", "model.embed_tokens.weight"),
            ("llama", "output.weight", "lm_head.weight"),
            ("llama", "blk.12.ffn_norm.weight", "model.layers.12.post_attention_layernorm.weight"),
            ("gemma2", "blk.0.ffn_norm.weight", "model.layers.0.pre_feedforward_layernorm.weight"),
            ("gemma2", "blk.0.post_attention_norm.weight", "model.layers.0.post_attention_layernorm.weight"),
            ("qwen2", "blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
            ("phi3", "blk.0.ffn_up.weight", "model.layers.0.mlp.gate_up_proj.weight"),
            ("phi3", "blk.0.attn_qkv.weight", "model.layers.0.self_attn.qkv_proj.weight"),
        ] {
            assert_eq!(model_name(architecture, name).as_deref(), Some(wanted));
            let architecture = ARCHITECTURES.iter().find(|known| known.name == architecture).unwrap();
            assert_eq!(GgufNames(architecture).in_file(wanted).as_deref(), Some(name));
        }
        assert_eq!(GgufNames(&ARCHITECTURES[0]).in_file("embed_tokens.weight"), None);
        for name in ["rope_freqs.weight", "blk.01.attn_q.weight", "blk.+1.attn_q.weight", "blk.0.attn_q", "blk..weight"]
        {
            assert_eq!(model_name("llama", name), None, "{name}");
        }
    }
}
