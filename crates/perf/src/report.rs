//! Rows of results as Markdown, CSV or JSON.
//!
//! A [`Record`] describes its row once: how it reads in a table through [`Record::cells`], and its exact values through
//! serde, which become the CSV fields and the JSON objects.
//!
//! ```
//! use cke_perf::report::{render, Align, Column, Format, Record};
//!
//! #[derive(serde::Serialize)]
//! struct Run { test: &'static str, tokens_per_second: f64 }
//!
//! impl Record for Run {
//!     fn columns() -> Vec<Column> {
//!         vec![Column::new("test", Align::Left), Column::new("t/s", Align::Right)]
//!     }
//!     fn cells(&self) -> Vec<String> {
//!         vec![self.test.to_owned(), format!("{:.1}", self.tokens_per_second)]
//!     }
//! }
//!
//! let runs = [Run { test: "pp512", tokens_per_second: 614.25 }];
//! assert_eq!(render(&runs, Format::Markdown)?, "| test  |   t/s |\n| :---- | ----: |\n| pp512 | 614.2 |\n");
//! assert_eq!(render(&runs, Format::Csv)?, "test,tokens_per_second\npp512,614.25\n");
//! # Ok::<(), cke_perf::report::ReportError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Why a report could not be written or its format was not understood.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The name is none of the formats.
    #[error("wanted the format md, csv or json, found {found:?}")]
    Format {
        /// The name given.
        found: String,
    },
    /// A row cannot be serialised, or not as an object of named fields.
    #[error("a row of the report is not an object of named fields: {0}")]
    Row(#[from] serde_json::Error),
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A Markdown table with aligned columns, rounded for people. Named `md`.
    #[default]
    Markdown,
    /// Comma-separated values (RFC 4180, lines ended by LF), one header line, exact values. Named `csv`.
    Csv,
    /// A JSON list of objects, exact values. Named `json`.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Csv, Self::Json];

    /// The name used in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ReportError;

    fn from_str(name: &str) -> Result<Self, ReportError> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| ReportError::Format { found: name.to_owned() })
    }
}

/// A row of a report.
pub trait Record: Serialize {
    /// The columns of the Markdown table.
    fn columns() -> Vec<Column>;
    /// This row's cells of the Markdown table, one per column.
    fn cells(&self) -> Vec<String>;
}

/// Writes `rows` in `format`, ending with a newline. No rows give a header alone in Markdown, nothing in CSV and an
/// empty list in JSON.
///
/// # Errors
///
/// Returns [`ReportError::Row`] if a row cannot be serialised or, for CSV, is not an object.
pub fn render<R: Record>(rows: &[R], format: Format) -> Result<String, ReportError> {
    match format {
        Format::Markdown => {
            let mut table = Table::new(R::columns());
            rows.iter().for_each(|row| table.push(row.cells()));
            Ok(table.to_markdown())
        }
        Format::Csv => csv(rows),
        Format::Json => Ok(serde_json::to_string_pretty(rows)? + "\n"),
    }
}

/// On which side a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The head of a table's column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Text of the header cell.
    pub title: String,
    /// Side of the text.
    pub align: Align,
}

impl Column {
    /// A column with this head.
    pub fn new(title: impl Into<String>, align: Align) -> Self {
        Self { title: title.into(), align }
    }
}

/// A table of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row. Missing cells stay empty, those beyond the last column are dropped.
    pub fn push(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// The table in Markdown, padded so that it reads well as plain text too. `|` is escaped; line breaks and other
    /// control characters become spaces.
    pub fn to_markdown(&self) -> String {
        let heads: Vec<String> = self.columns.iter().map(|column| markdown_cell(&column.title)).collect();
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| markdown_cell(cell)).collect()).collect();
        let width =
            |i: usize| std::iter::once(&heads).chain(&rows).map(|row| row[i].chars().count()).fold(3, usize::max);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let rules = self.columns.iter().zip(&widths).map(|(column, &width)| match column.align {
            Align::Left => format!(":{}", "-".repeat(width - 1)),
            Align::Right => format!("{}:", "-".repeat(width - 1)),
        });

        let line = |cells: &[String]| {
            let padded =
                cells.iter().zip(&self.columns).zip(&widths).map(|((cell, column), &width)| match column.align {
                    Align::Left => format!("| {cell:<width$} "),
                    Align::Right => format!("| {cell:>width$} "),
                });
            padded.collect::<String>() + "|\n"
        };
        let head = line(&heads) + &line(&rules.collect::<Vec<_>>());
        rows.iter().fold(head, |text, row| text + &line(row))
    }
}

