//! From numbers to pixels, and which numbers to write at an axis.

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// As they are, with as many decimals as they need.
    #[default]
    Plain,
    /// 0.5 as `50%`.
    Percent,
    /// 32768 as `32 KiB`.
    Bytes,
}

impl NumberFormat {
    /// The text of a number.
    pub fn text(self, value: f64) -> String {
        match self {
            NumberFormat::Plain => plain(value),
            NumberFormat::Percent => format!("{}%", plain(100.0 * value)),
            NumberFormat::Bytes => binary_size(value.max(0.0) as u64),
        }
    }
}

/// A size in the largest binary unit that keeps it at 1 or more, with one decimal if it is not whole.
fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let step = bytes.max(1).ilog2() / 10;
    let (unit, size) = (UNITS[step as usize], 1u64 << (10 * step));
    let decimals = if bytes.is_multiple_of(size) { 0 } else { 1 };
    format!("{:.decimals$} {unit}", bytes as f64 / size as f64)
}

/// Three significant digits, whole numbers whole.
fn plain(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How an axis spreads its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AxisSpacing {
    /// In equal steps.
    Linear,
    /// In equal factors; powers of 10 are written, with 2 and 5 between if there is room.
    Log10,
    /// In equal factors; powers of 2 are written.
    Log2,
}

/// A range of numbers laid over a range of pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    spread: AxisSpacing,
    domain: (f64, f64),
    pixels: (f64, f64),
}

impl Scale {
    /// `domain` is widened if it is empty, and for logarithms bounded below.
    pub(crate) fn new(spread: AxisSpacing, (low, high): (f64, f64), pixels: (f64, f64)) -> Self {
        let domain = match spread {
            _ if !low.is_finite() || !high.is_finite() => (1.0, 10.0),
            AxisSpacing::Linear if high > low => (low, high),
            AxisSpacing::Linear => (low, low + 1.0),
            _ => {
                let low = low.max(f64::MIN_POSITIVE);
                (low, if high > low { high } else { low * 10.0 })
            }
        };
        Self { spread, domain, pixels }
    }

    /// The pixel of a number; the ends of the axis for what lies beyond.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        let value = value.clamp(low, high);
        let share = match self.spread {
            AxisSpacing::Linear => (value - low) / (high - low),
            _ => (value / low).ln() / (high / low).ln(),
        };
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    pub(crate) fn domain(&self) -> (f64, f64) {
        self.domain
    }

    /// Round numbers within the domain, ascending, about `most` or fewer.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2);
        let (low, high) = self.domain;
        let is_inside = |&tick: &f64| tick >= low * (1.0 - 1e-9) && tick <= high * (1.0 + 1e-9);
        match self.spread {
            AxisSpacing::Linear => {
                let step = linear_step((high - low) / most as f64);
                let first = (low / step).ceil() as i64;
                (first..).map(|i| i as f64 * step).take_while(|&tick| tick <= high + step * 1e-9).collect()
            }
            AxisSpacing::Log10 => {
                let decades =
                    || (low.log10().floor() as i32..=high.log10().ceil() as i32).map(|power| 10f64.powi(power));
                let of = |factors: &[f64]| -> Vec<f64> {
                    decades().flat_map(|ten| factors.iter().map(move |factor| ten * factor)).filter(is_inside).collect()
                };
                let candidates = [of(&[1.0, 2.0, 5.0]), of(&[1.0, 3.0]), of(&[1.0])];
                let [.., coarse] = &candidates;
                candidates.iter().find(|ticks| ticks.len() <= most).unwrap_or(coarse).clone()
            }
            AxisSpacing::Log2 => {
                let (first, last) = (low.log2().ceil() as i32, high.log2().floor() as i32);
                let step = ((last - first + 1).max(1) as usize).div_ceil(most).max(1);
                (first..=last).step_by(step).map(|power| 2f64.powi(power)).collect()
            }
        }
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `least`.
fn linear_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The ends of a linear axis from 0 that holds `largest`, with a little room above.
pub(crate) fn from_zero(largest: f64) -> (f64, f64) {
    (0.0, if largest > 0.0 { largest * 1.05 } else { 1.0 })
}

/// The ends of a logarithmic axis that holds these numbers with a little room around; (1, 10) if none is above 0.
pub(crate) fn around(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let positive = values.filter(|value| value.is_finite() && *value > 0.0);
    let ends = positive.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    ends.map_or((1.0, 10.0), |(low, high)| (low / 1.25, high * 1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_scale_maps_ends_and_clamps() {
        let scale = Scale::new(AxisSpacing::Linear, (0.0, 50.0), (10.0, 110.0));
        assert_eq!([0.0, 25.0, 50.0, 99.0, -1.0].map(|value| scale.at(value)), [10.0, 60.0, 110.0, 110.0, 10.0]);
    }

    #[test]
    fn log_scale_gives_each_decade_the_same_room() {
        let scale = Scale::new(AxisSpacing::Log10, (1.0, 1000.0), (300.0, 0.0));
        for (value, pixel) in [(1.0, 300.0), (10.0, 200.0), (100.0, 100.0), (0.0, 300.0)] {
            assert!((scale.at(value) - pixel).abs() < 1e-9);
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        let linear = Scale::new(AxisSpacing::Linear, (0.0, 242.0), (0.0, 100.0));
        assert_eq!(linear.ticks(6), [0.0, 50.0, 100.0, 150.0, 200.0]);
        let log = Scale::new(AxisSpacing::Log10, (4.0, 600.0), (0.0, 100.0));
        assert_eq!(log.ticks(8), [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(log.ticks(4), [10.0, 30.0, 100.0, 300.0]);
        assert_eq!(log.ticks(3), [10.0, 100.0]);
        let binary = Scale::new(AxisSpacing::Log2, (8192.0, 65536.0), (0.0, 100.0));
        assert_eq!(binary.ticks(9), [8192.0, 16384.0, 32768.0, 65536.0]);
        assert_eq!(binary.ticks(2), [8192.0, 32768.0]);
    }

    #[test]
    fn scale_of_an_empty_domain_is_still_finite() {
        for spread in [AxisSpacing::Linear, AxisSpacing::Log10, AxisSpacing::Log2] {
            let scale = Scale::new(spread, (0.0, 0.0), (0.0, 100.0));
            assert!(scale.at(0.0).is_finite() && scale.at(5.0).is_finite(), "{spread:?}");
        }
    }

    #[test]
    fn format_writes_three_digits() {
        let cases =
            [(0.0, "0"), (0.125, "0.125"), (1.0, "1"), (2.5, "2.5"), (49.96, "50"), (231.4, "231"), (2048.0, "2048")];
        for (value, text) in cases {
            assert_eq!(NumberFormat::Plain.text(value), text);
        }
        assert_eq!(NumberFormat::Percent.text(0.934), "93.4%");
        assert_eq!(NumberFormat::Bytes.text(49152.0), "48 KiB");
        assert_eq!(NumberFormat::Bytes.text(1_572_864.0), "1.5 MiB");
        assert_eq!(NumberFormat::Bytes.text(-1.0), "0 B");
    }

    #[test]
    fn around_ignores_what_a_logarithm_cannot_show() {
        assert_eq!(around([0.0, -1.0, f64::NAN].into_iter()), (1.0, 10.0));
        assert_eq!(around([10.0, 0.0, 100.0].into_iter()), (8.0, 125.0));
    }
}
