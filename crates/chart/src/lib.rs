//! Pictures of measurements as SVG: grouped bars, lines, rooflines, heat maps, timelines.
//!
//! | module | subject |
//! |---|---|
//! | [`bars`] | groups of horizontal bars, each group with its limit |
//! | [`lines`] | lines with markers over linear or logarithmic axes |
//! | [`roofline`] | rates over arithmetic intensity, under the machine's ceilings |
//! | [`heat`] | shares as coloured cells with their numbers |
//! | [`timeline`] | what each actor did when, one lane for each |
//!
//! A chart is data; [`draw`](lines::LineChart::draw) makes a [`Picture`] of a given width in CSS pixels, which is either put
//! into a page that holds [`STYLE`] once, or written as a file of its own. Text keeps its size: a narrow screen gets a
//! narrow drawing, not a shrunken one.
//!
//! Colours are told apart by colour-blind readers (after M. Okabe and K. Ito, "Color Universal Design", 2008) and come with a
//! marker shape of their own; they follow the reader's preference for light or dark, and are light in print.
//!
//! ```
//! use cke_chart::lines::{LineChart, Series};
//! use cke_chart::{Axis, Heading, Ink};
//!
//! let chart = LineChart {
//!     heading: Heading::new("Speed by size", "GFLOP/s, one thread"),
//!     x: Axis::log("size"),
//!     y: Axis::linear("GFLOP/s"),
//!     series: vec![Series::new("cke", Ink::OURS).point(16.0, 110.0, "16³").point(64.0, 220.0, "64³")],
//!     marks: Vec::new(),
//! };
//! let svg = chart.draw(640.0).standalone();
//! assert!(svg.starts_with("<svg ") && svg.contains("Speed by size"));
//! ```

#![deny(unsafe_code)]

mod axis;
pub mod bars;
mod canvas;
pub mod heat;
mod legend;
pub mod lines;
mod picture;
pub mod roofline;
mod scale;
mod style;
mod text;
pub mod timeline;

pub use axis::Axis;
pub use canvas::Ink;
pub use picture::{Heading, Picture};
pub use scale::NumberFormat;
pub use style::STYLE;

#[cfg(test)]
mod tests;
