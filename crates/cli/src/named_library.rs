//! Libraries that `--against` names, in every command that compares with libraries.

use crate::error::CliError;
use cke_perf::peers::{Entrant, Subject, refuses_libraries};
use std::path::PathBuf;
use std::str::FromStr;

/// A library by name and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedLibrary {
    /// Its name in the report.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: PathBuf,
}

impl FromStr for NamedLibrary {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<NamedLibrary, &'static str> {
        if let Some(reason) = refuses_libraries() {
            return Err(reason);
        }
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(NamedLibrary { name: name.to_owned(), path: path.into() })
            }
            _ => Err("wanted NAME=LIB"),
        }
    }
}

/// Our own products, then the libraries that are named.
///
/// # Errors
/// If two have the same name.
pub(crate) fn entrants<'a>(
    own: Vec<Entrant>,
    named: impl IntoIterator<Item = &'a NamedLibrary>,
) -> Result<Vec<Entrant>, CliError> {
    let mut entrants = own;
    for NamedLibrary { name, path } in named {
        if entrants.iter().any(|other| other.name == *name) {
            return Err(CliError::Misuse(format!("--against: wanted different names, found {name} twice")));
        }
        entrants.push(Entrant::new(name, Subject::Library(path.clone())));
    }
    Ok(entrants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_library_is_a_name_with_a_path() {
        let library = NamedLibrary { name: "mkl".to_owned(), path: "/opt/a=b.so".into() };
        assert_eq!("mkl=/opt/a=b.so".parse(), Ok(library));
        for text in ["", "mkl", "=x", "mkl="] {
            assert!(text.parse::<NamedLibrary>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn entrants_of_one_name_are_refused() {
        let named = |name: &str| NamedLibrary { name: name.to_owned(), path: "/x.so".into() };
        let of =
            |named: &[NamedLibrary]| entrants(vec![Entrant::new("cke", Subject::Gemm)], named).map(|all| all.len());
        assert_eq!(of(&[named("a"), named("b")]).expect("two names"), 3);
        assert!(of(&[named("a"), named("a")]).is_err() && of(&[named("cke")]).is_err());
    }
}
