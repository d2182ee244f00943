//! Packed files: what is read back is what was packed, and nothing else is read.

#[path = "../support/mod.rs"]
mod support;

mod bad_files;
mod round_trip;

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::load_error::LoadError;
use cke_engine::model_files::ModelFiles;
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use std::io::Cursor;
use std::sync::Arc;

/// One thread, and weights in eight bits.
fn int8() -> Runtime {
    Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Int8)
}

/// The content of the packed file of a model.
fn pack(files: impl Into<ModelFiles>, runtime: &Runtime) -> Result<Vec<u8>, Error> {
    let mut out = Cursor::new(Vec::new());
    Quantizer::open(files.into())?.write(runtime, &mut out, &|_| ())?;
    Ok(out.into_inner())
}

/// The model in the content of a packed file.
fn open(file: &[u8]) -> Result<Bundle, LoadError> {
    Bundle::of_files(&ModelFiles::of_packed(Arc::new(PackedFile::from_bytes(file, "model.cke")?)))
}

/// What a file that has everything of a model must give: the first error on the way to a model that can run.
fn use_all(file: &[u8], runtime: &Runtime) -> Result<(), Error> {
    let bundle = open(file)?;
    bundle.tokenizer()?;
    bundle.into_causal_model(runtime, &|_| ()).map(drop)
}
