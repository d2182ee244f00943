//! Microkernels: one file per family.

pub(super) mod f32;
