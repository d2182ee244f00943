//! Pieces of HTML.

use cke_chart::{Picture, escape};

/// `<name>text</name>`.
pub(crate) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>\n", escape(text))
}

/// Widths of the two drawings of a picture, CSS pixels. The page shows the one that fits the screen.
pub(crate) const WIDE: f64 = 800.0;
const NARROW: f64 = 340.0;

/// A picture with its heading, and below what to see in it.
pub(crate) fn figure(title: &str, subtitle: &str, caption: &str, draw: impl Fn(f64) -> Picture) -> String {
    let caption =
        if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>\n", escape(caption)) };
    format!(
        "<figure>\n<h3>{}</h3>\n<p class=\"note\">{}</p>\n<div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>\n{caption}</figure>\n",
        escape(title),
        escape(subtitle),
        draw(WIDE).inline(),
        draw(NARROW).inline(),
    )
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
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

/// A table with its title; nothing without rows. Columns whose cells are numbers have their heads at the right.
pub(crate) fn table(title: &str, heads: &[&str], rows: &[Vec<Cell>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let class = |cell: &Cell| if cell.class.is_empty() { String::new() } else { format!(" class=\"{}\"", cell.class) };
    let is_number = |cell: &Cell| !matches!(cell.class, "" | "prose");
    let align = |i: usize| if first.get(i).is_some_and(is_number) { " class=\"number\"" } else { "" };
    let heads = heads.iter().enumerate().map(|(i, head)| format!("<th{}>{}</th>", align(i), escape(head)));
    let row = |cells: &Vec<Cell>| {
        let cells = cells.iter().map(|cell| format!("<td{}>{}</td>", class(cell), escape(&cell.text)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    format!(
        "<h3>{}</h3>\n<div class=\"scroll\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n",
        escape(title),
        heads.collect::<String>(),
        rows.iter().map(row).collect::<String>()
    )
}
