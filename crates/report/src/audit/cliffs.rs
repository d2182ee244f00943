//! Finding the shapes on which a library falls off a cliff.

use super::ceiling::Ceiling;
use super::rows::{Row, RowEntry};
use serde::Serialize;

/// A product on which a library is far slower than it could be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cliff {
    /// The library.
    pub(crate) name: String,
    /// The product.
    pub(crate) label: String,
    pub(crate) threads: usize,
    /// What it reaches.
    pub(crate) gflops: f64,
    /// How far its rounds lay apart, as a share of that.
    pub(crate) spread: f64,
    /// What the machine allows.
    pub(crate) ceiling: Ceiling,
    /// Why it counts as a cliff.
    pub(crate) reason: Reason,
    /// The fastest other ranked contestant on the same product, and its rate.
    pub(crate) fastest_other: Option<(String, f64)>,
}

/// Why a rate counts as a cliff.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Less than half of what the machine allows.
    BelowCeiling,
    /// A share of the ceiling less than half of that which the same library has on the products beside it.
    BelowNeighbours {
        /// The smaller of the neighbours' shares.
        neighbours: f64,
    },
}

/// What counts as far.
const HALF: f64 = 0.5;

impl Cliff {
    /// The share of what the machine allows.
    pub(crate) fn share(&self) -> f64 {
        self.gflops / self.ceiling.gflops
    }

    /// How many times faster another contestant was on the same product, by more than the spread; else 1.
    pub(crate) fn proven_factor(&self) -> f64 {
        let proof = self.fastest_other.as_ref().filter(|(_, other)| *other > self.gflops * (1.0 + self.spread));
        proof.map_or(1.0, |(_, other)| other / self.gflops)
    }
}

/// All cliffs, the deepest first. `rows` are in the order of the suite, number of threads after number of threads.
pub(crate) fn cliffs(rows: &[Row]) -> Vec<Cliff> {
    let mut cliffs: Vec<Cliff> = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| {
            row.ranked().filter_map(move |entry| cliff(row, entry, || neighbour_share(rows, i, &entry.name)))
        })
        .collect();
    cliffs.sort_by(|x, y| x.share().total_cmp(&y.share()));
    cliffs
}

fn cliff(row: &Row, entry: &RowEntry, neighbours: impl FnOnce() -> Option<f64>) -> Option<Cliff> {
    let (gflops, share, spread) = (entry.gflops?, entry.share_of_ceiling?, entry.spread());
    // The best of its rounds could have been better by the spread.
    let share = share * (1.0 + spread);
    let reason = if share < HALF {
        Reason::BelowCeiling
    } else {
        let neighbours = neighbours().filter(|neighbours| share < HALF * neighbours)?;
        Reason::BelowNeighbours { neighbours }
    };
    let fastest_other = row.fastest_but(&entry.name).and_then(|other| Some((other.name.clone(), other.gflops?)));
    Some(Cliff {
        name: entry.name.clone(),
        label: row.label.clone(),
        threads: row.threads,
        gflops,
        spread,
        ceiling: row.ceiling,
        reason,
        fastest_other,
    })
}

/// The smaller of the shares that a contestant has on the products before and after in the same ladder; that of the only one
/// at an end.
fn neighbour_share(rows: &[Row], i: usize, name: &str) -> Option<f64> {
    let row = &rows[i];
    let is_beside =
        |other: &&Row| other.family == row.family && other.family.is_ladder() && other.threads == row.threads;
    let before = i.checked_sub(1).and_then(|before| rows.get(before));
    let neighbours = [before, rows.get(i + 1)].into_iter().flatten().filter(is_beside);
    let share = |row: &Row| row.entries.iter().find(|entry| entry.name == name)?.share_of_ceiling;
    neighbours.filter_map(share).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::super::example::row;
    use super::super::suite::Family;
    use super::*;

    #[test]
    fn cliffs_below_half_of_the_ceiling_are_found_deepest_first() {
        let rows = [
            row(Family::Layers, "1 64 64", &[("a", 60.0), ("b", 30.0)], 100.0),
            row(Family::Layers, "2 64 64", &[("a", 10.0), ("b", 99.0)], 100.0),
        ];
        let found = cliffs(&rows);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].name.as_str(), found[0].gflops, &found[0].reason), ("a", 10.0, &Reason::BelowCeiling));
        assert_eq!(found[0].fastest_other, Some(("b".to_owned(), 99.0)));
        assert!((found[0].proven_factor() - 9.9).abs() < 1e-12);
        assert_eq!((found[1].name.as_str(), found[1].label.as_str()), ("b", "1×64×64"));
    }

    #[test]
    fn cliffs_between_good_neighbours_are_found_on_a_ladder_only() {
        // Bandwidth-bound shares may exceed 1, so that half of the neighbours can be more than half of the ceiling.
        let rows = |family| {
            [
                row(family, "1 8 8", &[("a", 130.0)], 100.0),
                row(family, "2 8 8", &[("a", 55.0)], 100.0),
                row(family, "4 8 8", &[("a", 120.0)], 100.0),
            ]
        };
        let found = cliffs(&rows(Family::Rows));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].label.as_str(), &found[0].reason),
            ("2×8×8", &Reason::BelowNeighbours { neighbours: 1.2 })
        );
        assert_eq!(cliffs(&rows(Family::Odd)), []);
    }

    #[test]
    fn cliffs_of_different_thread_counts_are_no_neighbours() {
        let mut other = row(Family::Rows, "2 8 8", &[("a", 130.0)], 100.0);
        other.threads = 2;
        assert_eq!(cliffs(&[row(Family::Rows, "1 8 8", &[("a", 55.0)], 100.0), other]), []);
    }

    #[test]
    fn cliffs_within_the_spread_are_none() {
        let mut noisy = row(Family::Layers, "1 8 8", &[("a", 40.0)], 100.0);
        assert_eq!(cliffs(&[noisy.clone()]).len(), 1);
        noisy.entries[0].spread = Some(0.3);
        assert_eq!(cliffs(&[noisy]), []);
    }

    #[test]
    fn cliffs_of_unranked_libraries_are_none() {
        let mut reference = row(Family::Layers, "1 8 8", &[("a", 90.0), ("reference", 4.0)], 100.0);
        reference.entries[1].is_ranked = false;
        assert_eq!(cliffs(&[reference]), []);
    }

    #[test]
    fn cliffs_ignore_failures() {
        let mut failed = row(Family::Rows, "1 8 8", &[("a", 1.0)], 100.0);
        failed.entries[0].gflops = None;
        failed.entries[0].share_of_ceiling = None;
        assert_eq!(cliffs(&[failed]), []);
    }
}
