//! Step 4: a scale for every 128 numbers of a row and of a column, so that a large number costs its neighbours their precision alone.

use super::quantized::Rounding;

// ANCHOR: rounding
pub(crate) const GROUPS: Rounding = Rounding { group: Some(128), largest: 127.0, is_spread: false };
// ANCHOR_END: rounding
