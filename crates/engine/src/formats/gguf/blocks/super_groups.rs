//! Super-blocks of 256 weights in groups, each with an integer scale.

use super::fields::{IQ4_LEVELS, half, nibble, scale_and_minimum};

/// scales and minimums: 16 × (4 + 4 bits) | levels: 256 × 2 bits | d, m: f16; groups of 16, w = d·scale·level − m·minimum
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (d, m) = (half(block, 80), half(block, 82));
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(block[group] & 15);
        let minimum = m * f32::from(block[group] >> 4);
        for (i, w) in out.iter_mut().enumerate() {
            *w = scale * f32::from(two_bits(&block[16..80], 16 * group + i)) - minimum;
        }
    }
}

/// third bits, inverted: 256 × 1 bit | levels: 256 × 2 bits | scales: 16 × 6 bits | d: f16; groups of 16, w = d·(scale − 32)·(level − 4)
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let (d, scales) = (half(block, 108), &block[96..108]);
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = nibble(&scales[..8], group) | (scales[8 + group % 4] >> (2 * (group / 4)) & 3) << 4;
        let scale = d * (f32::from(scale) - 32.0);
        for (i, w) in out.iter_mut().enumerate() {
            let weight = 16 * group + i;
            let level = two_bits(&block[32..96], weight) | plane_bit(&block[..32], weight) << 2;
            *w = scale * (f32::from(level) - 4.0);
        }
    }
}

/// d, m: f16 | scales and minimums: 8 × (6 + 6 bits) | levels: 256 × 4 bits; groups of 32, w = d·scale·level − m·minimum
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, m) = (half(block, 0), half(block, 2));
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(&block[4..16], group);
        let (scale, minimum) = (d * scale, m * minimum);
        let levels = &block[16 + 32 * (group / 2)..][..32];
        for (i, w) in out.iter_mut().enumerate() {
            *w = scale * f32::from(nibble(levels, 32 * (group % 2) + i)) - minimum;
        }
    }
}

/// As [`q4_k`], with the levels' fifth bits (256 × 1 bit) before the levels.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, m) = (half(block, 0), half(block, 2));
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(&block[4..16], group);
        let (scale, minimum) = (d * scale, m * minimum);
        let levels = &block[48 + 32 * (group / 2)..][..32];
        for (i, w) in out.iter_mut().enumerate() {
            let fifth = plane_bit(&block[16..48], 32 * group + i);
            *w = scale * f32::from(nibble(levels, 32 * (group % 2) + i) | fifth << 4) - minimum;
        }
    }
}

/// levels: 256 × 4 bits | upper bits: 256 × 2 bits | scales: 16 × i8 | d: f16; groups of 16, w = d·scale·(level − 32)
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = half(block, 208);
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(block[192 + group] as i8);
        for (i, w) in out.iter_mut().enumerate() {
            let weight = 16 * group + i;
            let low = nibble(&block[64 * (weight / 128)..][..64], weight % 128);
            let level = low | two_bits(&block[128..192], weight) << 4;
            *w = scale * (f32::from(level) - 32.0);
        }
    }
}

/// d: f16 | upper bits of scales: 8 × 2 bits | scales: 8 × 4 bits | places among [`IQ4_LEVELS`]: 256 × 4 bits; groups of 32,
/// w = d·(scale − 32)·level
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
        let high = block[2 + group / 4] >> (2 * (group % 4)) & 3;
        let scale = d * (f32::from(low | high << 4) - 32.0);
        let places = &block[8 + 16 * group..][..16];
        for (i, w) in out.iter_mut().enumerate() {
            *w = scale * f32::from(IQ4_LEVELS[usize::from(nibble(places, i))]);
        }
    }
}

/// Two bits of weight `i` of 256: each half of the bytes has 128 weights, in four layers of 32, the lowest bits first.
fn two_bits(bytes: &[u8], i: usize) -> u8 {
    bytes[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4)) & 3
}

/// One bit of weight `i` of 256: the 32 bytes have eight layers of 32, the lowest bits first.
fn plane_bit(bytes: &[u8], i: usize) -> u8 {
    bytes[i % 32] >> (i / 32) & 1
}
