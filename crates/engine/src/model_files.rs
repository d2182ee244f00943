//! The files of a model that are not weights, wherever they lie: in a directory, in a packed file, in a GGUF file, in
//! this program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cke_kernels::gemm::StableBytes;

use crate::formats::bounded_file::read_bounded;
use crate::formats::gguf::{GgufFile, GgufModel};
use crate::formats::json_object::KeyNames;
use crate::formats::packed_file::PackedFile;
use crate::load_error::LoadError;
use crate::model_dir;
use crate::notice::Notice;

/// Files by name; a name may begin with folders, divided by `/`.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    /// What stands before the names in messages.
    root: PathBuf,
    /// Folders inside the model, each with its `/`.
    folder: String,
    place: Place,
    /// Every file that was read, where somebody keeps them.
    kept: Option<Arc<Mutex<Contents>>>,
}

/// Contents of files by name.
type Contents = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum Place {
    Directory,
    Packed(Arc<PackedFile>),
    Gguf(Arc<GgufModel>),
    Memory(&'static [(&'static str, &'static [u8])]),
}

impl From<&Path> for ModelFiles {
    fn from(dir: &Path) -> ModelFiles {
        ModelFiles::new(dir.to_owned(), Place::Directory)
    }
}

impl From<&PathBuf> for ModelFiles {
    fn from(dir: &PathBuf) -> ModelFiles {
        ModelFiles::from(dir.as_path())
    }
}

/// Files are the same if they have the same place.
impl PartialEq for ModelFiles {
    fn eq(&self, other: &ModelFiles) -> bool {
        (&self.root, &self.folder) == (&other.root, &other.folder)
    }
}

impl Eq for ModelFiles {}

impl ModelFiles {
    /// Those of a packed file or a GGUF file, if that is what lies at `path`, else of a directory.
    ///
    /// # Errors
    /// Fails if a packed file or a GGUF file cannot be used. A directory is not looked at yet.
    pub fn open(path: &Path) -> Result<ModelFiles, LoadError> {
        if PackedFile::is_at(path) {
            return Ok(ModelFiles::of_packed(Arc::new(PackedFile::open(path)?)));
        }
        if GgufFile::is_at(path) {
            return Ok(ModelFiles::of_gguf(Arc::new(GgufModel::open(path)?)));
        }
        Ok(ModelFiles::from(path))
    }

    /// Those of a packed file that is open.
    pub fn of_packed(file: Arc<PackedFile>) -> ModelFiles {
        ModelFiles::new(file.path().to_owned(), Place::Packed(file))
    }

    /// Those of a packed file that is kept beside the model that it was made of, whose path stands for them.
    pub(crate) fn of_packed_beside(model: &Path, file: Arc<PackedFile>) -> ModelFiles {
        ModelFiles::new(model.to_owned(), Place::Packed(file))
    }

    /// Those that a GGUF file stands for.
    pub fn of_gguf(model: Arc<GgufModel>) -> ModelFiles {
        ModelFiles::new(model.file().path().to_owned(), Place::Gguf(model))
    }

    /// Files in this program, weights among them; `name` stands for their directory in messages.
    pub fn in_memory(name: &str, files: &'static [(&'static str, &'static [u8])]) -> ModelFiles {
        ModelFiles::new(PathBuf::from(name), Place::Memory(files))
    }

    /// Those of the demo model that is compiled into this library.
    #[cfg(feature = "demo-model")]
    pub fn demo() -> ModelFiles {
        ModelFiles::in_memory("demo", &cke_demo_model::FILES)
    }

    fn new(root: PathBuf, place: Place) -> ModelFiles {
        ModelFiles { root, folder: String::new(), place, kept: None }
    }

    /// The same files; whatever is read of them, or of folders of them, is kept for [`ModelFiles::take_kept`].
    pub(crate) fn keeping(self) -> ModelFiles {
        ModelFiles { kept: Some(Arc::default()), ..self }
    }

    /// The files that were read, by name; they are not kept any longer.
    pub(crate) fn take_kept(&self) -> Contents {
        let kept =
            self.kept.as_ref().map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)));
        kept.unwrap_or_default()
    }

    /// The files in a folder: a path without `..` that is not absolute.
    pub(crate) fn below(&self, folder: &str) -> ModelFiles {
        let mut below = self.clone();
        for part in Path::new(folder).components() {
            if let Component::Normal(part) = part {
                below.folder.push_str(&part.to_string_lossy());
                below.folder.push('/');
            }
        }
        below
    }

    /// The path of a file as messages name it: the GGUF file that it stands for, or the packed file and its name inside.
    pub fn path(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Packed(file) => file.path().join(self.full(name)),
            Place::Gguf(model) if model.has_own_file(&self.full(name)) => self.root.clone(),
            _ => self.dir().join(name),
        }
    }

    /// What messages call the keys of a file.
    pub(crate) fn key_names(&self, name: &str) -> KeyNames {
        match &self.place {
            Place::Gguf(model) => model.key_names(&self.full(name)),
            _ => KeyNames::new(),
        }
    }

    /// The path of the directory, or what stands for one.
    pub(crate) fn dir(&self) -> Cow<'_, Path> {
        if self.folder.is_empty() { Cow::Borrowed(&self.root) } else { Cow::Owned(self.root.join(&self.folder)) }
    }

    /// The path that a user gave; `None` for files in this program.
    pub(crate) fn given_path(&self) -> Option<Cow<'_, Path>> {
        match &self.place {
            Place::Memory(_) => None,
            Place::Packed(_) | Place::Gguf(_) => Some(Cow::Borrowed(&self.root)),
            Place::Directory => Some(self.dir()),
        }
    }

    /// Whether they are what a GGUF file stands for.
    pub(crate) fn is_gguf(&self) -> bool {
        matches!(self.place, Place::Gguf(_))
    }

    /// The packed file, if they lie in one.
    pub(crate) fn packed(&self) -> Option<&Arc<PackedFile>> {
        match &self.place {
            Place::Packed(file) => Some(file),
            _ => None,
        }
    }

    /// The GGUF file, if they lie in one.
    pub fn gguf(&self) -> Option<&GgufFile> {
        match &self.place {
            Place::Gguf(model) => Some(model.file()),
            _ => None,
        }
    }

    /// What a GGUF file says of its model and is not followed, beside what the files say that it stands for.
    pub(crate) fn gguf_notices(&self) -> &[Notice] {
        match &self.place {
            Place::Gguf(model) => model.notices(),
            _ => &[],
        }
    }

    /// What a GGUF file says of its tokenizer and is not followed.
    pub(crate) fn gguf_tokenizer_notices(&self) -> &[Notice] {
        match &self.place {
            Place::Gguf(model) => model.tokenizer_notices(),
            _ => &[],
        }
    }

    /// A file in this program.
    pub(crate) fn in_program(&self, name: &str) -> Option<&'static [u8]> {
        match &self.place {
            Place::Memory(files) => self.in_list(files, name),
            _ => None,
        }
    }

    /// Checks that a directory can be a model's.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        match &self.place {
            Place::Directory => model_dir::check(&self.dir()),
            _ => Ok(()),
        }
    }

    /// Whether there is a file of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.place {
            Place::Directory => self.path(name).exists(),
            Place::Gguf(model) => model.has_own_file(&self.full(name)),
            _ => self.size(name).is_some(),
        }
    }

    /// As [`ModelFiles::has`], or a link whose target is gone: its error says more than that nothing is there.
    pub(crate) fn has_or_links(&self, name: &str) -> bool {
        match &self.place {
            Place::Directory => std::fs::symlink_metadata(self.path(name)).is_ok(),
            _ => self.has(name),
        }
    }

    /// Bytes of a file; `None` if they cannot be told.
    pub(crate) fn size(&self, name: &str) -> Option<usize> {
        match &self.place {
            Place::Directory => usize::try_from(std::fs::metadata(self.path(name)).ok()?.len()).ok(),
            Place::Packed(file) => file.file_bytes(&self.full(name)),
            Place::Gguf(model) => model.own_file(&self.full(name)).ok()?.map(<[u8]>::len),
            Place::Memory(files) => self.in_list(files, name).map(<[u8]>::len),
        }
    }

    /// The content of a file of at most `limit` bytes.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Cow<'static, [u8]>, LoadError> {
        let content = match &self.place {
            Place::Directory => Cow::Owned(read_bounded(&self.path(name), limit)?),
            Place::Packed(file) => {
                let range = file.file(&self.full(name))?;
                Cow::Owned(self.bounded_copy(name, range.bytes(), limit)?)
            }
            Place::Gguf(model) => {
                let content = model.own_file(&self.full(name))?.ok_or_else(|| self.absent(name))?;
                Cow::Owned(self.bounded_copy(name, content, limit)?)
            }
            Place::Memory(files) => Cow::Borrowed(self.in_list(files, name).ok_or_else(|| self.absent(name))?),
        };
        if let Some(kept) = &self.kept {
            let copy = self.copy(name, &content)?;
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(self.full(name), copy);
        }
        Ok(content)
    }

    /// As [`ModelFiles::read`], or `None` if there is no such file.
    pub(crate) fn read_if_present(&self, name: &str, limit: u64) -> Result<Option<Cow<'static, [u8]>>, LoadError> {
        if self.has(name) { self.read(name, limit).map(Some) } else { Ok(None) }
    }

    /// The content of an entry that this library adds to the files of a packed model.
    pub(crate) fn read_own_entry(&self, name: &str, limit: u64) -> Result<Option<Cow<'static, [u8]>>, LoadError> {
        if self.packed().is_some() { self.read_if_present(name, limit) } else { Ok(None) }
    }

    fn absent(&self, name: &str) -> LoadError {
        LoadError::io(&self.path(name), std::io::ErrorKind::NotFound.into())
    }

    /// As [`ModelFiles::copy`], if it is of at most `limit` bytes.
    fn bounded_copy(&self, name: &str, content: &[u8], limit: u64) -> Result<Vec<u8>, LoadError> {
        let found = content.len() as u64;
        if found > limit {
            return Err(LoadError::TooLarge { file: self.path(name), limit, found });
        }
        self.copy(name, content)
    }

    /// A copy of the content of a file.
    fn copy(&self, name: &str, content: &[u8]) -> Result<Vec<u8>, LoadError> {
        let (mut copy, bytes) = (Vec::new(), content.len());
        copy.try_reserve_exact(bytes).map_err(|_| LoadError::NoMemory { file: self.path(name), bytes })?;
        copy.extend_from_slice(content);
        Ok(copy)
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    fn in_list(&self, files: &[(&str, &'static [u8])], name: &str) -> Option<&'static [u8]> {
        let name = self.full(name);
        files.iter().find(|(file, _)| *file == name).map(|(_, content)| *content)
    }
}
