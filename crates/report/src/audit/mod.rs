//! What `cke audit` concludes from its measurements, and how it tells it.
//!
//! | module | subject |
//! |---|---|
//! | `suite`, `draw` | the products that are measured, drawn at random from a seed |
//! | `machine`, `counting`, `rows`, `units` | what was measured |
//! | `ceiling` | what the machine allows for a product |
//! | `cliffs`, `standing`, `findings` | what follows |
//! | `report` | all of it, as it is written as JSON |
//! | `page`, `summary` | the HTML page, the text in the terminal |

mod ceiling;
mod cliffs;
mod counting;
#[cfg(test)]
mod example;
mod findings;
mod machine;
mod page;
mod report;
mod rows;
mod standing;
mod suite;
mod summary;
mod units;

pub use counting::{CountedProduct, Counting};
pub use machine::{Machine, Scaling};
pub use page::html as page;
pub use report::{About, Contestant, Measured, OURS, Report, Skipped, UnusableLibrary};
pub use rows::Row;
pub use suite::{Case, Family, label, suite};
pub use summary::text as summary;
pub use units::{UNITS, UnitRow, unit_layers};
