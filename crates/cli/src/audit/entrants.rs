//! The contestants of an audit.

use crate::error::CliError;
use crate::named_library::{self, NamedLibrary};
use crate::output::note;
use cke_perf::peers::{Dtype, Entrant, Launcher, Library, Subject, Survey, find, probe, refuses_libraries};
use cke_report::audit::{OURS, UnusableLibrary};

/// CKE and the libraries it is compared with.
pub(super) struct Entrants {
    /// CKE first.
    pub(super) entrants: Vec<Entrant>,
    /// Files with promising names that cannot be used.
    pub(super) unusable: Vec<UnusableLibrary>,
}

/// Libraries found in the usual places that take part, at most: each has its colour, and takes its time.
const MOST_FOUND: usize = 6;

impl Entrants {
    /// CKE, the libraries that are named, and if `has_search` those in the usual places.
    ///
    /// # Errors
    /// If two have the same name, or a named one cannot be used.
    pub(super) fn find(named: &[NamedLibrary], has_search: bool, launcher: &Launcher) -> Result<Entrants, CliError> {
        let mut entrants = named_library::entrants(vec![Entrant::new(OURS, Subject::Gemm)], named)?;
        for library in named {
            probe(launcher, &library.path, Dtype::F32)?;
        }
        if let Some(reason) = refuses_libraries().filter(|_| has_search) {
            note(reason);
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
