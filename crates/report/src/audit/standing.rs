//! Where each contestant stands over all products.

use super::cliffs::Cliff;
use super::rows::Row;
use cke_perf::peers::result::geometric_mean;
use cke_perf::stats::Summary;
use serde::Serialize;

/// One contestant with one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) threads: usize,
    /// Products that every ranked contestant computed right with every number of threads.
    pub(crate) products: usize,
    /// Geometric mean of its shares of the ceilings.
    pub(crate) share_of_ceiling: f64,
    /// Half of its products had rounds that lay further apart than this share.
    pub(crate) spread: f64,
    /// Products on which it was faster than all others by more than the spread.
    pub(crate) fastest: usize,
    /// Products on which it is far below what it could be.
    pub(crate) cliffs: usize,
    /// Its best rate over the multiply-add peak measured beside it.
    pub(crate) best_share_of_peak: f64,
}

/// One standing for each ranked contestant and number of threads, the best first within a number of threads. All are over the
/// same products.
pub(crate) fn standings(rows: &[Row], cliffs: &[Cliff]) -> Vec<Standing> {
    let left_out = left_out(rows);
    let rows: Vec<&Row> = rows.iter().filter(|row| !left_out.contains(&row.label)).collect();
    let mut keys: Vec<(usize, &str)> = Vec::new();
    for row in &rows {
        for entry in row.ranked() {
            let key = (row.threads, entry.name.as_str());
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let mut standings: Vec<Standing> =
        keys.into_iter().filter_map(|(threads, name)| standing(&rows, cliffs, threads, name)).collect();
    standings.sort_by(|x, y| x.threads.cmp(&y.threads).then(y.share_of_ceiling.total_cmp(&x.share_of_ceiling)));
    standings
}

/// Labels of the products that standings leave out, since they lack a number of threads or a ranked contestant that computed
/// other products right.
pub(crate) fn left_out(rows: &[Row]) -> Vec<String> {
    let mut threads: Vec<usize> = rows.iter().map(|row| row.threads).collect();
    threads.dedup();
    let takes_part = |name: &str| rows.iter().any(|row| row.rate(name).is_some());
    let is_complete = |row: &Row| row.ranked().all(|entry| entry.gflops.is_some() || !takes_part(&entry.name));
    let mut left_out: Vec<String> = Vec::new();
    for row in rows {
        let same = || rows.iter().filter(|other| other.label == row.label);
        let is_ranked = same().count() == threads.len() && same().all(is_complete);
        if !is_ranked && !left_out.contains(&row.label) {
            left_out.push(row.label.clone());
        }
    }
    left_out
}

fn standing(rows: &[&Row], cliffs: &[Cliff], threads: usize, name: &str) -> Option<Standing> {
    let of_name = || {
        let rows = rows.iter().filter(move |row| row.threads == threads);
        rows.filter_map(move |row| Some((row, row.rate(name)?)))
    };
    let is_own = |cliff: &&Cliff| cliff.name == name && cliff.threads == threads;
    let is_counted = |cliff: &&Cliff| rows.iter().any(|row| row.label == cliff.label);
    let spreads = of_name().filter_map(|(row, _)| row.entries.iter().find(|entry| entry.name == name)?.spread);
    Some(Standing {
        name: name.to_owned(),
        threads,
        products: of_name().count(),
        share_of_ceiling: geometric_mean(of_name().map(|(row, rate)| rate / row.ceiling.gflops))?,
        spread: median(spreads),
        fastest: of_name().filter(|(row, _)| row.is_won_by(name)).count(),
        cliffs: cliffs.iter().filter(is_own).filter(is_counted).count(),
        best_share_of_peak: of_name().map(|(row, rate)| rate / row.peak_gflops).fold(0.0, f64::max),
    })
}

/// 0 without values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    Summary::from_samples(&values.collect::<Vec<_>>()).map_or(0.0, |summary| summary.median)
}

impl Standing {
    /// Whether it is ahead of `other` by more than the rounds of either lay apart.
    pub(crate) fn is_ahead_of(&self, other: &Standing) -> bool {
        self.share_of_ceiling > other.share_of_ceiling * (1.0 + self.spread.max(other.spread))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cliffs::cliffs;
    use super::super::example::row;
    use super::super::suite::Family;
    use super::*;

    #[test]
    fn standings_count_wins_and_cliffs_and_average_shares() {
        let rows = [
            row(Family::Layers, "1 8 8", &[("a", 50.0), ("b", 100.0)], 100.0),
            row(Family::Layers, "2 8 8", &[("a", 2.0), ("b", 64.0)], 100.0),
        ];
        let found = standings(&rows, &cliffs(&rows));
        assert_eq!(found.iter().map(|standing| standing.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert!((found[0].share_of_ceiling - 0.8).abs() < 1e-12 && (found[1].share_of_ceiling - 0.1).abs() < 1e-12);
        assert_eq!((found[0].fastest, found[0].cliffs, found[0].products), (2, 0, 2));
        assert_eq!((found[1].fastest, found[1].cliffs, found[1].best_share_of_peak), (0, 1, 0.5));
    }

    #[test]
    fn standings_of_who_never_finished_are_left_out() {
        let mut failed = row(Family::Layers, "1 8 8", &[("a", 50.0), ("b", 1.0)], 100.0);
        failed.entries[1].gflops = None;
        assert_eq!(standings(&[failed], &[]).len(), 1);
    }

    #[test]
    fn standings_are_over_the_same_products_for_all() {
        let mut rows = [
            row(Family::Layers, "1 8 8", &[("a", 50.0), ("b", 50.0)], 100.0),
            row(Family::Layers, "2 8 8", &[("a", 99.0), ("b", 1.0)], 100.0),
        ];
        rows[1].entries[1].gflops = None;
        let found = standings(&rows, &[]);
        assert!(found.iter().all(|standing| standing.products == 1 && standing.share_of_ceiling == 0.5), "{found:?}");
        assert_eq!(left_out(&rows), ["2×8×8"]);
    }

    #[test]
    fn standings_leave_out_products_without_every_number_of_threads() {
        let one =
            [row(Family::Layers, "1 8 8", &[("a", 50.0)], 100.0), row(Family::Layers, "2 8 8", &[("a", 9.0)], 100.0)];
        let mut two = row(Family::Layers, "1 8 8", &[("a", 80.0)], 100.0);
        two.threads = 2;
        let rows = [&one[..], &[two]].concat();
        assert_eq!(left_out(&rows), ["2×8×8"]);
        assert!(standings(&rows, &[]).iter().all(|standing| standing.products == 1));
    }

    #[test]
    fn standings_do_not_rank_the_reference() {
        let mut reference = row(Family::Layers, "1 8 8", &[("a", 50.0), ("reference", 1.0)], 100.0);
        reference.entries[1].is_ranked = false;
        let found = standings(&[reference], &[]);
        assert_eq!(found.iter().map(|standing| standing.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }
}
