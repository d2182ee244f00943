//! A timeline: a lane for each actor, with a coloured span for each activity.

use crate::axis::{Axis, BELOW_HEIGHT};
use crate::canvas::{Anchor, Area, Canvas, Ink};
use crate::legend::{self, Swatch};
use crate::picture::{Heading, Picture};
use crate::scale::Scale;
use crate::text::{TEXT_SIZE, text_width};

/// A chart of lanes over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// What it shows.
    pub heading: Heading,
    /// What the axis below measures, with its unit.
    pub axis: String,
    /// The first and the last moment that are drawn; spans are cut off there.
    pub range: (f64, f64),
    /// What the colours mean.
    pub legend: Vec<(String, Ink)>,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
}

/// What one actor did.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Its name.
    pub label: String,
    /// What it did, in the order of time.
    pub spans: Vec<Span>,
}

/// A time that was spent on one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// When it began.
    pub start: f64,
    /// When it ended.
    pub end: f64,
    /// Its colour.
    pub ink: Ink,
    /// What is written into it if there is room.
    pub label: String,
    /// What the tooltip says.
    pub title: String,
}

const LANE_HEIGHT: f64 = 24.0;
const LANE_GAP: f64 = 6.0;
/// Shorter spans are drawn this wide: too narrow for the eye, not for the pointer.
const LEAST_WIDTH: f64 = 0.5;

impl Timeline {
    /// Draws it `width` pixels wide; the height follows.
    pub fn draw(&self, width: f64) -> Picture {
        let mut canvas = Canvas::default();
        let items = self.legend.iter().map(|(name, ink)| (name.as_str(), *ink, Swatch::Bar));
        let top = legend::draw(&mut canvas, items, width) + LANE_GAP;
        let label_width = self.lanes.iter().map(|lane| text_width(&lane.label, TEXT_SIZE)).fold(0.0, f64::max);
        let left = if label_width > 0.0 { label_width + 10.0 } else { 0.0 };
        let height = self.lanes.len() as f64 * (LANE_HEIGHT + LANE_GAP);
        let area = Area { x: left, y: top, width: (width - 1.0 - left).max(1.0), height };
        let axis = Axis::linear(self.axis.as_str()).range(self.range.0, self.range.1);
        let scale = axis.scale((area.x, area.right()));
        axis.draw_below(&mut canvas, &scale, area, width);
        for (i, lane) in self.lanes.iter().enumerate() {
            let y = top + i as f64 * (LANE_HEIGHT + LANE_GAP);
            canvas.text("", Anchor::End, (left - 10.0, y + LANE_HEIGHT / 2.0 + 4.0), &lane.label);
            lane.spans.iter().for_each(|span| self.draw_span(&mut canvas, span, &scale, y));
        }
        Picture::new(&self.heading, width, area.bottom() + BELOW_HEIGHT, canvas)
    }

    fn draw_span(&self, canvas: &mut Canvas, span: &Span, scale: &Scale, y: f64) {
        let (first, last) = self.range;
        if span.end <= first || span.start >= last || !(span.start.is_finite() && span.end.is_finite()) {
            return;
        }
        let (x, end) = (scale.at(span.start), scale.at(span.end));
        let area = Area { x, y, width: (end - x).max(LEAST_WIDTH), height: LANE_HEIGHT };
        // Rounded corners would make narrow spans look narrower still.
        let radius = if area.width > 8.0 { 2.0 } else { 0.0 };
        canvas.rect(&format!("i{}", span.ink.index()), area, radius, &span.title);
        if text_width(&span.label, TEXT_SIZE) + 6.0 <= area.width {
            let middle = (x + area.width / 2.0, y + LANE_HEIGHT / 2.0 + 4.0);
            canvas.text(&span.ink.class_inside(), Anchor::Middle, middle, &span.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(range: (f64, f64), spans: &[(f64, f64)]) -> String {
        let span = |&(start, end): &(f64, f64)| Span {
            start,
            end,
            ink: Ink::OURS,
            label: "word".to_owned(),
            title: format!("from {start}"),
        };
        let lanes = vec![Lane { label: String::new(), spans: spans.iter().map(span).collect() }];
        let heading = Heading::new("Timeline", "");
        Timeline { heading, axis: "ms".to_owned(), range, legend: Vec::new(), lanes }.draw(401.0).inline()
    }

    #[test]
    fn span_lies_where_its_times_say_and_is_named_where_it_is_wide() {
        let svg = drawn((10.0, 20.0), &[(12.0, 17.0), (17.0, 17.1)]);
        assert!(svg.contains(r#"x="80" y="6" width="200""#), "{svg}");
        assert_eq!(svg.matches(">word<").count(), 1);
    }

    #[test]
    fn span_beyond_the_range_is_cut_off_or_left_out() {
        let svg = drawn((10.0, 20.0), &[(0.0, 5.0), (5.0, 15.0), (19.0, 30.0), (20.0, 30.0), (f64::NAN, 15.0)]);
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert!(svg.contains(r#"x="0" y="6" width="200""#) && svg.contains(r#"x="360" y="6" width="40""#), "{svg}");
    }
}
