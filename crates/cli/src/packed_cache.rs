//! `--cache`: the packed form of a model is kept beside it.

use crate::error::CliError;
use crate::model::Opening;
use crate::quantize::write_packed;
use cke_engine::error::Error;
use cke_engine::formats::gguf::GgufFile;
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::model_files::ModelFiles;
use cke_engine::packed_beside::{Found, Origin, PackedBeside};
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_perf::report::format_bytes;
use std::fs;
use std::path::Path;

/// The files of a model from its packed file, which is written first if there is none or another one. Where that fails for reasons that
/// have nothing to do with the model, the model's own files, with a note.
///
/// # Errors
/// If the model's files cannot be used, or the user ends the process.
pub(crate) fn open(model: &Path, dtype: Option<WeightFormat>, opening: Opening<'_>) -> Result<ModelFiles, CliError> {
    // What is not there is an error that says more without a word of caches.
    if PackedFile::is_at(model) || !model.exists() {
        return Ok(ModelFiles::open(model)?);
    }
    let usual = if GgufFile::is_at(model) { WeightFormat::Stored } else { WeightFormat::F32 };
    let place = PackedBeside::new(model, dtype.unwrap_or(usual));
    match current(model, &place, opening) {
        Ok(files) => Ok(files),
        Err(error) if is_of_cache(&error) => {
            opening.note(&format!("--cache: {error}; continuing without a packed file"));
            Ok(ModelFiles::open(model)?)
        }
        Err(error) => Err(error),
    }
}

/// The packed file in its place, written where there is none of the model as it is.
fn current(model: &Path, place: &PackedBeside, opening: Opening<'_>) -> Result<ModelFiles, CliError> {
    if place.format() == WeightFormat::F32 {
        return Err(Error::NotPortable { format: WeightFormat::F32.name() }.into());
    }
    // Before the model is read: what changes meanwhile makes the file one of another model.
    let origin = Origin::of(model).map_err(|error| CliError::Failed(error.to_string()))?;
    match place.look(&origin) {
        Found::Current(files) => return Ok(files),
        Found::Other { why } => opening.note(&format!("{}: {why}: it will be rewritten", place.path().display())),
        Found::Nothing => {}
    }
    let quantizer = Quantizer::open(ModelFiles::open(model)?)?.with_origin(origin.clone());
    let runtime = Runtime::new(Some(opening.threads))?.with_weights(place.format());
    write_packed(quantizer, &runtime, place.path(), opening.interrupt)?;
    match place.look(&origin) {
        Found::Current(files) => {
            let size = format_bytes(fs::metadata(place.path()).map_or(0, |metadata| metadata.len()));
            opening.note(&format!("--cache: wrote {} ({size}), which later runs use", place.path().display()));
            Ok(files)
        }
        Found::Nothing | Found::Other { .. } => {
            Err(CliError::Failed(format!("{}: another process changed it", place.path().display())))
        }
    }
}

/// Whether something is in the way of a packed file, and not of the model.
fn is_of_cache(error: &CliError) -> bool {
    matches!(error, CliError::Failed(_) | CliError::Engine(Error::NotPortable { .. }))
}
