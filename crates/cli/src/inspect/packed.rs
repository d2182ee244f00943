//! What a packed file is.

use crate::error::CliError;
use crate::progress::Progress;
use cke_engine::bundle::Weights;
use cke_engine::formats::packed_file::{EntryInfo, PackedFile, VERSION};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// A packed file, as its table and its checksums say.
#[derive(Debug, Serialize)]
pub(super) struct PackedReport<'a> {
    version: u64,
    /// The numbers of the weights.
    dtype: &'static str,
    /// Files and weights inside.
    entries: usize,
    /// Names of entries whose checksum is wrong.
    damaged: Vec<&'a str>,
}

impl<'a> PackedReport<'a> {
    /// Reads every entry of a packed file; `None` for other weights.
    pub(super) fn new(weights: &'a Weights) -> Option<PackedReport<'a>> {
        let Weights::Packed(file) = weights else { return None };
        let progress = Progress::of_checksums(file.infos().map(|info| info.bytes as u64).sum());
        let is_damaged = |info: &EntryInfo<'_>| {
            let is_damaged = file.verify(info.name).is_err();
            progress.add(info.bytes as u64);
            is_damaged
        };
        let damaged = PackedFile::infos(file).filter(is_damaged).map(|info| info.name).collect();
        Some(PackedReport {
            version: VERSION,
            dtype: file.weight_format().name(),
            entries: file.infos().count(),
            damaged,
        })
    }

    /// Checks that every entry is as it was written.
    ///
    /// # Errors
    /// If an entry is damaged.
    pub(super) fn check(&self, path: &Path) -> Result<(), CliError> {
        let [first, ..] = &self.damaged[..] else { return Ok(()) };
        let (path, damaged, entries) = (path.display(), self.damaged.len(), self.entries);
        Err(CliError::Failed(format!(
            "{path}: the checksums of {damaged} of {entries} entries are wrong, first that of `{first}`: the file is damaged \
             (`cke quantize MODEL -o FILE` rewrites it, or copy it again)"
        )))
    }
}

impl fmt::Display for PackedReport<'_> {
    /// `version 1, int8, 160 entries, all checksums right`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PackedReport { version, dtype, entries, damaged } = self;
        write!(f, "version {version}, {dtype}, {entries} entries, ")?;
        match &damaged[..] {
            [] => f.write_str("all checksums right"),
            damaged => write!(f, "damaged: {}", damaged.join(", ")),
        }
    }
}
