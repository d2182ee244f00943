//! How wide a text is, and where it fits.

use crate::canvas::Area;

/// Height of a line of small text.
pub(crate) const LINE_HEIGHT: f64 = 15.0;
/// Size of small text; the style sheet says the same.
pub(crate) const TEXT_SIZE: f64 = 12.0;

/// Width of `text` in a sans-serif font of `size` pixels: an estimate on the wide side, by the widths of classes of characters
/// in DejaVu Sans, the widest of the usual ones.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |character: char| match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.33,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' | '³' | '·' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…' => 0.98,
        '×' | '+' | '=' => 0.84,
        upper if upper.is_uppercase() => 0.74,
        _ => 0.63,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// Breaks a text at spaces into lines that are no wider than `width`, single words excepted.
pub(crate) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Finds places for labels beside points, so that none lies on another.
#[derive(Debug)]
pub(crate) struct LabelPlacer {
    bounds: Area,
    taken: Vec<Area>,
}

impl LabelPlacer {
    pub(crate) fn new(bounds: Area) -> Self {
        Self { bounds, taken: Vec::new() }
    }

    /// Keeps labels off `area`.
    pub(crate) fn block(&mut self, area: Area) {
        self.taken.push(area);
    }

    /// The left end of the baseline of `text` beside a marker at `point`: right of it, left, above or below, whichever is free
    /// first; `None` if none is.
    pub(crate) fn place(&mut self, (x, y): (f64, f64), text: &str) -> Option<(f64, f64)> {
        const GAP: f64 = 8.0;
        let (width, height) = (text_width(text, TEXT_SIZE), LINE_HEIGHT);
        let corners = [
            (x + GAP, y - height / 2.0),
            (x - GAP - width, y - height / 2.0),
            (x - width / 2.0, y - GAP - height),
            (x - width / 2.0, y + GAP),
            (x + GAP, y - GAP - height),
            (x + GAP, y + GAP),
            (x - GAP - width, y + GAP),
            (x - GAP - width, y - GAP - height),
        ];
        let areas = corners.map(|(x, y)| Area { x, y, width, height });
        let is_free = |area: &Area| self.bounds.contains(area) && !self.taken.iter().any(|taken| taken.overlaps(area));
        let found = areas.into_iter().find(is_free)?;
        self.taken.push(found);
        Some((found.x, found.y + height - 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_width_grows_with_text_and_size() {
        assert!(text_width("mmm", 12.0) > text_width("iii", 12.0));
        assert!((text_width("ab", 24.0) - 2.0 * text_width("ab", 12.0)).abs() < 1e-9);
    }

    #[test]
    fn wrap_breaks_at_spaces_only() {
        let lines = wrap("one two three extraordinarily-long-word four", 12.0, 80.0);
        assert_eq!(lines, ["one two", "three", "extraordinarily-long-word", "four"]);
        assert!(wrap("", 12.0, 10.0).is_empty());
    }

    #[test]
    fn place_same_point_again_and_again_never_overlaps() {
        let mut placer = LabelPlacer::new(Area { x: 0.0, y: 0.0, width: 200.0, height: 100.0 });
        let found: Vec<_> = (0..20).filter_map(|_| placer.place((100.0, 50.0), "label")).collect();
        assert!((4..20).contains(&found.len()), "{found:?}");
        for (i, area) in placer.taken.iter().enumerate() {
            assert!(placer.bounds.contains(area));
            assert!(placer.taken[i + 1..].iter().all(|other| !other.overlaps(area)));
        }
    }

    #[test]
    fn place_outside_the_bounds_is_none() {
        let mut placer = LabelPlacer::new(Area { x: 0.0, y: 0.0, width: 30.0, height: 30.0 });
        assert_eq!(placer.place((15.0, 15.0), "a label that is too long"), None);
    }
}
