//! What can be wrong with a packed file.

use super::{MAX_ENTRIES, TABLE_LIMIT, VERSION};

/// Why a file of `cke quantize` cannot be used.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum PackedFileError {
    #[error("the file begins like a packed file, but was changed on the way, as a transfer as text does")]
    ChangedMagic,
    #[error("wanted a packed file of at least {wanted} bytes, found {found}: it was cut")]
    TooShort { wanted: usize, found: usize },
    #[error("wanted version {VERSION} of the format, found version {found}, which another version of cke writes")]
    Version { found: u64 },
    #[error("the header's checksum is wrong: the file is damaged")]
    HeaderChecksum,
    #[error("wanted {wanted} bytes as the header says, found {found}: the file was cut or added to")]
    Length { wanted: u64, found: usize },
    #[error("wanted the table of entries inside the {available} bytes of the file, found it at {found}")]
    TablePlace { found: u64, available: usize },
    #[error("wanted a table of at most {TABLE_LIMIT} bytes, found {found}")]
    TableTooLarge { found: usize },
    #[error("the checksum of the table of entries is wrong: the file is damaged")]
    TableChecksum,
    #[error("the table of entries is not what it should be: {source}")]
    Table { source: serde_json::Error },
    #[error("wanted at most {MAX_ENTRIES} entries, found {found}")]
    TooManyEntries { found: usize },
    #[error("unknown dtype `{found}`, which another version of cke may know")]
    UnknownDtype { found: String },
    #[error("entry `{entry}`: two entries have this name")]
    DuplicateName { entry: String },
    #[error("entry `{entry}`: wanted it at byte {wanted}, found it at {found}")]
    Offset { entry: String, wanted: usize, found: u64 },
    #[error("entry `{entry}`: its {bytes} bytes from {offset} on leave the {available} bytes before the table")]
    PastEnd { entry: String, offset: usize, bytes: u64, available: usize },
    #[error("{count} bytes between the last entry and the table belong to no entry")]
    Hole { count: usize },
    #[error("entry `{entry}`: its sizes take {wanted} bytes, it has {found}")]
    Size { entry: String, wanted: u64, found: u64 },
    #[error("entry `{entry}`: its sizes overflow the address space, or one that must not be is 0")]
    Overflow { entry: String },
    #[error("entry `{entry}`: its checksum is wrong: the file is damaged")]
    Checksum { entry: String },
    #[error("wanted entry {wanted}, found no such name among {present} entries")]
    MissingEntry { wanted: String, present: usize },
    #[error("entry `{entry}`: wanted {wanted}, found {found}")]
    OtherContent { entry: String, wanted: String, found: String },
    #[error("its numbers have their lowest byte first, those of this machine their highest")]
    ByteOrder,
}

cke_kernels::debug_as_display!(PackedFileError);
