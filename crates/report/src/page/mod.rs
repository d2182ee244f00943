//! HTML pages that need nothing else.

pub(crate) mod markup;

use cke_chart::STYLE;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Rules of the page; those of the pictures are [`STYLE`].
const PAGE_STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn document(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(PAGE_STYLE)) (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    };
    page.into_string() + "\n"
}

/// What the page begins with: its kind, its subject, and when and how it came about.
pub(crate) fn header(kind: &str, subject: &str, note: &str) -> Markup {
    html! { header { p.kicker { (kind) } h1 { (subject) } p.note { (note) } } }
}

/// A section with its heading; nothing if there is nothing in it.
pub(crate) fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        @if !content.0.is_empty() {
            section id=(id) { h2 { (title) } (content) }
        }
    }
}

/// Tiles side by side.
pub(crate) fn tiles(tiles: &[Markup]) -> Markup {
    html! { div.tiles { @for tile in tiles { (tile) } } }
}

/// A figure that a hurried reader takes away.
pub(crate) fn tile(value: &str, unit: &str, what: &str, note: &str) -> Markup {
    html! { div.tile { p.value { (value) span { " " (unit) } } p { (what) } p.note { (note) } } }
}
