//! Reports: what follows from measurements, as tables, JSON, charts and HTML pages.
//!
//! | module | subject |
//! |---|---|
//! | [`audit`] | the report of `cke audit`: a machine and its matrix libraries |
//! | [`profile`] | the report of `cke profile`: where the time of a model goes |
//! | [`results`] | results in files: charts of them, and what changed between two |
//! | [`words`] | numbers in words |
//!
//! Nothing is measured and nothing printed here: a command hands over what it measured and gets texts.

#![deny(unsafe_code)]

pub mod audit;
mod page;
pub mod profile;
pub mod results;
pub mod words;
