//! Operations round the matrix products, each vectorised for every ISA and with a naive twin that it is tested against.

pub mod activation;
pub mod elementwise;
pub mod embedding;
pub mod gate;
pub mod norm;
pub mod pooling;
pub mod quantize;
pub mod rope;
mod row;
pub mod soft_cap;
pub mod softmax;
