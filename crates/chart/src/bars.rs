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

/// Space between a bar's end, or the limit's stroke, and a number beside it.
const NUMBER_GAP: f64 = 6.0;
/// Space between a number inside a bar and the end of the bar or the limit's stroke.
const INNER_GAP: f64 = 5.0;
/// Half of the stroke's width, and what keeps a number from touching it.
const STROKE_SPACE: f64 = 3.0;

/// Where the number of a bar stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NumberPlace {
    /// Behind the bar, from here on.
    Behind(f64),
    /// Inside the bar, up to here: behind it the number would lie on the limit's stroke, or stand beside it like the limit's own.
    Inside(f64),
    /// The same, but the bar is too short: behind the stroke, from here on, together with the number of the limit.
    BehindLimit(f64),
}

impl NumberPlace {
    /// The place of a number of this width.
    fn new(bar: &Area, limit: Option<f64>, width: f64) -> NumberPlace {
        let behind = bar.right() + NUMBER_GAP;
        let reach = bar.right() - NUMBER_GAP..behind + width + STROKE_SPACE;
        match limit.filter(|limit| reach.contains(limit)) {
            None => NumberPlace::Behind(behind),
            Some(limit) => {
                let end = limit.min(bar.right()) - INNER_GAP;
                let is_long_enough = end - width - INNER_GAP >= bar.x;
                if is_long_enough {
                    NumberPlace::Inside(end)
                } else {
                    NumberPlace::BehindLimit(limit.max(bar.right()) + NUMBER_GAP)
                }
            }
        }
    }
}

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
            let baseline = y + BAR_HEIGHT - 3.5;
            let limit = group.limit.filter(|limit| limit.is_finite());
            match NumberPlace::new(&area, limit.map(|limit| scale.at(limit)), text_width(&text, TEXT_SIZE)) {
                NumberPlace::Behind(x) => canvas.text("", Anchor::Start, (x, baseline), &text),
                NumberPlace::Inside(x) => {
                    canvas.text(&format!("{} strong", ink.class_inside()), Anchor::End, (x, baseline), &text);
                }
                NumberPlace::BehindLimit(x) => {
                    let limit = limit.map(|limit| self.format.text(limit)).unwrap_or_default();
                    canvas.text("", Anchor::Start, (x, baseline), &format!("{text} of {limit}"));
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: f64 = 30.0;

    fn place(length: f64, limit: Option<f64>) -> NumberPlace {
        NumberPlace::new(&Area { x: 100.0, y: 0.0, width: length, height: BAR_HEIGHT }, limit, WIDTH)
    }

    #[test]
    fn number_stands_behind_its_bar_unless_the_stroke_is_there() {
        for limit in [None, Some(400.0), Some(243.0), Some(150.0)] {
            assert_eq!(place(100.0, limit), NumberPlace::Behind(206.0), "{limit:?}");
        }
    }

    #[test]
    fn number_that_would_touch_the_stroke_or_stand_right_behind_it_is_inside() {
        for limit in [200.0, 203.0, 210.0, 238.0] {
            assert_eq!(place(100.0, Some(limit)), NumberPlace::Inside(195.0), "{limit}");
        }
        // A bar that is a little longer than the limit: left of the stroke, too.
        assert_eq!(place(100.0, Some(197.0)), NumberPlace::Inside(192.0));
    }

    #[test]
    fn number_of_a_short_bar_stands_behind_the_stroke_with_that_of_the_limit() {
        assert_eq!(place(20.0, Some(130.0)), NumberPlace::BehindLimit(136.0));
        assert_eq!(place(20.0, Some(118.0)), NumberPlace::BehindLimit(126.0));
        let chart = BarChart {
            heading: Heading::new("Bars", ""),
            format: NumberFormat::Plain,
            series: vec![("cke".to_owned(), Ink::OURS)],
            groups: vec![
                BarGroup { label: "long".to_owned(), values: vec![Some(400.0)], limit: Some(410.0) },
                BarGroup { label: "short".to_owned(), values: vec![Some(4.0)], limit: Some(5.0) },
            ],
        };
        let svg = chart.draw(600.0).inline();
        assert!(svg.contains(">4 of 5</text>"), "{svg}");
        assert!(svg.contains(r#"<text class="inside on0 strong""#) && svg.contains(">400</text>"), "{svg}");
    }
}
