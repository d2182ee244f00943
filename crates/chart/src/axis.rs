//! Axes, and the area between them.

use crate::canvas::{Anchor, Area, Canvas};
use crate::scale::{AxisSpacing, NumberFormat, Scale, around, from_zero};
use crate::text::{LINE_HEIGHT, TEXT_SIZE, text_width};

/// What an axis measures, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    label: String,
    spread: AxisSpacing,
    format: NumberFormat,
    range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis from 0 in equal steps.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), spread: AxisSpacing::Linear, format: NumberFormat::Plain, range: None }
    }

    /// A logarithmic axis with powers of ten.
    pub fn log(label: impl Into<String>) -> Self {
        Self { spread: AxisSpacing::Log10, ..Self::linear(label) }
    }

    /// A logarithmic axis with powers of two.
    pub fn log2(label: impl Into<String>) -> Self {
        Self { spread: AxisSpacing::Log2, ..Self::linear(label) }
    }

    /// The same axis with its numbers written so.
    #[must_use]
    pub fn format(self, format: NumberFormat) -> Self {
        Self { format, ..self }
    }

    /// The same axis from `low` to `high`, whatever is drawn.
    #[must_use]
    pub fn range(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The ends for these values.
    fn domain(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        match (self.range, self.spread) {
            (Some(range), _) => range,
            (None, AxisSpacing::Linear) => from_zero(values.filter(|value| value.is_finite()).fold(0.0, f64::max)),
            (None, _) => around(values),
        }
    }
}

/// What an axis below an area takes: its numbers and its label.
pub(crate) const BELOW_HEIGHT: f64 = 2.0 * LINE_HEIGHT + 6.0;

impl Axis {
    /// The scale of this axis over these pixels; it must have a range of its own.
    pub(crate) fn scale(&self, pixels: (f64, f64)) -> Scale {
        Scale::new(self.spread, self.domain(std::iter::empty()), pixels)
    }

    /// Draws line, numbers and label below `area`, and the grid across it. Nothing goes beyond 0 and `end`.
    pub(crate) fn draw_below(&self, canvas: &mut Canvas, scale: &Scale, area: Area, end: f64) {
        for (tick, text) in x_ticks(scale, self.format, area.width) {
            canvas.line("grid", (scale.at(tick), area.y), (scale.at(tick), area.bottom()));
            let half = text_width(&text, TEXT_SIZE) / 2.0;
            let middle = scale.at(tick).min(end - half).max(half);
            canvas.text("muted", Anchor::Middle, (middle, area.bottom() + LINE_HEIGHT), &text);
        }
        canvas.line("axis", (area.x, area.bottom()), (area.right(), area.bottom()));
        let label = (area.right(), area.bottom() + 2.0 * LINE_HEIGHT + 2.0);
        canvas.text("muted", Anchor::End, label, &self.label);
    }
}

/// The area in which points are drawn, with its axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) area: Area,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
}

/// Pixels between numbers at the y axis, at least.
const Y_TICK_ROOM: f64 = 34.0;
/// Space between the widest number of an axis and the next.
const X_TICK_GAP: f64 = 14.0;

impl Frame {
    /// Draws grid, numbers and labels of both axes into `space`, wide enough for all `points`.
    pub(crate) fn draw(
        canvas: &mut Canvas,
        space: Area,
        (x_axis, y_axis): (&Axis, &Axis),
        points: impl Iterator<Item = (f64, f64)> + Clone,
    ) -> Frame {
        let (top, bottom) = (space.y + LINE_HEIGHT + 6.0, space.bottom() - BELOW_HEIGHT);
        let y = Scale::new(y_axis.spread, y_axis.domain(points.clone().map(|point| point.1)), (bottom, top));
        let y_ticks = y.ticks(((bottom - top) / Y_TICK_ROOM) as usize);
        let y_texts: Vec<String> = y_ticks.iter().map(|&tick| y_axis.format.text(tick)).collect();
        let left = space.x + widest(&y_texts) + 8.0;
        let right = space.right() - 14.0;
        let x = Scale::new(x_axis.spread, x_axis.domain(points.map(|point| point.0)), (left, right));

        for (&tick, text) in y_ticks.iter().zip(&y_texts) {
            canvas.line("grid", (left, y.at(tick)), (right, y.at(tick)));
            canvas.text("muted", Anchor::End, (left - 6.0, y.at(tick) + 4.0), text);
        }
        canvas.text("muted", Anchor::Start, (space.x, space.y + LINE_HEIGHT - 4.0), &y_axis.label);
        let area = Area { x: left, y: top, width: right - left, height: bottom - top };
        x_axis.draw_below(canvas, &x, area, space.right());
        Frame { area, x, y }
    }

    /// The pixels of a point.
    pub(crate) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }
}

/// As many numbers as fit side by side.
fn x_ticks(scale: &Scale, format: NumberFormat, width: f64) -> Vec<(f64, String)> {
    let with_texts = |most: usize| -> Vec<(f64, String)> {
        scale.ticks(most).into_iter().map(|tick| (tick, format.text(tick))).collect()
    };
    let fits = |ticks: &Vec<(f64, String)>| {
        let room = widest(ticks.iter().map(|(_, text)| text)) + X_TICK_GAP;
        ticks.windows(2).all(|pair| (scale.at(pair[1].0) - scale.at(pair[0].0)).abs() >= room)
    };
    let most = (width / 30.0) as usize;
    (2..=most).rev().map(with_texts).find(fits).unwrap_or_else(|| with_texts(2))
}

fn widest(texts: impl IntoIterator<Item = impl AsRef<str>>) -> f64 {
    texts.into_iter().map(|text| text_width(text.as_ref(), TEXT_SIZE)).fold(0.0, f64::max)
}
