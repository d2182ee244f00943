//! What `cke generate` says of its results.

use crate::kernel_names::ModelKernels;
use crate::speed::Timings;
use serde::Serialize;

/// One continuation, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    /// `null` if the prompt was given as tokens.
    pub(super) prompt: Option<&'a str>,
    /// `null` if the model has no tokenizer.
    pub(super) text: Option<&'a str>,
    /// The generated ids; those of a stop string are among them, an end-of-text token is not.
    pub(super) tokens: &'a [u32],
    /// Number of tokens of the prompt.
    pub(super) prompt_tokens: usize,
    /// Why it ended: `end`, `stop`, `length`, `context` or `interrupted`.
    pub(super) finish: &'static str,
    pub(super) seed: u64,
    #[serde(flatten)]
    pub(super) kernels: ModelKernels,
    pub(super) timings: Timings,
}
