//! A whole model in one file, its weights packed: see [`formats::packed_file`](crate::formats::packed_file).
//!
//! The file is what loading the model reads and makes: its own files as they are read, and its weights as they are packed.

use crate::bundle::{Bundle, Weights};
use crate::config::ModelConfig;
use crate::error::Error;
use crate::formats::packed_file::{Output, PackedWriter};
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::models::bert::Bert;
use crate::models::load_decoder;
use crate::notice::Notice;
use crate::packed_beside::{self, Origin};
use crate::runtime::Runtime;
use crate::source::Loading;
use crate::tokenizer::packed::{self, Parts};
use crate::tokenizer::{TOKENIZER_JSON, Tokenizer};
use std::io;

/// A model that is going to be written as a packed file; its weights have not been read yet.
#[derive(Debug)]
pub struct Quantizer {
    files: ModelFiles,
    bundle: Bundle,
    notices: Vec<Notice>,
    origin: Option<Origin>,
}

impl Quantizer {
    /// Opens a model and reads all of its files but the weights.
    ///
    /// # Errors
    /// Fails if a file cannot be used, or it is a packed file already.
    pub fn open(files: ModelFiles) -> Result<Quantizer, LoadError> {
        if let Some(packed) = files.packed() {
            return Err(LoadError::PackedAlready { file: packed.path().to_owned() });
        }
        let files = files.keeping();
        let (bundle, sentence) = Bundle::open_layout(&files)?;
        let tokenizer = match bundle.tokenizer() {
            Ok(tokenizer) => Some(tokenizer),
            Err(LoadError::NoTokenizer { .. }) => None,
            Err(error) => return Err(error),
        };
        let of_model = bundle.notices().iter().chain(&bundle.generation().notices);
        let of_tokenizer = tokenizer.iter().flat_map(Tokenizer::notices);
        let of_layout = sentence.iter().flat_map(|sentence| &sentence.notices);
        let notices = of_model.chain(of_tokenizer).chain(of_layout).cloned().collect();
        Ok(Quantizer { files, bundle, notices, origin: None })
    }

    /// The same, which writes down what the file is made of: see [`packed_beside`].
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Quantizer {
        Quantizer { origin: Some(origin), ..self }
    }

    /// The model.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What its files say and is not followed.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Packs the weights in the runtime's format and writes everything to `out`, from its beginning on. Calls `loaded` with the
    /// number of bytes of the model's files that were packed, [`Bundle::load_bytes`] in all.
    ///
    /// # Errors
    /// Fails if kernels of that format pack weights in different ways, a tensor is missing or has the wrong shape, an allocation
    /// fails, or `out` cannot be written to.
    pub fn write(self, runtime: &Runtime, out: &mut dyn Output, loaded: &dyn Fn(u64)) -> Result<(), Error> {
        let writer = PackedWriter::new(out, runtime.weight_format())?;
        for (name, content) in self.files.take_kept() {
            add_file(&writer, &name, &content)?;
        }
        if let Some(origin) = &self.origin {
            writer.add_file(packed_beside::ENTRY, &origin.to_json()?)?;
        }
        let (weights, loading): (&Weights, _) = (self.bundle.weights(), Loading::reporting(loaded).into_sink(&writer));
        match self.bundle.config() {
            ModelConfig::Bert(config) => drop(Bert::load_from(weights, config, runtime, loading)?),
            config => drop(load_decoder(&self.bundle.name(), config, weights, runtime, loading)?),
        }
        Ok(writer.finish()?)
    }
}

/// Adds a file; one that is a tokenizer with its vocabulary beside it.
fn add_file(writer: &PackedWriter<'_>, name: &str, content: &[u8]) -> io::Result<()> {
    let parts = name.strip_suffix(TOKENIZER_JSON).and_then(|folder| Some((folder, packed::divide(content)?)));
    let Some((folder, Parts { json, vocabulary })) = parts else { return writer.add_file(name, content) };
    writer.add_file(name, &json)?;
    writer.add_file(&format!("{folder}{}", packed::ENTRY), &vocabulary)
}
