//! Where the time of a model went: what `cke profile` adds up, and how it tells it.
//!
//! | module | subject |
//! |---|---|
//! | `subject`, `recording` | what was measured |
//! | `operations`, `sums` | each operation with its threads; several together |
//! | `meanings` | what operations are, in words |
//! | `report` | all of it, as it is written as JSON |
//! | `table`, `page`, `trace` | the tables in the terminal, the HTML page, the timeline for trace viewers |

#[cfg(test)]
mod example;
mod meanings;
mod operations;
mod page;
mod recording;
mod report;
mod subject;
mod sums;
mod table;
mod trace;

pub use operations::{Interval, Shape};
pub use page::html as page;
pub use recording::{Kind, PhaseKind, RecordedOperation, Recording};
pub use report::{About, Report};
pub use subject::Subject;
pub use table::text as tables;
pub use trace::json as trace;
