//! Weights in the numbers that their file has, without loss.

use super::Part;
use super::layer::{Layer, PackedLayer, joined_name};
use crate::dtype::Dtype;
use crate::error::Error;
use crate::runtime::Runtime;
use cke_kernels::gemm::grouped::{Int4_128, Iq4Nl, Iq4Xs, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
use cke_kernels::scheme::{Bf16, F16, F32, Grouped};

/// The weights of all parts side by side: parts of one type that follow each other are one layer.
pub(super) fn load(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Vec<Box<dyn Layer>>, Error> {
    let mut layers = Vec::new();
    let mut rest = parts;
    while !rest.is_empty() {
        let (dtype, count) = first_run(rest)?;
        layers.push(load_run(dtype, runtime, &rest[..count], inputs)?);
        rest = &rest[count..];
    }
    Ok(layers)
}

/// In which numbers the first part is held, and how many parts from it on are one layer.
fn first_run(parts: &[Part<'_>]) -> Result<(Dtype, usize), Error> {
    let first = &parts[0];
    if first.source.is_packed() {
        // As they were packed together.
        let packed = (1..=parts.len()).rev().find_map(|count| {
            let layout = first.source.panel_layout(&joined_name(&parts[..count]))?;
            Some((Dtype::of_layout(layout), count))
        });
        // If there is none, its name is the first one's.
        return Ok(packed.unwrap_or((Dtype::F32, 1)));
    }
    let dtype = held_as(first)?;
    let mut count = 1;
    while count < parts.len() && held_as(&parts[count])? == dtype {
        count += 1;
    }
    Ok((dtype, count))
}

/// In which numbers a part of a checkpoint is held: those of the checkpoint, if kernels multiply by them.
fn held_as(part: &Part<'_>) -> Result<Dtype, Error> {
    let stored = part.source.stored_type(part.name)?;
    let is_held = matches!(stored, Dtype::BF16 | Dtype::F16) || blocks_of(stored).is_some();
    Ok(if is_held { stored } else { Dtype::F32 })
}

/// Loads parts that are held in blocks.
type LoadBlocks = fn(&Runtime, &[Part<'_>], usize) -> Result<Box<dyn Layer>, Error>;

/// What packs blocks of a type without loss.
fn blocks_of(dtype: Dtype) -> Option<LoadBlocks> {
    macro_rules! entry {
        ($format:ty) => {
            Some(|runtime, parts, inputs| {
                Ok(Box::new(PackedLayer::<Grouped<$format>>::load_blocks(runtime, parts, inputs)?))
            })
        };
    }
    match dtype {
        Dtype::Q4_0 => entry!(Q4_0),
        Dtype::Q4_1 => entry!(Q4_1),
        Dtype::Q5_0 => entry!(Q5_0),
        Dtype::Q5_1 => entry!(Q5_1),
        Dtype::Q8_0 => entry!(Q8_0),
        Dtype::Q2_K => entry!(Q2_K),
        Dtype::Q3_K => entry!(Q3_K),
        Dtype::Q4_K => entry!(Q4_K),
        Dtype::Q5_K => entry!(Q5_K),
        Dtype::Q6_K => entry!(Q6_K),
        Dtype::IQ4_NL => entry!(Iq4Nl),
        Dtype::IQ4_XS => entry!(Iq4Xs),
        Dtype::INT4_128 => entry!(Int4_128),
        _ => None,
    }
}

fn load_run(dtype: Dtype, runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Box<dyn Layer>, Error> {
    match (dtype, blocks_of(dtype)) {
        (_, Some(load_blocks)) => load_blocks(runtime, parts, inputs),
        (Dtype::BF16, None) => Ok(Box::new(PackedLayer::<Bf16>::load(runtime, parts, inputs)?)),
        (Dtype::F16, None) => Ok(Box::new(PackedLayer::<F16>::load(runtime, parts, inputs)?)),
        (_, None) => Ok(Box::new(PackedLayer::<F32>::load(runtime, parts, inputs)?)),
    }
}
