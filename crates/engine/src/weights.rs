//! Checkpoints: the named tensors of a model, wherever they lie.
//!
//! For programs that read tensors themselves: [`Checkpoint::open`], then [`Checkpoint::infos`] and [`Checkpoint::tensor`]. Models are
//! loaded by [`Bundle`](crate::bundle::Bundle).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::quantization::Quantization;
pub use crate::dtype::Dtype;
use crate::formats::disguise::{is_safetensors, recognise};
use crate::formats::gguf::{GgufFile, GgufNames, GgufTensors, is_gguf};
use crate::formats::safetensors::{Header, header_len, read_header};
use crate::formats::shard_index::{IndexError, ShardIndex, index_error, shard_path};
use crate::formats::tensor_entry::TensorEntry;
use crate::formats::weight_file::WeightFile;
use crate::load_error::LoadError;
use crate::tensor::Conversion;
pub use crate::tensor::Tensor;
pub use crate::tensor::quantized::QuantizedError;
use crate::tensor::quantized::{Layer, Part, Parts, Quantized};

pub(crate) const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// The tensors of a model: one safetensors file, several with an index, a GGUF file, or bytes in memory.
///
/// Those of a GGUF file have the names and the order of rows that checkpoints of transformers have.
///
/// Files are mapped, not read: opening costs the headers alone, and a tensor's bytes come in when they are asked for.
/// Every header is checked in full before [`Checkpoint::open`] returns, so a tensor that can be found can be read.
/// Files should not be written to while a checkpoint is open; a change is noticed before each read and is an error
/// ([`LoadError::Changed`]), except in the moment between that check and the read.
///
/// ```
/// use cke_engine::weights::Checkpoint;
///
/// let header = r#"{"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
/// let mut file = (header.len() as u64).to_le_bytes().to_vec();
/// file.extend(header.as_bytes());
/// file.extend([1.0f32, -2.0].iter().flat_map(|x| x.to_le_bytes()));
///
/// let checkpoint = Checkpoint::from_bytes(file, "two numbers")?;
/// assert_eq!(checkpoint.tensor("bias")?.expect_shape(&[2])?.read_f32()?, [1.0, -2.0]);
/// # Ok::<(), cke_engine::load_error::LoadError>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    sources: Vec<Arc<WeightFile>>,
    /// File by file, in the order of their data.
    entries: Vec<Entry>,
    /// Indices into `entries`, sorted by name.
    by_name: Vec<u32>,
    /// Further names of tensors, sorted, and the indices of their entries.
    aliases: Vec<(String, u32)>,
    /// What a GGUF file calls tensors.
    names: Option<GgufNames>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) header: TensorEntry,
    conversion: Conversion,
    /// What the weights are made of, if that is several tensors.
    quantized: Option<Quantized>,
    source: usize,
}

/// What the header says of a tensor.
#[derive(Debug, Clone, Copy)]
pub struct TensorInfo<'a> {
    /// Its full name.
    pub name: &'a str,
    /// The type of its elements in the file.
    pub dtype: Dtype,
    /// Its shape, outermost dimension first; row-major.
    pub shape: &'a [usize],
    /// Its size in the file.
    pub bytes: usize,
    /// The file that holds it.
    pub file: &'a Path,
}

