//! The file of finished products: a line of JSON with the settings, then a line for each product.

use super::Drawn;
use crate::error::CliError;
use cke_kernels::Cpu;
use cke_perf::peers::{Class, Dtype, Entrant, Product, Settings, ShapeResult, Subject};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// What results of one file have in common. Numbers of products and of threads may change from run to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) cpu: String,
    /// Instruction set that our own kernels use.
    pub(super) isa: String,
    pub(super) dtype: Dtype,
    pub(super) seed: u64,
    pub(super) rounds: usize,
    pub(super) seconds_per_round: f64,
    /// Names, those of libraries with their files.
    against: Vec<String>,
}

impl Header {
    /// The settings of this run.
    pub(super) fn new(cpu: &Cpu, seed: u64, settings: Settings, entrants: &[Entrant]) -> Header {
        let contestant = |Entrant { name, subject }: &Entrant| match subject {
            Subject::Library(path) => format!("{name}={}", path.display()),
            _ => name.clone(),
        };
        Header {
            cpu: cpu.brand().to_owned(),
            isa: cpu.isa().name().to_owned(),
            dtype: settings.dtype,
            seed,
            rounds: settings.rounds,
            seconds_per_round: settings.seconds,
            against: entrants.iter().map(contestant).collect(),
        }
    }

    /// The first setting in which `found` differs: its name, ours and the other one.
    fn difference(&self, found: &Header) -> Option<(String, Value, Value)> {
        let [Ok(Value::Object(wanted)), Ok(Value::Object(found))] = [self, found].map(serde_json::to_value) else {
            return None;
        };
        let differs = wanted.into_iter().find(|(name, value)| found.get(name) != Some(value));
        differs.map(|(name, value)| {
            let other = found.get(&name).cloned().unwrap_or_default();
            (name, value, other)
        })
    }
}

/// One finished product with one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FinishedProduct {
    pub(super) class: Class,
    /// Whether the result is that of a second, longer timing.
    pub(super) timed_again: bool,
    pub(super) result: ShapeResult,
}

/// Products that need not be measured again, and the file that they are kept in, if any.
#[derive(Debug)]
pub(super) struct Finished {
    file: Option<(PathBuf, File)>,
    records: HashMap<(usize, Class, Product), FinishedProduct>,
}

impl Finished {
    /// Reads the file, or begins it.
    ///
    /// # Errors
    /// If the file cannot be read or written, is of other settings, or was not written by this command. It is then unchanged.
    pub(super) fn open(path: Option<&Path>, header: &Header) -> Result<Finished, CliError> {
        let Some(path) = path else { return Ok(Finished { file: None, records: HashMap::new() }) };
        let failed = |source| CliError::Input { input: path.display().to_string(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        if text.is_empty() {
            write_line(&mut file, header).map_err(failed)?;
            return Ok(Finished { file: Some((path.to_owned(), file)), records: HashMap::new() });
        }
        // A run that was killed may have left a part of a line at the end.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let records = read(path, &text[..whole], header)?;
        file.set_len(whole as u64).and_then(|()| file.seek(io::SeekFrom::End(0))).map_err(failed)?;
        Ok(Finished { file: Some((path.to_owned(), file)), records })
    }

    /// The result of a product that is finished.
    pub(super) fn get(&self, threads: usize, drawn: &Drawn) -> Option<&FinishedProduct> {
        self.records.get(&(threads, drawn.class, drawn.product))
    }

    /// Keeps a result, and gives it back.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn add(&mut self, record: FinishedProduct) -> Result<FinishedProduct, CliError> {
        if let Some((path, file)) = &mut self.file {
            let failed = |source| CliError::Input { input: path.display().to_string(), source };
            write_line(file, &record).map_err(failed)?;
        }
        self.records.insert(key(&record), record.clone());
        Ok(record)
    }
}

fn key(record: &FinishedProduct) -> (usize, Class, Product) {
    (record.result.threads, record.class, record.result.product)
}

/// One write, so that a line is in the file whole or not at all unless the process is killed during the write.
fn write_line(file: &mut File, value: &impl Serialize) -> io::Result<()> {
    file.write_all((serde_json::to_string(value)? + "\n").as_bytes())
}

fn read(
    path: &Path,
    text: &str,
    header: &Header,
) -> Result<HashMap<(usize, Class, Product), FinishedProduct>, CliError> {
    let unfit = |wanted: String, found: String| CliError::Content { input: path.display().to_string(), wanted, found };
    let mut lines = text.lines();
    let found: Header = serde_json::from_str(lines.next().unwrap_or_default())
        .map_err(|_| unfit("a file written by --resume, or none".to_owned(), "another one".to_owned()))?;
    if let Some((name, wanted, found)) = header.difference(&found) {
        let found = format!("{name} {found}; give the same flags as before, or another file");
        return Err(unfit(format!("results with {name} {wanted}"), found));
    }
    let mut records = HashMap::new();
    for (i, line) in lines.enumerate() {
        let record: FinishedProduct = serde_json::from_str(line)
            .map_err(|error| unfit(format!("a finished product on line {}", i + 2), error.to_string()))?;
        records.insert(key(&record), record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn header(seed: u64) -> Header {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        Header::new(cpu, seed, Settings::default(), &[Entrant::new("cke", Subject::Gemm)])
    }

    fn record(product: &str) -> FinishedProduct {
        let product = product.parse().expect("a product");
        let (dtype, entries) = (Dtype::F32, Vec::new());
        let result = ShapeResult { product, dtype, threads: 1, peak_gflops: 1.5, read_gb_per_s: None, entries };
        FinishedProduct { class: Class::Small, timed_again: false, result }
    }

    fn drawn(record: &FinishedProduct) -> Drawn {
        Drawn { class: record.class, product: record.result.product }
    }

    #[test]
    fn finished_products_are_found_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("finished.jsonl");
        let (first, second) = (record("2x3x4@4:5:6"), record("5x6x7tn"));
        let open = || Finished::open(Some(&path), &header(1)).expect("a file of these settings");
        open().add(first.clone()).expect("room");
        // The end of a run that was killed.
        let cut = fs::read_to_string(&path).expect("the file") + "{\"class\":";
        fs::write(&path, cut).expect("room");
        open().add(second.clone()).expect("room");
        let finished = open();
        assert_eq!(finished.get(1, &drawn(&first)), Some(&first));
        assert_eq!(finished.get(1, &drawn(&second)), Some(&second));
        assert_eq!(finished.get(2, &drawn(&second)), None);
    }

    #[test]
    fn file_of_other_settings_or_none_of_ours_is_refused_and_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("finished.jsonl");
        let open = |seed| Finished::open(Some(&path), &header(seed)).map(|_| ());
        open(1).expect("a new file");
        let error = open(2).expect_err("another seed").to_string();
        assert!(error.contains("wanted results with seed 2, found seed 1; give the same flags"), "{error}");
        for text in ["notes", "notes\nmore\n", "{}\n"] {
            fs::write(&path, text).expect("room");
            let error = open(1).expect_err(text).to_string();
            assert!(error.contains("wanted a file written by --resume"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        }
    }
}
