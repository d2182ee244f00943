//! A CPU of which nothing is known but its baseline.

use super::{Caches, CoreFamily, Features};

pub(super) struct Identity;

pub(super) fn features() -> Features {
    Features::NONE
}

pub(super) fn identity() -> Identity {
    Identity
}

pub(super) fn family_of(_: &Identity, _: Features) -> CoreFamily {
    CoreFamily::Other
}

pub(super) fn caches(_: &Identity) -> Caches {
    Caches::GUESS
}

pub(super) fn brand(_: &Identity) -> [u8; 48] {
    [0; 48]
}
