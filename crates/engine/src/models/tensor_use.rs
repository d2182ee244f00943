//! Which tensors of a checkpoint a model reads, known without reading them.

use std::collections::HashSet;

use super::output_head::{HEAD, Names};
use super::{gpt2, llama};
use crate::config::{DecoderConfig, Family, ModelConfig};
use crate::notice::Notice;
use crate::weights::Checkpoint;

/// The notice of tensors that the model does not read, if there are any. Masks and positions that older exporters wrote out,
/// and heads for other tasks, are expected.
pub(crate) fn unused_tensors(config: &ModelConfig, checkpoint: &Checkpoint) -> Option<Notice> {
    let used = used_names(config, checkpoint);
    let is_expected = match config {
        ModelConfig::Gpt2(_) => is_expected_beside_gpt2,
        ModelConfig::Bert(_) => is_expected_beside_bert,
        ModelConfig::Decoder(_) => is_expected_beside_decoder,
    };
    let unused = checkpoint.infos().map(|info| info.name).filter(|name| !used.contains(*name) && !is_expected(name));
    let names: Vec<String> = unused.map(|name| checkpoint.name_in_file(name)).collect();
    (!names.is_empty()).then(|| Notice::UnusedTensors { file: checkpoint.path().to_owned(), names })
}

/// The full names of the tensors that the model reads, as the checkpoint has them.
fn used_names(config: &ModelConfig, checkpoint: &Checkpoint) -> HashSet<String> {
    let of_decoder = |names: &Names| (names.prefixes, vec![names.table, names.probe]);
    let ((prefixes, probes), names) = match config {
        ModelConfig::Gpt2(config) => (of_decoder(&gpt2::NAMES), gpt2_names(config.n_layer)),
        ModelConfig::Bert(config) => {
            ((super::bert::PREFIXES, super::bert::PROBES.to_vec()), bert_names(config.num_hidden_layers))
        }
        ModelConfig::Decoder(config) => (of_decoder(&llama::NAMES), decoder_names(config)),
    };
    let scope = probes.iter().find_map(|probe| checkpoint.scope(&prefixes, probe).ok());
    let prefix = scope.as_ref().map_or("", |scope| scope.prefix());
    let find = |name: &str| checkpoint.get(&format!("{prefix}{name}")).map(|tensor| tensor.name().to_owned());
    // The older name of a norm's parameter comes first.
    let is_replaced = |name: &str| older_name(name).is_some_and(|older| find(&older).is_some());
    let names = names.iter().filter(|name| !is_replaced(name));
    let mut used: HashSet<String> = names.filter_map(|name| find(name)).collect();
    if config.is_causal() {
        used.insert(HEAD.to_owned());
    }
    used
}

/// `weight` and `bias` of each layer.
fn with_parameters(layers: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    layers.into_iter().flat_map(|layer| ["weight", "bias"].map(|part| format!("{layer}.{part}")))
}

fn gpt2_names(layers: usize) -> Vec<String> {
    const PARTS: [&str; 6] = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"];
    let blocks = (0..layers).flat_map(|layer| PARTS.map(|part| format!("h.{layer}.{part}")));
    let tables = [gpt2::NAMES.table, gpt2::NAMES.probe].map(str::to_owned);
    tables.into_iter().chain(with_parameters(blocks)).chain(with_parameters(["ln_f".to_owned()])).collect()
}

fn bert_names(layers: usize) -> Vec<String> {
    const LINEAR: [&str; 6] = [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ];
    const NORMS: [&str; 2] = ["attention.output.LayerNorm", "output.LayerNorm"];
    let of_layers = |parts: &'static [&'static str]| {
        (0..layers).flat_map(move |layer| parts.iter().map(move |part| format!("encoder.layer.{layer}.{part}")))
    };
    let tables = ["word", "position", "token_type"].map(|table| format!("embeddings.{table}_embeddings.weight"));
    let norms = of_layers(&NORMS).chain(["embeddings.LayerNorm".to_owned()]);
    // The oldest checkpoints call the parameters of a norm so.
    let norms = norms.flat_map(|norm| ["weight", "bias", "gamma", "beta"].map(|part| format!("{norm}.{part}")));
    tables.into_iter().chain(with_parameters(of_layers(&LINEAR))).chain(norms).collect()
}

fn decoder_names(config: &DecoderConfig) -> Vec<String> {
    let projections: &[&str] = match config.family {
        Family::Phi3 => &["self_attn.qkv_proj", "mlp.gate_up_proj"],
        _ => &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"],
    };
    let head_norms: &[&str] =
        if config.family.has_head_norms() { &["self_attn.q_norm", "self_attn.k_norm"] } else { &[] };
    let gemma_norms: &[&str] =
        if config.family.is_gemma() { &["pre_feedforward_layernorm", "post_feedforward_layernorm"] } else { &[] };
    let common = &["self_attn.o_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"][..];
    let parts = [projections, head_norms, gemma_norms, common].concat();
    let has_bias = |part: &str| match part {
        "self_attn.q_proj" | "self_attn.k_proj" | "self_attn.v_proj" | "self_attn.qkv_proj" => config.has_qkv_bias,
        "self_attn.o_proj" => config.has_output_bias,
        _ => part.starts_with("mlp.") && config.has_mlp_bias,
    };
    let mut names = [llama::NAMES.table, llama::NAMES.probe].map(str::to_owned).to_vec();
    for layer in 0..config.layers.len() {
        for part in &parts {
            names.push(format!("layers.{layer}.{part}.weight"));
            names.extend(has_bias(part).then(|| format!("layers.{layer}.{part}.bias")));
        }
    }
    names
}

/// The name that the oldest checkpoints of BERT have for a parameter of a norm.
fn older_name(name: &str) -> Option<String> {
    [(".LayerNorm.weight", ".LayerNorm.gamma"), (".LayerNorm.bias", ".LayerNorm.beta")]
        .iter()
        .find_map(|(newer, older)| Some(format!("{}{older}", name.strip_suffix(newer)?)))
}

fn is_expected_beside_gpt2(name: &str) -> bool {
    let is_mask = [".attn.bias", ".attn.masked_bias"].iter().any(|mask| name.ends_with(mask));
    is_mask || ["score.", "classifier.", "multiple_choice_head."].iter().any(|head| name.starts_with(head))
}

fn is_expected_beside_decoder(name: &str) -> bool {
    // Frequencies are computed, whatever older exporters wrote out.
    name.ends_with("rotary_emb.inv_freq") || name.starts_with("score.")
}

fn is_expected_beside_bert(name: &str) -> bool {
    let own = name.strip_prefix("bert.").unwrap_or(name);
    let is_head = ["pooler.", "cls.", "classifier.", "qa_outputs."].iter().any(|head| own.starts_with(head));
    is_head || ["embeddings.position_ids", "embeddings.token_type_ids"].contains(&own)
}
