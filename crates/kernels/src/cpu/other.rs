//! A CPU of which nothing is known but its baseline.

use super::core_family::Identity;
use super::{Caches, Features};

pub(super) fn features() -> Features {
    Features::NONE
}

pub(super) fn identity() -> Identity {
    Identity { vendor: [0; 12], family: 0, model: 0 }
}

pub(super) fn caches(_: Identity) -> Caches {
    Caches::GUESS
}

pub(super) fn brand() -> [u8; 48] {
    [0; 48]
}
