//! Groups of horizontal bars.

use crate::canvas::{Anchor, Area, Canvas, Ink};
use crate::legend::{self, Swatch};
use crate::picture::{Heading, Picture};
use crate::scale::{AxisSpacing, NumberFormat, Scale, from_zero};
use crate::text::{LINE_HEIGHT, TEXT_SIZE, text_width};

/// A chart of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// What it shows.
    pub heading: Heading,
    /// How the bars' numbers are written.
    pub format: NumberFormat,
    /// The names and colours of each group's bars. A single series has no legend.
    pub series: Vec<(String, Ink)>,
    /// From top to bottom.
    pub groups: Vec<BarGroup>,
}

/// The bars of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct BarGroup {
    /// What they have in common.
    pub label: String,
    /// One for each series; what is `None` or not finite has no bar, and no room for one.
    pub values: Vec<Option<f64>>,
    /// The limit of all bars; drawn as an upright stroke.
    pub limit: Option<f64>,
}

impl BarGroup {
    /// The values to draw, each with the place of its series.
    fn bars(&self) -> impl Iterator<Item = (usize, f64)> {
        let values = self.values.iter().enumerate();
        values.filter_map(|(place, value)| Some((place, value.filter(|value| value.is_finite())?)))
    }
}

const BAR_HEIGHT: f64 = 15.0;
const BAR_GAP: f64 = 2.0;
const GROUP_GAP: f64 = 12.0;
/// Narrower pictures have the labels above the groups, not beside them.
const BESIDE_WIDTH: f64 = 480.0;

impl BarChart {
    /// Draws it `width` pixels wide; the height follows.
    pub fn draw(&self, width: f64) -> Picture {
        let mut canvas = Canvas::default();
        let items = self.series.iter().map(|(name, ink)| (name.as_str(), *ink, Swatch::Bar));
        let mut y = if self.series.len() > 1 { legend::draw(&mut canvas, items, width) } else { 0.0 };

        let label_width = self.groups.iter().map(|group| text_width(&group.label, TEXT_SIZE)).fold(0.0, f64::max);
        let is_beside = width >= BESIDE_WIDTH && label_width < width / 2.0;
        let left = if is_beside { label_width + 10.0 } else { 0.0 };
        let scale = Scale::new(AxisSpacing::Linear, from_zero(self.largest()), (left, width - self.number_width()));
        for group in &self.groups {
            if !is_beside {
                canvas.text("", Anchor::Start, (0.0, y + LINE_HEIGHT - 4.0), &group.label);
                y += LINE_HEIGHT + 2.0;
            }
            let bars = group.bars().count().max(1);
            let height = bars as f64 * (BAR_HEIGHT + BAR_GAP) - BAR_GAP;
            if is_beside {
                canvas.text("", Anchor::End, (left - 10.0, y + height / 2.0 + 4.0), &group.label);
            }
            self.draw_group(&mut canvas, group, &scale, y);
            if let Some(limit) = group.limit.filter(|limit| limit.is_finite()) {
                canvas.line("limit", (scale.at(limit), y - 3.0), (scale.at(limit), y + height + 3.0));
            }
            y += height + GROUP_GAP;
        }
        Picture::new(&self.heading, width, (y - GROUP_GAP + 4.0).max(1.0), canvas)
    }

    fn draw_group(&self, canvas: &mut Canvas, group: &BarGroup, scale: &Scale, top: f64) {
        for (row, (place, value)) in group.bars().enumerate() {
            let Some((name, ink)) = self.series.get(place) else { continue };
            let (y, start, text) = (top + row as f64 * (BAR_HEIGHT + BAR_GAP), scale.at(0.0), self.format.text(value));
            let area = Area { x: start, y, width: (scale.at(value) - start).max(1.0), height: BAR_HEIGHT };
            canvas.rect(&format!("i{}", ink.index()), area, 2.0, &format!("{}, {name}: {text}", group.label));
            // A number beside a limit of about the same height would lie on its stroke.
            let end = match group.limit.map(|limit| scale.at(limit)) {
                Some(limit) if limit >= area.right() && limit < area.right() + text_width(&text, TEXT_SIZE) + 8.0 => {
                    limit
                }
                _ => area.right(),
            };
            canvas.text("", Anchor::Start, (end + 6.0, y + BAR_HEIGHT - 3.5), &text);
        }
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        let finite = |value: &f64| value.is_finite();
        self.groups.iter().flat_map(|group| group.values.iter().flatten().copied().chain(group.limit)).filter(finite)
    }

    fn largest(&self) -> f64 {
        self.numbers().fold(0.0, f64::max)
    }

    fn number_width(&self) -> f64 {
        self.numbers().map(|value| text_width(&self.format.text(value), TEXT_SIZE)).fold(0.0, f64::max) + 8.0
    }
}
