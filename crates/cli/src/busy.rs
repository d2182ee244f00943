//! A warning if other programs disturbed a measurement.

use crate::output::note;
use cke_perf::busy::Busy;
use cke_report::words;

/// Says on standard error if others took so much of the machine that results suffer from it.
pub(crate) fn note_busy(others: Option<Busy>) {
    if let Some(text) = words::busy(others) {
        note(&format!("warning: the machine was busy: {text}"));
    }
}
