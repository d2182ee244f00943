//! What formats of super-groups with minimums share: scales and minimums of a few bits under a scale of theirs; and Q4_K and Q5_K: eight
//! groups of 32 weights whose scales and minimums are six bits each.

use super::store_scale_and_minimum;
use crate::gemm::grouped::format::{Columns, GroupFormat};
use crate::gemm::grouped::quantize::{coarse_scales, nearest};
use crate::simd::NarrowQuads;

/// Groups of a block.
const GROUPS: usize = 8;

/// Bytes of a column in memory before its levels: two halves, then scales and minimums.
pub(super) const HEAD: usize = 4 + 2 * GROUPS;

/// Where the scales and minimums lie in a block of a file.
const PACKED: std::ops::Range<usize> = 4..16;

/// Halves, scales and minimums of a file's block into a column; gives what follows them.
///
/// ```text
/// scale g in byte g, minimum g in byte g + 4, below two more bits;                           g < 4
/// scale g in the lower half of byte g + 4, and its two upper bits in those of byte g − 4;    4 ≤ g
/// minimum g in the upper half of byte g + 4, and its two upper bits in those of byte g
/// ```
pub(super) fn arrange_head<'b>(block: &'b [u8], column: &mut [u8]) -> &'b [u8] {
    column[..4].copy_from_slice(&block[..4]);
    let packed = &block[PACKED];
    for group in 0..GROUPS {
        let (scale, minimum) = if group < 4 {
            (packed[group] & 63, packed[group + 4] & 63)
        } else {
            let both = packed[group + 4];
            (both & 15 | packed[group - 4] >> 6 << 4, both >> 4 | packed[group] >> 6 << 4)
        };
        (column[4 + group], column[4 + GROUPS + group]) = (scale, minimum);
    }
    &block[PACKED.end..]
}

/// The scales of a group.
///
/// # Safety
/// As [`Columns::word`] for two halves and 16 bytes.
#[inline(always)]
pub(super) unsafe fn scale<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    group: usize,
) -> [f32; LANES] {
    // SAFETY: promised by the caller.
    let (coarse, fine) = unsafe { (q.halves(columns.half(0)), q.unsigned_bytes(columns.byte(group))) };
    std::array::from_fn(|lane| coarse[lane] * fine[lane])
}

/// The minimums of a group, which blocks hold with the other sign.
///
/// # Safety
/// As [`scale`].
#[inline(always)]
pub(super) unsafe fn minimum<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    group: usize,
) -> [f32; LANES] {
    // SAFETY: promised by the caller.
    let (coarse, fine) = unsafe { (q.halves(columns.half(1)), q.unsigned_bytes(columns.byte(GROUPS + group))) };
    std::array::from_fn(|lane| -(coarse[lane] * fine[lane]))
}

/// Levels of four bits out of the bytes of a file's block, 32 for two groups: those of an even group lie below those of the next.
pub(super) fn levels_of<const GROUPS: usize>(bytes: &[u8]) -> [[u8; 32]; GROUPS] {
    let mut levels = [[0; 32]; GROUPS];
    for (bytes, [low, high]) in bytes.as_chunks::<32>().0.iter().zip(levels.as_chunks_mut::<2>().0) {
        for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
    }
    levels
}

/// Halves, scales and minimums for 256 weights, and their levels from 0 to HIGH.
#[inline(always)]
pub(super) fn quantize_groups<const HIGH: i32>(weights: &[f32], head: &mut [u8]) -> [[u8; 32]; GROUPS] {
    let groups = AboveMinimums::<GROUPS, 32>::new::<63, HIGH>(weights);
    store_scale_and_minimum((groups.scale, groups.minimum), head);
    for group in 0..GROUPS {
        head[4 + group] = groups.scales[group] as u8;
        head[4 + GROUPS + group] = groups.minimums[group] as u8;
    }
    groups.levels
}

/// Levels above minimums, these and the scales of groups being whole numbers of a scale each.
pub(super) struct AboveMinimums<const GROUPS: usize, const GROUP: usize> {
    /// What the scales of groups are multiples of.
    pub(super) scale: f32,
    /// What the minimums of groups are multiples of, with the other sign.
    pub(super) minimum: f32,
    /// Scales of groups.
    pub(super) scales: [i8; 16],
    /// Minimums of groups.
    pub(super) minimums: [i8; 16],
    /// Levels of the weights.
    pub(super) levels: [[u8; GROUP]; GROUPS],
}

impl<const GROUPS: usize, const GROUP: usize> AboveMinimums<GROUPS, GROUP> {
    /// Those that come close to these weights, with levels from 0 to HIGH, scales and minimums from 0 to FINE.
    #[inline(always)]
    pub(super) fn new<const FINE: i32, const HIGH: i32>(weights: &[f32]) -> Self {
        let (mut scales, mut minimums) = ([0.0; GROUPS], [0.0; GROUPS]);
        for (group, weights) in weights.as_chunks::<GROUP>().0.iter().enumerate() {
            let lowest = weights.iter().fold(0.0, |a: f32, &b| a.min(b));
            let highest = weights.iter().fold(0.0, |a: f32, &b| a.max(b));
            let is_finite = weights.iter().all(|w| w.is_finite());
            scales[group] = if is_finite { (highest - lowest) / HIGH as f32 } else { f32::NAN };
            minimums[group] = if is_finite { -lowest } else { 0.0 };
        }
        let (scale, scales) = coarse_scales::<0, FINE>(&scales);
        let (minimum, minimums) = coarse_scales::<0, FINE>(&minimums);
        let mut levels = [[0; GROUP]; GROUPS];
        for group in 0..GROUPS {
            let (step, lowest) = (scale * f32::from(scales[group]), minimum * f32::from(minimums[group]));
            for (level, w) in levels[group].iter_mut().zip(&weights[GROUP * group..]) {
                *level = nearest::<0, HIGH>(w + lowest, step) as u8;
            }
        }
        AboveMinimums { scale, minimum, scales, minimums, levels }
    }
}
