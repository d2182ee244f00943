//! The room that the house has: a scheme and an instruction set that the library knows nothing of, each in one file with one record,
//! run through its plans and loops and compared with plain loops.

#![allow(unsafe_code, reason = "kernels work on raw pointers")]

mod int8_scheme;
mod two_lane_isa;
