//! What a model takes of memory, and what the machine has.

use crate::error::CliError;
use crate::limits;
use crate::model::format_of;
use cke_engine::bundle::Bundle;
use cke_engine::memory::{MemoryEstimate, Run};
use cke_engine::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::attention::KvDtype;
use cke_perf::memory::FreeMemory;
use cke_perf::report::{Align, Column, Table, format_bytes};
use cke_report::words::counted;
use serde::Serialize;

/// Bytes that the model will take on this machine.
#[derive(Debug, Serialize)]
pub(super) struct MemoryReport {
    /// The numbers of the weights.
    dtype: &'static str,
    /// The numbers of keys and values; `None` if it keeps none.
    kv_dtype: Option<&'static str>,
    weights: usize,
    kv_cache: usize,
    activations: usize,
    total: usize,
    /// What the machine has left for it; `None` if the system does not tell.
    available: Option<u64>,
    /// What this holds for.
    context: usize,
    threads: usize,
}

impl MemoryReport {
    /// The memory with the numbers that were asked for or else are usual, for a text of a length or of the whole context.
    pub(super) fn new(
        bundle: &Bundle,
        (dtype, kv): (Option<WeightFormat>, Option<KvDtype>),
        length: Option<usize>,
        threads: usize,
    ) -> Result<MemoryReport, CliError> {
        let context = limits::context(length, usize::MAX, &bundle.name(), bundle.config().max_positions())?;
        let weights = format_of(dtype, bundle);
        let kv = kv.unwrap_or(weights.kv_dtype());
        let cpu = Cpu::host().map_err(cke_engine::error::Error::from)?;
        let estimate = bundle.memory(Run { cpu, threads, weights, kv, lengths: &[context], logits: 1 })?;
        let MemoryEstimate { weights: packed, kv_cache, activations } = estimate;
        Ok(MemoryReport {
            dtype: weights.name(),
            kv_dtype: bundle.config().is_causal().then_some(kv.name()),
            weights: packed,
            kv_cache,
            activations,
            total: estimate.total(),
            available: FreeMemory::now().map(|free| free.available),
            context,
            threads,
        })
    }

    pub(super) fn table(&self) -> Table {
        let threads = counted(self.threads, "thread");
        let title = format!("text of {} tokens, {threads}", self.context);
        let mut table =
            Table::new(vec![Column::new("memory when it runs", Align::Left), Column::new(title, Align::Right)]);
        let mut push = |name: String, bytes: u64| table.push(vec![name, format_bytes(bytes)]);
        let is_stored = self.dtype == WeightFormat::Stored.name();
        let format = if is_stored { "in the file's formats" } else { self.dtype };
        push(format!("weights, {format}"), self.weights as u64);
        if let Some(kv) = self.kv_dtype {
            push(format!("KV cache (keys and values), {kv}"), self.kv_cache as u64);
        }
        push("working memory".to_owned(), self.activations as u64);
        push("total".to_owned(), self.total as u64);
        if let Some(bytes) = self.available {
            push("available now".to_owned(), bytes);
        }
        table
    }
}
