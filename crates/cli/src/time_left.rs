//! How long the rest of some work will take.

use std::time::Duration;

/// `12 s left` or `3 min left`, if the rest takes as long as what is done; `None` if nothing is done.
pub(crate) fn time_left(elapsed: Duration, done: u64, total: u64) -> Option<String> {
    let seconds = elapsed.as_secs_f64() * total.saturating_sub(done) as f64 / done as f64;
    let seconds = (done > 0).then(|| seconds.ceil() as u64)?;
    Some(if seconds < 120 { format!("{seconds} s left") } else { format!("{} min left", seconds.div_ceil(60)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_what_is_done() {
        let left = |done, total| time_left(Duration::from_secs(6), done, total);
        assert_eq!(left(0, 4), None);
        for (done, total, expected) in [(1, 4, "18 s left"), (3, 4, "2 s left"), (4, 4, "0 s left"), (5, 4, "0 s left")]
        {
            assert_eq!(left(done, total).as_deref(), Some(expected), "{done} of {total}");
        }
        assert_eq!(left(1, 21).as_deref(), Some("2 min left"));
        assert!(left(1, u64::MAX).is_some());
    }
}
