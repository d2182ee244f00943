//! `model.safetensors.index.json`: which shard of a checkpoint holds which tensor.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::bounded_file::{INDEX_LIMIT, read_bounded};
use crate::load_error::LoadError;

/// What is wrong with a shard index, alone or beside its shards.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum IndexError {
    #[error("weight_map: wanted at least one tensor, found none")]
    Empty,
    #[error("weight_map: tensor `{tensor}` is listed twice")]
    DuplicateName { tensor: String },
    #[error("tensor `{tensor}`: wanted the name of a file beside the index, found {shard:?}")]
    ShardOutside { tensor: String, shard: String },
    #[error("tensor `{tensor}`: its shard `{shard}` does not exist")]
    MissingShard { tensor: String, shard: String },
    #[error("tensor `{tensor}`: shard `{shard}` does not hold it")]
    MissingTensor { tensor: String, shard: String },
    #[error("tensor `{tensor}`: two shards hold it, `{first}` and `{second}`")]
    InTwoShards { tensor: String, first: String, second: String },
}

cke_kernels::debug_as_display!(IndexError);

/// A parsed index: for each shard, in the order of their names, the tensors that it must hold.
#[derive(Debug)]
pub(crate) struct ShardIndex {
    pub(crate) shards: BTreeMap<String, Vec<String>>,
}

impl ShardIndex {
    /// Reads the index at `path` and checks that each shard is a file beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let index = Self::parse(&read_bounded(path, INDEX_LIMIT)?, path)?;
        for (shard, tensors) in &index.shards {
            if !shard_path(path, shard).exists() {
                let (tensor, shard) = (tensors[0].clone(), shard.clone());
                return Err(index_error(path, IndexError::MissingShard { tensor, shard }));
            }
        }
        Ok(index)
    }

    fn parse(json: &[u8], path: &Path) -> Result<Self, LoadError> {
        LoadError::check_memory(path, json.len())?;
        let raw: RawIndex = serde_json::from_slice(json).map_err(|source| LoadError::json(path, json, source))?;
        let mut entries = raw.weight_map.0;
        if entries.is_empty() {
            return Err(index_error(path, IndexError::Empty));
        }
        entries.sort_unstable();
        let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut previous = None;
        for (tensor, shard) in entries {
            if previous.as_ref() == Some(&tensor) {
                return Err(index_error(path, IndexError::DuplicateName { tensor }));
            }
            if !is_file_name(&shard) {
                return Err(index_error(path, IndexError::ShardOutside { tensor, shard }));
            }
            previous = Some(tensor.clone());
            shards.entry(shard).or_default().push(tensor);
        }
        Ok(Self { shards })
    }
}

/// The path of `shard`, a file beside the index at `index`.
pub(crate) fn shard_path(index: &Path, shard: &str) -> PathBuf {
    index.with_file_name(shard)
}

/// Wraps `problem` with the index it is about.
pub(crate) fn index_error(index: &Path, problem: IndexError) -> LoadError {
    LoadError::Index { file: index.to_owned(), problem }
}

/// Whether `name` names a file in the same directory on every operating system: one component, no separator, no
/// drive, nothing that climbs.
fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        && !name.contains(['/', '\\', ':', '\0'])
}

#[derive(Deserialize)]
struct RawIndex {
    weight_map: WeightMap,
}

/// The pairs of `weight_map` as written, so that a repeated name is seen.
struct WeightMap(Vec<(String, String)>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from tensor names to file names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut pairs = Vec::new();
                while let Some(tensor) = map.next_key::<String>()? {
                    let shard = map
                        .next_value()
                        .map_err(|error: A::Error| A::Error::custom(format_args!("weight_map, `{tensor}`: {error}")))?;
                    pairs.push((tensor, shard));
                }
                Ok(WeightMap(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_names_that_leave_the_directory_are_refused() {
        for name in ["../x", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "c:x", "./x", "x/", "x/.", "a\0b"] {
            assert!(!is_file_name(name), "{name:?}");
        }
        assert!(is_file_name("model-00001-of-00002.safetensors"));
    }
}
