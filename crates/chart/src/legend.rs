//! The legend: the name and the colour of each series.

use crate::canvas::{Anchor, Area, Canvas, Ink};
use crate::text::{TEXT_SIZE, text_width};

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swatch {
    Marker,
    /// A line with markers, or dashed without.
    Line {
        is_dashed: bool,
    },
    Bar,
}

const ROW_HEIGHT: f64 = 20.0;
const GAP: f64 = 18.0;

impl Swatch {
    fn width(self) -> f64 {
        match self {
            Swatch::Marker | Swatch::Bar => 12.0,
            Swatch::Line { .. } => 24.0,
        }
    }
}

/// Draws the names side by side, in as many rows as `width` needs, and returns the height of all rows.
pub(crate) fn draw<'a>(canvas: &mut Canvas, items: impl Iterator<Item = (&'a str, Ink, Swatch)>, width: f64) -> f64 {
    let (mut x, mut row) = (0.0, 0.0);
    let mut is_empty = true;
    for (name, ink, sample) in items {
        let item_width = sample.width() + 6.0 + text_width(name, TEXT_SIZE);
        if x > 0.0 && x + item_width > width {
            (x, row) = (0.0, row + 1.0);
        }
        let middle = row * ROW_HEIGHT + ROW_HEIGHT / 2.0;
        draw_sample(canvas, (x, middle), ink, sample);
        canvas.text("", Anchor::Start, (x + sample.width() + 6.0, middle + 4.0), name);
        x += item_width + GAP;
        is_empty = false;
    }
    if is_empty { 0.0 } else { (row + 1.0) * ROW_HEIGHT + 4.0 }
}

fn draw_sample(canvas: &mut Canvas, (x, middle): (f64, f64), ink: Ink, sample: Swatch) {
    let centre = (x + sample.width() / 2.0, middle);
    let index = ink.index();
    match sample {
        Swatch::Marker => canvas.marker(ink, centre, 5.0, ""),
        Swatch::Bar => {
            let area = Area { x, y: middle - 6.0, width: 12.0, height: 12.0 };
            canvas.rect(&format!("i{index}"), area, 2.0, "");
        }
        Swatch::Line { is_dashed } => {
            let dashed = if is_dashed { " dashed" } else { "" };
            canvas.line(&format!("series s{index}{dashed}"), (x, middle), (x + sample.width(), middle));
            if !is_dashed {
                canvas.marker(ink, centre, 4.0, "");
            }
        }
    }
}
