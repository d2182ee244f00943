//! Who is measured.

use super::report::{OURS, UnusableLibrary};
use crate::error::CliError;
use cke_perf::peers::{Dtype, Entrant, Launcher, Library, Subject, Survey, find, probe};
use std::path::PathBuf;
use std::str::FromStr;

/// A library that `--against` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    name: String,
    path: PathBuf,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Named, &'static str> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Named { name: name.to_owned(), path: path.into() })
            }
            _ => Err("wanted NAME=LIB"),
        }
    }
}

/// CKE and its rivals.
pub(super) struct Entrants {
    /// CKE first.
    pub(super) entrants: Vec<Entrant>,
    /// Files with promising names that cannot be used.
    pub(super) unusable: Vec<UnusableLibrary>,
}

/// Libraries found in the usual places that take part, at most: each has its colour, and takes its time.
const MOST_FOUND: usize = 6;

impl Entrants {
    /// CKE, the libraries that are named, and where `has_search` those in the usual places.
    ///
    /// # Errors
    /// Where two have the same name, or a named one cannot be used.
    pub(super) fn find(named: &[Named], has_search: bool, launcher: &Launcher) -> Result<Entrants, CliError> {
        let mut entrants = named_entrants(named)?;
        for library in named {
            probe(launcher, &library.path)?;
        }
        let survey = if has_search { find(launcher) } else { Survey::default() };
        for entrant in found_entrants(&survey.libraries) {
            if entrants.iter().all(|other| other.name != entrant.name && other.subject != entrant.subject) {
                entrants.push(entrant);
            }
        }
        let unusable = survey.refused.into_iter();
        let unusable =
            unusable.map(|refused| UnusableLibrary { path: refused.path, reason: refused.error.to_string() });
        Ok(Entrants { entrants, unusable: unusable.collect() })
    }
}

/// CKE, and the libraries that are named.
fn named_entrants(named: &[Named]) -> Result<Vec<Entrant>, CliError> {
    let mut entrants = vec![Entrant::new(OURS, Subject::Gemm)];
    for Named { name, path } in named {
        if entrants.iter().any(|entrant| entrant.name == *name) {
            return Err(CliError::Misuse(format!("--against: wanted names that differ, found {name} twice")));
        }
        entrants.push(Entrant::new(name, Subject::Library(path.clone())));
    }
    Ok(entrants)
}

/// Libraries that know f32, under their own names; several of one name are told apart by their versions.
fn found_entrants(libraries: &[Library]) -> Vec<Entrant> {
    let known = || libraries.iter().filter(|library| library.interface.knows(Dtype::F32)).take(MOST_FOUND);
    let entrant = |library: &Library| {
        let is_alone = known().filter(|other| other.name == library.name).count() == 1;
        let name = match &library.version {
            Some(version) if !is_alone => format!("{} {version}", library.name),
            _ => library.name.clone(),
        };
        Entrant::new(name, Subject::Library(library.path.clone()))
    };
    known().map(entrant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_perf::peers::Interface;

    #[test]
    fn named_is_a_name_with_a_path() {
        assert_eq!("mkl=/opt/a=b.so".parse(), Ok(Named { name: "mkl".to_owned(), path: "/opt/a=b.so".into() }));
        for text in ["", "mkl", "=x", "mkl="] {
            assert!(text.parse::<Named>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn named_entrants_of_one_name_are_refused() {
        let named = |name: &str| Named { name: name.to_owned(), path: "/x.so".into() };
        let of = |named: &[Named]| named_entrants(named).map(|entrants| entrants.len());
        assert_eq!(of(&[named("a"), named("b")]).expect("two names"), 3);
        assert!(of(&[named("a"), named("a")]).is_err() && of(&[named(OURS)]).is_err());
    }

    #[test]
    fn found_entrants_of_one_name_show_their_versions() {
        let library = |name: &str, version: &str| Library {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            path: format!("/{name}-{version}.so").into(),
            interface: Interface::Onednn,
        };
        let found = found_entrants(&[library("OpenBLAS", "1"), library("MKL", "1"), library("OpenBLAS", "2")]);
        let names: Vec<&str> = found.iter().map(|entrant| entrant.name.as_str()).collect();
        assert_eq!(names, ["OpenBLAS 1", "MKL", "OpenBLAS 2"]);
        let many: Vec<Library> = (0..20).map(|i| library("x", &i.to_string())).collect();
        assert_eq!(found_entrants(&many).len(), MOST_FOUND);
    }
}
