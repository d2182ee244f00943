//! Two results of the same measurement, one beside the other.

use super::ResultsError;
use super::rates::{RateRow, Rates, rates};
use cke_perf::peers::result::geometric_mean;
use cke_perf::report::{Align, Column, Table};
use cke_perf::stats::{Ratio, Summary};
use serde::Serialize;

/// What the new results are, set against the old ones. Numbers are rates: more is better.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// In the order of the new results.
    rows: Vec<Row>,
    /// Of all ratios.
    geometric_mean: Option<f64>,
    /// What only one of the two has.
    only_old: Vec<String>,
    only_new: Vec<String>,
    /// Conditions that differ: name, old, new.
    differences: Vec<(String, String, String)>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    unit: String,
    /// Medians.
    old: f64,
    new: f64,
    /// New over old.
    ratio: Ratio,
    verdict: Verdict,
    /// By which factor the machine's own limit, measured beside each, differs; `None` if it is not the limit of the same.
    limit_ratio: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Faster,
    Slower,
    /// The difference may be chance.
    Unclear,
}

/// By how much the limit of the machine may differ before its change explains a result.
const STEADY: f64 = 0.03;

/// Compares two results, which are JSON.
///
/// # Errors
/// If a text is no results, or they have nothing in common. The error says which: `true` is the new one.
pub fn compare(old: &str, new: &str) -> Result<Comparison, (bool, ResultsError)> {
    let (old, new) = (rates(old).map_err(|error| (false, error))?, rates(new).map_err(|error| (true, error))?);
    let comparison = Comparison::of(&old, &new);
    if comparison.rows.is_empty() {
        let found = new.rows.first().map_or_else(|| "none".to_owned(), |row| format!("{} and others", row.name));
        return Err((true, ResultsError::Content { wanted: "a measurement that the old results also have", found }));
    }
    Ok(comparison)
}

impl Comparison {
    fn of(old: &Rates, new: &Rates) -> Comparison {
        let differences = differences(old, new);
        let pairs = new.rows.iter().filter_map(|new| Some((old.rows.iter().find(|old| old.name == new.name)?, new)));
        let rows: Vec<Row> = pairs.filter_map(|(old, new)| Row::of(old, new, differences.is_empty())).collect();
        let names = |rates: &Rates, others: &Rates| -> Vec<String> {
            let is_alone = |name: &&String| others.rows.iter().all(|other| other.name != **name);
            rates.rows.iter().map(|row| &row.name).filter(is_alone).cloned().collect()
        };
        Comparison {
            geometric_mean: geometric_mean(rows.iter().map(|row| row.ratio.estimate)),
            only_old: names(old, new),
            only_new: names(new, old),
            differences,
            rows,
        }
    }

    /// The table, followed by remarks.
    pub fn text(&self) -> String {
        let (left, right) = (|title| Column::new(title, Align::Left), |title| Column::new(title, Align::Right));
        let mut table = Table::new(vec![
            left("measurement"),
            left("unit"),
            right("old"),
            right("new"),
            right("new / old"),
            right("interval"),
            left("verdict"),
            right("machine"),
        ]);
        for row in &self.rows {
            table.push(row.cells());
        }
        if let Some(mean) = self.geometric_mean.filter(|_| self.rows.len() > 1) {
            let name = "geometric mean".to_owned();
            table.push(vec![name, String::new(), String::new(), String::new(), format!("{mean:.3}")]);
        }
        let mut text = table.to_markdown() + "\n";
        self.remarks().for_each(|remark| text += &format!("{remark}\n"));
        text
    }

    fn remarks(&self) -> impl Iterator<Item = String> {
        let clear = self.rows.iter().filter(|row| row.verdict != Verdict::Unclear).count();
        let confidence = self.rows.iter().map(|row| row.ratio.confidence).fold(1.0, f64::min);
        let mut remarks = vec![format!(
            "{clear} of {} differ by more than the scatter of their repetitions; each interval has at least {:.0}% confidence.",
            self.rows.len(),
            100.0 * confidence
        )];
        if confidence < 0.95 {
            remarks.push("More repetitions (-r 5 or more) give intervals with 95% confidence.".to_owned());
        }
        if self.rows.iter().filter_map(|row| row.limit_ratio).any(|ratio| (ratio - 1.0).abs() > STEADY) {
            remarks.push(
                "\"machine\" is the factor by which the machine's own limit changed: interleave the old and new measurements, \
                 or use an idle machine."
                    .to_owned(),
            );
        }
        let difference = |(name, old, new): &(String, String, String)| format!("{name}: old {old}, new {new}");
        remarks.extend(self.differences.iter().map(difference));
        let missing =
            |which, names: &[String]| (!names.is_empty()).then(|| format!("only in the {which}: {}", names.join("; ")));
        remarks.extend(missing("old", &self.only_old));
        remarks.extend(missing("new", &self.only_new));
        remarks.into_iter()
    }
}

