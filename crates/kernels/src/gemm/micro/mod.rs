//! Microkernels: one file per family.

pub(super) mod dot;
pub(super) mod outer;
pub(super) mod pack;
pub(super) mod sweep;
