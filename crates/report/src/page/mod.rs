//! HTML pages that need nothing else.

pub(crate) mod markup;

use cke_chart::{STYLE, escape};

/// Rules of the page; those of the pictures are [`STYLE`].
const PAGE_STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn document(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{PAGE_STYLE}{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{content}</main>\n</body>\n</html>\n",
        escape(title),
    )
}

/// What the page begins with: its kind, its subject, and when and how it came about.
pub(crate) fn header(kind: &str, subject: &str, note: &str) -> String {
    let [kind, subject, note] = [kind, subject, note].map(escape);
    format!("<header>\n<p class=\"kicker\">{kind}</p>\n<h1>{subject}</h1>\n<p class=\"note\">{note}</p>\n</header>\n")
}

/// A section with its heading; nothing where there is nothing in it.
pub(crate) fn section(id: &str, title: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{content}</section>\n", escape(title))
}

/// Tiles side by side.
pub(crate) fn tiles(tiles: &[String]) -> String {
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

/// A figure that a hurried reader takes away.
pub(crate) fn tile(value: &str, unit: &str, what: &str, note: &str) -> String {
    let [value, unit, what, note] = [value, unit, what, note].map(escape);
    format!(
        "<div class=\"tile\"><p class=\"value\">{value}<span> {unit}</span></p><p>{what}</p><p class=\"note\">{note}</p></div>\n"
    )
}
