//! GGUF's block formats as f32, one short function each.
//!
//! A block holds levels of few bits and 16-bit floats that scale them; a super-block of 256 weights has integer scales of groups of
//! 16 or 32 weights beside them. Products are rounded as they stand in the formulas, so that results are those of the reference
//! implementation bit for bit. Source of the layouts: the structures and `dequantize_row_…` functions of ggml (`ggml-common.h`,
//! `ggml-quants.c`).

mod fields;
mod groups;
mod super_groups;

use crate::dtype::Dtype;

/// out ← the weights of whole blocks.
///
/// # Panics
/// If `dtype` has no blocks, or `bytes` and `out` are not as many blocks.
pub(crate) fn decode(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::Q4_0 => each(bytes, out, groups::q4_0),
        Dtype::Q4_1 => each(bytes, out, groups::q4_1),
        Dtype::Q5_0 => each(bytes, out, groups::q5_0),
        Dtype::Q5_1 => each(bytes, out, groups::q5_1),
        Dtype::Q8_0 => each(bytes, out, groups::q8_0),
        Dtype::IQ4_NL => each(bytes, out, groups::iq4_nl),
        Dtype::Q2_K => each(bytes, out, super_groups::q2_k),
        Dtype::Q3_K => each(bytes, out, super_groups::q3_k),
        Dtype::Q4_K => each(bytes, out, super_groups::q4_k),
        Dtype::Q5_K => each(bytes, out, super_groups::q5_k),
        Dtype::Q6_K => each(bytes, out, super_groups::q6_k),
        Dtype::IQ4_XS => each(bytes, out, super_groups::iq4_xs),
        _ => unreachable!("{dtype} has no blocks"),
    }
}

/// Decodes block by block.
fn each<const BYTES: usize, const LEN: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    let (blocks, rest) = bytes.as_chunks::<BYTES>();
    let (out, rest_out) = out.as_chunks_mut::<LEN>();
    assert!(rest.is_empty() && rest_out.is_empty() && blocks.len() == out.len(), "wanted as many whole blocks");
    for (block, out) in blocks.iter().zip(out) {
        decode(block, out);
    }
}
