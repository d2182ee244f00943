//! The output projection of models that continue texts: a tensor of its own, or the token embedding.

use super::{gpt2, llama};
use crate::bundle::Weights;
use crate::config::ModelConfig;
use crate::error::Error;
use crate::load_error::LoadError;
use crate::notice::Notice;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use crate::weights::Checkpoint;
use std::path::Path;

/// Name of the output projection; it has no prefix.
pub(super) const HEAD: &str = "lm_head.weight";

/// Where an architecture's checkpoints have their tensors.
#[derive(Debug)]
pub(super) struct Names {
    /// What may stand before all names but that of the output projection.
    pub(super) prefixes: [&'static str; 2],
    /// The token embedding.
    pub(super) table: &'static str,
    /// A tensor that shows the prefix where there is no token embedding, as the output projection stands for both.
    pub(super) probe: &'static str,
}

impl Names {
    fn of(config: &ModelConfig) -> &'static Names {
        match config {
            ModelConfig::Gpt2(_) => &gpt2::NAMES,
            _ => &llama::NAMES,
        }
    }

    /// The tensor that is the output projection.
    pub(super) fn head(&self, is_tied: bool) -> &'static str {
        if is_tied { self.table } else { HEAD }
    }
}

impl Weights {
    /// Whether there is an output projection of its own, although the configuration ties it to the token embedding: as in transformers,
    /// if both are there and differ.
    pub(crate) fn have_own_head(&self, config: &ModelConfig) -> Result<bool, LoadError> {
        let names = Names::of(config);
        match self {
            Weights::Stored(checkpoint) => differs(checkpoint, names),
            // It was written as a table beside another head.
            Weights::Packed(file) => Ok(file.is_panels(names.table) == Some(false)),
        }
    }
}

/// Whether a checkpoint has a token embedding and another output projection.
pub(super) fn differs(checkpoint: &Checkpoint, names: &Names) -> Result<bool, LoadError> {
    let table = names.prefixes.iter().find_map(|prefix| checkpoint.get(&format!("{prefix}{}", names.table)));
    let (Some(table), Some(head)) = (table, checkpoint.get(HEAD)) else { return Ok(false) };
    // They may be two names of one tensor.
    Ok(table.name() != head.name() && !table.has_same_values(&head)?)
}

/// The notice that [`Weights::have_own_head`].
pub(crate) fn own_head_notice(config_file: &Path, config: &ModelConfig) -> Notice {
    let table = Names::of(config).table;
    Notice::NotFollowed {
        file: config_file.to_owned(),
        key: "tie_word_embeddings".to_owned(),
        value: "true".to_owned(),
        instead: format!("the checkpoint's `{HEAD}` differs from its `{table}`, and both are used"),
    }
}

/// Where a model's weights come from.
pub(super) struct Sources<'a> {
    /// All but the output projection.
    pub(super) model: Source<'a>,
    /// That of the output projection, if it is another.
    root: Option<Source<'a>>,
    /// The output projection's name.
    pub(super) head: &'static str,
}

impl<'a> Sources<'a> {
    /// Those of weights whose output projection is tied to the token embedding, or is not.
    ///
    /// # Errors
    /// Fails if the tensors by which the others are found are missing, or packed weights are in another format.
    pub(super) fn new(
        weights: &'a Weights,
        names: &Names,
        is_tied: bool,
        runtime: &'a Runtime,
        loading: Loading<'a>,
    ) -> Result<Sources<'a>, Error> {
        match weights {
            Weights::Stored(checkpoint) => Sources::stored(checkpoint, names, is_tied, loading),
            Weights::Packed(file) => {
                let is_table = is_tied && file.is_panels(names.table) == Some(true);
                Ok(Sources { model: Source::packed(file, runtime, loading)?, root: None, head: names.head(is_table) })
            }
        }
    }

    /// As [`Sources::new`], for a checkpoint.
    pub(super) fn stored(
        checkpoint: &'a Checkpoint,
        names: &Names,
        is_tied: bool,
        loading: Loading<'a>,
    ) -> Result<Sources<'a>, Error> {
        let root = Source::stored(checkpoint.root(), loading);
        match checkpoint.scope(&names.prefixes, names.table) {
            Ok(scope) => {
                let model = root.beside(scope);
                Ok(Sources { model, root: (!is_tied).then_some(root), head: names.head(is_tied) })
            }
            // The output projection stands for both.
            Err(_) if is_tied && checkpoint.contains(HEAD) => {
                let model = root.beside(checkpoint.scope(&names.prefixes, names.probe)?);
                Ok(Sources { model, root: Some(root), head: HEAD })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The source of the output projection.
    pub(super) fn of_head(&self) -> &Source<'a> {
        self.root.as_ref().unwrap_or(&self.model)
    }
}
