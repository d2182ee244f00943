//! Shares as coloured cells with their numbers: blue from one half up, orange below.

use crate::canvas::{Anchor, Area, Canvas};
use crate::picture::{Heading, Picture};
use crate::text::{LINE_HEIGHT, TEXT_SIZE, text_width};

/// A table of shares.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub heading: Heading,
    /// Titles of the columns.
    pub columns: Vec<String>,
    /// The column that the picture is about, if it is about one.
    pub subject: Option<usize>,
    /// From top to bottom.
    pub rows: Vec<HeatRow>,
}

/// A row of a [`HeatMap`].
#[derive(Clone, Debug, PartialEq)]
pub struct HeatRow {
    /// What stands before the cells.
    pub label: String,
    /// One for each column; `None` if there is nothing to show.
    pub cells: Vec<Option<HeatCell>>,
}

/// A cell of a [`HeatMap`].
#[derive(Clone, Debug, PartialEq)]
pub struct HeatCell {
    /// From 0 to 1; written as a percentage.
    pub share: f64,
    /// What the tooltip says.
    pub title: String,
}

/// Upper ends of the steps of colour.
const STEPS: [f64; 7] = [0.125, 0.25, 0.375, 0.5, 0.65, 0.8, 0.9];
const CELL_HEIGHT: f64 = 21.0;
const CELL_GAP: f64 = 2.0;
const WIDEST_CELL: f64 = 110.0;

/// The step of colour for a share, 0 to 7.
fn step(share: f64) -> usize {
    STEPS.iter().take_while(|&&end| share >= end).count()
}

impl HeatMap {
    /// Draws it `width` pixels wide or less; the height follows.
    pub fn draw(&self, width: f64) -> Picture {
        let mut canvas = Canvas::default();
        let label_width = self.rows.iter().map(|row| text_width(&row.label, TEXT_SIZE)).fold(0.0, f64::max) + 10.0;
        let columns = self.columns.len().max(1) as f64;
        let cell = ((width - label_width) / columns - CELL_GAP).clamp(24.0, WIDEST_CELL);
        let right = label_width + columns * (cell + CELL_GAP) - CELL_GAP;
        let top = self.draw_titles(&mut canvas, label_width, cell, right) + 6.0;
        for (i, row) in self.rows.iter().enumerate() {
            let y = top + i as f64 * (CELL_HEIGHT + CELL_GAP);
            canvas.text("", Anchor::Start, (0.0, y + CELL_HEIGHT - 6.5), &row.label);
            for (j, content) in row.cells.iter().take(self.columns.len()).enumerate() {
                let x = label_width + j as f64 * (cell + CELL_GAP);
                draw_cell(&mut canvas, Area { x, y, width: cell, height: CELL_HEIGHT }, content.as_ref());
            }
        }
        let bottom = top + self.rows.len() as f64 * (CELL_HEIGHT + CELL_GAP);
        Picture::new(&self.heading, right.ceil(), bottom, canvas)
    }

    /// Titles over their cells, in one line or two, or upright if they would still touch; returns the height.
    fn draw_titles(&self, canvas: &mut Canvas, left: f64, cell: f64, right: f64) -> f64 {
        let class = |j: usize| if self.subject == Some(j) { "strong" } else { "" };
        let widths: Vec<f64> = self.columns.iter().map(|title| text_width(title, TEXT_SIZE)).collect();
        let centre = |j: usize| left + j as f64 * (cell + CELL_GAP) + cell / 2.0;
        // The last ones move to the left as far as they would leave the picture.
        let middle = |j: usize| centre(j).min(right - widths[j] / 2.0);
        let fits = |lines: usize| {
            (lines..widths.len())
                .all(|j| middle(j) - widths[j] / 2.0 >= middle(j - lines) + widths[j - lines] / 2.0 + 6.0)
        };
        match [1, 2].into_iter().find(|&lines| fits(lines)) {
            Some(lines) => {
                for (j, title) in self.columns.iter().enumerate() {
                    let baseline = (1 + j % lines) as f64 * LINE_HEIGHT - 3.0;
                    canvas.text(class(j), Anchor::Middle, (middle(j), baseline), title);
                }
                lines as f64 * LINE_HEIGHT
            }
            None => {
                let height = widths.iter().copied().fold(0.0, f64::max);
                for (j, title) in self.columns.iter().enumerate() {
                    canvas.rising_text(class(j), (centre(j) + 4.0, height), 90.0, title);
                }
                height
            }
        }
    }
}

fn draw_cell(canvas: &mut Canvas, area: Area, content: Option<&HeatCell>) {
    let Some(HeatCell { share, title }) = content.filter(|cell| cell.share.is_finite()) else {
        return canvas.rect("none", area, 3.0, "");
    };
    let step = step(*share);
    canvas.rect(&format!("h{step}"), area, 3.0, title);
    let middle = (area.x + area.width / 2.0, area.bottom() - 6.5);
    canvas.text(&format!("t{step}"), Anchor::Middle, middle, &format!("{:.0}%", 100.0 * share));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_covers_all_shares_in_order() {
        assert_eq!([0.0, 0.125, 0.49, 0.5, 0.75, 0.92, 1.3].map(step), [0, 1, 3, 4, 5, 7, 7]);
    }
}
