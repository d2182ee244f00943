//! Which kernels computed a result, as `--json` prints it: bits differ from one family of kernels to another.

use cke_engine::kernel_names::KernelNames;
use serde::Serialize;

/// The kernels of a model.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModelKernels {
    layer_kernels: Vec<&'static str>,
    attention_kernels: Vec<&'static str>,
}

impl From<KernelNames> for ModelKernels {
    fn from(KernelNames { layers, attention }: KernelNames) -> ModelKernels {
        ModelKernels { layer_kernels: layers, attention_kernels: attention }
    }
}
