//! What other programs took of the machine's CPUs while something was measured.
//!
//! Source: `/proc/stat` and `/proc/self/stat` of Linux (proc(5)), which count in ticks of 10 ms.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Ticks up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    /// Of all CPUs: idle ones count as well.
    all: u64,
    /// Of CPUs that worked or were taken by the hypervisor.
    busy: u64,
    /// Of this process and its children that have ended.
    own: u64,
    /// CPUs that are counted.
    cpus: usize,
}

/// A measurement that has begun.
#[derive(Clone, Copy, Debug)]
pub struct BusyWatch {
    /// `None` if the system does not tell.
    ticks: Option<Ticks>,
    started: Instant,
}

/// Measurements that are shorter count too few ticks.
const LEAST_TIME: Duration = Duration::from_millis(200);
/// Share of the CPUs that the system's own services may take.
const QUIET_SHARE: f64 = 0.05;

/// What others took during a measurement.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Busy {
    /// Share of the time of all CPUs, from 0 to 1.
    pub share: f64,
    /// CPUs of the machine.
    pub cpus: usize,
}

impl BusyWatch {
    /// Begins.
    pub fn start() -> BusyWatch {
        BusyWatch { ticks: read(Path::new("/proc")), started: Instant::now() }
    }

    /// What others took since then; `None` if the system does not tell, or too little time has passed.
    pub fn others(&self) -> Option<Busy> {
        if self.started.elapsed() < LEAST_TIME {
            return None;
        }
        let after = read(Path::new("/proc"))?;
        let share = share_of_others(self.ticks?, after)?;
        Some(Busy { share, cpus: after.cpus })
    }
}

impl Busy {
    /// Whether results suffer from it.
    pub fn is_disturbing(&self) -> bool {
        self.share > QUIET_SHARE
    }
}

fn share_of_others(before: Ticks, after: Ticks) -> Option<f64> {
    let all = after.all.checked_sub(before.all).filter(|&all| all > 0)?;
    let busy = after.busy.saturating_sub(before.busy);
    let own = after.own.saturating_sub(before.own);
    Some(busy.saturating_sub(own) as f64 / all as f64)
}

fn read(proc: &Path) -> Option<Ticks> {
    let machine = fs::read_to_string(proc.join("stat")).ok()?;
    let process = fs::read_to_string(proc.join("self/stat")).ok()?;
    let (all, busy) = machine_ticks(&machine)?;
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Some(Ticks { all, busy, own: process_ticks(&process)?, cpus: machine.lines().filter(is_cpu).count() })
}

/// All ticks and those that were not idle, of the line `cpu  user nice system idle iowait irq softirq steal …`. Guests count as users.
fn machine_ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(|ticks| ticks.parse().ok()).collect::<Option<_>>()?;
    let (all, idle) = (ticks.iter().sum::<u64>(), ticks.get(3)? + ticks.get(4).copied().unwrap_or(0));
    Some((all, all - idle))
}

/// User and system ticks of a process and of its children: fields 14 to 17, counted behind the name, which may hold anything.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(|ticks| ticks.parse::<u64>().ok());
    ticks.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_from_the_lines_of_the_system() {
        let stat = "cpu  100 20 30 800 40 1 2 7 50 0\ncpu0 1 2 3 4\n";
        assert_eq!(machine_ticks(stat), Some((1000, 160)));
        assert_eq!(machine_ticks("cpu  1 x 3 4"), None);
        assert_eq!(machine_ticks("intr 1"), None);
        let process = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 11 12 13 14 20 0 1 0";
        assert_eq!(process_ticks(process), Some(50));
        assert_eq!(process_ticks("42"), None);
    }

    #[test]
    fn share_of_others_leaves_out_what_was_measured() {
        let before = Ticks { all: 1000, busy: 500, own: 100, cpus: 4 };
        let share = |all, busy, own| share_of_others(before, Ticks { all, busy, own, cpus: 4 });
        assert_eq!(share(1200, 600, 200), Some(0.0));
        assert_eq!(share(1200, 650, 200), Some(0.25));
        assert_eq!(share(1000, 500, 100), None, "no tick has passed");
        assert_eq!(share(1200, 550, 200), Some(0.0), "ticks are counted in different places");
    }
}
