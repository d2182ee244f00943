//! What `cke bench model` and `cke profile` time: one test of one model, made ready so that a repetition is nothing but the
//! model's work.

mod bert;
mod causal;
pub(crate) mod ceiling;
pub(crate) mod counting;
pub(crate) mod measuring_thread;
pub(crate) mod origin;
pub(crate) mod run_args;
pub(crate) mod test_plan;

use self::bert::BertWorkload;
use self::causal::CausalWorkload;
use self::test_plan::Test;
use crate::error::CliError;
use crate::model::{load_bert, load_causal_model};
use crate::progress::Progress;
use cke_engine::bundle::Bundle;
use cke_engine::config::ModelConfig;
use cke_engine::error::Error;
use cke_engine::kernel_names::KernelNames;
use cke_engine::memory::{MemoryEstimate, Run};
use cke_engine::models::bert::Bert;
use cke_engine::models::causal::CausalModel;
use cke_engine::models::random_causal_model;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_perf::clock::Stopwatch;
use std::sync::Arc;

/// One test of one model.
pub(crate) trait Workload {
    /// Does the work once.
    ///
    /// # Errors
    /// If the model fails.
    fn run(&mut self, runtime: &Runtime) -> Result<(), Error>;

    /// As [`Workload::run`]; gives the seconds that it took.
    ///
    /// # Errors
    /// If the model fails.
    fn seconds(&mut self, runtime: &Runtime) -> Result<f64, Error> {
        let watch = Stopwatch::start();
        self.run(runtime)?;
        Ok(watch.seconds())
    }

    /// Operations of one run; a multiply-add counts as two.
    fn flops(&self) -> u64;

    /// Bytes of weights, keys and values that one run reads from memory, if it reads them once for each token.
    fn bytes_read(&self) -> Option<u64>;
}

/// A model of any architecture, loaded.
#[derive(Debug)]
pub(crate) enum Model {
    Causal(Arc<dyn CausalModel>),
    Bert(Box<Bert>),
}

/// Seed of random weights: their values do not matter as long as none is zero or denormal.
const SEED: u64 = 1;

impl Model {
    /// The model of a directory, or the demo model.
    ///
    /// # Errors
    /// If its files cannot be used or memory cannot be allocated.
    pub(crate) fn load(bundle: Bundle, runtime: &Runtime) -> Result<Model, CliError> {
        match bundle.config() {
            ModelConfig::Bert(_) => load_bert(bundle, runtime).map(|bert| Model::Bert(Box::new(bert))),
            _ => load_causal_model(bundle, runtime).map(Model::Causal),
        }
    }

    /// A model of these sizes with random weights.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub(crate) fn random(config: &ModelConfig, runtime: &Runtime) -> Result<Model, CliError> {
        if let ModelConfig::Bert(config) = config {
            return Ok(Model::Bert(Box::new(Bert::random(config, SEED, runtime)?)));
        }
        let (cpu, kv) = (runtime.cpu(), runtime.kv_dtype());
        let in_f32 = Run { cpu, threads: 1, weights: WeightFormat::F32, kv, lengths: &[1], logits: 1 };
        let progress = Progress::of_random_weights(MemoryEstimate::new(config, in_f32)?.weights as u64);
        Ok(Model::Causal(random_causal_model(config, SEED, runtime, &|bytes| progress.add(bytes))?))
    }

    /// Bytes of the weights as they are held.
    pub(crate) fn weight_bytes(&self) -> usize {
        match self {
            Model::Causal(model) => model.weight_bytes(),
            Model::Bert(model) => model.weight_bytes(),
        }
    }

    /// The kernels that compute it.
    pub(crate) fn kernels(&self) -> KernelNames {
        match self {
            Model::Causal(model) => model.kernels(),
            Model::Bert(model) => model.kernels(),
        }
    }

    /// A test of this model, with the memory that it needs.
    ///
    /// # Errors
    /// If it cannot be allocated.
    pub(crate) fn workload(&self, test: Test, all_logits: bool) -> Result<Box<dyn Workload + '_>, Error> {
        Ok(match self {
            Model::Causal(model) => Box::new(CausalWorkload::new(&**model, test, all_logits)?),
            Model::Bert(model) => Box::new(BertWorkload::new(model, test)?),
        })
    }
}

/// `count` token ids below `vocabulary`, spread over all of it and the same every time.
pub(crate) fn token_ids(count: usize, vocabulary: usize) -> Vec<u32> {
    // Multiplying by a large odd number walks through the residues in leaps (Knuth, TAOCP volume 3, section 6.4).
    let leap = 0x9E37_79B9_7F4A_7C15_u64;
    (1..=count as u64).map(|i| (i.wrapping_mul(leap) % vocabulary as u64) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_ids_are_below_the_vocabulary() {
        for vocabulary in [1, 2, 211, 50_257] {
            assert!(token_ids(600, vocabulary).iter().all(|&id| (id as usize) < vocabulary));
        }
        assert!(token_ids(0, 7).is_empty());
    }
}