/// Conditions that differ: name, old, new.
fn differences(old: &Rates, new: &Rates) -> Vec<(String, String, String)> {
    let difference = |(name, old): &(String, String)| {
        let (_, new) = new.conditions.iter().find(|(other, new)| other == name && new != old)?;
        Some((name.clone(), old.clone(), new.clone()))
    };
    old.conditions.iter().filter_map(difference).collect()
}

impl Row {
    /// `None` if a number is no rate. Limits are compared if both are of the same instructions and numbers.
    fn of(old: &RateRow, new: &RateRow, has_same_limit: bool) -> Option<Row> {
        let ratio = Ratio::of(&old.samples, &new.samples)?;
        let median = |samples: &[f64]| Summary::from_samples(samples).map(|summary| summary.median);
        Some(Row {
            name: new.name.clone(),
            unit: new.unit.clone(),
            old: median(&old.samples)?,
            new: median(&new.samples)?,
            ratio,
            verdict: Verdict::of(&ratio),
            limit_ratio: new.limit.zip(old.limit).filter(|_| has_same_limit).map(|(new, old)| new / old),
        })
    }

    fn cells(&self) -> Vec<String> {
        let Row { name, unit, old, new, ratio, verdict, limit_ratio } = self;
        let between = match ratio.confidence {
            0.0 => String::new(),
            _ => format!("{:.3}–{:.3}", ratio.low, ratio.high),
        };
        vec![
            name.clone(),
            unit.clone(),
            format!("{old:.2}"),
            format!("{new:.2}"),
            format!("{:.3}", ratio.estimate),
            between,
            verdict.text().to_owned(),
            limit_ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
        ]
    }
}

impl Verdict {
    fn of(ratio: &Ratio) -> Verdict {
        match ratio.is_clear() {
            true if ratio.estimate > 1.0 => Verdict::Faster,
            true => Verdict::Slower,
            false => Verdict::Unclear,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Unclear => "within noise",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(rates: &[f64], dtype: &str) -> String {
        format!(
            r#"[{{"model":"m","weights":"random","threads":2,"test":"pp8","logits":"last","isa":"avx2","dtype":"{dtype}",
                "peak_gflops":100.0,"tokens_per_second":5.0,"rates":{rates:?}}}]"#
        )
    }

    #[test]
    fn comparison_of_rates_that_differ_says_so() {
        let (old, new) = (model(&[10.0, 10.1, 9.9, 10.2, 9.8], "f32"), model(&[20.0, 20.1, 19.9, 20.2, 19.8], "int8"));
        let comparison = compare(&old, &new).expect("two results");
        assert_eq!(comparison.rows[0].verdict, Verdict::Faster);
        let text = comparison.text();
        for expected in
            ["m, pp8, last logits, 2 threads", "| 10.00 | 20.00 |", "2.000", "faster", "dtype: old f32, new int8"]
        {
            assert!(text.contains(expected), "no {expected} in\n{text}");
        }
        assert_eq!(compare(&new, &old).expect("two results").rows[0].verdict, Verdict::Slower);
    }

    #[test]
    fn comparison_of_noise_or_of_single_numbers_is_unclear() {
        let old = model(&[10.0, 20.0, 15.0], "f32");
        let comparison = compare(&old, &model(&[12.0, 18.0, 21.0], "f32")).expect("two results");
        assert_eq!(comparison.rows[0].verdict, Verdict::Unclear);
        assert!(comparison.text().contains("More repetitions"));
        // Results of older versions have no repetitions.
        let single = old.replace("\"rates\":[10.0, 20.0, 15.0]", "\"rates\":[]");
        assert_eq!(compare(&single, &old).expect("two results").rows[0].verdict, Verdict::Unclear);
    }

    #[test]
    fn comparison_of_what_is_no_results_names_the_file() {
        let good = model(&[1.0], "f32");
        for (bad, is_new) in [("{", false), ("[]", false), (r#"{"a":1}"#, false), ("[{}]", false)] {
            assert_eq!(compare(bad, &good).expect_err(bad).0, is_new, "{bad}");
            assert!(compare(&good, bad).expect_err(bad).0, "{bad}");
        }
        let (is_new, error) = compare(&good, &good.replace("pp8", "pp9")).expect_err("nothing in common");
        assert!(is_new && error.to_string().contains("pp9"), "{error}");
    }
}
