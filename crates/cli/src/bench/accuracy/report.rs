//! What `cke bench accuracy` found, and how it is written.

use crate::date;
use crate::error::CliError;
use cke_kernels::Cpu;
use cke_perf::peers::{Data, Dtype, Entrant, Errors, Extent, Library, SumErrors, Sums};
use cke_perf::report::{Align, Column, Format, Table, csv};
use serde::Serialize;

/// All findings, and what they are from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// When the study began.
    date: String,
    cpu: String,
    /// Instruction set that our own kernels use.
    isa: &'static str,
    #[serde(flatten)]
    extent: Extent,
    libraries: Vec<Contestant>,
    findings: Vec<SumErrors>,
}

/// A library that took part.
#[derive(Clone, Debug, Serialize)]
struct Contestant {
    name: String,
    /// The library's description of itself.
    library: Option<Library>,
}

/// A line of the CSV file: one way to compute sums of one length.
#[derive(Debug, Serialize)]
struct AccuracyLine<'a> {
    dtype: Dtype,
    data: Data,
    k: usize,
    sums: Sums,
    contestant: &'a str,
    elements: usize,
    rms: f64,
    max: f64,
}

impl Report {
    /// A report without findings.
    pub(super) fn new<'a>(
        cpu: &Cpu,
        extent: Extent,
        entrants: &[Entrant],
        libraries: impl Iterator<Item = Option<&'a Library>>,
    ) -> Report {
        let contestant = |(entrant, library): (&Entrant, Option<&Library>)| Contestant {
            name: entrant.name.clone(),
            library: library.cloned(),
        };
        Report {
            date: date::now(),
            cpu: cpu.brand().to_owned(),
            isa: cpu.isa().name(),
            extent,
            libraries: entrants.iter().zip(libraries).map(contestant).collect(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding.
    pub(super) fn add(&mut self, finding: SumErrors) {
        self.findings.push(finding);
    }

    /// The report in this format.
    ///
    /// # Errors
    /// If the report cannot be serialised, which is a bug.
    pub(super) fn render(&self, format: Format) -> Result<String, CliError> {
        let failed = |error: &dyn std::error::Error| CliError::Failed(error.to_string());
        match format {
            Format::Markdown => Ok(self.tables().join("\n")),
            Format::Csv => csv(&self.lines()).map_err(|error| failed(&error)),
            Format::Json => serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| failed(&error)),
        }
    }

    fn lines(&self) -> Vec<AccuracyLine<'_>> {
        self.findings.iter().flat_map(|finding| self.lines_of(finding)).collect()
    }

    fn lines_of<'a>(&self, finding: &'a SumErrors) -> impl Iterator<Item = AccuracyLine<'a>> + use<'a> {
        let (dtype, &SumErrors { sums, data, k, ref errors }) = (self.extent.dtype, finding);
        errors.iter().map(move |(contestant, errors)| AccuracyLine {
            dtype,
            data,
            k,
            sums,
            contestant,
            elements: errors.count,
            rms: errors.rms,
            max: errors.max,
        })
    }

    /// A table for each library; one without libraries.
    fn tables(&self) -> Vec<String> {
        if self.libraries.is_empty() {
            return vec![self.table(None).to_markdown()];
        }
        self.libraries.iter().map(|library| self.table(Some(library)).to_markdown()).collect()
    }

    fn table(&self, library: Option<&Contestant>) -> Table {
        let mut ways: Vec<&str> = Vec::new();
        for (name, _) in self.findings.iter().flat_map(|finding| &finding.errors) {
            if !ways.contains(&name.as_str()) && self.libraries.iter().all(|library| library.name != *name) {
                ways.push(name);
            }
        }
        let right = |title: &str| Column::new(title, Align::Right);
        let mut columns = vec![Column::new(self.extent.dtype.name(), Align::Left), right("K")];
        columns.extend(library.map(Contestant::title).map(|title| right(&title)));
        columns.extend(ways.iter().map(|way| right(way)));
        let mut table = Table::new(columns);
        let mut rows: Vec<(Data, usize)> = self.findings.iter().map(|finding| (finding.data, finding.k)).collect();
        rows.dedup();
        for (data, k) in rows {
            let findings = || self.findings.iter().filter(move |finding| (finding.data, finding.k) == (data, k));
            let mut cells = vec![data.name().to_owned(), k.to_string()];
            if let Some(library) = library {
                let errors = findings().find_map(|finding| of(finding, &library.name));
                cells.push(errors.map(absolute).unwrap_or_default());
            }
            let cell = |way: &&str| {
                let finding = findings().find(|finding| of(finding, way).is_some())?;
                let (ours, base) = (of(finding, way)?, library.and_then(|library| of(finding, &library.name)));
                Some(base.map_or_else(|| absolute(ours), |base| ratio(ours, base)))
            };
            cells.extend(ways.iter().map(|way| cell(way).unwrap_or_default()));
            table.push(cells);
        }
        table
    }
}

impl Contestant {
    /// Its name, and its version if that is not in it.
    fn title(&self) -> String {
        let version = self.library.as_ref().and_then(|library| library.version.as_deref());
        match version.filter(|&version| !self.name.contains(version)) {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

fn of(finding: &SumErrors, name: &str) -> Option<Errors> {
    finding.errors.iter().find(|(other, _)| other == name).map(|&(_, errors)| errors)
}

fn absolute(Errors { rms, max, .. }: Errors) -> String {
    format!("{rms:.1e} ({max:.1e})")
}

fn ratio(ours: Errors, base: Errors) -> String {
    // Neither has an error if nothing was rounded.
    let ratio = |ours: f64, base: f64| if ours == base { 1.0 } else { ours / base };
    format!("{:.2} ({:.2})", ratio(ours.rms, base.rms), ratio(ours.max, base.max))
}
