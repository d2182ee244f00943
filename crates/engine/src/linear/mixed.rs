//! [`WeightFormat::Int4`](crate::weight_format::WeightFormat::Int4): four bits, and eight where results depend most on how well weights are
//! rounded.

use super::layer::{Layer, PackedLayer};
use super::{Part, Sensitivity};
use crate::error::Error;
use crate::runtime::Runtime;
use cke_kernels::Cpu;
use cke_kernels::gemm::grouped::{Q4_1, Q8_0};
use cke_kernels::scheme::Grouped;

/// Four bits with minimums: without them SmolLM2's perplexity is a quarter larger.
type Usual = Grouped<Q4_1>;

/// Reads rows as [`Usual`] does.
type Sensitive = Grouped<Q8_0>;

/// The weights of all parts side by side: parts of one sensitivity that follow each other are one layer.
pub(super) fn load(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Vec<Box<dyn Layer>>, Error> {
    let load = |parts: &[Part<'_>]| -> Result<Box<dyn Layer>, Error> {
        Ok(match parts[0].sensitivity {
            Sensitivity::Usual => Box::new(PackedLayer::<Usual>::load(runtime, parts, inputs)?),
            Sensitivity::High => Box::new(PackedLayer::<Sensitive>::load(runtime, parts, inputs)?),
        })
    };
    parts.chunk_by(|part, next| part.sensitivity == next.sensitivity).map(load).collect()
}

/// As [`PackedLayer::bytes_for`].
pub(super) fn bytes_for(cpu: &Cpu, inputs: usize, outputs: usize, sensitivity: Sensitivity) -> usize {
    match sensitivity {
        Sensitivity::Usual => PackedLayer::<Usual>::bytes_for(cpu, inputs, outputs),
        Sensitivity::High => PackedLayer::<Sensitive>::bytes_for(cpu, inputs, outputs),
    }
}
