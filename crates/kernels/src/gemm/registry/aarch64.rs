//! The kernels of 64-bit ARM, for the lists of the file above. 32 registers hold 24 sums beside their operands.

use super::{
    CopyBlock, Dot, DotElement, Entry, Form, Isa, KBlocks, Microkernel, Outer, PanelFormat, RowFormat, RowSteps,
    Scheme, Sweep, Tile, TileKernel, bf16, f16, halves, scheme,
};
use crate::simd::Neon;

#[rustfmt::skip]
pub(super) static F32_NEON: &[Microkernel<scheme::F32>] = &[
    record!("neon_f32_8x12", F32, f32, Neon, Outer, 4, [1 2 3 4 5 6 7 8], [1 2 3]),
    record!("neon_f32_12x8", F32, f32, Neon, Outer, 4, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    record!("neon_f32_6x16", F32, f32, Neon, Outer, 4, [1 2 3 4 5 6], [1 2 3 4]),
    record!("neon_f32_4x24", F32, f32, Neon, Outer, 4, [1 2 3 4], [1 2 3 4 5 6]),
    record!("neon_f32_2x32", F32, f32, Neon, Outer, 4, [1 2], [1 2 3 4 5 6 7 8]),
    record!("neon_f32_1x64", F32, f32, Neon, Outer, 4, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    record!("neon_f32_dot_6x4", F32, f32, Neon, Dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    record!("neon_f32_dot_4x6", F32, f32, Neon, Dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    record!("neon_f32_dot_8x1", F32, f32, Neon, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("neon_f32_dot_1x8", F32, f32, Neon, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[rustfmt::skip]
pub(super) static F64_NEON: &[Microkernel<scheme::F64>] = &[
    record!("neon_f64_8x6", F64, f64, Neon, Outer, 2, [1 2 3 4 5 6 7 8], [1 2 3]),
    record!("neon_f64_12x4", F64, f64, Neon, Outer, 2, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    record!("neon_f64_6x8", F64, f64, Neon, Outer, 2, [1 2 3 4 5 6], [1 2 3 4]),
    record!("neon_f64_4x12", F64, f64, Neon, Outer, 2, [1 2 3 4], [1 2 3 4 5 6]),
    record!("neon_f64_2x16", F64, f64, Neon, Outer, 2, [1 2], [1 2 3 4 5 6 7 8]),
    record!("neon_f64_1x32", F64, f64, Neon, Outer, 2, [1], [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]),
    record!("neon_f64_dot_6x4", F64, f64, Neon, Dot, 1, [1 2 3 4 5 6], [1 2 3 4]),
    record!("neon_f64_dot_4x6", F64, f64, Neon, Dot, 1, [1 2 3 4], [1 2 3 4 5 6]),
    record!("neon_f64_dot_8x1", F64, f64, Neon, Dot, 1, [1 2 3 4 5 6 7 8], [1]),
    record!("neon_f64_dot_1x8", F64, f64, Neon, Dot, 1, [1], [1 2 3 4 5 6 7 8]),
];

#[rustfmt::skip]
pub(super) static BF16_NEON: &[Microkernel<scheme::Bf16>] = &[
    widen!("neon_bf16_widen_6x16", bf16::neon, Neon, Isa::Neon.needs(), 4, [1 2 3 4 5 6], [1 2 3 4]),
];

#[rustfmt::skip]
pub(super) static F16_NEON: &[Microkernel<scheme::F16>] = &[
    widen!("neon_f16_widen_6x16", f16::neon, Neon, Isa::Neon.needs(), 4, [1 2 3 4 5 6], [1 2 3 4]),
];
