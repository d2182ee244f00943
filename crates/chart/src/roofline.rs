//! The roofline model as a picture: rates over arithmetic intensity, both logarithmic, under the machine's ceilings.
//!
//! Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
//! architectures", Communications of the ACM 52(4), 2009.

use crate::axis::{Axis, Frame};
use crate::canvas::{Anchor, Area, Canvas};
use crate::legend::{self, Swatch};
use crate::lines::{Series, plot_height};
use crate::picture::{Heading, Picture};
use crate::text::{LINE_HEIGHT, LabelPlacer, TEXT_SIZE, text_width};

/// A roofline with points below it.
#[derive(Clone, Debug, PartialEq)]
pub struct RooflineChart {
    /// What it shows.
    pub heading: Heading,
    /// The flat part.
    pub peak: Ceiling,
    /// The slopes, the steepest first: bandwidths of cache levels and memory, GB/s.
    pub bandwidths: Vec<Ceiling>,
    /// Points: flops per byte, GFLOP/s. Later series lie above earlier ones.
    pub series: Vec<Series>,
    /// Points that are named in the picture, as far as there is room.
    pub labels: Vec<PointLabel>,
}

/// One of the machine's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// Its name, with the number.
    pub label: String,
    /// GFLOP/s or GB/s.
    pub value: f64,
}

/// The name of a point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointLabel {
    /// Flops per byte.
    pub intensity: f64,
    /// GFLOP/s.
    pub gflops: f64,
    /// The name.
    pub text: String,
}

/// Half the width of a marker.
const RADIUS: f64 = 4.5;

impl RooflineChart {
    /// Draws it `width` pixels wide; the height follows.
    pub fn draw(&self, width: f64) -> Picture {
        let mut canvas = Canvas::default();
        let items = self.series.iter().rev().map(|series| (series.name.as_str(), series.ink, Swatch::Marker));
        let top = legend::draw(&mut canvas, items, width);
        let plot = Area { x: 0.0, y: top, width, height: plot_height(width) * 1.15 };
        let x = Axis::log("arithmetic intensity, flops per byte that must move");
        let y = Axis::log("GFLOP/s");
        let points = self.series.iter().flat_map(|series| series.points.iter().map(|point| (point.x, point.y)));
        // Room above the roof, and for the steepest slope at the left of the points.
        let steepest = self.bandwidths.iter().map(|ceiling| ceiling.value).fold(0.0, f64::max);
        let corners = [(self.peak.value / steepest / 2.0, self.peak.value * 1.3), (1.0, self.peak.value)];
        let frame = Frame::draw(&mut canvas, plot, (&x, &y), points.chain(corners));

        let mut placer = LabelPlacer::new(frame.area);
        self.draw_roofs(&mut canvas, &frame, &mut placer);
        for series in &self.series {
            for point in &series.points {
                let (x, y) = frame.at((point.x, point.y));
                canvas.marker(series.ink, (x, y), RADIUS, &point.title);
                placer.block(Area { x: x - RADIUS, y: y - RADIUS, width: 2.0 * RADIUS, height: 2.0 * RADIUS });
            }
        }
        for PointLabel { intensity, gflops, text } in &self.labels {
            if let Some(place) = placer.place(frame.at((*intensity, *gflops)), text) {
                canvas.text("halo", Anchor::Start, place, text);
            }
        }
        Picture::new(&self.heading, width, plot.bottom(), canvas)
    }

    fn draw_roofs(&self, canvas: &mut Canvas, frame: &Frame, placer: &mut LabelPlacer) {
        let peak = self.peak.value;
        let (low, high) = frame.x.domain();
        let (bottom, _) = frame.y.domain();
        let mut ridge = high;
        let mut last_label: Option<f64> = None;
        for ceiling in self.bandwidths.iter().filter(|ceiling| ceiling.value > 0.0) {
            let start = low.max(bottom / ceiling.value);
            if start >= high {
                continue;
            }
            let end = (peak / ceiling.value).clamp(start, high);
            ridge = ridge.min(end);
            let (from, to) = (frame.at((start, ceiling.value * start)), frame.at((end, ceiling.value * end)));
            canvas.line("roof", from, to);
            let is_apart = last_label.is_none_or(|height| from.1 - height > LINE_HEIGHT);
            if is_apart && draw_slope_label(canvas, from, to, &ceiling.label, placer) {
                last_label = Some(from.1);
            }
        }
        let (from, to) = (frame.at((ridge, peak)), frame.at((high, peak)));
        canvas.line("roof", from, to);
        let width = text_width(&self.peak.label, TEXT_SIZE);
        let area = Area { x: to.0 - width, y: to.1 - LINE_HEIGHT - 2.0, width, height: LINE_HEIGHT };
        canvas.text("muted", Anchor::End, (to.0, to.1 - 6.0), &self.peak.label);
        placer.block(area);
    }
}

/// Writes along a slope if it is long enough for the text, and says whether it was.
fn draw_slope_label(
    canvas: &mut Canvas,
    (x1, y1): (f64, f64),
    (x2, y2): (f64, f64),
    label: &str,
    placer: &mut LabelPlacer,
) -> bool {
    let (run, rise) = (x2 - x1, y1 - y2);
    let (length, width) = (run.hypot(rise), text_width(label, TEXT_SIZE));
    if length < width + 12.0 {
        return false;
    }
    // A little above the line, at right angles to it.
    let (along, off) = ((run / length, rise / length), 5.0);
    let start = (x1 + 6.0 * along.0 - off * along.1, y1 - 6.0 * along.1 - off * along.0);
    canvas.rising_text("muted halo", start, rise.atan2(run).to_degrees(), label);
    const PIECES: usize = 6;
    for piece in 0..PIECES {
        let middle = (piece as f64 + 0.5) * width / PIECES as f64;
        let (x, y) = (start.0 + middle * along.0, start.1 - middle * along.1);
        let half = LINE_HEIGHT / 2.0;
        placer.block(Area { x: x - half, y: y - half - 4.0, width: LINE_HEIGHT, height: LINE_HEIGHT });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Ink;

    #[test]
    fn draw_slope_outside_of_the_frame_is_left_out() {
        let ceiling = |value| Ceiling { label: "limit".to_owned(), value };
        let chart = |gflops: f64| RooflineChart {
            heading: Heading::new("Roofline", ""),
            peak: ceiling(200.0),
            bandwidths: vec![ceiling(40.0)],
            series: vec![Series::new("a product", Ink::OURS).point(1.0, gflops, "")],
            labels: Vec::new(),
        };
        let slopes = |gflops| chart(gflops).draw(400.0).inline().matches("rotate(").count();
        assert_eq!((slopes(20.0), slopes(199.0)), (1, 0));
    }
}
