//! Read bandwidth against the size of what is read: the caches' staircase.
//!
//! Every thread reads a working set of its own over and over, as in [`crate::bandwidth`]. A set that fits a cache level is
//! read at that level's speed; what a shared level gives is divided among the threads.

use std::time::Duration;

use cke_kernels::cpu::Caches;
use serde::Serialize;

use crate::bandwidth::read_rate;
use crate::throughput::{Effort, MeasureError};

/// The read bandwidth for each of several working sets, with one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BandwidthCurve {
    /// The number of threads that read at once.
    pub threads: usize,
    /// Smallest working set first.
    pub points: Vec<BandwidthPoint>,
}

/// What was measured for one working set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BandwidthPoint {
    /// Working set of each thread, bytes.
    pub bytes_per_thread: usize,
    /// GB/s (10⁹ bytes) of all threads together.
    pub gb_per_s: f64,
}

/// The bandwidth of one cache level or of memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LevelBandwidth {
    /// `L1`, `L2`, `L3` or `memory`.
    pub level: &'static str,
    /// The number of threads that read at once.
    pub threads: usize,
    /// GB/s (10⁹ bytes) of all threads together.
    pub gb_per_s: f64,
}

/// Bytes between two looks at the clock: 10 µs at 400 GB/s, the speed of a first level.
const CHUNK_BYTES: usize = 4 << 20;
const SMALLEST_SET: usize = 8 << 10;

/// Working sets from 8 KiB to `largest` in steps of `1/per_octave` octaves, each a multiple of 512 bytes.
pub fn working_sets(largest: usize, per_octave: u32) -> Vec<usize> {
    let set = |step: u32| SMALLEST_SET as f64 * (f64::from(step) / f64::from(per_octave)).exp2();
    (0..)
        .map(set)
        .take_while(|&bytes| bytes <= largest as f64 * 1.001)
        .map(|bytes| bytes as usize / 512 * 512)
        .collect()
}

impl BandwidthPoint {
    /// Measures one working set, rounded up to whole lines of 512 bytes and to the smallest set: the best of `rounds` rounds
    /// of 1.5 ms.
    ///
    /// # Errors
    ///
    /// As [`BandwidthCurve::measure`].
    pub fn measure(threads: usize, bytes_per_thread: usize, rounds: usize) -> Result<Self, MeasureError> {
        let effort = Effort { rounds, window: Duration::from_micros(1500) };
        let wanted = bytes_per_thread.max(SMALLEST_SET);
        let bytes = wanted.checked_next_multiple_of(512).ok_or(MeasureError::Memory { bytes: wanted })?;
        let rate = read_rate(threads, bytes, CHUNK_BYTES, effort)?;
        Ok(Self { bytes_per_thread: bytes, gb_per_s: rate / 1e9 })
    }
}

impl BandwidthCurve {
    /// Measures with `threads` threads for each of `sets` (bytes of each thread, ascending): the best of `rounds` rounds of
    /// 1.5 ms.
    ///
    /// # Errors
    ///
    /// Returns [`MeasureError::Memory`] if a set cannot be allocated; also the errors of
    /// [`best_rate`](crate::throughput::best_rate).
    pub fn measure(threads: usize, sets: &[usize], rounds: usize) -> Result<Self, MeasureError> {
        let point = |&bytes_per_thread: &usize| BandwidthPoint::measure(threads, bytes_per_thread, rounds);
        Ok(Self { threads, points: sets.iter().map(point).collect::<Result<_, MeasureError>>()? })
    }

    /// The bandwidth, GB/s, of work whose operands take `bytes` in all, divided equally among the threads: between two points
    /// interpolated over the logarithms, beyond the ends that of the last point. 0 if nothing was measured.
    pub fn at(&self, bytes: f64) -> f64 {
        let share = bytes / self.threads as f64;
        let above = self.points.partition_point(|point| (point.bytes_per_thread as f64) < share);
        match (above.checked_sub(1).and_then(|below| self.points.get(below)), self.points.get(above)) {
            (Some(low), Some(high)) => {
                let log = |point: &BandwidthPoint| (point.bytes_per_thread as f64).ln();
                let weight = (share.ln() - log(low)) / (log(high) - log(low));
                (low.gb_per_s.ln() * (1.0 - weight) + high.gb_per_s.ln() * weight).exp()
            }
            (Some(end), None) | (None, Some(end)) => end.gb_per_s,
            (None, None) => 0.0,
        }
    }

