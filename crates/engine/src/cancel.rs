//! Ending a forward pass before it is done.

use std::fmt;
use std::sync::Arc;

/// Says whether a forward pass should end: a flag that another thread sets, a time that is over.
///
/// It is asked before each layer, so that a pass ends within the time of one. Clones ask the same.
#[derive(Clone)]
pub struct Cancellation(Arc<dyn Fn() -> bool + Send + Sync>);

impl Cancellation {
    /// Cancels from when on `is_wanted` is true. It is called once for each layer, so it should be fast.
    pub fn when(is_wanted: impl Fn() -> bool + Send + Sync + 'static) -> Cancellation {
        Cancellation(Arc::new(is_wanted))
    }

    /// Whether it is wanted now.
    pub(crate) fn is_wanted(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancellation")
    }
}