/// A size in the largest binary unit that keeps it at 1 or more, with one decimal if it is not whole: `48 KiB`, `1.5
/// GiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let step = bytes.max(1).ilog2() / 10;
    let (unit, size) = (UNITS[step as usize], 1u64 << (10 * step));
    if bytes.is_multiple_of(size) {
        format!("{} {unit}", bytes / size)
    } else {
        format!("{:.1} {unit}", bytes as f64 / size as f64)
    }
}

fn markdown_cell(text: &str) -> String {
    text.replace('|', "\\|").replace(char::is_control, " ")
}

/// A header of field names and a line of values per row, as [`Format::Csv`] says.
///
/// # Errors
///
/// Returns [`ReportError::Row`] if a row does not serialise to an object.
pub fn csv<R: Serialize>(rows: &[R]) -> Result<String, ReportError> {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let Fields(fields) = serde_json::from_str(&serde_json::to_string(row)?)?;
        if i == 0 {
            push_csv_line(&mut text, fields.iter().map(|(name, _)| name.clone()));
        }
        push_csv_line(&mut text, fields.iter().map(|(_, value)| plain(value)));
    }
    Ok(text)
}

fn push_csv_line(text: &mut String, fields: impl Iterator<Item = String>) {
    let quoted = fields.map(|field| {
        if field.contains([',', '"', '\r', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
    });
    text.push_str(&quoted.collect::<Vec<_>>().join(","));
    text.push('\n');
}

/// A value without JSON's quotes; nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The fields of a JSON object in the order in which they were written, which serde_json's own map does not keep.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Run {
        test: &'static str,
        rate: f64,
        best: Option<f64>,
    }

    impl Record for Run {
        fn columns() -> Vec<Column> {
            vec![Column::new("test", Align::Left), Column::new("t/s", Align::Right)]
        }

        fn cells(&self) -> Vec<String> {
            vec![self.test.to_owned(), format!("{:.1} ± 0.2", self.rate)]
        }
    }

    const RUNS: [Run; 2] =
        [Run { test: "pp512", rate: 1234.5, best: Some(1240.0) }, Run { test: "a|b, \"c\"", rate: 7.25, best: None }];

    #[test]
    fn render_markdown_aligns_columns_and_escapes_bars() {
        let expected = "\
            | test      |          t/s |\n\
            | :-------- | -----------: |\n\
            | pp512     | 1234.5 ± 0.2 |\n\
            | a\\|b, \"c\" |    7.2 ± 0.2 |\n";
        assert_eq!(render(&RUNS, Format::Markdown).expect("plain rows"), expected);
    }

    #[test]
    fn render_csv_keeps_field_order_and_quotes_by_rfc_4180() {
        let expected = "test,rate,best\npp512,1234.5,1240.0\n\"a|b, \"\"c\"\"\",7.25,\n";
        assert_eq!(render(&RUNS, Format::Csv).expect("plain rows"), expected);
    }

    #[test]
    fn render_json_is_a_list_of_objects() {
        let text = render(&RUNS, Format::Json).expect("plain rows");
        let parsed: Value = serde_json::from_str(&text).expect("valid JSON");
        let expected = serde_json::json!([
            { "test": "pp512", "rate": 1234.5, "best": 1240.0 },
            { "test": "a|b, \"c\"", "rate": 7.25, "best": null }
        ]);
        assert_eq!(parsed, expected);
        assert!(text.ends_with("]\n"));
    }

    #[test]
    fn render_no_rows_is_still_well_formed() {
        let none: [Run; 0] = [];
        assert_eq!(render(&none, Format::Markdown).expect("no rows"), "| test | t/s |\n| :--- | --: |\n");
        assert_eq!(render(&none, Format::Csv).expect("no rows"), "");
        assert_eq!(render(&none, Format::Json).expect("no rows"), "[]\n");
    }

    #[test]
    fn render_csv_row_that_is_no_object_is_refused() {
        assert!(matches!(csv(&[1, 2]), Err(ReportError::Row(_))));
    }

    #[test]
    fn table_short_and_long_rows_fit_the_columns() {
        let mut table = Table::new(vec![Column::new("a", Align::Left), Column::new("b", Align::Right)]);
        table.push(vec!["1".to_owned()]);
        table.push(vec!["1".to_owned(), "2\n3".to_owned(), "4".to_owned()]);
        assert_eq!(table.to_markdown(), "| a   |   b |\n| :-- | --: |\n| 1   |     |\n| 1   | 2 3 |\n");
    }

    #[test]
    fn format_names_parse_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().expect("its own name"), format);
        }
        let error = "xml".parse::<Format>().expect_err("no such format");
        assert_eq!(error.to_string(), "wanted the format md, csv or json, found \"xml\"");
    }

    #[test]
    fn format_bytes_picks_the_largest_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (49_152, "48 KiB"),
            (1_572_864, "1.5 MiB"),
            (1 << 30, "1 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(format_bytes(bytes), expected);
        }
    }
}
