//! `cke inspect`.

mod tensors;
mod tokenizer;

use self::tensors::{TensorGroup, TensorRow, groups, is_buffer};
use self::tokenizer::TokenizerReport;
use crate::error::CliError;
use crate::model::ModelArgs;
use crate::output::Output;
use cke_engine::bundle::Bundle;
use cke_engine::config::ModelConfig;
use cke_engine::memory::MemoryEstimate;
use cke_engine::sentence::SentenceConfig;
use cke_kernels::Cpu;
use cke_kernels::threads::ThreadPool;
use cke_perf::report::{Align, Column, Table, format_bytes};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Shows what a model is: architecture, tensors, files, and the memory it will take
///
/// Weights are not read. Tensors that repeat from layer to layer share a line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Model directory; without it the demo model
    #[arg(value_name = "MODEL", env = "CKE_MODEL")]
    model: Option<PathBuf>,
    /// Give each tensor a line of its own
    #[arg(long)]
    tensors: bool,
    /// Write one JSON object, with every tensor
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke inspect
  cke inspect ./all-MiniLM-L6-v2 --tensors
  cke inspect ./my-model --json | jq .memory";

pub(crate) fn run(args: InspectArgs) -> Result<(), CliError> {
    let layout = args.model.as_deref().map(|dir| SentenceConfig::load(dir, None)).transpose()?.flatten();
    // In that layout the transformer may lie in a directory of its own.
    let model = layout.as_ref().map(|layout| layout.model_dir.clone()).or_else(|| args.model.clone());
    let bundle = ModelArgs { model }.open()?;
    if let (Some(dir), Some(_)) = (&args.model, &layout) {
        // Once more, now against the model's width.
        SentenceConfig::load(dir, Some(bundle.config().width()))?;
    }
    let report = Report::new(&bundle, layout.map(SentenceReport::from))?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.write(&report.to_text(args.tensors))?;
    }
    output.flush()
}

/// All that is known of a model without reading its weights.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: String,
    path: Option<&'a Path>,
    architecture: &'static str,
    /// Elements of all tensors that are learned.
    parameters: u64,
    config: ConfigReport,
    sentence: Option<SentenceReport>,
    tokenizer: TokenizerReport,
    dtypes: BTreeMap<String, Tally>,
    files: Vec<FileReport<'a>>,
    memory: MemoryReport,
    tensors: Vec<TensorRow<'a>>,
}

/// Sizes and switches, by the same names for every architecture.
#[derive(Debug, Serialize)]
struct ConfigReport {
    vocabulary: usize,
    context: usize,
    width: usize,
    layers: usize,
    heads: usize,
    head_dim: usize,
    inner: usize,
    activation: &'static str,
    /// `None` for an architecture without an output projection.
    tied_embeddings: Option<bool>,
}

/// How token vectors become a text's vector.
#[derive(Debug, Serialize)]
struct SentenceReport {
    pooling: &'static str,
    normalize: bool,
    max_tokens: Option<usize>,
}

#[derive(Debug, Default, Serialize)]
struct Tally {
    tensors: usize,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct FileReport<'a> {
    file: &'a Path,
    /// `None` for the demo model, whose files are inside the program.
    bytes: Option<u64>,
}

/// Bytes that the model will take on this machine.
#[derive(Debug, Serialize)]
struct MemoryReport {
    weights: usize,
    kv_cache: usize,
    activations: usize,
    total: usize,
    /// What this holds for.
    context: usize,
    threads: usize,
}

