//! File formats: how bytes on disk become named tensors and checked settings.

pub(crate) mod bounded_file;
pub(crate) mod disguise;
pub(crate) mod json_object;
pub(crate) mod mapping;
pub mod packed_file;
pub mod safetensors;
pub mod shard_index;
