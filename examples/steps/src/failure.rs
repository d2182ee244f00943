//! What can go wrong.

use cke_perf::throughput::MeasureError;
use cke_testkit::tolerance::Mismatch;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Cpu(#[from] cke_kernels::cpu::CpuError),
    #[error(transparent)]
    Kernels(#[from] cke_kernels::Error),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error("`{product}` computes a wrong product: {source}")]
    Wrong { product: String, source: Mismatch },
    #[error("wanted steps 1 to {last} in low precision, found {found}")]
    NoSuchStep { found: u8, last: u8 },
}
