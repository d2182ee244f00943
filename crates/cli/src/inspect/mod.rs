//! `cke inspect`.

mod decoder;
mod gguf;
mod memory;
mod packed;
mod tensors;
mod tokenizer;

use self::decoder::DecoderReport;
use self::gguf::GgufReport;
use self::memory::MemoryReport;
use self::packed::PackedReport;
use self::tensors::{TensorGroup, TensorRow, groups, is_buffer};
use self::tokenizer::{ChatTemplateReport, TokenizerReport};
use crate::error::CliError;
use crate::model::{ModelArgs, ModelOperand, kv_dtype, weight_format};
use crate::numbers;
use crate::output::Output;
use crate::threads::ThreadArgs;
use cke_engine::bundle::{Bundle, Weights};
use cke_engine::config::ModelConfig;
use cke_engine::notice::Notice;
use cke_engine::sentence::{InputLimit, SentenceConfig, TextSettings};
use cke_engine::weight_format::WeightFormat;
use cke_kernels::attention::KvDtype;
use cke_perf::report::{Align, Column, Table, format_bytes};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Shows what a model is: architecture, tensors, files, and the memory it will take
///
/// Weights are not read, except to check the checksums of a packed file: if one is wrong, the exit status is 1. Tensors that
/// repeat in every layer share a line. The memory is for one text that fills the context; --ctx, --dtype and --kv show it for a
/// shorter text and other formats.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    model: ModelOperand,
    /// Weight format to show the memory for [default: auto for packed files and GGUF, else f32]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = weight_format())]
    dtype: Option<WeightFormat>,
    /// Format of keys and values to show the memory for [default: f32 for weights in f32, else bf16]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = kv_dtype())]
    kv: Option<KvDtype>,
    /// Text length in tokens to show the memory for [default: the model's context]
    #[arg(long, value_name = "N", value_parser = numbers::tokens, allow_negative_numbers = true)]
    ctx: Option<usize>,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print a line for each tensor
    #[arg(long)]
    tensors: bool,
    /// Print the chat template, and nothing else
    #[arg(long, conflicts_with_all = ["tensors", "json"])]
    chat_template: bool,
    /// Print one JSON object, with every tensor and the whole chat template
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke inspect
  cke inspect ./all-MiniLM-L6-v2 --tensors
  cke inspect ./my-model --dtype int8
  cke inspect model.gguf --ctx 8192
  cke inspect ./my-model --json | jq .memory";

pub(crate) fn run(args: InspectArgs) -> Result<(), CliError> {
    let threads = args.threads.count()?;
    let (bundle, layout) = Bundle::open_layout(&ModelArgs::from(args.model).files()?)?;
    if args.chat_template {
        return print_chat_template(&bundle);
    }
    let memory = MemoryReport::new(&bundle, (args.dtype, args.kv), args.ctx, threads)?;
    let report = Report::new(&bundle, layout, memory)?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.tables(&report.to_text(args.tensors))?;
    }
    output.flush()?;
    match (&report.packed, &report.path) {
        (Some(packed), Some(path)) => packed.check(path),
        _ => Ok(()),
    }
}

/// Prints the chat template as it is.
fn print_chat_template(bundle: &Bundle) -> Result<(), CliError> {
    let tokenizer = bundle.tokenizer()?;
    let Some(text) = tokenizer.chat_template() else {
        return Err(CliError::Failed(format!("{}: wanted a chat template, found none", bundle.name())));
    };
    let mut output = Output::new();
    output.write(text)?;
    if !text.ends_with('\n') {
        output.write("\n")?;
    }
    output.flush()
}

/// All that is known of a model without reading its weights.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: String,
    path: Option<Cow<'a, Path>>,
    architecture: &'static str,
    /// Elements of all tensors that are learned.
    parameters: u64,
    config: ConfigReport,
    /// `None` for GPT-2 and encoders.
    decoder: Option<DecoderReport>,
    sentence: Option<SentenceReport>,
    /// Tokens of a text that an encoder embeds; `None` for other models.
    input_limit: Option<LimitReport>,
    tokenizer: TokenizerReport,
    /// `None` if the model has none.
    chat_template: Option<ChatTemplateReport>,
    /// What the files say and is not followed.
    notices: Vec<NoticeReport>,
    dtypes: BTreeMap<String, Tally>,
    files: Vec<FileReport<'a>>,
    /// `None` for a directory and for the demo model.
    packed: Option<PackedReport<'a>>,
    /// `None` for other files.
    gguf: Option<GgufReport<'a>>,
    memory: MemoryReport,
    tensors: Vec<TensorRow<'a>>,
}

