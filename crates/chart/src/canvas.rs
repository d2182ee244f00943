//! SVG elements.

use std::fmt::Write as _;

/// The colour and marker shape of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink(usize);

/// How many inks there are; the style sheet has a class for each.
pub(crate) const INKS: usize = 8;

impl Ink {
    /// For what the picture is about.
    pub const OURS: Ink = Ink(0);
    /// For a ceiling or another reference.
    pub const REFERENCE: Ink = Ink(INKS - 1);

    /// For the `index`th of the others. From the seventh on they repeat.
    pub fn other(index: usize) -> Ink {
        Ink(1 + index % (INKS - 2))
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }

    /// The class of a text on a shape that has this colour.
    pub(crate) fn class_inside(self) -> String {
        format!("inside on{}", self.0)
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A rectangle, from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether the two have a point in common.
    pub(crate) fn overlaps(&self, other: &Area) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    pub(crate) fn contains(&self, other: &Area) -> bool {
        self.x <= other.x && other.right() <= self.right() && self.y <= other.y && other.bottom() <= self.bottom()
    }
}

/// Elements in the order in which they are painted.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    body: String,
}

impl Canvas {
    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (short(x1), short(y1), short(x2), short(y2));
        self.add(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// A rectangle with rounded corners, and a tooltip if `title` is not empty.
    pub(crate) fn rect(&mut self, class: &str, area: Area, radius: f64, title: &str) {
        let (x, y, width, height) = (short(area.x), short(area.y), short(area.width), short(area.height));
        let (radius, title) = (short(radius), tooltip(title));
        self.add(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}">{title}</rect>"#
        ));
    }

    /// Straight lines from point to point.
    pub(crate) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", short(x), short(y))).collect();
        self.add(format_args!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    pub(crate) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        let (x, y, anchor, text) = (short(x), short(y), anchor.name(), escape(text));
        self.add(format_args!(r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// A text that starts at a point and rises by `degrees` to the right.
    pub(crate) fn rising_text(&mut self, class: &str, (x, y): (f64, f64), degrees: f64, text: &str) {
        let (x, y, angle, text) = (short(x), short(y), short(-degrees), escape(text));
        self.add(format_args!(r#"<text class="{class}" transform="translate({x} {y}) rotate({angle})">{text}</text>"#));
    }

    /// The marker of a series, about 2 · `radius` wide, with a tooltip if `title` is not empty.
    pub(crate) fn marker(&mut self, ink: Ink, (x, y): (f64, f64), radius: f64, title: &str) {
        let (class, title) = (format!("marker i{}", ink.index()), tooltip(title));
        let corners = match ink.index() {
            0 => {
                let (x, y, radius) = (short(x), short(y), short(radius));
                return self
                    .add(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}">{title}</circle>"#));
            }
            index => marker_corners(index),
        };
        let points = corners.iter().map(|(dx, dy)| format!("{},{}", short(x + dx * radius), short(y + dy * radius)));
        let points = points.collect::<Vec<_>>().join(" ");
        self.add(format_args!(r#"<polygon class="{class}" points="{points}">{title}</polygon>"#));
    }

    pub(crate) fn into_body(self) -> String {
        self.body
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// Corners of a marker of radius 1.
fn marker_corners(index: usize) -> &'static [(f64, f64)] {
    match index % INKS {
        1 => &[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
        2 => &[(0.0, -1.1), (1.0, 0.8), (-1.0, 0.8)],
        3 => &[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)],
        4 => &[(0.0, 1.1), (1.0, -0.8), (-1.0, -0.8)],
        5 => &[
            (-0.35, -1.0),
            (0.35, -1.0),
            (0.35, -0.35),
            (1.0, -0.35),
            (1.0, 0.35),
            (0.35, 0.35),
            (0.35, 1.0),
            (-0.35, 1.0),
            (-0.35, 0.35),
            (-1.0, 0.35),
            (-1.0, -0.35),
            (-0.35, -0.35),
        ],
        6 => &[(0.0, -1.1), (1.05, -0.34), (0.65, 0.89), (-0.65, 0.89), (-1.05, -0.34)],
        _ => &[(-1.0, -0.4), (1.0, -0.4), (1.0, 0.4), (-1.0, 0.4)],
    }
}

fn tooltip(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

/// A coordinate with a tenth of a pixel.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A text as the content or the quoted attribute of an element of SVG or HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML allows no other control characters.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_markup_becomes_text() {
        assert_eq!(escape("a<b & \"c\" 'd'\n>"), "a&lt;b &amp; &quot;c&quot; &#39;d&#39; &gt;");
        assert_eq!(escape("2048³ · ½"), "2048³ · ½");
    }

    #[test]
    fn short_numbers_have_no_needless_digits() {
        assert_eq!([1.0, 1.25, -0.04, 1e3].map(short), ["1", "1.2", "0", "1000"]);
    }

    #[test]
    fn ink_other_never_is_ours_or_the_reference() {
        assert!((0..40).map(Ink::other).all(|ink| ink != Ink::OURS && ink != Ink::REFERENCE));
        assert_ne!(Ink::other(0), Ink::other(1));
    }

    #[test]
    fn marker_shapes_differ() {
        let shapes: Vec<_> = (1..INKS).map(marker_corners).collect();
        for (i, shape) in shapes.iter().enumerate() {
            assert!(shapes[i + 1..].iter().all(|other| other != shape), "shape {i} occurs twice");
        }
    }

    #[test]
    fn areas_that_only_touch_do_not_overlap() {
        let area = |x, y| Area { x, y, width: 10.0, height: 10.0 };
        assert!(!area(0.0, 0.0).overlaps(&area(10.0, 0.0)));
        assert!(area(0.0, 0.0).overlaps(&area(9.0, 9.0)));
        assert!(Area { width: 30.0, height: 30.0, ..area(0.0, 0.0) }.contains(&area(20.0, 20.0)));
    }
}
