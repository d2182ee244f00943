//! Fields that several block formats share.

use half::f16;

/// The levels that IQ4_NL and IQ4_XS choose from.
pub(super) const IQ4_LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The 16-bit float at a byte of a block.
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The four bits of weight `i` of 2·`bytes.len()`: low halves of all bytes first, then high halves.
pub(super) fn nibble(bytes: &[u8], i: usize) -> u8 {
    let byte = bytes[i % bytes.len()];
    if i < bytes.len() { byte & 15 } else { byte >> 4 }
}

/// Scale and minimum of group `j` of 8, six bits each, in the 12 bytes of Q4_K and Q5_K: those of the first four groups lie in bytes of
/// their own; the others have four bits in bytes 8 to 11 and two in the upper bits of the first eight.
pub(super) fn scale_and_minimum(bytes: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (bytes[j] & 63, bytes[j + 4] & 63)
    } else {
        let low = bytes[j + 4];
        (low & 15 | bytes[j - 4] >> 6 << 4, low >> 4 | bytes[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}
