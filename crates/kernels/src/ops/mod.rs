//! Operations around the matrix products, each vectorised for every ISA and with a naive twin that it is tested against.
//!
//! Transformers need [`norm`], [`rope`], [`activation`], [`gate`] and [`embedding`]; [`softmax`] turns logits into probabilities and
//! [`pooling`] rows into one vector. The others serve models with special parts and weights in fewer bits.

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
