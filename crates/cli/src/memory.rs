//! What a run takes of memory, and whether the machine has it: known before any weight is read.

use crate::error::CliError;
use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::memory::{MemoryEstimate, Run};
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_kernels::attention::KvDtype;
use cke_perf::memory::FreeMemory;
use cke_perf::report::format_bytes;
use cke_report::words::counted;

/// What a command is going to hold of its texts.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Positions of each text that is held at the same time.
    pub(crate) lengths: Vec<usize>,
    /// Rows of logits that are held.
    pub(crate) logits: usize,
    /// Whether the user wants to know what they take.
    pub(crate) is_shown: bool,
    /// What the user can do for less memory than that.
    pub(crate) remedy: Option<&'static str>,
}

/// What a model takes to run, beside what is free.
#[derive(Debug)]
pub(crate) struct Memory {
    estimate: MemoryEstimate,
    /// Whether weights are read where they lie in a file, which takes no memory of their own.
    is_mapped: bool,
    weights: WeightFormat,
    kv: KvDtype,
    positions: usize,
    free: Option<FreeMemory>,
}

/// Whether the weights of a model are read where they lie in its file.
pub(crate) fn is_mapped(bundle: &Bundle) -> bool {
    bundle.packed_format().is_some()
}

/// The bytes that a run allocates: all but weights that are mapped, which have their addresses already.
pub(crate) fn allocated(estimate: MemoryEstimate, is_mapped: bool) -> u64 {
    let weights = if is_mapped { 0 } else { estimate.weights };
    MemoryEstimate { weights, ..estimate }.total() as u64
}

impl Memory {
    /// That of a model whose weights have not been read.
    ///
    /// # Errors
    /// If no attention layer has the sizes of the model's configuration.
    pub(crate) fn new(bundle: &Bundle, runtime: &Runtime, texts: &Texts) -> Result<Memory, Error> {
        let (weights, kv, lengths) = (runtime.weight_format(), runtime.kv_dtype(), &texts.lengths);
        let threads = runtime.threads();
        let run = Run { cpu: runtime.cpu(), threads, weights, kv, lengths, logits: texts.logits };
        Ok(Memory {
            estimate: bundle.memory(run)?,
            is_mapped: is_mapped(bundle),
            weights,
            kv,
            positions: lengths.iter().fold(0, |sum, &length| sum.saturating_add(length)),
            free: FreeMemory::now(),
        })
    }

    /// Refuses what the machine has no memory for: systems promise more of it than they have.
    ///
    /// # Errors
    /// If that is so.
    pub(crate) fn check(&self, model: &str, remedy: Option<&str>) -> Result<(), CliError> {
        let wanted = allocated(self.estimate, self.is_mapped);
        let Some(free) = self.free.filter(|free| wanted > free.with_swap()) else { return Ok(()) };
        Err(CliError::Failed(format!(
            "{model}: wanted {} of memory ({}), found {} available{}: {}",
            format_bytes(wanted),
            self.parts(),
            format_bytes(free.with_swap()),
            if free.is_address_limit { " (`ulimit -v`)" } else { "" },
            self.remedies(remedy)
        )))
    }

    /// What takes less.
    fn remedies(&self, remedy: Option<&str>) -> String {
        let MemoryEstimate { weights, kv_cache, .. } = self.estimate;
        let has_smaller = !self.is_mapped && self.weights != WeightFormat::Int4 && weights > kv_cache / 8;
        let dtype = has_smaller.then_some("--dtype int4");
        let kv = match self.kv {
            KvDtype::F32 => Some("--kv bf16"),
            KvDtype::Bf16 => Some("--kv int8"),
            _ => None,
        };
        let kv = kv.filter(|_| kv_cache > 0);
        let is_address_limit = self.free.is_some_and(|free| free.is_address_limit);
        let limit = is_address_limit.then_some("a larger `ulimit -v`");
        let all: Vec<&str> = [remedy, dtype, kv, limit].into_iter().flatten().collect();
        if all.is_empty() { "stop other programs".to_owned() } else { format!("try {}", all.join(" or ")) }
    }

    /// `weights as int8 130.1 MiB, cache of 4096 tokens in bf16 90.0 MiB, working memory 8.1 MiB`
    fn parts(&self) -> String {
        let size = |bytes: usize| format_bytes(bytes as u64);
        let MemoryEstimate { weights, kv_cache, activations } = self.estimate;
        let place = if self.is_mapped { " in the file" } else { "" };
        let cache = match kv_cache {
            0 => String::new(),
            bytes => format!(", cache of {} in {} {}", counted(self.positions, "token"), self.kv, size(bytes)),
        };
        format!("weights as {}{place} {}{cache}, working memory {}", self.weights, size(weights), size(activations))
    }

    /// All of it in a line.
    pub(crate) fn line(&self) -> String {
        let free = self.free.map(|free| format!("; {} available", format_bytes(free.available))).unwrap_or_default();
        format!("memory: {}, together {}{free}", self.parts(), format_bytes(self.estimate.total() as u64))
    }
}