impl<'a> Report<'a> {
    fn new(bundle: &'a Bundle, sentence: Option<SentenceReport>) -> Result<Report<'a>, CliError> {
        let (config, checkpoint) = (bundle.config(), bundle.checkpoint());
        let tensors: Vec<TensorRow<'_>> = checkpoint.infos().map(TensorRow::from).collect();
        let mut dtypes = BTreeMap::<String, Tally>::new();
        for tensor in &tensors {
            let tally = dtypes.entry(tensor.dtype.clone()).or_default();
            tally.tensors += 1;
            tally.bytes += tensor.bytes;
        }
        let file = |file| FileReport { file, bytes: fs::metadata(file).ok().map(|metadata| metadata.len()) };
        Ok(Report {
            model: bundle.name(),
            path: bundle.dir(),
            architecture: config.architecture(),
            parameters: tensors.iter().filter(|tensor| !is_buffer(tensor.name)).map(TensorRow::elements).sum(),
            config: ConfigReport::new(config),
            sentence,
            tokenizer: TokenizerReport::new(bundle),
            dtypes,
            files: checkpoint.files().map(file).collect(),
            memory: MemoryReport::new(config)?,
            tensors,
        })
    }

    fn to_text(&self, every_tensor: bool) -> String {
        let mut summary = Table::new(vec![Column::new("model", Align::Left), Column::new(&self.model, Align::Left)]);
        for (name, value) in self.facts() {
            summary.push(vec![name.to_owned(), value]);
        }
        let sections = [summary, self.memory.table(), self.tensor_table(every_tensor)];
        sections.map(|table| table.to_markdown()).join("\n")
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let ConfigReport { vocabulary, context, width, layers, heads, head_dim, inner, activation, tied_embeddings } =
            self.config;
        let mut facts = vec![
            ("architecture", self.architecture.to_owned()),
            ("parameters", rounded(self.parameters)),
            ("vocabulary", format!("{vocabulary} tokens")),
            ("context", format!("{context} tokens")),
            ("width", width.to_string()),
            ("layers", layers.to_string()),
            ("heads", format!("{heads} of {head_dim}")),
            ("feed-forward", format!("{inner}, {activation}")),
        ];
        if let Some(tied) = tied_embeddings {
            facts.push(("output projection", if tied { "the token embedding" } else { "of its own" }.to_owned()));
        }
        if let Some(SentenceReport { pooling, normalize, max_tokens }) = &self.sentence {
            let normalize = if *normalize { "normalized" } else { "not normalized" };
            let limit = max_tokens.map(|tokens| format!(", at most {tokens} tokens")).unwrap_or_default();
            facts.push(("sentence vector", format!("{pooling}, {normalize}{limit}")));
        }
        facts.push(("tokenizer", self.tokenizer.to_string()));
        let dtypes = self.dtypes.iter().map(|(dtype, Tally { tensors, bytes })| {
            let plural = if *tensors == 1 { "" } else { "s" };
            format!("{dtype}: {tensors} tensor{plural}, {}", format_bytes(*bytes as u64))
        });
        facts.push(("stored as", dtypes.collect::<Vec<_>>().join("; ")));
        facts.extend(self.files.iter().map(|FileReport { file, bytes }| {
            let size = bytes.map(|bytes| format!(", {}", format_bytes(bytes))).unwrap_or_default();
            ("file", format!("{}{size}", file.display()))
        }));
        facts
    }

    fn tensor_table(&self, every_tensor: bool) -> Table {
        let left = |title| Column::new(title, Align::Left);
        let right = |title| Column::new(title, Align::Right);
        let mut table = Table::new(vec![left("tensor"), right("count"), left("dtype"), left("shape"), right("size")]);
        let groups =
            if every_tensor { self.tensors.iter().map(TensorGroup::of_one).collect() } else { groups(&self.tensors) };
        groups.into_iter().for_each(|group| table.push(group.cells()));
        table
    }
}

impl ConfigReport {
    fn new(config: &ModelConfig) -> ConfigReport {
        let (heads, inner, activation, tied_embeddings) = match config {
            ModelConfig::Gpt2(gpt2) => (gpt2.n_head, gpt2.n_inner, gpt2.activation, Some(gpt2.tie_word_embeddings)),
            ModelConfig::Bert(bert) => (bert.num_attention_heads, bert.intermediate_size, bert.activation, None),
        };
        ConfigReport {
            vocabulary: config.vocab_size(),
            context: config.max_positions(),
            width: config.width(),
            layers: config.layers(),
            heads,
            head_dim: config.width() / heads,
            inner,
            activation: activation.name(),
            tied_embeddings,
        }
    }
}

impl MemoryReport {
    fn new(config: &ModelConfig) -> Result<MemoryReport, CliError> {
        let cpu = Cpu::host().map_err(cke_engine::error::Error::from)?;
        let threads = ThreadPool::available();
        let estimate = MemoryEstimate::new(config, cpu, threads)?;
        let MemoryEstimate { weights, kv_cache, activations } = estimate;
        Ok(MemoryReport {
            weights,
            kv_cache,
            activations,
            total: estimate.total(),
            context: config.max_positions(),
            threads,
        })
    }

    fn table(&self) -> Table {
        let title = format!("one sequence of {} tokens, {} threads", self.context, self.threads);
        let mut table =
            Table::new(vec![Column::new("memory when it runs", Align::Left), Column::new(title, Align::Right)]);
        let parts = [
            ("weights, packed, f32", self.weights),
            ("keys and values", self.kv_cache),
            ("activations", self.activations),
            ("together", self.total),
        ];
        for (name, bytes) in parts {
            table.push(vec![name.to_owned(), format_bytes(bytes as u64)]);
        }
        table
    }
}

impl From<SentenceConfig> for SentenceReport {
    fn from(layout: SentenceConfig) -> SentenceReport {
        let SentenceConfig { pooling, normalize, max_seq_length: max_tokens, .. } = layout;
        SentenceReport { pooling: pooling.name(), normalize, max_tokens }
    }
}

/// A count to three digits or so: `813`, `77.1 thousand`, `124.4 million`.
fn rounded(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1} thousand", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} million", count as f64 / 1e6),
        _ => format!("{:.1} billion", count as f64 / 1e9),
    }
}
