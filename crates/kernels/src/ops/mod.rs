//! Operations round the matrix products, each vectorised for every ISA and with a naive twin that it is tested against.

pub mod activation;
#[allow(unsafe_code, reason = "caches and outputs of which each thread writes its part")]
pub mod attention;
pub mod elementwise;
pub mod embedding;
pub mod norm;
pub mod pooling;
mod row;
pub mod softmax;
