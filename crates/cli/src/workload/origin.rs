//! Where the weights of a measured model come from.

use super::Model;
use super::test_plan::Test;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::memory::{allocated, is_mapped};
use crate::model::{ModelArgs, NumberArgs, Opening, model_of_environment, note_slow_dtype, print_notices};
use cke_engine::bundle::{Bundle, Weights};
use cke_engine::config::ModelConfig;
use cke_engine::formats::packed_file::Content;
use cke_engine::kernel_names::KernelNames;
use cke_engine::memory::{MemoryEstimate, Run};
use cke_engine::runtime::Runtime;
use cke_engine::synthetic;
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::Dtype;
use cke_perf::host::Host;
use cke_perf::report::format_bytes;
use cke_report::profile::Subject;
use clap::builder::PossibleValuesParser;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::path::PathBuf;

/// The flags that name a model to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OriginArgs {
    /// Model directory, GGUF file or packed file [env: CKE_MODEL] [default: the demo model]
    ///
    /// A directory holds config.json, model.safetensors or its shards.
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Random weights with the sizes of a well-known model, instead of --model
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    #[arg(value_parser = PossibleValuesParser::new(synthetic::NAMES))]
    synthetic: Option<String>,
    #[command(flatten)]
    numbers: NumberArgs,
}

impl OriginArgs {
    /// What loads the weights of a model that was opened. Says on standard error if this CPU has no instructions for their numbers.
    ///
    /// # Errors
    /// If `CKE_ISA` cannot be honoured.
    pub(crate) fn runtime(&self, origin: &Origin) -> Result<Runtime, CliError> {
        let runtime = match origin {
            Origin::Stored(bundle) => self.numbers.runtime(bundle, 1),
            Origin::Random(..) => self.numbers.runtime_of_random(1),
        }?;
        note_slow_dtype(&runtime, origin.main_format(&runtime));
        Ok(runtime)
    }

    /// Opens the model that was named, or the demo model, which is packed by `threads` threads if its packed file is to be kept.
    ///
    /// # Errors
    /// If its files cannot be used, or none was named and this program was built without the demo model.
    pub(crate) fn open(&self, threads: usize, interrupt: &Interrupt) -> Result<Origin, CliError> {
        let wanted = self.synthetic.as_deref();
        let named = wanted.and_then(|wanted| synthetic::NAMES.into_iter().find(|name| *name == wanted));
        match named.and_then(|name| Some(Origin::Random(name, synthetic::config(name)?))) {
            Some(random) => Ok(random),
            None => {
                // Not by clap: a directory of the environment is no contradiction of --synthetic.
                let model = self.model.clone().or_else(model_of_environment);
                let opening = Opening { threads, is_quiet: false, interrupt };
                let bundle = ModelArgs { model }.open(self.numbers.dtype(), opening)?;
                print_notices(bundle.notices());
                Ok(Origin::Stored(Box::new(bundle)))
            }
        }
    }
}

/// A model of which nothing but its configuration has been read.
#[derive(Debug)]
pub(crate) enum Origin {
    Stored(Box<Bundle>),
    Random(&'static str, ModelConfig),
}

impl Origin {
    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Origin::Stored(bundle) => bundle.config(),
            Origin::Random(_, config) => config,
        }
    }

    /// The numbers that most of the weights are held in, with what `runtime` loads.
    pub(crate) fn main_format(&self, runtime: &Runtime) -> WeightFormat {
        match (self, runtime.weight_format()) {
            (Origin::Stored(bundle), WeightFormat::Stored) => bundle.main_format(),
            (_, format) => format,
        }
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// If files cannot be used or memory cannot be allocated.
    pub(crate) fn load(self, runtime: &Runtime) -> Result<(Model, Subject), CliError> {
        let architecture = self.config().architecture();
        let kernel = self.main_format(runtime).kernel(runtime.cpu());
        let formats = self.formats(runtime);
        let (name, weights, model) = match self {
            Origin::Stored(bundle) => (bundle.name(), "stored", Model::load(*bundle, runtime)?),
            Origin::Random(name, config) => (name.to_owned(), "random", Model::random(&config, runtime)?),
        };
        let (weight_bytes, isa) = (model.weight_bytes(), runtime.cpu().isa().name());
        let dtype = runtime.weight_format().name();
        let KernelNames { layers: layer_kernels, attention: attention_kernels } = model.kernels();
        let subject = Subject {
            model: name,
            architecture,
            weights,
            weight_bytes,
            dtype,
            formats,
            isa,
            kernel,
            layer_kernels,
            attention_kernels,
        };
        Ok((model, subject))
    }

    /// The formats of matrices that each keep their own, the one of most bytes first.
    fn formats(&self, runtime: &Runtime) -> Vec<&'static str> {
        let (Origin::Stored(bundle), WeightFormat::Stored) = (self, runtime.weight_format()) else { return Vec::new() };
        let mut sizes = BTreeMap::<&'static str, usize>::new();
        let mut add = |dtype: Dtype, bytes: usize| *sizes.entry(dtype.name()).or_default() += bytes;
        match bundle.weights() {
            Weights::Stored(checkpoint) => {
                checkpoint
                    .infos()
                    .filter(|tensor| tensor.shape.len() > 1)
                    .for_each(|tensor| add(tensor.dtype, tensor.bytes));
            }
            Weights::Packed(file) => file.infos().for_each(|entry| {
                if let Content::Panels { layout, .. } = entry.holds {
                    add(Dtype::of_layout(layout), entry.bytes);
                }
            }),
        }
        let mut formats: Vec<&'static str> = sizes.keys().copied().collect();
        formats.sort_by_key(|format| Reverse(sizes[format]));
        formats
    }

    /// Refuses tests that would drive the machine out of memory: systems promise more of it than they have.
    pub(crate) fn check_memory(&self, tests: &[Test], runtime: &Runtime, host: &Host) -> Result<(), CliError> {
        let Some(available) = host.memory_available_bytes else { return Ok(()) };
        let texts = tests.iter().flat_map(|test| repeat_n(test.positions(), test.batch));
        let (lengths, weights): (Vec<usize>, _) = (texts.collect(), runtime.weight_format());
        let (cpu, threads, kv) = (runtime.cpu(), runtime.threads(), runtime.kv_dtype());
        let run = Run { cpu, threads, weights, kv, lengths: &lengths, logits: lengths.len() };
        let estimate = match self {
            Origin::Stored(bundle) => bundle.memory(run),
            Origin::Random(_, config) => MemoryEstimate::new(config, run),
        }?;
        let wanted = allocated(estimate, matches!(self, Origin::Stored(bundle) if is_mapped(bundle)));
        if wanted <= available {
            return Ok(());
        }
        let (wanted, available) = (format_bytes(wanted), format_bytes(available));
        Err(CliError::Failed(format!(
            "the tests need about {wanted} of memory, found {available} available: choose shorter or smaller tests, or a --dtype of \
             fewer bits"
        )))
    }
}
