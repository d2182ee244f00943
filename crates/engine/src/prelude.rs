//! What most programs use: `use cke_engine::prelude::*;`.
//!
//! | name | what it is for |
//! |---|---|
//! | [`Bundle`] | a model: a directory, a GGUF file, a packed file or the demo model |
//! | [`Runtime`], [`WeightFormat`] | threads, and the number format that weights are loaded in |
//! | [`Tokenizer`] | text to token ids and back |
//! | [`CausalModel`], [`Tokens`], [`Batch`], [`GenerateOptions`], [`SamplerConfig`], [`TextStream`] | continuing texts |
//! | [`ChatTemplate`], [`Conversation`], [`ChatModel`], [`ChatOptions`], [`ChatSession`] | conversations |
//! | [`Embedder`], [`EmbedOptions`] | vectors of texts |

pub use crate::bundle::Bundle;
pub use crate::chat::conversation::Conversation;
pub use crate::chat::session::{ChatModel, ChatOptions, ChatSession};
pub use crate::chat::template::ChatTemplate;
pub use crate::embed::{EmbedOptions, Embedder};
pub use crate::generate::{Batch, GenerateOptions, Tokens};
pub use crate::models::causal::CausalModel;
pub use crate::runtime::Runtime;
pub use crate::sampler::SamplerConfig;
pub use crate::text_stream::TextStream;
pub use crate::tokenizer::Tokenizer;
pub use crate::weight_format::WeightFormat;
