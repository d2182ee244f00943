//! The matrix libraries that are installed.
//!
//! Looked for by file name in the loader's cache, `LD_LIBRARY_PATH`, the system's directories, those of vendors, the conda
//! environment, and the packages of the `python3` on the path; then opened, each in a process of its own.

use super::contest::{Entrant, Settings};
use super::contestant::{Chatter, ContestantProcess, Launcher, PeerError};
use super::dtype::Dtype;
use super::library::{Library, Subject, refuses_libraries};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Libraries that can be used, each version once.
    pub libraries: Vec<Library>,
    /// Files whose names promised one.
    pub refused: Vec<Refused>,
}

/// A file that is no library that can be used.
#[derive(Debug)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: PeerError,
}

/// How the names of libraries with matrix products begin.
const STEMS: [&str; 9] = [
    "libopenblas",
    "libscipy_openblas",
    "libmkl_rt",
    "libblis",
    "libdnnl",
    "libblas",
    "libcblas",
    "libflexiblas",
    "libarmpl",
];

/// Where libraries lie, apart from the directories that the environment names. `*` matches any part of a name, at most once in each name.
const USUAL_PLACES: [&str; 14] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib/*-linux-gnu",
    "/usr/lib/*-linux-gnu/*",
    "/opt/intel/oneapi/mkl/*/lib",
    "/opt/intel/oneapi/mkl/*/lib/intel64",
    "/opt/intel/oneapi/dnnl/*/lib",
    "/opt/AMD/aocl/*/*/lib",
    "/opt/AMD/aocl/*/*/lib_LP64",
    "/opt/OpenBLAS/lib",
    "/opt/arm/*/lib",
    "/opt/homebrew/opt/openblas/lib",
];

/// Where the packages of a Python prefix keep libraries.
const PYTHON_PLACES: [&str; 4] =
    ["lib", "lib*/python3*/site-packages/*.libs", "lib*/python3*/*-packages/*/lib", "local/lib"];

/// Every library in the usual places that can be used; none if [`refuses_libraries`] says so.
pub fn find(launcher: &Launcher) -> Survey {
    let mut survey = Survey::default();
    if refuses_libraries().is_some() {
        return survey;
    }
    for path in candidates() {
        match probe(launcher, &path, Dtype::F32) {
            Ok(library) => survey.add(library),
            Err(error) => survey.refused.push(Refused { path, error }),
        }
    }
    survey
}

/// Opens a library in a process of its own, to see whether and how it can be used for products of this format.
///
/// # Errors
/// If it cannot be loaded, or has no such product that we know.
pub fn probe(launcher: &Launcher, path: &Path, dtype: Dtype) -> Result<Library, PeerError> {
    let entrant = Entrant::new(path.to_string_lossy(), Subject::Library(path.to_owned()));
    let settings = Settings { dtype, ..Settings::default() };
    let (_, library) = ContestantProcess::open(launcher, &entrant, settings, None, Chatter::Hidden)?;
    library.ok_or_else(|| PeerError::Answer { name: entrant.name, found: "no description of the library".to_owned() })
}

impl Survey {
    /// Adds a library unless the same version of it is there already.
    fn add(&mut self, library: Library) {
        let same = |other: &Library| (&other.name, &other.version) == (&library.name, &library.version);
        if !self.libraries.iter().any(same) {
            self.libraries.push(library);
        }
    }

    /// An entrant for each library that knows the format. Libraries of one name are told apart by their versions.
    pub fn entrants(&self, dtype: Dtype) -> Vec<Entrant> {
        let known = || self.libraries.iter().filter(|library| library.interface.knows(dtype));
        let entrant = |library: &Library| {
            let mut entrant = Entrant::from(library);
            let is_alone = known().filter(|other| other.name == library.name).count() == 1;
            if let Some(version) = library.version.as_ref().filter(|_| !is_alone) {
                entrant.name = format!("{}-{version}", entrant.name);
            }
            entrant
        };
        known().map(entrant).collect()
    }
}

/// Files in the usual places that have the name of such a library, each once, whatever links lead to it.
pub fn candidates() -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let in_directories = directories().into_iter().flat_map(|directory| libraries_in(&directory));
    let files = in_directories.chain(loader_cache()).filter_map(|path| path.canonicalize().ok());
    files.filter(|path| seen.insert(path.clone())).collect()
}

