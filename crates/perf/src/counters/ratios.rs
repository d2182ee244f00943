//! Counts compared with each other, and how they are shown.

use super::{CounterError, Counts, Event};
use crate::report::{Align, Column, Table};
use serde::{Deserialize, Serialize};

/// The counts of a piece of work, or the reason why there are none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Counting {
    /// The work was counted.
    Counted(Counted),
    /// The system does not count.
    Unavailable {
        /// Why, in words.
        reason: String,
    },
}

impl From<&CounterError> for Counting {
    fn from(error: &CounterError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}

impl Counting {
    /// The counts, if there are any.
    pub fn counted(&self) -> Option<&Counted> {
        match self {
            Self::Counted(counted) => Some(counted),
            Self::Unavailable { .. } => None,
        }
    }

    /// A sentence about missing counts; `None` if there are counts.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Counted(_) => None,
            Self::Unavailable { reason } => Some(refusal(reason)),
        }
    }
}

/// A sentence about counts that are missing for this reason.
pub fn refusal(reason: &str) -> String {
    format!("no hardware counters: {reason}")
}

/// What was counted, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Events of all threads together.
    pub counts: Counts,
    /// See [`Ratios`].
    pub ratios: Ratios,
}

/// Counts compared with each other; each is `None` if one of its counts is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// Instructions per cycle of a core.
    pub instructions_per_cycle: Option<f64>,
    /// Flops per cycle of a core.
    pub flops_per_cycle: Option<f64>,
    /// Misses of the first level per thousand instructions.
    pub l1d_misses: Option<f64>,
    /// The same of the second level.
    pub l2_misses: Option<f64>,
    /// The same of the last level.
    pub last_level_misses: Option<f64>,
    /// The same of the address translation.
    pub tlb_misses: Option<f64>,
    /// Cycles without an instruction to execute, as a share of all.
    pub frontend_stalls: Option<f64>,
    /// Cycles in which no instruction could execute, as a share of all.
    pub backend_stalls: Option<f64>,
}

impl Counted {
    /// The counts of work of this many flops.
    pub fn new(counts: Counts, flops: f64) -> Self {
        let over = |part: Option<f64>, whole| {
            let whole = counts.get(whole).filter(|&count| count > 0.0)?;
            Some(part? / whole)
        };
        let per_thousand = |event| over(counts.get(event).map(|misses| 1000.0 * misses), Event::Instructions);
        let of_cycles = |event| over(counts.get(event), Event::Cycles);
        let ratios = Ratios {
            instructions_per_cycle: counts.instructions_per_cycle(),
            flops_per_cycle: over(Some(flops), Event::Cycles),
            l1d_misses: per_thousand(Event::L1dMisses),
            l2_misses: per_thousand(Event::L2Misses),
            last_level_misses: per_thousand(Event::LastLevelMisses),
            tlb_misses: per_thousand(Event::TlbMisses),
            frontend_stalls: of_cycles(Event::FrontendStalls),
            backend_stalls: of_cycles(Event::BackendStalls),
        };
        Self { counts, ratios }
    }
}

impl Ratios {
    /// What a table of [`Ratios::columns`] says in its caption.
    pub const CAPTION: &'static str = "misses per 1000 instructions, stalls as shares of the cycles";

