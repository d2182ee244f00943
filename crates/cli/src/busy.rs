//! A warning if other programs disturbed a measurement.

use crate::output::note;
use cke_perf::busy::Busy;
use cke_report::words::counted;

/// Says on standard error if others took so much of the machine that results suffer from it.
pub(crate) fn note_busy(others: Option<Busy>) {
    if let Some(Busy { share, cpus }) = others.filter(Busy::is_disturbing) {
        note(&format!(
            "warning: the machine was busy: other programs used {:.1} of {}, so rates are too low and noisy; stop them and \
             measure again",
            share * cpus as f64,
            counted(cpus, "CPU"),
        ));
    }
}
