//! A finished drawing.

use crate::STYLE;
use crate::canvas::{Anchor, Area, Canvas, escape};
use crate::text::wrap;

/// Title and conditions of a picture. A separate file shows them above the chart; a page has its own headings. Screen readers get
/// them in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// The subject.
    pub title: String,
    /// What is drawn, in which unit, under which conditions.
    pub subtitle: String,
}

impl Heading {
    /// A heading of these two.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into() }
    }
}

/// A drawing of a fixed size in CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    heading: Heading,
    width: f64,
    height: f64,
    body: String,
}

/// Space around the drawing in a file of its own.
const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 22.0;
const SUBTITLE_HEIGHT: f64 = 17.0;
const SUBTITLE_SIZE: f64 = 12.0;

impl Picture {
    pub(crate) fn new(heading: &Heading, width: f64, height: f64, canvas: Canvas) -> Self {
        Self { heading: heading.clone(), width, height, body: canvas.into_body() }
    }

    /// Width and height, CSS pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// An element for a page that holds [`STYLE`] and says the heading itself.
    pub fn inline(&self) -> String {
        let area = Area { x: 0.0, y: 0.0, width: self.width, height: self.height };
        format!("{}\n{}</svg>\n", self.opening(area), self.body)
    }

    /// A file of its own, with heading, background and colours.
    pub fn standalone(&self) -> String {
        let lines = wrap(&self.heading.subtitle, SUBTITLE_SIZE, self.width);
        let head = TITLE_HEIGHT + SUBTITLE_HEIGHT * lines.len() as f64 + 10.0;
        let area = Area {
            x: -MARGIN,
            y: -head - MARGIN,
            width: self.width + 2.0 * MARGIN,
            height: self.height + head + 2.0 * MARGIN,
        };
        let mut above = Canvas::default();
        above.rect("paper", area, 8.0, "");
        above.text("heading", Anchor::Start, (0.0, TITLE_HEIGHT - 6.0 - head), &self.heading.title);
        for (i, line) in lines.iter().enumerate() {
            let baseline = TITLE_HEIGHT - head + SUBTITLE_HEIGHT * (i + 1) as f64 - 4.0;
            above.text("subheading", Anchor::Start, (0.0, baseline), line);
        }
        format!("{}\n<style>{STYLE}</style>\n{}{}</svg>\n", self.opening(area), above.into_body(), self.body)
    }

    fn opening(&self, Area { x, y, width, height }: Area) -> String {
        let Heading { title, subtitle } = &self.heading;
        let label = if subtitle.is_empty() { title.clone() } else { format!("{title}: {subtitle}") };
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{}" width="{width:.0}" height="{height:.0}" viewBox="{x:.0} {y:.0} {width:.0} {height:.0}">"#,
            escape(&label),
        )
    }
}
