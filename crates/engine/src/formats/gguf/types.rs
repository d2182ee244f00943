//! The numbers that GGUF has for types of tensors.

use super::error::GgufError;
use crate::dtype::Dtype;

/// Number, name, and the type that it is here, if it is supported. Source: `enum ggml_type` of ggml.
const TYPES: [(u32, &str, Option<Dtype>); 42] = [
    (0, "F32", Some(Dtype::F32)),
    (1, "F16", Some(Dtype::F16)),
    (2, "Q4_0", Some(Dtype::Q4_0)),
    (3, "Q4_1", Some(Dtype::Q4_1)),
    (4, "Q4_2", None),
    (5, "Q4_3", None),
    (6, "Q5_0", Some(Dtype::Q5_0)),
    (7, "Q5_1", Some(Dtype::Q5_1)),
    (8, "Q8_0", Some(Dtype::Q8_0)),
    (9, "Q8_1", None),
    (10, "Q2_K", Some(Dtype::Q2_K)),
    (11, "Q3_K", Some(Dtype::Q3_K)),
    (12, "Q4_K", Some(Dtype::Q4_K)),
    (13, "Q5_K", Some(Dtype::Q5_K)),
    (14, "Q6_K", Some(Dtype::Q6_K)),
    (15, "Q8_K", None),
    (16, "IQ2_XXS", None),
    (17, "IQ2_XS", None),
    (18, "IQ3_XXS", None),
    (19, "IQ1_S", None),
    (20, "IQ4_NL", Some(Dtype::IQ4_NL)),
    (21, "IQ3_S", None),
    (22, "IQ2_S", None),
    (23, "IQ4_XS", Some(Dtype::IQ4_XS)),
    (24, "I8", Some(Dtype::I8)),
    (25, "I16", Some(Dtype::I16)),
    (26, "I32", Some(Dtype::I32)),
    (27, "I64", Some(Dtype::I64)),
    (28, "F64", Some(Dtype::F64)),
    (29, "IQ1_M", None),
    (30, "BF16", Some(Dtype::BF16)),
    (31, "Q4_0_4_4", None),
    (32, "Q4_0_4_8", None),
    (33, "Q4_0_8_8", None),
    (34, "TQ1_0", None),
    (35, "TQ2_0", None),
    (36, "IQ4_NL_4_4", None),
    (37, "IQ4_NL_4_8", None),
    (38, "IQ4_NL_8_8", None),
    (39, "MXFP4", None),
    (40, "NVFP4", None),
    (41, "Q1_0", None),
];

/// The type with the id `id`; `tensor` names the tensor in the error if there is no such type.
pub(super) fn dtype_of(id: u32, tensor: &str) -> Result<Dtype, GgufError> {
    let tensor = || tensor.to_owned();
    match TYPES.iter().find(|record| record.0 == id) {
        Some((_, _, Some(dtype))) => Ok(*dtype),
        Some((_, name, None)) => Err(GgufError::UnsupportedType { tensor: tensor(), name, id }),
        None => Err(GgufError::UnknownType { tensor: tensor(), id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supported_types_have_the_names_of_the_format() {
        for (id, name, dtype) in TYPES {
            assert!(dtype.is_none_or(|dtype| dtype.name() == name), "{id} {name}");
        }
    }
}
