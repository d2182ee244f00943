//! What Q2_K, Q3_K and Q6_K share: sixteen groups of 16 weights; and where a block of Q2_K and Q3_K has two bits of each weight.
//!
//! Each half of a block has 128 weights in four runs of 32. Byte p of 32 holds two bits of weight p of each run, those of the first run
//! lowest.

use crate::gemm::grouped::format::{Columns, GroupFormat};
use crate::gemm::grouped::quantize::{coarse_scales, nearest, symmetric};
use crate::simd::NarrowQuads;

/// Groups of a block, and weights of a group.
const GROUPS: usize = 16;
pub(super) const GROUP: usize = 16;

/// Where a word of a group lies: the half, the run in it, and the word among the eight of a run.
#[inline(always)]
pub(super) const fn place(group: usize, quad: usize) -> (usize, usize, usize) {
    (group / 8, group / 2 % 4, group % 2 * 4 + quad)
}

/// Two bits of each weight of word `quad` of a group, from 16 words from `first` on.
///
/// # Safety
/// As [`Columns::word`] for words `first` to `first` + 15; `group` is below 16 and `quad` below 4.
#[inline(always)]
pub(super) unsafe fn two_bits<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    first: usize,
    group: usize,
    quad: usize,
) -> Q::Words {
    let (half, run, word) = place(group, quad);
    // SAFETY: promised by the caller.
    let bits = unsafe { q.words(columns.word(first + 8 * half + word)) };
    q.and(q.shift_right(bits, run * 2), 3)
}

/// The lower two bits of each of 256 levels into 64 bytes.
#[inline(always)]
pub(super) fn pack_two_bits(levels: &[u8; GROUPS * GROUP], bytes: &mut [u8]) {
    bytes.fill(0);
    for (at, level) in levels.iter().enumerate() {
        bytes[at / 128 * 32 + at % 32] |= (level & 3) << (at / 32 % 4 * 2);
    }
}

/// Levels from LOW to HIGH around zero with scales from FINE_LOW to FINE_HIGH under a coarse one.
pub(super) struct AroundZero {
    /// The coarse scale.
    pub(super) coarse: f32,
    /// Those of the groups.
    pub(super) fine: [i8; GROUPS],
    /// The levels, each less LOW.
    pub(super) levels: [u8; GROUPS * GROUP],
}

impl AroundZero {
    /// Those that come close to these weights.
    #[inline(always)]
    pub(super) fn new<const LOW: i32, const HIGH: i32, const FINE_LOW: i32, const FINE_HIGH: i32>(
        weights: &[f32],
    ) -> AroundZero {
        let mut wanted = [0.0; GROUPS];
        for (scale, group) in wanted.iter_mut().zip(weights.as_chunks::<GROUP>().0) {
            *scale = symmetric::<LOW, HIGH>(group, &mut [0; GROUP]);
        }
        let (coarse, fine) = coarse_scales::<FINE_LOW, FINE_HIGH>(&wanted);
        let mut levels = [0; GROUPS * GROUP];
        for (at, (level, &w)) in levels.iter_mut().zip(weights).enumerate() {
            *level = (i32::from(nearest::<LOW, HIGH>(w, coarse * f32::from(fine[at / GROUP]))) - LOW) as u8;
        }
        AroundZero { coarse, fine, levels }
    }
}
