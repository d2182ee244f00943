//! GGUF files in parts.
//!
//! Part i of n (from 0) has the keys `split.no` = i and `split.count` = n, and the name `…-{i + 1}-of-{n}.gguf` with five digits
//! each. The first part has the keys of the model.

use std::path::{Path, PathBuf};

use super::error::GgufError;
use super::{GgufFile, WeightFile};
use crate::load_error::LoadError;

/// Most parts: `split.count` is of 16 bits.
const MAX_PARTS: u64 = u16::MAX as u64;

/// The name of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartName<'a> {
    /// What stands before the numbers.
    prefix: &'a str,
    /// From 0.
    pub(super) number: u64,
    count: u64,
}

impl<'a> PartName<'a> {
    /// The parts of `…-00001-of-00003.gguf`.
    pub(super) fn parse(name: &'a str) -> Option<PartName<'a>> {
        let (stem, ending) = name.rsplit_once('.')?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let is_number = |digits: &str| digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !ending.eq_ignore_ascii_case("gguf") || !is_number(number) || !is_number(count) {
            return None;
        }
        let number = number.parse::<u64>().ok()?.checked_sub(1)?;
        Some(PartName { prefix, number, count: count.parse().ok()? })
    }

    /// The path of another part beside that of this one.
    fn beside(&self, path: &Path, number: u64) -> PathBuf {
        path.with_file_name(format!("{}-{:05}-of-{:05}.gguf", self.prefix, number + 1, self.count))
    }
}

/// The paths of all files that belong to the one at a path, by its name.
pub(crate) fn part_paths(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.and_then(PartName::parse).filter(|part| part.number == 0) {
        Some(first) => {
            std::iter::once(path.to_owned()).chain((1..first.count).map(|i| first.beside(path, i))).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// What a file says of the parts that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartKeys {
    /// From 0.
    number: u64,
    count: u64,
}

impl GgufFile {
    /// Opens the parts after the first.
    pub(super) fn open_other_parts(&mut self) -> Result<(), LoadError> {
        let PartKeys { number, count } = self.part_keys()?;
        if count <= 1 {
            return Ok(());
        }
        if number != 0 {
            return Err(LoadError::gguf(self.path(), GgufError::NotFirstPart { number, count }));
        }
        for number in 1..count {
            self.open_part(number, count)?;
        }
        self.check_tensors()
    }

    fn part_keys(&self) -> Result<PartKeys, LoadError> {
        let number = |key| self.integer(key, 0..=MAX_PARTS);
        Ok(PartKeys { number: number("split.no")?.unwrap_or(0), count: number("split.count")?.unwrap_or(1) })
    }

    fn open_part(&mut self, number: u64, count: u64) -> Result<(), LoadError> {
        let path = self.part_path(number, count)?;
        let missing = || LoadError::gguf(&path, GgufError::MissingPart { number, count });
        let file = WeightFile::map(&path).map_err(|error| if path.exists() { error } else { missing() })?;
        let part = GgufFile::read(file)?;
        let found = part.part_keys()?;
        if found != (PartKeys { number, count }) {
            let PartKeys { number: found, count: found_count } = found;
            return Err(LoadError::gguf(&path, GgufError::OtherPart { number, count, found, found_count }));
        }
        self.parts.extend(part.parts);
        Ok(())
    }

    /// The path of a part beside the first one.
    fn part_path(&self, number: u64, count: u64) -> Result<PathBuf, LoadError> {
        let nameless = || LoadError::gguf(self.path(), GgufError::PartName { count });
        if self.first_file().is_in_memory() {
            return Err(nameless());
        }
        let name = self.path().file_name().and_then(|name| name.to_str()).ok_or_else(nameless)?;
        let own = PartName::parse(name).filter(|own| (own.number, own.count) == (0, count)).ok_or_else(nameless)?;
        Ok(own.beside(self.path(), number))
    }

    /// Checks that no tensor is in two parts, and that there are as many as the first part says.
    fn check_tensors(&self) -> Result<(), LoadError> {
        let failed = |problem| Err(LoadError::gguf(self.path(), problem));
        let mut names: Vec<&str> = self.infos().map(|info| info.name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return failed(GgufError::DuplicateTensor { tensor: pair[0].to_owned() });
        }
        match self.integer("split.tensors.count", 0..=u64::MAX)? {
            Some(wanted) if wanted != names.len() as u64 => {
                failed(GgufError::PartTensors { wanted, found: names.len() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_part_is_taken_apart() {
        let parsed = PartName::parse("a-of-b-00002-of-00010.gguf").unwrap();
        assert_eq!(parsed, PartName { prefix: "a-of-b", number: 1, count: 10 });
        for name in
            ["a.gguf", "a-00000-of-00002.gguf", "a-1-of-2.gguf", "a-00001-of-00002.bin", "a-+0001-of-00002.gguf"]
        {
            assert_eq!(PartName::parse(name), None, "{name}");
        }
        assert!(GgufFile::may_be_whole("a-00001-of-00002.GGUF") && GgufFile::may_be_whole("a.gguf"));
        assert!(!GgufFile::may_be_whole("a-00002-of-00002.gguf") && !GgufFile::may_be_whole("a.bin"));
    }
}
