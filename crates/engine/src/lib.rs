//! 

#![deny(unsafe_code)]

pub mod sampler;

pub mod config;
pub mod formats;
pub mod generation_config;
pub mod load_error;
pub mod sentence;
mod tensor;
pub mod text_stream;
pub mod tokenizer;
pub mod weights;
pub mod activations;
pub mod error;
pub mod generate;
pub mod kv_cache;
mod layer_norm;
mod linear;
pub mod models;
pub mod runtime;
pub mod source;
pub mod bundle;
pub mod embed;
pub mod evaluate;
pub mod synthetic;
