//! How kernels widen weights.

use crate::gemm::halves::tile::Widen;
use crate::gemm::micro::columns::Columns;
use crate::simd::Halves;

/// Numbers out of pairs, which are the lanes of a vector each.
#[derive(Clone, Copy)]
pub(super) struct OfPairs;

impl<S: Halves> Widen<S> for OfPairs {
    #[inline(always)]
    unsafe fn load<const STEP: usize, const NV: usize>(
        self,
        s: S,
        columns: Columns<S::First, NV>,
        brick: *const f32,
        j: usize,
    ) -> S::Reg {
        // SAFETY: promised by the caller.
        let pairs = unsafe { columns.load(s, brick, j) };
        if STEP == 0 { s.first_halves(pairs) } else { s.second_halves(pairs) }
    }
}