    /// The best bandwidth of each level that has working sets of its own: sets between 1½ times the level before and ¾ of
    /// the level (¾ of an equal share of it for the third, which threads have in common).
    pub fn levels(&self, caches: Caches) -> Vec<LevelBandwidth> {
        let bounds =
            [("L1", 0, caches.l1d), ("L2", caches.l1d, caches.l2), ("L3", caches.l2, caches.l3 / self.threads)];
        let best = |(level, below, size): (&'static str, usize, usize)| {
            let fits = |point: &&BandwidthPoint| {
                2 * point.bytes_per_thread >= 3 * below && 4 * point.bytes_per_thread <= 3 * size
            };
            let gb_per_s = self.points.iter().filter(fits).map(|point| point.gb_per_s).reduce(f64::max)?;
            Some(LevelBandwidth { level, threads: self.threads, gb_per_s })
        };
        bounds.into_iter().filter_map(best).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(threads: usize, points: &[(usize, f64)]) -> BandwidthCurve {
        let point = |&(bytes_per_thread, gb_per_s): &(usize, f64)| BandwidthPoint { bytes_per_thread, gb_per_s };
        BandwidthCurve { threads, points: points.iter().map(point).collect() }
    }

    #[test]
    fn working_sets_two_per_octave_double_every_second_step() {
        let sets = working_sets(64 << 10, 2);
        assert_eq!(sets, [8192, 11264, 16384, 23040, 32768, 46080, 65536]);
        assert_eq!(working_sets(100, 2), Vec::<usize>::new());
    }

    #[test]
    fn measure_small_sets_is_positive() {
        let curve = BandwidthCurve::measure(2, &[8 << 10, 64 << 10, 5 << 20], 2).expect("small sets");
        assert_eq!((curve.threads, curve.points.len()), (2, 3));
        assert!(curve.points.iter().all(|point| point.gb_per_s.is_finite() && point.gb_per_s > 0.0), "{curve:?}");
    }

    #[test]
    fn measure_impossible_set_is_refused() {
        assert!(matches!(BandwidthCurve::measure(1, &[usize::MAX], 1), Err(MeasureError::Memory { .. })));
        assert!(matches!(BandwidthCurve::measure(0, &[512], 1), Err(MeasureError::Threads { found: 0 })));
    }

    #[test]
    fn at_interpolates_over_logarithms_and_holds_the_ends() {
        let curve = curve(2, &[(1 << 10, 400.0), (4 << 10, 100.0)]);
        assert!((curve.at(2.0 * 2048.0) - 200.0).abs() < 1e-9);
        assert_eq!((curve.at(1.0), curve.at(1e12)), (400.0, 100.0));
        assert_eq!(BandwidthCurve { threads: 1, points: Vec::new() }.at(1.0), 0.0);
    }

    #[test]
    fn levels_take_the_best_set_that_lies_within() {
        let caches = Caches { l1d: 32 << 10, l2: 1 << 20, l3: 32 << 20 };
        let kib = |count: usize| count << 10;
        let curve = curve(
            2,
            &[
                (kib(8), 390.0),
                (kib(16), 400.0),
                (kib(32), 300.0),
                (kib(256), 200.0),
                (kib(4096), 90.0),
                (kib(65536), 30.0),
            ],
        );
        let levels: Vec<_> = curve.levels(caches).iter().map(|level| (level.level, level.gb_per_s)).collect();
        assert_eq!(levels, [("L1", 400.0), ("L2", 200.0), ("L3", 90.0)]);
        assert_eq!(curve.levels(Caches { l3: 0, ..caches }).len(), 2);
    }
}
