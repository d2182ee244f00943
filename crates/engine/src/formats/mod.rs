//! File formats: how bytes on disk become named tensors and checked settings.

pub(crate) mod bounded_file;
pub(crate) mod disguise;
pub mod gguf;
pub(crate) mod json_object;
pub(crate) mod mapping;
pub mod packed_file;
pub mod safetensors;
pub mod shard_index;
pub(crate) mod tensor_entry;
pub(crate) mod weight_file;
