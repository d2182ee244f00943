//! What the machine allowed while a product was measured.

use crate::roofline::{Roofline, Work};

/// Peak and bandwidth measured in the rounds of a product, the best of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofs {
    /// With the contestants' number of threads.
    pub together: Roofline,
    /// With one thread, if that may be done before the others have received their part.
    pub alone: Option<Roofline>,
}

/// Handing work to other threads and waiting for them takes some microseconds, whatever the software.
const HANDING_OUT_SECONDS: f64 = 5e-6;
/// Work of more flops per byte is never limited by a bandwidth.
const ALWAYS_ARITHMETIC: f64 = 200.0;

impl Roofs {
    /// The fewest seconds that `work` can take.
    pub fn least_seconds(&self, work: Work) -> f64 {
        let together = self.together.least_seconds(work);
        match self.alone {
            Some(alone) => alone.least_seconds(work).min(together.max(HANDING_OUT_SECONDS)),
            None => together,
        }
    }

    /// The roofline that [`Roofs::least_seconds`] follows.
    pub fn limit(&self, work: Work) -> Roofline {
        let is_sooner =
            |alone: &Roofline| alone.least_seconds(work) <= self.together.least_seconds(work).max(HANDING_OUT_SECONDS);
        self.alone.filter(is_sooner).unwrap_or(self.together)
    }

    /// Whether one thread may be done with `work` before others have received their part.
    pub(super) fn is_short(&self, work: Work) -> bool {
        self.together.least_seconds(work) < HANDING_OUT_SECONDS
    }
}

/// Whether a bandwidth can limit `work`.
pub(super) fn needs_bandwidth(work: Work) -> bool {
    work.intensity() < ALWAYS_ARITHMETIC
}

/// The better of two rooflines, figure by figure.
pub(super) fn best(x: Roofline, y: Roofline) -> Roofline {
    Roofline { peak_gflops: x.peak_gflops.max(y.peak_gflops), bandwidth_gb_s: x.bandwidth_gb_s.max(y.bandwidth_gb_s) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Roofline = Roofline { peak_gflops: 100.0, bandwidth_gb_s: 50.0 };
    const TOGETHER: Roofline = Roofline { peak_gflops: 150.0, bandwidth_gb_s: 60.0 };

    #[test]
    fn roofs_of_short_work_are_those_of_one_thread_as_measured() {
        let roofs = Roofs { together: TOGETHER, alone: Some(ALONE) };
        // 2 µs alone: two threads need 5 to share the work, however fast they are.
        let short = Work { flops: 200_000, bytes: 1000 };
        assert!((roofs.least_seconds(short) - 2e-6).abs() < 1e-12 && roofs.limit(short) == ALONE);
        // 6 µs alone, 5 with both.
        let longer = Work { flops: 600_000, bytes: 1000 };
        assert!((roofs.least_seconds(longer) - 5e-6).abs() < 1e-12 && roofs.limit(longer) == TOGETHER);
    }

    #[test]
    fn roofs_of_long_work_are_those_of_all_threads() {
        let roofs = Roofs { together: TOGETHER, alone: None };
        let work = Work { flops: 150_000_000, bytes: 1000 };
        assert!((roofs.least_seconds(work) - 1e-3).abs() < 1e-9 && !roofs.is_short(work));
    }
}