/// Sizes and switches, with the same names for every architecture.
#[derive(Debug, Serialize)]
struct ConfigReport {
    vocabulary: usize,
    context: usize,
    width: usize,
    layers: usize,
    heads: usize,
    key_heads: usize,
    head_dim: usize,
    inner: usize,
    activation: &'static str,
    /// How it knows the order of tokens: by `learned` vectors that are added to those of tokens, or by `rotary` embeddings.
    positions: &'static str,
    /// `None` for an architecture without an output projection.
    tied_embeddings: Option<bool>,
}

/// How token vectors become a text's vector.
#[derive(Debug, Serialize)]
struct SentenceReport {
    pooling: &'static str,
    normalize: bool,
    max_tokens: usize,
    prompts: BTreeMap<String, String>,
    default_prompt: Option<String>,
    /// Whether the tokens of a prompt count in the pooling.
    include_prompt: bool,
    /// Numbers of a vector that are kept; `None` if all are.
    truncate_dim: Option<usize>,
    similarity: Option<String>,
}

/// The longest input, and the place that says so.
#[derive(Debug, Serialize)]
struct LimitReport {
    tokens: usize,
    file: String,
    key: String,
}

/// Something that a file says and that is not followed.
#[derive(Debug, Serialize)]
struct NoticeReport {
    kind: &'static str,
    file: PathBuf,
    key: Option<String>,
    message: String,
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

impl<'a> Report<'a> {
    fn new(bundle: &'a Bundle, layout: Option<SentenceConfig>, memory: MemoryReport) -> Result<Report<'a>, CliError> {
        let config = bundle.config();
        let (mut tokenizer, of_tokenizer) = TokenizerReport::new(bundle);
        let (limit, of_layout) = limit_of(bundle, layout.as_ref())?;
        let of_model = bundle.notices().iter().chain(&bundle.generation().notices).cloned();
        let notices = of_model.chain(of_tokenizer).chain(of_layout).map(NoticeReport::from).collect();
        let sentence = layout.zip(limit.as_ref()).map(|(layout, limit)| SentenceReport::new(layout, limit));
        let (tensors, files): (Vec<TensorRow<'_>>, Vec<&Path>) = match bundle.weights() {
            Weights::Stored(checkpoint) => {
                let row = |info| TensorRow::of_checkpoint(info, checkpoint);
                (checkpoint.infos().map(row).collect(), checkpoint.files().collect())
            }
            Weights::Packed(file) => {
                (file.infos().filter_map(|info| TensorRow::of_entry(info, file)).collect(), vec![file.path()])
            }
        };
        let mut dtypes = BTreeMap::<String, Tally>::new();
        for tensor in &tensors {
            let tally = dtypes.entry(tensor.dtype.clone()).or_default();
            tally.tensors += 1;
            tally.bytes += tensor.bytes;
        }
        let file = |file| FileReport { file, bytes: fs::metadata(file).ok().map(|metadata| metadata.len()) };
        Ok(Report {
            model: bundle.name(),
            path: bundle.path(),
            architecture: config.architecture(),
            parameters: tensors.iter().filter(|tensor| !is_buffer(tensor.name)).map(TensorRow::elements).sum(),
            config: ConfigReport::new(config),
            decoder: DecoderReport::new(config),
            sentence,
            input_limit: limit.map(LimitReport::from),
            chat_template: tokenizer.chat_template.take(),
            tokenizer,
            notices,
            dtypes,
            files: files.into_iter().map(file).collect(),
            packed: PackedReport::new(bundle.weights()),
            gguf: bundle.files().gguf().map(GgufReport::new),
            memory,
            tensors,
        })
    }

    fn to_text(&self, every_tensor: bool) -> String {
        let left = |title: &str| Column::new(title, Align::Left);
        let mut summary = Table::new(vec![left("model"), left(&self.model), left("what it is")]);
        for (name, value) in self.facts() {
            summary.push(vec![name.to_owned(), value, meaning(name).to_owned()]);
        }
        let mut sections = vec![summary, self.memory.table(), self.tensor_table(every_tensor)];
        if !self.notices.is_empty() {
            let mut notices = Table::new(vec![Column::new("what is not followed", Align::Left)]);
            self.notices.iter().for_each(|notice| notices.push(vec![notice.message.clone()]));
            sections.insert(1, notices);
        }
        sections.extend(self.gguf.as_ref().map(GgufReport::table));
        let tables = sections.iter().map(Table::to_markdown).collect::<Vec<_>>().join("\n");
        format!("{tables}\n{}\n", self.next_command())
    }

    /// How to run it.
    fn next_command(&self) -> String {
        let model = self.path.as_ref().map(|path| format!(" --model {}", path.display())).unwrap_or_default();
        match self.architecture {
            "bert" => format!("To embed texts: cke embed{model} \"one text\" \"another\""),
            "gpt2" => format!("To continue a text: cke generate{model} \"The first words\""),
            _ => format!(
                "To chat, if the model is made for it: cke chat{model}; to continue a text: cke generate{model} \"The first words\""
            ),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let ConfigReport {
            vocabulary,
            context,
            width,
            layers,
            heads,
            key_heads,
            head_dim,
            inner,
            activation,
            positions,
            tied_embeddings,
        } = self.config;
        let mut facts = vec![
            ("architecture", self.architecture.to_owned()),
            ("parameters", rounded(self.parameters)),
            ("vocabulary", format!("{vocabulary} tokens")),
            ("context", format!("{context} tokens")),
            ("width", width.to_string()),
            ("layers", layers.to_string()),
            ("heads", heads_of(heads, key_heads, head_dim)),
            ("feed-forward", format!("{inner}, {activation}")),
        ];
        // Rotary embeddings have separate facts.
        if self.decoder.is_none() {
            facts.push(("positions", format!("{positions}, a vector for each")));
        }
        if let Some(tied) = tied_embeddings {
            facts.push(("output projection", if tied { "the token embedding" } else { "of its own" }.to_owned()));
        }
        facts.extend(self.decoder.iter().flat_map(DecoderReport::facts));
        if let Some(sentence) = &self.sentence {
            facts.extend(sentence.facts());
        }
        if let Some(LimitReport { tokens, file, key }) = &self.input_limit {
            facts.push(("longest input", format!("{tokens} tokens, by `{key}` of {file}")));
        }
        facts.push(("tokenizer", self.tokenizer.to_string()));
        facts.extend(self.chat_template.as_ref().map(|template| ("chat template", template.to_string())));
        let dtypes = self.dtypes.iter().map(|(dtype, Tally { tensors, bytes })| {
            let plural = if *tensors == 1 { "" } else { "s" };
            format!("{dtype}: {tensors} tensor{plural}, {}", format_bytes(*bytes as u64))
        });
        facts.push(("stored as", dtypes.collect::<Vec<_>>().join("; ")));
        facts.extend(self.files.iter().map(|FileReport { file, bytes }| {
            let size = bytes.map(|bytes| format!(", {}", format_bytes(bytes))).unwrap_or_default();
            ("file", format!("{}{size}", file.display()))
        }));
        facts.extend(self.packed.as_ref().map(|packed| ("packed", packed.to_string())));
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

/// `32 of 64, 8 key heads`
fn heads_of(heads: usize, key_heads: usize, head_dim: usize) -> String {
    let shared = if key_heads == heads { String::new() } else { format!(", {key_heads} key heads") };
    format!("{heads} of {head_dim}{shared}")
}

impl ConfigReport {
    fn new(config: &ModelConfig) -> ConfigReport {
        let (heads, inner, activation, tied_embeddings) = match config {
            ModelConfig::Gpt2(gpt2) => (gpt2.n_head, gpt2.n_inner, gpt2.activation, Some(gpt2.tie_word_embeddings)),
            ModelConfig::Bert(bert) => (bert.num_attention_heads, bert.intermediate_size, bert.activation, None),
            ModelConfig::Decoder(own) => {
                (own.num_attention_heads, own.intermediate_size, own.activation, Some(own.tie_word_embeddings))
            }
        };
        let (key_heads, head_dim) = match config {
            ModelConfig::Decoder(own) => (own.num_key_value_heads, own.head_dim),
            _ => (heads, config.width() / heads),
        };
        ConfigReport {
            vocabulary: config.vocab_size(),
            context: config.max_positions(),
            width: config.width(),
            layers: config.layers(),
            heads,
            key_heads,
            head_dim,
            inner,
            activation: activation.name(),
            positions: if matches!(config, ModelConfig::Decoder(_)) { "rotary" } else { "learned" },
            tied_embeddings,
        }
    }
}

impl SentenceReport {
    fn new(layout: SentenceConfig, limit: &InputLimit) -> SentenceReport {
        let SentenceConfig { pooling, normalize, include_prompt, texts, .. } = layout;
        let TextSettings { prompts, default_prompt, truncate_dim, similarity } = texts;
        SentenceReport {
            pooling: pooling.name(),
            normalize,
            max_tokens: limit.tokens,
            prompts,
            default_prompt,
            include_prompt,
            truncate_dim,
            similarity,
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let normalize = if self.normalize { "normalized" } else { "not normalized" };
        let dims = self.truncate_dim.map(|dims| format!(", first {dims} numbers")).unwrap_or_default();
        let mut facts = vec![("sentence vector", format!("{}, {normalize}{dims}", self.pooling))];
        for (name, text) in self.prompts.iter().filter(|(_, text)| !text.is_empty()) {
            let is_default = self.default_prompt.as_ref() == Some(name);
            let default = if is_default { " (put before every text)" } else { "" };
            facts.push(("prompt", format!("{name}: {text:?}{default}")));
        }
        facts.extend(self.similarity.as_ref().map(|similarity| ("similarity", similarity.clone())));
        facts
    }
}

impl From<InputLimit> for LimitReport {
    fn from(limit: InputLimit) -> LimitReport {
        let InputLimit { tokens, file, key } = limit;
        LimitReport { tokens, file, key }
    }
}

impl From<Notice> for NoticeReport {
    fn from(notice: Notice) -> NoticeReport {
        NoticeReport {
            kind: notice.kind(),
            file: notice.file().to_owned(),
            key: notice.key().map(str::to_owned),
            message: notice.to_string(),
        }
    }
}

/// The longest input of an encoder, and what the files of its layout say and is not followed.
fn limit_of(bundle: &Bundle, layout: Option<&SentenceConfig>) -> Result<(Option<InputLimit>, Vec<Notice>), CliError> {
    let ModelConfig::Bert(_) = bundle.config() else { return Ok((None, Vec::new())) };
    let plain = SentenceConfig::of_plain_model(bundle.files());
    let layout = layout.unwrap_or(&plain);
    let (limit, notice) = layout.input_limit(bundle.config().max_positions())?;
    Ok((Some(limit), layout.notices.iter().cloned().chain(notice).collect()))
}

/// What a fact of the summary says, for readers who are new to it; empty if its value explains itself.
fn meaning(name: &str) -> &'static str {
    match name {
        "architecture" => "how the layers are built",
        "parameters" => "learned numbers",
        "vocabulary" => "tokens that texts are made of",
        "context" => "maximum number of tokens it can see at once",
        "width" => "numbers that represent a token",
        "layers" => "steps that each token goes through",
        "heads" => "parallel parts of attention, and the numbers of each",
        "feed-forward" => "width inside a layer, and its activation",
        "positions" => "how it knows the order of tokens",
        "output projection" => "maps the last layer to tokens",
        "norms" => "keep numbers in range between layers",
        "rope" => "rotation of queries and keys by position",
        "no positions" => "layers that ignore the order of tokens",
        "window" => "how far back some layers look",
        "soft caps" => "smooth bounds on scores and logits",
        "biases" => "products with an added constant",
        "chat template" => "how a conversation becomes a text; --chat-template prints it",
        "sentence vector" => "how token vectors become one vector",
        "longest input" => "the rest of a longer text is cut off",
        "tokenizer" => "how texts become tokens",
        "stored as" => "number format in the files; --dtype sets the one in memory",
        _ => "",
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
