//! Where each contestant stands over all products.

use super::cliffs::Cliff;
use super::rows::Row;
use cke_perf::peers::result::geometric_mean;
use serde::Serialize;

/// One contestant with one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) threads: usize,
    /// Products that it computed, and computed right.
    pub(crate) products: usize,
    /// Geometric mean of its shares of the ceilings.
    pub(crate) share_of_ceiling: f64,
    /// Products on which nobody was faster.
    pub(crate) fastest: usize,
    /// Products on which it is far below what it could be.
    pub(crate) cliffs: usize,
    /// Its best rate over the multiply-add peak measured beside it.
    pub(crate) best_share_of_peak: f64,
}

/// One standing for each contestant and number of threads, the best first within a number of threads.
pub(crate) fn standings(rows: &[Row], cliffs: &[Cliff]) -> Vec<Standing> {
    let mut keys: Vec<(usize, &str)> = Vec::new();
    for row in rows {
        for entry in &row.entries {
            let key = (row.threads, entry.name.as_str());
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let mut standings: Vec<Standing> =
        keys.into_iter().filter_map(|(threads, name)| standing(rows, cliffs, threads, name)).collect();
    standings.sort_by(|x, y| x.threads.cmp(&y.threads).then(y.share_of_ceiling.total_cmp(&x.share_of_ceiling)));
    standings
}

fn standing(rows: &[Row], cliffs: &[Cliff], threads: usize, name: &str) -> Option<Standing> {
    let of_name = || {
        let rows = rows.iter().filter(move |row| row.threads == threads);
        rows.filter_map(move |row| Some((row, row.rate(name)?)))
    };
    Some(Standing {
        name: name.to_owned(),
        threads,
        products: of_name().count(),
        share_of_ceiling: geometric_mean(of_name().map(|(row, rate)| rate / row.ceiling.gflops))?,
        fastest: of_name().filter(|(row, _)| row.fastest().is_some_and(|(fastest, _)| fastest == name)).count(),
        cliffs: cliffs.iter().filter(|cliff| cliff.name == name && cliff.threads == threads).count(),
        best_share_of_peak: of_name().map(|(row, rate)| rate / row.peak_gflops).fold(0.0, f64::max),
    })
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
}
