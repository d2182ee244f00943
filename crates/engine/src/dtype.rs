//! The types of a tensor's elements in files.

use std::fmt;

/// What the elements of a tensor are in its file, under the names that safetensors and GGUF have for them.
///
/// The types from [`Dtype::Q4_0`] on are GGUF's block formats: a row is blocks of [`Dtype::block_len`] weights, of
/// [`Dtype::block_bytes`] bytes each, which hold few bits for each weight and scales for all of them.
///
/// [`Dtype::INT4`] and [`Dtype::INT4_128`] are weights that a checkpoint has in several tensors, as GPTQ and AWQ write them: numbers of
/// four bits with scales and zero points, and the same where these are for 128 weights or more, which is a block then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "the names are those of the file formats")]
#[expect(missing_docs, reason = "the names are those of the file formats")]
#[non_exhaustive]
pub enum Dtype {
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    INT4,
    INT4_128,
}

/// Type, name, elements of a block and its bits.
type Record = (Dtype, &'static str, usize, usize);

/// Every type, in the order of the enumeration. Sources: the `Dtype` of the safetensors library; the structures of `ggml-common.h`
/// of ggml for blocks.
const TABLE: [Record; 36] = [
    (Dtype::BOOL, "BOOL", 1, 8),
    (Dtype::F4, "F4", 1, 4),
    (Dtype::F6_E2M3, "F6_E2M3", 1, 6),
    (Dtype::F6_E3M2, "F6_E3M2", 1, 6),
    (Dtype::U8, "U8", 1, 8),
    (Dtype::I8, "I8", 1, 8),
    (Dtype::F8_E5M2, "F8_E5M2", 1, 8),
    (Dtype::F8_E4M3, "F8_E4M3", 1, 8),
    (Dtype::F8_E8M0, "F8_E8M0", 1, 8),
    (Dtype::F8_E4M3FNUZ, "F8_E4M3FNUZ", 1, 8),
    (Dtype::F8_E5M2FNUZ, "F8_E5M2FNUZ", 1, 8),
    (Dtype::I16, "I16", 1, 16),
    (Dtype::U16, "U16", 1, 16),
    (Dtype::F16, "F16", 1, 16),
    (Dtype::BF16, "BF16", 1, 16),
    (Dtype::I32, "I32", 1, 32),
    (Dtype::U32, "U32", 1, 32),
    (Dtype::F32, "F32", 1, 32),
    (Dtype::C64, "C64", 1, 64),
    (Dtype::F64, "F64", 1, 64),
    (Dtype::I64, "I64", 1, 64),
    (Dtype::U64, "U64", 1, 64),
    (Dtype::Q4_0, "Q4_0", 32, 8 * 18),
    (Dtype::Q4_1, "Q4_1", 32, 8 * 20),
    (Dtype::Q5_0, "Q5_0", 32, 8 * 22),
    (Dtype::Q5_1, "Q5_1", 32, 8 * 24),
    (Dtype::Q8_0, "Q8_0", 32, 8 * 34),
    (Dtype::Q2_K, "Q2_K", 256, 8 * 84),
    (Dtype::Q3_K, "Q3_K", 256, 8 * 110),
    (Dtype::Q4_K, "Q4_K", 256, 8 * 144),
    (Dtype::Q5_K, "Q5_K", 256, 8 * 176),
    (Dtype::Q6_K, "Q6_K", 256, 8 * 210),
    (Dtype::IQ4_NL, "IQ4_NL", 32, 8 * 18),
    (Dtype::IQ4_XS, "IQ4_XS", 256, 8 * 136),
    (Dtype::INT4, "INT4", 1, 4),
    (Dtype::INT4_128, "INT4_128", 128, 8 * 67),
];

impl Dtype {
    /// The largest [`Dtype::block_len`] of all types.
    pub(crate) const MOST_BLOCK_LEN: usize = 256;

    /// The name that file formats have for it.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Dtype> {
        TABLE.iter().find(|record| record.1 == name).map(|record| record.0)
    }

    /// The type that packed panels of a layout were made of without loss.
    pub fn of_layout(layout: &str) -> Dtype {
        // The name of the numbers, and their order.
        match layout.split(' ').next().unwrap_or_default() {
            "int4" => Dtype::Q4_0,
            numbers => Dtype::from_name(&numbers.to_ascii_uppercase()).unwrap_or(Dtype::F32),
        }
    }

    /// Weights of a block; 1 for a type that has no blocks.
    pub const fn block_len(self) -> usize {
        TABLE[self as usize].2
    }

    /// Bytes of a block; for a type that has no blocks those of an element, rounded up.
    pub const fn block_bytes(self) -> usize {
        self.block_bits().div_ceil(8)
    }

    /// Whether it has blocks.
    pub const fn is_blocks(self) -> bool {
        self.block_len() > 1
    }

    /// Whether safetensors files have tensors of this type.
    pub(crate) const fn is_of_safetensors(self) -> bool {
        !self.is_blocks() && !matches!(self, Dtype::INT4)
    }

    /// Bits of a block.
    pub(crate) const fn block_bits(self) -> usize {
        TABLE[self as usize].3
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::gemm::grouped::Q6_K;
    use cke_kernels::scheme::{Bf16, F16, F32, Grouped, Scheme};

    #[test]
    fn table_is_in_the_order_of_the_types_and_has_their_names() {
        for (index, (dtype, name, len, bits)) in TABLE.into_iter().enumerate() {
            assert_eq!((dtype as usize, format!("{dtype:?}")), (index, name.to_owned()));
            assert_eq!(Dtype::from_name(name), Some(dtype));
            assert!(len <= Dtype::MOST_BLOCK_LEN && (len == 1 || bits % 8 == 0));
        }
        assert_eq!(Dtype::from_name("f32"), None);
    }

    #[test]
    fn layouts_of_panels_begin_with_the_name_of_their_type() {
        assert_eq!(panels_of::<F32>(), Dtype::F32);
        assert_eq!(panels_of::<Bf16>(), Dtype::BF16);
        assert_eq!(panels_of::<F16>(), Dtype::F16);
        assert_eq!(panels_of::<Grouped<Q6_K>>(), Dtype::Q6_K);
    }

    fn panels_of<S: Scheme>() -> Dtype {
        Dtype::of_layout(S::records().next().unwrap().panel_format().layout)
    }
}
