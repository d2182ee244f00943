//! Blocks of 32 weights with one scale.

use super::fields::{IQ4_LEVELS, half, nibble};

/// d: f16 | levels: 32 × 4 bits; w = d·(level − 8)
pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half(block, 0);
    for (i, w) in out.iter_mut().enumerate() {
        *w = d * (f32::from(nibble(&block[2..], i)) - 8.0);
    }
}

/// d, m: f16 | levels: 32 × 4 bits; w = d·level + m
pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (half(block, 0), half(block, 2));
    for (i, w) in out.iter_mut().enumerate() {
        *w = d * f32::from(nibble(&block[4..], i)) + m;
    }
}

/// d: f16 | fifth bits: 32 × 1 bit | levels: 32 × 4 bits; w = d·(level − 16)
pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = half(block, 0);
    for (i, w) in out.iter_mut().enumerate() {
        *w = d * (five_bits(&block[2..6], &block[6..], i) - 16.0);
    }
}

/// d, m: f16 | fifth bits: 32 × 1 bit | levels: 32 × 4 bits; w = d·level + m
pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half(block, 0), half(block, 2));
    for (i, w) in out.iter_mut().enumerate() {
        *w = d * five_bits(&block[4..8], &block[8..], i) + m;
    }
}

/// d: f16 | levels: 32 × i8; w = level·d
pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = half(block, 0);
    for (w, level) in out.iter_mut().zip(&block[2..]) {
        *w = f32::from(*level as i8) * d;
    }
}

/// d: f16 | places among [`IQ4_LEVELS`]: 32 × 4 bits; w = d·level
pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half(block, 0);
    for (i, w) in out.iter_mut().enumerate() {
        *w = d * f32::from(IQ4_LEVELS[usize::from(nibble(&block[2..], i))]);
    }
}

/// Level `i` of 32: its fifth bit is bit `i` of `high`.
fn five_bits(high: &[u8], low: &[u8], i: usize) -> f32 {
    f32::from(nibble(low, i) | (high[i / 8] >> (i % 8) & 1) << 4)
}
