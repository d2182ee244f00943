//! What one decoder has and another has not.

use cke_engine::config::{DecoderConfig, ModelConfig, RopeConfig, RopeScaling};
use serde::Serialize;

/// The parts of a decoder that turns queries and keys.
#[derive(Debug, Serialize)]
pub(super) struct DecoderReport {
    norms: NormReport,
    /// Every way in which layers turn queries and keys.
    ropes: Vec<RopeReport>,
    /// Layers that are alike, with how many there are.
    layers: Vec<LayersReport>,
    /// Scores are multiplied by it.
    attention_scale: f32,
    /// Largest absolute value that scores are bent to.
    attention_soft_cap: Option<f32>,
    /// Largest absolute value that logits are bent to.
    logit_soft_cap: Option<f32>,
    /// What has biases.
    biases: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct NormReport {
    kind: &'static str,
    epsilon: f32,
    /// Whether each head of queries and keys is normalised.
    of_heads: bool,
    /// Whether what a layer adds to the stream is normalised.
    behind_layers: bool,
}

#[derive(Debug, Serialize)]
struct RopeReport {
    theta: f32,
    /// Columns of a head that turn.
    columns: usize,
    /// `none`, `linear`, `llama3`, `yarn` or `longrope`.
    scaling: &'static str,
    /// How many times longer texts became by the scaling, if it is one number.
    factor: Option<f64>,
    /// Positions that the model was first trained on, if the scaling depends on them.
    original_positions: Option<usize>,
}

#[derive(Debug, PartialEq, Serialize)]
struct LayersReport {
    count: usize,
    /// Positions that a query sees; `None` is all before it.
    window: Option<usize>,
    /// Which of the ropes turns queries and keys; `None` if they know no positions.
    rope: Option<usize>,
}

impl DecoderReport {
    /// The report of a configuration; `None` for other architectures.
    pub(super) fn new(config: &ModelConfig) -> Option<DecoderReport> {
        let ModelConfig::Decoder(config) = config else { return None };
        let biases = [
            (config.has_qkv_bias, "queries, keys and values"),
            (config.has_output_bias, "attention's output"),
            (config.has_mlp_bias, "feed-forward layers"),
        ];
        Some(DecoderReport {
            norms: NormReport {
                kind: "RMS",
                epsilon: config.rms_norm_eps,
                of_heads: config.family.has_head_norms(),
                behind_layers: config.family.is_gemma(),
            },
            ropes: config.ropes.iter().map(RopeReport::new).collect(),
            layers: layers(config),
            attention_scale: config.attention_scale,
            attention_soft_cap: config.attention_cap,
            logit_soft_cap: config.logit_cap,
            biases: biases.into_iter().filter_map(|(has, what)| has.then_some(what)).collect(),
        })
    }

    /// The lines of the summary.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let NormReport { kind, epsilon, of_heads, behind_layers } = self.norms;
        let heads = if of_heads { "; of each head of queries and keys" } else { "" };
        let behind = if behind_layers { "; behind each layer" } else { "" };
        let mut facts = vec![("norms", format!("{kind}, epsilon {epsilon:e}{heads}{behind}"))];
        for (index, rope) in self.ropes.iter().enumerate() {
            facts.push(("rope", format!("{rope}, {}", self.layers_with(|layers| layers.rope == Some(index)))));
        }
        if self.layers.iter().any(|layers| layers.rope.is_none()) {
            facts.push(("no positions", self.layers_with(|layers| layers.rope.is_none())));
        }
        let mut windows: Vec<usize> = self.layers.iter().filter_map(|layers| layers.window).collect();
        windows.dedup();
        for window in windows {
            let layers = self.layers_with(|layers| layers.window == Some(window));
            facts.push(("window", format!("{window} tokens, {layers}")));
        }
        let caps = [("scores", self.attention_soft_cap), ("logits", self.logit_soft_cap)];
        let caps: Vec<String> = caps.iter().filter_map(|(what, cap)| Some(format!("{what} {}", (*cap)?))).collect();
        if !caps.is_empty() {
            facts.push(("soft caps", caps.join(", ")));
        }
        if !self.biases.is_empty() {
            facts.push(("biases", self.biases.join("; ")));
        }
        facts
    }

    /// `5 of 6 layers`
    fn layers_with(&self, has: impl Fn(&LayersReport) -> bool) -> String {
        let count = |has: &dyn Fn(&LayersReport) -> bool| {
            self.layers.iter().filter(|layers| has(layers)).map(|layers| layers.count).sum::<usize>()
        };
        match (count(&has), count(&|_| true)) {
            (some, all) if some == all => "all layers".to_owned(),
            (some, all) => format!("{some} of {all} layers"),
        }
    }
}

/// Each kind of layers, in the order of their first ones.
fn layers(config: &DecoderConfig) -> Vec<LayersReport> {
    let mut kinds: Vec<LayersReport> = Vec::new();
    for layer in &config.layers {
        match kinds.iter_mut().find(|kind| (kind.window, kind.rope) == (layer.window, layer.rope)) {
            Some(kind) => kind.count += 1,
            None => kinds.push(LayersReport { count: 1, window: layer.window, rope: layer.rope }),
        }
    }
    kinds
}

impl RopeReport {
    fn new(rope: &RopeConfig) -> RopeReport {
        let (scaling, factor, original_positions) = match &rope.scaling {
            RopeScaling::None => ("none", None, None),
            RopeScaling::Linear { factor } => ("linear", Some(f64::from(*factor)), None),
            RopeScaling::Llama3(own) => ("llama3", Some(own.factor), Some(own.original_max_position_embeddings)),
            RopeScaling::Yarn { ramp, .. } => ("yarn", Some(ramp.factor), Some(ramp.original_max_position_embeddings)),
            RopeScaling::LongRope { original_positions, .. } => ("longrope", None, Some(*original_positions)),
        };
        RopeReport { theta: rope.theta, columns: rope.rotary_dims, scaling, factor, original_positions }
    }
}

impl std::fmt::Display for RopeReport {
    /// `theta 500000, 64 columns of a head, llama3 × 8 beyond 8192 positions` or `theta 10000, 64 columns of a head, not scaled`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RopeReport { theta, columns, scaling, factor, original_positions } = self;
        write!(f, "theta {theta}, {columns} columns of a head")?;
        match *scaling {
            "none" => f.write_str(", not scaled")?,
            scaling => write!(f, ", {scaling}")?,
        }
        if let Some(factor) = factor {
            write!(f, " × {factor}")?;
        }
        match original_positions {
            Some(positions) => write!(f, " beyond {positions} positions"),
            None => Ok(()),
        }
    }
}
