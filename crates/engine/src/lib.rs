//! Runs language models and BERT models from real files on the CPU.
//!
//! Most programs open a [`bundle::Bundle`], load it for a [`runtime::Runtime`], and then continue texts ([`generate::Tokens`]), hold
//! conversations ([`chat::session`]) or make vectors of texts ([`embed::Embedder`]). The [`prelude`] has what they need.
#![cfg_attr(
    feature = "demo-model",
    doc = r#"
```
use cke_engine::prelude::*;

let runtime = Runtime::new(None)?;
let bundle = Bundle::demo()?;
let tokenizer = bundle.tokenizer()?;
let model = bundle.into_causal_model(&runtime, &|_bytes| ())?;

let options = GenerateOptions { max_tokens: 20, ..GenerateOptions::default() };
let tokens = Tokens::new(&*model, &runtime, tokenizer.encode("The iterator", true)?, options)?;
let tokens: Vec<u32> = tokens.collect::<Result<_, _>>()?;
println!("The iterator{}", tokenizer.decode(&tokens, true)?);
# Ok::<(), Box<dyn std::error::Error>>(())
```"#
)]
//!
//! | module | what it has |
//! |---|---|
//! | [`prelude`] | what most programs use |
//! | [`bundle`], [`model_files`] | a model directory, a GGUF file or a packed file, opened and checked; the demo model |
//! | [`weights`], [`formats`], [`config`], [`generation_config`], [`sentence`], [`tokenizer`] | its files |
//! | [`notice`] | what the files say and is not done |
//! | [`runtime`], [`profile`] | the CPU and the threads that models run on; what ran on them, and when |
//! | [`weight_format`] | the numbers that weights are held in |
//! | [`quantize`], [`packed_beside`] | a model in one packed file, and such a file kept beside the model |
//! | [`models`] | GPT-2, Llama and its kin, BERT |
//! | [`memory`] | the memory that a model takes |
//! | [`cancel`] | ending a forward pass between two layers |
//! | [`generate`], [`sampler`], [`text_stream`] | from a prompt to text |
//! | [`chat`] | conversations: chat templates, history, what a turn reuses |
//! | [`embed`] | from texts to vectors |
//! | [`evaluate`] | how well a model predicts a text |
//! | [`synthetic`] | sizes of well-known models, to measure speed |
//!
//! Weights are packed once while they are loaded and held in that form alone. Results have the same bits for any number of
//! threads, and what a sequence gets does not depend on the others in its batch.
#![deny(unsafe_code)]

pub mod activations;
pub mod bundle;
pub mod cancel;
pub mod chat;
pub mod config;
mod dtype;
pub mod embed;
pub mod error;
pub mod evaluate;
mod fallible;
pub mod formats;
pub mod generate;
pub mod generation_config;
pub mod kernel_names;
pub mod kv_cache;
mod linear;
pub mod load_error;
pub mod memory;
mod model_dir;
pub mod model_files;
pub mod models;
mod norm;
pub mod notice;
pub mod packed_beside;
mod parallel;
pub mod prelude;
pub mod profile;
mod qkv_shape;
pub mod quantize;
pub mod runtime;
pub mod sampler;
pub mod sentence;
pub mod source;
pub mod synthetic;
mod table;
mod tensor;
pub mod text_stream;
pub mod tokenizer;
pub mod weight_format;
pub mod weights;
