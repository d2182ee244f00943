//! Runs the real `cke` on tiny models: exit statuses, what goes where, and bad input.

mod embed;
mod eval;
mod flags;
mod generate;
mod models;
mod process;
mod support;
