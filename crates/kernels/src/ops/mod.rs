//! Operations round the matrix products, each vectorised for every ISA and with a naive twin that it is tested against.

pub mod activation;
pub mod elementwise;
pub mod embedding;
pub mod norm;
pub mod pooling;
mod row;
pub mod softmax;
