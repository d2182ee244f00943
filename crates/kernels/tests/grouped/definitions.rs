//! What a block of each format stands for, by its definition in ggml.

use cke_kernels::gemm::grouped::{GroupFormat, Iq4Nl, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
use cke_testkit::Data;
use half::f16;

/// Weights with one scale: scale · level, + minimum if the format has one.
pub(crate) struct Group {
    pub(crate) scale: f32,
    pub(crate) minimum: Option<f32>,
    pub(crate) levels: Vec<i64>,
}

impl Group {
    /// The weights in f32, as a dequantisation without fused operations has them.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f32> {
        self.levels.iter().map(|&level| {
            let product = self.scale * level as f32;
            self.minimum.map_or(product, |minimum| product + minimum)
        })
    }
}

/// A format as its definition has it.
pub(crate) trait Definition: GroupFormat {
    /// Bits of a weight.
    const BITS: i32;

    /// Bytes that a block takes more in panels than in files.
    const GROWTH: usize = 0;

    /// Where a block has numbers of 16 bits.
    const HALVES: &'static [usize];

    /// The groups of a block.
    fn groups(block: &[u8]) -> Vec<Group>;

    /// Blocks of any bytes, whose numbers of 16 bits are finite.
    fn random_blocks(count: usize, data: &mut Data) -> Vec<u8> {
        let mut blocks: Vec<u8> = (0..count * Self::BLOCK_BYTES).map(|_| data.bits() as u8).collect();
        for block in blocks.chunks_mut(Self::BLOCK_BYTES) {
            for &at in Self::HALVES {
                let x = if data.below(20) == 0 { 0.0 } else { data.uniform(1)[0] * 0.05 };
                block[at..at + 2].copy_from_slice(&f16::from_f32(x).to_le_bytes());
            }
        }
        blocks
    }
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Level p of 32, from 16 bytes with two of them each: the first half of the levels below the second.
fn nibble(bytes: &[u8], p: usize) -> i64 {
    i64::from(if p < 16 { bytes[p] & 15 } else { bytes[p - 16] >> 4 })
}

impl Definition for Q8_0 {
    const BITS: i32 = 8;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = block[2..].iter().map(|&byte| i64::from(byte as i8)).collect();
        vec![Group { scale: half(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q4_0 {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| nibble(&block[2..], p) - 8).collect();
        vec![Group { scale: half(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q4_1 {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| nibble(&block[4..], p)).collect();
        vec![Group { scale: half(block, 0), minimum: Some(half(block, 2)), levels }]
    }
}

/// Level p of 32 with five bits: the highest in bit p of four bytes, the others in 16 bytes behind them.
fn five_bits(bytes: &[u8], p: usize) -> i64 {
    let high = i64::from(bytes[p / 8] >> (p % 8) & 1);
    nibble(&bytes[4..], p) + 16 * high
}

impl Definition for Q5_0 {
    const BITS: i32 = 5;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| five_bits(&block[2..], p) - 16).collect();
        vec![Group { scale: half(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q5_1 {
    const BITS: i32 = 5;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| five_bits(&block[4..], p)).collect();
        vec![Group { scale: half(block, 0), minimum: Some(half(block, 2)), levels }]
    }
}

impl Definition for Q6_K {
    const BITS: i32 = 6;
    const HALVES: &'static [usize] = &[208];

    /// The 256 weights in the order of the definition's loops: two halves, of which each step makes four weights 32 apart.
    fn groups(block: &[u8]) -> Vec<Group> {
        let (lower, upper, scales) = (&block[..128], &block[128..192], &block[192..208]);
        let mut levels = [0; 256];
        for n in 0..2 {
            let (low, high) = (&lower[64 * n..], &upper[32 * n..]);
            for l in 0..32 {
                let at = 128 * n + l;
                levels[at] = i64::from(low[l] & 15 | (high[l] & 3) << 4) - 32;
                levels[at + 32] = i64::from(low[l + 32] & 15 | (high[l] >> 2 & 3) << 4) - 32;
                levels[at + 64] = i64::from(low[l] >> 4 | (high[l] >> 4 & 3) << 4) - 32;
                levels[at + 96] = i64::from(low[l + 32] >> 4 | (high[l] >> 6 & 3) << 4) - 32;
            }
        }
        let group = |(levels, &scale): (&[i64], &u8)| Group {
            scale: half(block, 208) * f32::from(scale as i8),
            minimum: None,
            levels: levels.to_vec(),
        };
        levels.chunks(16).zip(scales).map(group).collect()
    }
}

/// Scale and minimum of group j, six bits each, from 12 bytes.
fn six_bits(bytes: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (bytes[j] % 64, bytes[j + 4] % 64)
    } else {
        (bytes[j + 4] % 16 + 16 * (bytes[j - 4] / 64), bytes[j + 4] / 16 + 16 * (bytes[j] / 64))
    };
    (f32::from(scale), f32::from(minimum))
}

/// Group j with four bits of each level in 128 bytes, in pairs of groups, and perhaps a fifth in bit j of 32 bytes.
fn super_group(block: &[u8], j: usize, high: Option<&[u8]>, low: &[u8]) -> Group {
    let (scale, minimum) = six_bits(&block[4..16], j);
    let level = |l: usize| {
        let byte = low[j / 2 * 32 + l];
        let four = i64::from(if j.is_multiple_of(2) { byte % 16 } else { byte / 16 });
        four + high.map_or(0, |high| 16 * i64::from(high[l] >> j & 1))
    };
    Group {
        scale: half(block, 0) * scale,
        minimum: Some(-(half(block, 2) * minimum)),
        levels: (0..32).map(level).collect(),
    }
}

impl Definition for Q4_K {
    const BITS: i32 = 4;
    const GROWTH: usize = 4;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        (0..8).map(|j| super_group(block, j, None, &block[16..])).collect()
    }
}

impl Definition for Q5_K {
    const BITS: i32 = 5;
    const GROWTH: usize = 4;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        (0..8).map(|j| super_group(block, j, Some(&block[16..48]), &block[48..])).collect()
    }
}

impl Definition for Iq4Nl {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
        let levels = (0..32).map(|p| table[nibble(&block[2..], p) as usize]).collect();
        vec![Group { scale: half(block, 0), minimum: None, levels }]
    }
}
