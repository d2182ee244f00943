//! Monotonic time.

use std::time::Instant;

/// Seconds that `work` took, by the monotonic clock.
///
/// The optimiser may remove work whose result is not used: let `work` write where the caller reads, or pass its result
/// through [`std::hint::black_box`].
pub fn time(work: impl FnOnce()) -> f64 {
    let watch = Stopwatch::start();
    work();
    watch.seconds()
}

/// A running watch, for work that is not one closure: tokens of a stream, phases of a load.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Seconds since the start or the last [`lap`](Self::lap).
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Seconds since the start or the last lap; the next lap begins at the same moment, so that no time is lost between
    /// laps.
    pub fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = now.duration_since(self.started).as_secs_f64();
        self.started = now;
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_sleeping_work_lasts_at_least_the_sleep() {
        let seconds = time(|| std::thread::sleep(Duration::from_millis(2)));
        assert!(seconds >= 0.002, "slept 2 ms, measured {seconds} s");
    }

    #[test]
    fn stopwatch_laps_add_up_to_the_whole() {
        let whole = Stopwatch::start();
        let mut watch = whole;
        let laps: f64 = (0..3).map(|_| watch.lap()).sum();
        assert!(laps >= 0.0 && laps <= whole.seconds());
    }
}
