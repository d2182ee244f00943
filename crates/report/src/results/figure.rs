//! What a chart of either kind of results is drawn from.

use super::ResultsError;
use crate::words::counted;
use cke_chart::bars::{BarChart, BarGroup};
use cke_chart::{Heading, Ink, NumberFormat};

/// What the flags choose; `None` means everything.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Products to draw, or the suite of tests of models.
    pub only: Option<Vec<String>>,
    /// Numbers of threads to draw.
    pub threads: Option<Vec<usize>>,
}

impl Choice {
    /// Whether results with this number of threads are wanted.
    pub(crate) fn has_threads(&self, threads: usize) -> bool {
        self.threads.as_ref().is_none_or(|wanted| wanted.contains(&threads))
    }

    /// Refuses names and numbers of threads that no result has.
    ///
    /// # Errors
    /// Returns [`ResultsError::Choice`], with the valid choices, if no result has one of the names or thread counts.
    pub(crate) fn check(&self, names: &[String], threads: &[usize]) -> Result<(), ResultsError> {
        let unknown = self.only.iter().flatten().find(|name| !names.contains(name));
        if let Some(unknown) = unknown {
            return Err(ResultsError::Choice(format!("--only: wanted some of {}, found {unknown}", names.join(", "))));
        }
        let unknown = self.threads.iter().flatten().find(|count| !threads.contains(count));
        match unknown {
            Some(unknown) => {
                Err(ResultsError::Choice(format!("--threads: wanted {}, found {unknown}", thread_list(threads))))
            }
            None => Ok(()),
        }
    }
}

/// Bars of several contestants in groups.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) title: String,
    /// Unit, statistic, machine and date; the numbers of threads are added.
    pub(crate) conditions: String,
    /// What the lines across the bars mark, if there are any.
    pub(crate) limit: &'static str,
    /// All contestants of the results, ours first. Those without a bar have no place in the legend, but keep their colour.
    pub(crate) contestants: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

/// One thing that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) threads: usize,
    /// One for each contestant.
    pub(crate) rates: Vec<Option<f64>>,
    pub(crate) limit: Option<f64>,
}

impl Figure {
    /// The chart of it.
    pub(crate) fn chart(&self) -> BarChart {
        let inks = [Ink::OURS].into_iter().chain((0..).map(Ink::other));
        let takes_part = |i: usize| self.groups.iter().any(|group| group.rates[i].is_some());
        let series = (0..).zip(self.contestants.iter().zip(inks)).filter(|(i, _)| takes_part(*i));
        let (places, series): (Vec<usize>, Vec<_>) = series.map(|(i, (name, ink))| (i, (name.clone(), ink))).unzip();
        let thread_counts = self.thread_counts();
        let group = |group: &Group| BarGroup {
            label: match thread_counts[..] {
                [_] => group.label.clone(),
                _ => format!("{}, {}", group.label, counted(group.threads, "thread")),
            },
            values: places.iter().map(|&i| group.rates[i]).collect(),
            limit: group.limit,
        };
        let marks = if self.groups.iter().any(|group| group.limit.is_some()) { self.limit } else { "" };
        let subtitle = format!("{}; {}. {marks}", self.conditions, thread_list(&thread_counts));
        BarChart {
            heading: Heading::new(&self.title, subtitle.trim_end()),
            format: NumberFormat::Plain,
            series,
            groups: self.groups.iter().map(group).collect(),
        }
    }

    fn thread_counts(&self) -> Vec<usize> {
        distinct(self.groups.iter().map(|group| group.threads))
    }
}

/// Each value once, in the order of its first occurrence.
pub(crate) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// `1 thread`, `1 and 2 threads`, `1, 2 and 4 threads`.
fn thread_list(counts: &[usize]) -> String {
    let Some((&last, before)) = counts.split_last() else { return counted(0, "thread") };
    if before.is_empty() {
        return counted(last, "thread");
    }
    let before: Vec<String> = before.iter().map(usize::to_string).collect();
    format!("{} and {last} threads", before.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let group = |label: &str, threads, rates: [Option<f64>; 3]| Group {
            label: label.to_owned(),
            threads,
            rates: rates.to_vec(),
            limit: None,
        };
        Figure {
            title: "Title".to_owned(),
            conditions: "tokens/s; a machine, 2025-03-31".to_owned(),
            limit: "The line marks the peak.",
            contestants: ["CKE", "absent", "peer"].map(str::to_owned).to_vec(),
            groups: vec![group("a", 1, [Some(2.0), None, Some(1.0)]), group("b", 2, [Some(4.0), None, None])],
        }
    }

    #[test]
    fn chart_contestant_without_a_bar_leaves_the_legend_and_no_colour_changes() {
        let chart = figure().chart();
        assert_eq!(chart.series, [("CKE".to_owned(), Ink::OURS), ("peer".to_owned(), Ink::other(1))]);
        assert_eq!(chart.groups[0].values, [Some(2.0), Some(1.0)]);
    }

    #[test]
    fn chart_threads_stand_in_labels_only_where_they_differ() {
        let mut figure = figure();
        assert_eq!(figure.chart().groups[1].label, "b, 2 threads");
        assert_eq!(figure.chart().heading.subtitle, "tokens/s; a machine, 2025-03-31; 1 and 2 threads.");
        figure.groups.truncate(1);
        figure.groups[0].limit = Some(3.0);
        assert_eq!(figure.chart().groups[0].label, "a");
        assert!(figure.chart().heading.subtitle.ends_with("1 thread. The line marks the peak."));
    }

    #[test]
    fn check_unknown_choice_is_answered_with_what_there_is() {
        let (names, threads) = (["a".to_owned(), "b".to_owned()], [1, 2, 4]);
        let choice = |name: &str, count| Choice { only: Some(vec![name.to_owned()]), threads: Some(vec![count]) };
        assert!(choice("a", 4).check(&names, &threads).is_ok() && Choice::default().check(&names, &threads).is_ok());
        let error = choice("c", 1).check(&names, &threads).expect_err("no c");
        assert_eq!(error.to_string(), "--only: wanted some of a, b, found c");
        let error = choice("a", 3).check(&names, &threads).expect_err("no 3");
        assert_eq!(error.to_string(), "--threads: wanted 1, 2 and 4 threads, found 3");
    }
}