impl Checkpoint {
    /// Opens a model directory (with `model.safetensors`, or else `model.safetensors.index.json`, or else one GGUF file), a
    /// safetensors file, a shard index (a file named `….json`), or a GGUF file, whatever its name.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened, or a header or the index is malformed; see [`LoadError`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let file = if path.is_dir() { weights_in(path)? } else { path.to_owned() };
        if file.extension().is_some_and(|extension| extension == "json") {
            return Self::open_sharded(&file);
        }
        Self::of_file(WeightFile::map(&file)?)
    }

    /// Reads a safetensors or GGUF file that is in memory, such as one compiled into the program; `name` stands for its path
    /// in messages. Static bytes are not copied.
    ///
    /// # Errors
    ///
    /// Fails if the header is malformed.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>, name: &str) -> Result<Self, LoadError> {
        Self::of_file(WeightFile::in_memory(bytes, name))
    }

    /// The tensors of a GGUF file, under the names and with the rows of a checkpoint of transformers.
    ///
    /// # Errors
    ///
    /// Fails if the architecture is not supported, or tensors do not match the file's number of heads.
    pub fn of_gguf(file: &GgufFile) -> Result<Self, LoadError> {
        let GgufTensors { names, sources, tensors } = file.model_tensors()?;
        let mut checkpoint = Self::empty(file.path());
        checkpoint.names = Some(names);
        checkpoint.sources = sources;
        let entries = tensors.into_iter();
        checkpoint.entries = entries
            .map(|tensor| Entry {
                header: tensor.entry,
                conversion: tensor.conversion,
                quantized: None,
                source: tensor.part,
            })
            .collect();
        checkpoint.sort_names();
        Ok(checkpoint)
    }

    fn of_file(file: WeightFile) -> Result<Self, LoadError> {
        if is_gguf(file.bytes()?) {
            return Self::of_gguf(&GgufFile::of_file(file)?);
        }
        let mut checkpoint = Self::empty(&file.path);
        checkpoint.add(file)?;
        checkpoint.sort_names();
        Ok(checkpoint)
    }

    fn open_sharded(path: &Path) -> Result<Self, LoadError> {
        let index = ShardIndex::read(path)?;
        let mut checkpoint = Self::empty(path);
        for shard in index.shards.keys() {
            checkpoint.add(WeightFile::map(&shard_path(path, shard))?)?;
        }
        checkpoint.sort_names();
        checkpoint.check_against(&index)?;
        Ok(checkpoint)
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            sources: Vec::new(),
            entries: Vec::new(),
            by_name: Vec::new(),
            aliases: Vec::new(),
            names: None,
        }
    }

    fn add(&mut self, source: WeightFile) -> Result<(), LoadError> {
        let bytes = source.bytes()?;
        LoadError::check_memory(&source.path, header_len(bytes))?;
        let Header { entries, aliases } = read_header(bytes).map_err(|problem| {
            let file = source.path.clone();
            // What has a header of its length is a safetensors file, however wrong.
            match recognise(bytes).filter(|_| problem.is_of_length() && !is_safetensors(bytes)) {
                Some(found) => LoadError::OtherFormat { file, wanted: "a safetensors file", found },
                None => LoadError::Header { file, problem },
            }
        })?;
        let (index, first) = (self.sources.len(), self.entries.len());
        self.aliases.extend(aliases.into_iter().map(|(alias, at)| (alias, (first + at) as u32)));
        self.entries.extend(entries.into_iter().map(|header| Entry {
            header,
            conversion: Conversion::NONE,
            quantized: None,
            source: index,
        }));
        self.sources.push(Arc::new(source));
        Ok(())
    }

    fn sort_names(&mut self) {
        self.by_name = (0..self.entries.len() as u32).collect();
        self.by_name.sort_by_key(|&i| self.entries[i as usize].header.name.as_str());
        self.aliases.sort_unstable();
    }

    fn check_against(&self, index: &ShardIndex) -> Result<(), LoadError> {
        let shards: Vec<&String> = index.shards.keys().collect();
        let names = self.by_name.iter().map(|&i| &self.entries[i as usize]);
        for (first, second) in names.clone().zip(names.skip(1)) {
            if first.header.name == second.header.name {
                let problem = IndexError::InTwoShards {
                    tensor: first.header.name.clone(),
                    first: shards[first.source].clone(),
                    second: shards[second.source].clone(),
                };
                return Err(index_error(&self.path, problem));
            }
        }
        for (source, (shard, tensors)) in index.shards.iter().enumerate() {
            let absent = |tensor: &&String| self.entry(tensor).is_none_or(|entry| entry.source != source);
            if let Some(tensor) = tensors.iter().find(absent) {
                let problem = IndexError::MissingTensor { tensor: tensor.clone(), shard: shard.clone() };
                return Err(index_error(&self.path, problem));
            }
        }
        Ok(())
    }

    /// The same with the weights of each quantised layer as one tensor, in place of those that it is made of.
    pub(crate) fn with_quantized_layers(mut self, quantization: Quantization) -> Result<Self, LoadError> {
        let (mut layers, mut consumed) = (Vec::new(), HashSet::new());
        for entry in &self.entries {
            if let Some(layer) = Layer::of(&self.part_of(entry), &self, quantization)? {
                consumed.extend(layer.names);
                let quantized = Some(layer.quantized);
                layers.push(Entry {
                    header: layer.weight,
                    quantized,
                    conversion: Conversion::NONE,
                    source: entry.source,
                });
            }
        }
        // Names are found by the places of entries, which change.
        let names: Vec<String> =
            self.aliases.iter().map(|&(_, at)| self.entries[at as usize].header.name.clone()).collect();
        self.entries.retain(|entry| !consumed.contains(&entry.header.name));
        self.entries.extend(layers);
        let places: HashMap<&str, u32> = self.entries.iter().map(|entry| entry.header.name.as_str()).zip(0..).collect();
        let aliases = self.aliases.iter().zip(&names);
        self.aliases =
            aliases.filter_map(|((alias, _), name)| Some((alias.clone(), *places.get(name.as_str())?))).collect();
        self.sort_names();
        Ok(self)
    }

    /// Whether weights are quantised, with scales in tensors of their own.
    pub(crate) fn is_quantized(&self) -> bool {
        self.entries.iter().any(|entry| entry.quantized.is_some())
    }

    /// Whether weights are blocks that several tensors make.
    pub(crate) fn has_quantized_blocks(&self) -> bool {
        self.entries.iter().any(|entry| entry.quantized.is_some() && entry.header.dtype.is_blocks())
    }

    fn part_of(&self, entry: &Entry) -> Part {
        Part { entry: entry.header.clone(), file: Arc::clone(&self.sources[entry.source]) }
    }

    /// The file or index that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold the tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| source.path.as_path())
    }

    /// Every tensor, file by file in the order of their data.
    pub fn infos(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.entries.iter().map(|entry| self.view(entry).info())
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Size of all tensors in their files, in bytes.
    pub fn total_bytes(&self) -> usize {
        self.infos().map(|tensor| tensor.bytes).sum()
    }

    /// Whether a tensor has this full name. One that shares its memory with another may be named by the file's metadata alone.
    pub fn contains(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The tensor of this full name, of any type.
    pub fn get(&self, name: &str) -> Option<Tensor<'_>> {
        self.entry(name).map(|entry| self.view(entry))
    }

    /// The tensor of this full name.
    ///
    /// # Errors
    ///
    /// Returns [`LoadError::MissingTensor`] if there is no such tensor.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, LoadError> {
        self.get(name).ok_or_else(|| self.missing(vec![name.to_owned()]))
    }

    /// Tells the operating system that the pages of a tensor are not needed for now. Reading it again stays correct.
    pub fn release(&self, name: &str) {
        if let Some(tensor) = self.get(name) {
            tensor.release();
        }
    }

    /// All names, as they are.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
    }

    /// The names under the first of `prefixes` under which there is a tensor called `probe`.
    ///
    /// Exporters differ in the prefix that they put before a model's names: `checkpoint.scope(&["transformer.", ""],
    /// "wte.weight")` finds either.
    ///
    /// # Errors
    ///
    /// Returns [`LoadError::MissingTensor`] with all names that were tried if none exists.
    pub fn scope(&self, prefixes: &[&str], probe: &str) -> Result<Scope<'_>, LoadError> {
        match prefixes.iter().find(|prefix| self.contains(&format!("{prefix}{probe}"))) {
            Some(prefix) => Ok(Scope { checkpoint: self, prefix: (*prefix).to_owned() }),
            None => Err(self.missing(prefixes.iter().map(|prefix| format!("{prefix}{probe}")).collect())),
        }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        let name_at = |&i: &u32| self.entries[i as usize].header.name.as_str();
        let index = match self.by_name.binary_search_by(|i| name_at(i).cmp(name)) {
            Ok(at) => self.by_name[at],
            Err(_) => self.aliases[self.aliases.binary_search_by(|(alias, _)| alias.as_str().cmp(name)).ok()?].1,
        };
        Some(&self.entries[index as usize])
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> Tensor<'a> {
        Tensor::new(&entry.header, entry.conversion, &self.sources[entry.source])
            .made_of(entry.quantized.as_ref())
            .named_by(self.names)
    }

    /// What the file calls a tensor, for messages.
    pub fn name_in_file(&self, name: &str) -> String {
        self.names.and_then(|names| names.in_file(name)).unwrap_or_else(|| name.to_owned())
    }

    fn missing(&self, wanted: Vec<String>) -> LoadError {
        let in_file: Vec<String> = match self.names {
            Some(names) => wanted.iter().filter_map(|name| names.in_file(name)).collect(),
            None => Vec::new(),
        };
        let wanted = if in_file.is_empty() { wanted } else { in_file };
        LoadError::MissingTensor { file: self.path.clone(), wanted, present: self.len() }
    }
}