fn directories() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for variable in ["LD_LIBRARY_PATH", "MKLROOT", "CONDA_PREFIX"] {
        let paths = std::env::var_os(variable).unwrap_or_default();
        for path in std::env::split_paths(&paths).filter(|path| path.is_absolute()) {
            directories.push(path.join("lib"));
            directories.push(path);
        }
    }
    directories.extend(python_prefixes().iter().flat_map(|prefix| PYTHON_PLACES.map(|place| prefix.join(place))));
    directories.extend(USUAL_PLACES.map(PathBuf::from));
    directories.iter().flat_map(|pattern| expand(pattern)).collect()
}

/// Prefixes of the Python on the path: that of its environment, and that of the installation below.
fn python_prefixes() -> Vec<PathBuf> {
    let script = "import site, sys; print(sys.prefix); print(sys.base_prefix); print(site.getuserbase())";
    let lines = output_of("python3", &["-c", script]);
    lines.lines().map(PathBuf::from).filter(|path| path.is_absolute()).collect()
}

/// What the loader knows: lines such as `libblis.so.4 (libc6,x86-64) => /usr/lib/libblis.so.4`.
fn loader_cache() -> Vec<PathBuf> {
    let cache = ["ldconfig", "/sbin/ldconfig"].map(|program| output_of(program, &["-p"]));
    let lines = cache.iter().flat_map(|text| text.lines());
    let paths = lines.filter_map(|line| line.split_once("=> ")).map(|(_, path)| PathBuf::from(path));
    paths.filter(|path| is_library(path)).collect()
}

/// What a program prints; nothing if it cannot be run.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn libraries_in(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = entries(directory).filter(|path| is_library(path)).collect();
    files.sort();
    files
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    STEMS.iter().any(|stem| name.starts_with(stem)) && (name.contains(".so") || name.ends_with(".dylib"))
}

/// The directories that match a pattern.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.iter() {
        let part = part.to_string_lossy();
        found = if part.contains('*') {
            let of = |directory: &PathBuf| entries(directory).filter(|path| matches(&part, path)).collect::<Vec<_>>();
            found.iter().flat_map(of).collect()
        } else {
            found.iter().map(|directory| directory.join(&*part)).collect()
        };
        found.sort();
    }
    found
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Whether the last part of a path matches a pattern with one `*`.
fn matches(pattern: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let after = |(before, after)| name.strip_prefix(before).is_some_and(|rest: &str| rest.ends_with::<&str>(after));
    pattern.split_once('*').is_some_and(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_what_it_stands_for() {
        let is_match = |pattern, name| matches(pattern, Path::new(name));
        assert!(is_match("*", "anything") && is_match("*.libs", "numpy.libs") && is_match("lib*", "lib"));
        assert!(!is_match("*.libs", "numpy.lib") && !is_match("lib*", "alib") && !is_match("ab*bc", "abc"));
    }

    #[test]
    fn candidates_in_a_directory_are_found_once() {
        let root = tempfile::tempdir().expect("a directory");
        let libs = root.path().join("python3.99/numpy.libs");
        fs::create_dir_all(&libs).expect("directories");
        for name in ["libscipy_openblas64_-abc.so", "libgfortran.so.5", "libopenblas.a", "libblis-mt.so.5.3.0"] {
            fs::write(libs.join(name), "").expect("a file");
        }
        let directories = expand(&root.path().join("python3*/*.libs"));
        assert_eq!(directories, std::slice::from_ref(&libs));
        let files = libraries_in(&libs);
        assert_eq!(files, ["libblis-mt.so.5.3.0", "libscipy_openblas64_-abc.so"].map(|name| libs.join(name)));
        assert!(libraries_in(&root.path().join("nowhere")).is_empty());
    }

    #[test]
    fn survey_takes_a_version_once_and_tells_versions_apart() {
        let library = |version: &str, path: &str| Library {
            name: "OpenBLAS".to_owned(),
            version: Some(version.to_owned()),
            path: path.into(),
            interface: super::super::Interface::Onednn,
        };
        let mut survey = Survey::default();
        survey.add(library("0.3.1", "/a"));
        assert_eq!(survey.entrants(Dtype::F32)[0].name, "openblas");
        survey.add(library("0.3.1", "/b"));
        survey.add(library("0.3.2", "/c"));
        let names = survey.entrants(Dtype::F32).into_iter().map(|entrant| entrant.name).collect::<Vec<_>>();
        assert_eq!(names, ["openblas-0.3.1", "openblas-0.3.2"]);
        assert!(survey.entrants(Dtype::F64).is_empty(), "oneDNN has no f64");
    }
}
