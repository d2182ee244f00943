//! Lines with markers over two axes.

use crate::axis::{Axis, Frame};
use crate::canvas::{Anchor, Area, Canvas, Ink};
use crate::legend::{self, Swatch};
use crate::picture::{Heading, Picture};
use crate::text::{LINE_HEIGHT, TEXT_SIZE, text_width};

/// A chart of lines.
#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// What it shows.
    pub heading: Heading,
    /// The axis below.
    pub x: Axis,
    /// The axis at the left.
    pub y: Axis,
    /// The lines; later ones lie above earlier ones, and come first in the legend.
    pub series: Vec<Series>,
    /// Vertical lines at places of note.
    pub marks: Vec<Mark>,
}

/// One line, or one set of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    pub(crate) points: Vec<Point>,
    is_dashed: bool,
}

/// A point and what its tooltip says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) title: String,
}

/// A vertical line.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where on the x axis.
    pub x: f64,
    /// What is there.
    pub label: String,
}

impl Series {
    /// A series without points.
    pub fn new(name: impl Into<String>, ink: Ink) -> Self {
        Self { name: name.into(), ink, points: Vec::new(), is_dashed: false }
    }

    /// The same series as a dashed line without markers.
    #[must_use]
    pub fn dashed(self) -> Self {
        Self { is_dashed: true, ..self }
    }

    /// The same series with one more point, to the right of the others, and its tooltip. A point that is not finite is left out.
    #[must_use]
    pub fn point(mut self, x: f64, y: f64, title: impl Into<String>) -> Self {
        if x.is_finite() && y.is_finite() {
            self.points.push(Point { x, y, title: title.into() });
        }
        self
    }
}

impl LineChart {
    /// Draws it `width` pixels wide; the height follows.
    pub fn draw(&self, width: f64) -> Picture {
        let mut canvas = Canvas::default();
        let items = self
            .series
            .iter()
            .rev()
            .map(|series| (series.name.as_str(), series.ink, Swatch::Line { is_dashed: series.is_dashed }));
        let top = legend::draw(&mut canvas, items, width);
        let plot = Area { x: 0.0, y: top, width, height: plot_height(width) };
        let points = self.series.iter().flat_map(|series| series.points.iter().map(|point| (point.x, point.y)));
        let frame = Frame::draw(&mut canvas, plot, (&self.x, &self.y), points);
        self.draw_marks(&mut canvas, &frame);
        for series in &self.series {
            series.draw(&mut canvas, &frame);
        }
        Picture::new(&self.heading, width, plot.bottom(), canvas)
    }

    /// Each mark with its label at the top, one line lower if it would lie on the label before.
    fn draw_marks(&self, canvas: &mut Canvas, frame: &Frame) {
        let (low, high) = frame.x.domain();
        let mut ends = Vec::new();
        for Mark { x, label } in self.marks.iter().filter(|mark| mark.x > low && mark.x < high) {
            let (x, label_width) = (frame.x.at(*x), text_width(label, TEXT_SIZE));
            let fits = x + 4.0 + label_width <= frame.area.right();
            let start = if fits { x + 4.0 } else { x - 4.0 - label_width };
            let row = ends.iter().position(|&end: &f64| end < start).unwrap_or(ends.len());
            ends.resize(ends.len().max(row + 1), 0.0);
            ends[row] = start + label_width + 4.0;
            canvas.line("mark", (x, frame.area.y), (x, frame.area.bottom()));
            canvas.text("muted halo", Anchor::Start, (start, frame.area.y + LINE_HEIGHT * (row as f64 + 0.75)), label);
        }
    }
}

/// The height of a plot with its axes: half its width within what suits a screen.
pub(crate) fn plot_height(width: f64) -> f64 {
    (width * 0.48).clamp(260.0, 400.0)
}

impl Series {
    fn draw(&self, canvas: &mut Canvas, frame: &Frame) {
        let places: Vec<(f64, f64)> = self.points.iter().map(|point| frame.at((point.x, point.y))).collect();
        let (index, dashed) = (self.ink.index(), if self.is_dashed { " dashed" } else { "" });
        canvas.polyline(&format!("series s{index}{dashed}"), &places);
        if !self.is_dashed {
            let markers = places.iter().zip(&self.points);
            markers.for_each(|(&place, point)| canvas.marker(self.ink, place, 4.0, &point.title));
        }
    }
}