    /// Titles and cells, (columns) and (rows, columns), without the columns that are empty in all rows.
    pub fn columns(rows: &[&Self]) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let columns = |ratios: &Self| {
            let Self {
                instructions_per_cycle,
                flops_per_cycle,
                l1d_misses,
                l2_misses,
                last_level_misses,
                tlb_misses,
                frontend_stalls,
                backend_stalls,
            } = *ratios;
            let number = |x: Option<f64>| x.map(|x| format!("{x:.2}"));
            let percent = |x: Option<f64>| x.map(|x| format!("{:.1}%", 100.0 * x));
            [
                ("instructions/cycle", number(instructions_per_cycle)),
                ("flops/cycle", number(flops_per_cycle)),
                (Event::L1dMisses.name(), number(l1d_misses)),
                (Event::L2Misses.name(), number(l2_misses)),
                (Event::LastLevelMisses.name(), number(last_level_misses)),
                (Event::TlbMisses.name(), number(tlb_misses)),
                (Event::FrontendStalls.name(), percent(frontend_stalls)),
                (Event::BackendStalls.name(), percent(backend_stalls)),
            ]
        };
        let all: Vec<_> = rows.iter().map(|ratios| columns(ratios)).collect();
        let titles = columns(&Self::default()).map(|(title, _)| title);
        let shown: Vec<usize> = (0..titles.len()).filter(|&i| all.iter().any(|cells| cells[i].1.is_some())).collect();
        let cells = all.iter().map(|cells| shown.iter().map(|&i| cells[i].1.clone().unwrap_or_default()).collect());
        (shown.iter().map(|&i| titles[i]).collect(), cells.collect())
    }

    /// A table of these rows, each with the cells that say what was counted, under the titles `heads`, below a line that explains it; `None`
    /// without rows.
    pub fn text(heads: &[&str], rows: &[(Vec<String>, &Self)]) -> Option<String> {
        let table = || Self::table(heads, rows).to_markdown();
        (!rows.is_empty()).then(|| format!("hardware counters of all threads: {}\n\n{}", Self::CAPTION, table()))
    }

    fn table(heads: &[&str], rows: &[(Vec<String>, &Self)]) -> Table {
        let ratios: Vec<&Self> = rows.iter().map(|(_, ratios)| *ratios).collect();
        let (titles, cells) = Self::columns(&ratios);
        let left = heads.iter().map(|title| Column::new(*title, Align::Left));
        let mut table = Table::new(left.chain(titles.iter().map(|title| Column::new(*title, Align::Right))).collect());
        rows.iter().zip(cells).for_each(|((names, _), cells)| table.push([names.clone(), cells].concat()));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(Event, f64)]) -> Counts {
        counts.iter().copied().collect()
    }

    #[test]
    fn ratios_follow_from_the_counts() {
        let counts = counts(&[
            (Event::Cycles, 1000.0),
            (Event::Instructions, 2000.0),
            (Event::L1dMisses, 10.0),
            (Event::L2Misses, 4.0),
            (Event::BackendStalls, 250.0),
        ]);
        let Counted { ratios, .. } = Counted::new(counts, 8000.0);
        let expected = Ratios {
            instructions_per_cycle: Some(2.0),
            flops_per_cycle: Some(8.0),
            l1d_misses: Some(5.0),
            l2_misses: Some(2.0),
            backend_stalls: Some(0.25),
            ..Ratios::default()
        };
        assert_eq!(ratios, expected);
    }

    #[test]
    fn ratios_without_cycles_or_instructions_are_missing() {
        let of = |events: &[(Event, f64)]| Counted::new(counts(events), 8000.0).ratios;
        assert_eq!(of(&[]), Ratios::default());
        assert_eq!(of(&[(Event::Cycles, 0.0), (Event::FrontendStalls, 3.0)]), Ratios::default());
        assert_eq!(of(&[(Event::L1dMisses, 3.0), (Event::Cycles, 10.0)]).l1d_misses, None);
    }

    #[test]
    fn table_leaves_out_what_was_never_counted() {
        let cycles = Counted::new(counts(&[(Event::Cycles, 100.0)]), 250.0).ratios;
        let stalls = Counted::new(counts(&[(Event::Cycles, 100.0), (Event::FrontendStalls, 5.0)]), 0.0).ratios;
        let rows = [(vec!["pp8".to_owned()], &cycles), (vec!["tg2".to_owned()], &stalls)];
        let expected = "\
            | test | flops/cycle | front-end stalls |\n\
            | :--- | ----------: | ---------------: |\n\
            | pp8  |        2.50 |                  |\n\
            | tg2  |        0.00 |             5.0% |\n";
        assert_eq!(Ratios::table(&["test"], &rows).to_markdown(), expected);
    }

    #[test]
    fn json_names_the_events() {
        let counting = Counting::Counted(Counted::new(counts(&[(Event::Cycles, 100.0)]).per(4), 250.0));
        let json = serde_json::to_value(&counting).expect("plain");
        assert_eq!((&json["is"], &json["counts"]["cycles"]), (&"counted".into(), &25.0.into()));
        assert_eq!(json["ratios"]["flops_per_cycle"], 10.0);
        let back: Counts = serde_json::from_value(json["counts"].clone()).expect("counts");
        assert_eq!(back.get(Event::Cycles), Some(25.0));
    }

    #[test]
    fn refusal_is_a_sentence_with_the_reason() {
        let refused = Counting::from(&CounterError::NoHardware);
        assert!(refused.counted().is_none());
        assert!(refused.refusal().is_some_and(|text| text.starts_with("no hardware counters: this machine shows")));
    }
}
