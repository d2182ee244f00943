//! The formats, one file each, their list, and what those of 32 weights share.

mod int4_128;
mod iq4_nl;
mod iq4_xs;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod sixteens;
mod super_groups;

pub use int4_128::Int4_128;
pub use iq4_nl::Iq4Nl;
pub use iq4_xs::Iq4Xs;
pub use q2_k::Q2_K;
pub use q3_k::Q3_K;
pub use q4_0::Q4_0;
pub use q4_1::Q4_1;
pub use q4_k::Q4_K;
pub use q5_0::Q5_0;
pub use q5_1::Q5_1;
pub use q5_k::Q5_K;
pub use q6_k::Q6_K;
pub use q8_0::Q8_0;

use super::format::{BlockLayout, Columns, FormatVisitor, GroupFormat};
use crate::numbers::f16::f32_to_f16;
use crate::simd::NarrowQuads;

/// `list!(Format, …)`: the list of formats, for programs that choose one at run time.
macro_rules! list {
    ($($format:ident),* $(,)?) => {
        /// A format that is chosen at run time.
        #[allow(non_camel_case_types, reason = "the names that files use")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AnyFormat {
            $(#[doc = concat!("[`struct@", stringify!($format), "`]")] $format),*
        }

        impl AnyFormat {
            /// All of them, by the bits of a weight.
            pub const ALL: &'static [AnyFormat] = &[$(AnyFormat::$format),*];

            /// The name of its scheme.
            pub const fn name(self) -> &'static str {
                match self { $(AnyFormat::$format => $format::NAME),* }
            }

            /// Weights of a block, and bytes of a block of a column in memory.
            pub const fn block(self) -> (usize, usize) {
                match self { $(AnyFormat::$format => ($format::BLOCK, $format::FIELDS.size())),* }
            }

            /// What `visitor` makes of the format.
            pub fn visit<V: FormatVisitor>(self, visitor: V) -> V::Output {
                match self { $(AnyFormat::$format => visitor.visit::<$format>()),* }
            }
        }
    };
}

list!(Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Iq4Nl, Iq4Xs, Int4_128, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0);

/// Word `quad` of eight that lie in four words from `first` on: quads 4 to 7 above quads 0 to 3.
///
/// # Safety
/// As [`Columns::word`] for words `first` to `first` + 3; `quad` is below 8.
#[inline(always)]
unsafe fn nibbles<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    first: usize,
    quad: usize,
) -> Q::Words {
    // SAFETY: promised by the caller.
    let nibbles = unsafe { q.words(columns.word(first + quad % 4)) };
    q.nibbles(nibbles, quad / 4)
}

/// Word `quad` of eight of five bits, as [`pack_five_bits`] puts them into five words from `first` on.
///
/// # Safety
/// As [`Columns::word`] for words `first` to `first` + 4; `quad` is below 8.
#[inline(always)]
unsafe fn five_bits<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    first: usize,
    quad: usize,
) -> Q::Words {
    // SAFETY: promised by the caller.
    unsafe { q.or(nibbles(q, columns, first + 1, quad), fifth_bits(q, columns, first, quad)) }
}

/// The fifth bits of word `quad` of eight, in their place, from word `first` in the order of [`by_word`].
///
/// # Safety
/// As [`Columns::word`] for word `first`; `quad` is below 8.
#[inline(always)]
unsafe fn fifth_bits<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    first: usize,
    quad: usize,
) -> Q::Words {
    // SAFETY: promised by the caller.
    let bits = unsafe { q.words(columns.word(first)) };
    let placed = if quad <= 4 { q.shift_left(bits, 4 - quad) } else { q.shift_right(bits, quad - 4) };
    q.and(placed, 16)
}

/// 32 levels into 16 bytes: level b below level b + 16.
#[inline(always)]
fn pack_nibbles(levels: &[u8; 32], bytes: &mut [u8]) {
    for (b, byte) in bytes.iter_mut().enumerate() {
        *byte = levels[b] & 15 | levels[b + 16] << 4;
    }
}

/// Words of 32 levels of four bits.
const NIBBLE_WORDS: usize = 4;

/// Groups of 32 levels one after the other, each as [`pack_nibbles`] puts it.
#[inline(always)]
fn store_nibbles(groups: &[[u8; 32]], bytes: &mut [u8]) {
    for (levels, bytes) in groups.iter().zip(bytes.chunks_exact_mut(4 * NIBBLE_WORDS)) {
        pack_nibbles(levels, bytes);
    }
}

/// 32 levels of five bits: their highest bits in the order of [`by_word`], then the rest.
#[inline(always)]
fn pack_five_bits(levels: &[u8; 32], bytes: &mut [u8]) {
    let word = |at: usize| u32::from_le_bytes(levels.as_chunks().0[at]);
    let high: u32 = (0..8).map(|at| (word(at) >> 4 & 0x0101_0101) << at).sum();
    bytes[..4].copy_from_slice(&high.to_le_bytes());
    pack_nibbles(levels, &mut bytes[4..]);
}

/// 32 bits, one for each weight in their order, sorted so that a shift brings those of a word into its four bytes: that of weight
/// 4·word + i becomes bit `word` of byte i.
#[inline(always)]
fn by_word(bits: &mut [u8]) {
    let all = u32::from_le_bytes(*bits.as_chunks().0.first().expect("32 bits"));
    // Every fourth bit from bit i on, moved together in three steps.
    bits.copy_from_slice(&std::array::from_fn::<u8, 4, _>(|i| {
        let x = all >> i & 0x1111_1111;
        let x = (x | x >> 3) & 0x0303_0303;
        let x = (x | x >> 6) & 0x000f_000f;
        (x | x >> 12) as u8
    }));
}

/// Half `index` of a column.
#[inline(always)]
fn store_half(index: usize, x: f32, column: &mut [u8]) {
    column[2 * index..][..2].copy_from_slice(&f32_to_f16(x).to_le_bytes());
}

/// Halves 0 and 1.
#[inline(always)]
fn store_scale_and_minimum((scale, minimum): (f32, f32), column: &mut [u8]) {
    store_half(0, scale, column);
    store_half(1, minimum, column);
}

/// The scales of a group that has a byte with a sign for them, under the coarse scale of half 0.
///
/// # Safety
/// As [`Columns::word`] for half 0 and byte `group`.
#[inline(always)]
unsafe fn scale_with_sign<F: GroupFormat, Q: NarrowQuads<LANES>, const LANES: usize>(
    q: Q,
    columns: Columns<F>,
    group: usize,
) -> [f32; LANES] {
    // SAFETY: promised by the caller.
    let (coarse, fine) = unsafe { (q.halves(columns.half(0)), q.signed_bytes(columns.byte(group))) };
    std::array::from_fn(|lane| coarse[lane] * fine[lane])
}
