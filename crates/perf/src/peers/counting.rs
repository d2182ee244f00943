//! Hardware counters over the products of a contest.

use super::contest::{Entrant, Settings};
use super::contestant::{ContestantProcess, Launcher, PeerError};
use super::result::ShapeResult;
use crate::affinity;
use crate::counters::{Counted, CounterError, Counters, Event};

/// Counts calls of each product by each entrant, and adds the counts to the results, whose entries are in the order of the entrants.
/// Each entrant gets a process for that alone, whose threads are counted from their start, so that counting cannot disturb what is timed.
/// An entrant that fails has no counts.
///
/// # Errors
/// If the system does not count.
pub fn add_counts(
    launcher: &Launcher,
    entrants: &[Entrant],
    settings: Settings,
    results: &mut [ShapeResult],
) -> Result<(), CounterError> {
    Counters::open(&Event::HARDWARE)?;
    let cpu = affinity::last_allowed_cpu().filter(|_| settings.threads == 1);
    for (i, entrant) in entrants.iter().enumerate() {
        let Ok(mut process) = ContestantProcess::open_counted(launcher, entrant, settings, cpu) else { continue };
        for result in results.iter_mut() {
            if let Some(entry) = result.entries.get_mut(i) {
                let flops = result.product.work(result.dtype).flops as f64;
                let counted = |process: &mut ContestantProcess| -> Result<Counted, PeerError> {
                    process.prepare(result.product)?;
                    Ok(Counted::new(process.count(settings.seconds)?, flops))
                };
                entry.counted = counted(&mut process).ok();
            }
        }
    }
    Ok(())
}