impl Parts for Checkpoint {
    fn part(&self, name: &str) -> Option<Part> {
        self.entry(name).map(|entry| self.part_of(entry))
    }

    fn required(&self, name: String) -> Result<Part, LoadError> {
        self.part(&name).ok_or_else(|| self.missing(vec![name]))
    }
}

/// The weights to open in a model directory.
fn weights_in(dir: &Path) -> Result<PathBuf, LoadError> {
    // A link whose target is gone is there too: its error says more than that nothing is.
    let is_there = |name: &&&str| std::fs::symlink_metadata(dir.join(name)).is_ok();
    if let Some(name) = [SINGLE_FILE, INDEX_FILE].iter().find(is_there) {
        return Ok(dir.join(name));
    }
    let present = other_weights(dir);
    if let [file] = &*whole_gguf_files(&present) {
        return Ok(dir.join(file));
    }
    let found = if present.is_empty() {
        "neither".to_owned()
    } else {
        format!("only {}", present[..present.len().min(4)].join(", "))
    };
    Err(LoadError::NoWeights { dir: dir.to_owned(), found })
}

/// The names of files in a directory that hold weights under another name or in another format, sorted.
fn other_weights(dir: &Path) -> Vec<String> {
    const ENDINGS: [&str; 9] = ["safetensors", "bin", "gguf", "pt", "pth", "h5", "msgpack", "onnx", "ckpt"];
    let is_weights =
        |path: &Path| path.extension().and_then(|end| end.to_str()).is_some_and(|end| ENDINGS.contains(&end));
    let entries =
        std::fs::read_dir(dir).into_iter().flatten().take(10_000).filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<String> = entries
        .filter(|path| is_weights(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    names
}

/// The GGUF files among `names`, of one in parts the first.
fn whole_gguf_files(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| GgufFile::may_be_whole(name)).collect()
}

/// The tensors whose names begin with a prefix, called by the rest of their names.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The prefix, with its final dot; empty at the root.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The names under `name` and a dot: `scope.child("h.0")`.
    pub fn child(&self, name: impl Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{name}.", self.prefix) }
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(&self.full(name))
    }

    /// The tensor of this name.
    ///
    /// # Errors
    ///
    /// Returns [`LoadError::MissingTensor`] with the full name if there is no such tensor.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'a>, LoadError> {
        self.any(&[name])
    }

    /// The first of these names that exists, for weights that were renamed over the years
    /// (`LayerNorm.weight`, once `LayerNorm.gamma`).
    ///
    /// # Errors
    ///
    /// Returns [`LoadError::MissingTensor`] with all full names if none exists.
    pub fn any(&self, names: &[&str]) -> Result<Tensor<'a>, LoadError> {
        let full: Vec<String> = names.iter().map(|name| self.full(name)).collect();
        full.iter().find_map(|name| self.checkpoint.get(name)).ok_or_else(|| self.checkpoint.missing(full))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
