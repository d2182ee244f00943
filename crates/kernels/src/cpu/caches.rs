//! Cache sizes.

/// Data cache sizes of one core, in bytes; small guesses if the CPU does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// Level 1, data.
    pub l1d: usize,
    /// Level 2.
    pub l2: usize,
    /// Level 3, shared by several cores; 0 if there is none.
    pub l3: usize,
}

impl Caches {
    pub(super) const GUESS: Caches = Caches { l1d: 32 << 10, l2: 256 << 10, l3: 0 };
}
