//! Pieces of HTML.

use cke_chart::{Heading, Picture};
use cke_perf::counters::Ratios;
use maud::{Markup, PreEscaped, html};

/// Widths of the two drawings of a picture, CSS pixels. The page shows the one that fits the screen.
pub(crate) const WIDE: f64 = 800.0;
const NARROW: f64 = 340.0;

/// A picture with its heading, and below what to see in it.
pub(crate) fn figure(title: &str, subtitle: &str, caption: &str, draw: impl Fn(&Heading, f64) -> Picture) -> Markup {
    let heading = Heading::new(title, subtitle);
    let drawn = |width: f64| PreEscaped(draw(&heading, width).inline());
    html! {
        figure {
            h3 { (title) }
            p.note { (subtitle) }
            div.wide { (drawn(WIDE)) }
            div.narrow { (drawn(NARROW)) }
            @if !caption.is_empty() { figcaption { (caption) } }
        }
    }
}

/// What a reader must know first, in a list of its kind: a mark, a headline and what follows from it.
pub(crate) fn findings<'a>(findings: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Markup {
    html! {
        ul.findings {
            @for (mark, headline, detail) in findings {
                li class=(mark) {
                    span.tag { (mark) }
                    div { h3 { (headline) } p { (detail) } }
                }
            }
        }
    }
}

/// A paragraph for each text.
pub(crate) fn paragraphs(texts: &[String]) -> Markup {
    html! { @for text in texts { p { (text) } } }
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
    fn class(&self) -> Option<&'static str> {
        (!self.class.is_empty()).then_some(self.class)
    }

    fn is_number(&self) -> bool {
        !matches!(self.class, "" | "prose")
    }

    /// A word.
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), class: "" }
    }

    /// A number, which stands at the right.
    pub(crate) fn number(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), class: "number" }
    }

    /// Something of a class of the style sheet: a number that is `best` or a `cliff`, or `prose` that may be broken into lines.
    pub(crate) fn marked(text: impl Into<String>, class: &'static str) -> Cell {
        Cell { text: text.into(), class }
    }
}

/// What hardware counters said of `what`: a row for each name.
pub(crate) fn counter_table(what: &str, head: &str, rows: &[(&str, &Ratios)]) -> Markup {
    let (titles, cells) = Ratios::columns(&rows.iter().map(|(_, ratios)| *ratios).collect::<Vec<_>>());
    let row = |((name, _), cells): (&(&str, &Ratios), Vec<String>)| {
        [Cell::text(*name)].into_iter().chain(cells.into_iter().map(Cell::number)).collect()
    };
    let rows: Vec<Vec<Cell>> = rows.iter().zip(cells).map(row).collect();
    table(&format!("Hardware counters: {what}; {}", Ratios::CAPTION), &[&[head][..], &titles].concat(), &rows)
}

/// A table with its title; nothing without rows. Columns whose cells are numbers have their heads at the right.
pub(crate) fn table(title: &str, heads: &[&str], rows: &[Vec<Cell>]) -> Markup {
    let Some(first) = rows.first() else { return Markup::default() };
    let class = |i: usize| first.get(i).filter(|cell| cell.is_number()).map(|_| "number");
    html! {
        h3 { (title) }
        div.scroll {
            table {
                thead { tr { @for (i, head) in heads.iter().enumerate() { th class=[class(i)] { (head) } } } }
                tbody {
                    @for row in rows {
                        tr { @for cell in row { td class=[cell.class()] { (cell.text) } } }
                    }
                }
            }
        }
    }
}
