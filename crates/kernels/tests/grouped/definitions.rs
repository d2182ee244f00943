//! What a block of each format stands for, by its definition in ggml, or by that of GPTQ and AWQ.

use cke_kernels::gemm::grouped::{
    GroupFormat, Int4_128, Iq4Nl, Iq4Xs, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0,
};
use cke_testkit::Data;
use half::f16;

/// Weights with one scale: scale · level, + minimum if the format has one.
pub(crate) struct Group {
    pub(crate) scale: f32,
    pub(crate) minimum: Option<f32>,
    pub(crate) levels: Vec<i64>,
}

impl Group {
    /// The weights, computed in f64, where nothing is rounded, and then as f32.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f32> {
        self.levels.iter().map(|&level| {
            let product = f64::from(self.scale) * level as f64;
            self.minimum.map_or(product, |minimum| product + f64::from(minimum)) as f32
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

    /// Makes any bytes a block that files may have.
    fn make_legal(_block: &mut [u8]) {}

    /// Blocks of any bytes, whose numbers of 16 bits are finite.
    fn random_blocks(count: usize, data: &mut Data) -> Vec<u8> {
        let mut blocks: Vec<u8> = (0..count * Self::BLOCK_BYTES).map(|_| data.bits() as u8).collect();
        for block in blocks.chunks_mut(Self::BLOCK_BYTES) {
            for &at in Self::HALVES {
                let x = if data.below(20) == 0 { 0.0 } else { data.uniform(1)[0] * 0.05 };
                block[at..at + 2].copy_from_slice(&f16::from_f32(x).to_le_bytes());
            }
            Self::make_legal(block);
        }
        blocks
    }

    /// Blocks of one byte, with numbers of 16 bits that are as large and as small as there are.
    fn extreme_blocks() -> Vec<u8> {
        let mut blocks = Vec::new();
        for byte in [0, 0x0F, 0x55, 0x7F, 0x80, 0xAA, 0xF0, 0xFF] {
            for x in [f16::MAX, f16::MIN, f16::MIN_POSITIVE, f16::MIN_POSITIVE_SUBNORMAL, f16::NEG_ZERO, f16::ONE] {
                let mut block = vec![byte; Self::BLOCK_BYTES];
                Self::HALVES.iter().for_each(|&at| block[at..at + 2].copy_from_slice(&x.to_le_bytes()));
                Self::make_legal(&mut block);
                blocks.extend(block);
            }
        }
        blocks
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
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
        vec![Group { scale: half_at(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q4_0 {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| nibble(&block[2..], p) - 8).collect();
        vec![Group { scale: half_at(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q4_1 {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| nibble(&block[4..], p)).collect();
        vec![Group { scale: half_at(block, 0), minimum: Some(half_at(block, 2)), levels }]
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
        vec![Group { scale: half_at(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q5_1 {
    const BITS: i32 = 5;
    const HALVES: &'static [usize] = &[0, 2];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| five_bits(&block[4..], p)).collect();
        vec![Group { scale: half_at(block, 0), minimum: Some(half_at(block, 2)), levels }]
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
            scale: half_at(block, 208) * f32::from(scale as i8),
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
        scale: half_at(block, 0) * scale,
        minimum: Some(-(half_at(block, 2) * minimum)),
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

const IQ4_LEVELS: [i64; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl Definition for Iq4Nl {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let levels = (0..32).map(|p| IQ4_LEVELS[nibble(&block[2..], p) as usize]).collect();
        vec![Group { scale: half_at(block, 0), minimum: None, levels }]
    }
}

impl Definition for Q2_K {
    const BITS: i32 = 2;
    const HALVES: &'static [usize] = &[80, 82];

    /// In the order of the definition's loops: each shift of 32 bytes makes two groups.
    fn groups(block: &[u8]) -> Vec<Group> {
        let mut groups = Vec::new();
        for bytes in block[16..80].chunks(32) {
            for shift in [0, 2, 4, 6] {
                for half in bytes.chunks(16) {
                    let both = block[groups.len()];
                    groups.push(Group {
                        scale: half_at(block, 80) * f32::from(both & 0xF),
                        minimum: Some(-(half_at(block, 82) * f32::from(both >> 4))),
                        levels: half.iter().map(|byte| i64::from(byte >> shift & 3)).collect(),
                    });
                }
            }
        }
        groups
    }
}

impl Definition for Q3_K {
    const BITS: i32 = 3;
    const GROWTH: usize = 4;
    const HALVES: &'static [usize] = &[108];

    /// In the order of the definition's loops, the scales by its masks on words.
    fn groups(block: &[u8]) -> Vec<Group> {
        let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
        let (first, second, upper) = (word(96), word(100), word(104));
        let (twos, fours) = (0x0303_0303, 0x0F0F_0F0F);
        let scales = [
            first & fours | (upper & twos) << 4,
            second & fours | (upper >> 2 & twos) << 4,
            first >> 4 & fours | (upper >> 4 & twos) << 4,
            second >> 4 & fours | (upper >> 6 & twos) << 4,
        ];
        let scales: Vec<u8> = scales.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (mut groups, mut mask) = (Vec::new(), 1u8);
        for bytes in block[32..96].chunks(32) {
            for shift in [0, 2, 4, 6] {
                for half in [0, 16] {
                    let level = |l: usize| {
                        let below = if block[l] & mask == 0 { 4 } else { 0 };
                        i64::from(bytes[l] >> shift & 3) - below
                    };
                    groups.push(Group {
                        scale: half_at(block, 108) * (f32::from(scales[groups.len()]) - 32.0),
                        minimum: None,
                        levels: (half..half + 16).map(level).collect(),
                    });
                }
                mask = mask.rotate_left(1);
            }
        }
        groups
    }
}

impl Definition for Iq4Xs {
    const BITS: i32 = 4;
    const GROWTH: usize = 2;
    const HALVES: &'static [usize] = &[0];

    fn groups(block: &[u8]) -> Vec<Group> {
        let upper = u16::from_le_bytes([block[2], block[3]]);
        let group = |(ib, bytes): (usize, &[u8])| {
            let scale = u16::from(block[4 + ib / 2] >> (4 * (ib % 2)) & 0xF) | (upper >> (2 * ib) & 3) << 4;
            Group {
                scale: half_at(block, 0) * (f32::from(scale) - 32.0),
                minimum: None,
                levels: (0..32).map(|p| IQ4_LEVELS[nibble(bytes, p) as usize]).collect(),
            }
        };
        block[8..].chunks(16).enumerate().map(group).collect()
    }
}

impl Definition for Int4_128 {
    const BITS: i32 = 4;
    const HALVES: &'static [usize] = &[0];

    /// Zero points are 0 to 16.
    fn make_legal(block: &mut [u8]) {
        block[2] %= 17;
    }

    fn groups(block: &[u8]) -> Vec<Group> {
        let (scale, zero) = (half_at(block, 0), f32::from(block[2]));
        let group = |(shift, bytes): (u32, &[u8])| Group {
            scale,
            minimum: Some(-(scale * zero)),
            levels: bytes.iter().map(|byte| i64::from(byte >> shift & 0xF)).collect(),
        };
        let pairs = block[3..].chunks(32);
        pairs.flat_map(|bytes| [group((0, bytes)), group((4, bytes))]).collect()
    }
}
