//! Which lanes of a vector a load or a store touches, as a type, so that one body serves whole vectors and the last, shorter one.

use super::Simd;

/// All lanes, or the first few.
pub(crate) trait Lanes<E: Copy, S: Simd<E>>: Copy {
    /// Loads these lanes, zero in the others.
    ///
    /// # Safety
    /// `p` is valid for reads of these lanes' elements.
    unsafe fn load(self, s: S, p: *const E) -> S::Reg;

    /// Stores these lanes.
    ///
    /// # Safety
    /// `p` is valid for writes of these lanes' elements.
    unsafe fn store(self, s: S, p: *mut E, v: S::Reg);
}

/// Every lane: masked stores that miss the cache wait much longer than plain ones.
#[derive(Clone, Copy)]
pub(crate) struct AllLanes;

/// The first few lanes.
#[derive(Clone, Copy)]
pub(crate) struct FirstLanes<F>(pub(crate) F);

impl<E: Copy, S: Simd<E>> Lanes<E, S> for AllLanes {
    #[inline(always)]
    unsafe fn load(self, s: S, p: *const E) -> S::Reg {
        // SAFETY: LANES elements, promised by the caller.
        unsafe { s.load(p) }
    }

    #[inline(always)]
    unsafe fn store(self, s: S, p: *mut E, v: S::Reg) {
        // SAFETY: LANES elements, promised by the caller.
        unsafe { s.store(p, v) }
    }
}

impl<E: Copy, S: Simd<E>> Lanes<E, S> for FirstLanes<S::First> {
    #[inline(always)]
    unsafe fn load(self, s: S, p: *const E) -> S::Reg {
        // SAFETY: the elements of these lanes, promised by the caller.
        unsafe { s.load_first(p, self.0) }
    }

    #[inline(always)]
    unsafe fn store(self, s: S, p: *mut E, v: S::Reg) {
        // SAFETY: the elements of these lanes, promised by the caller.
        unsafe { s.store_first(p, v, self.0) }
    }
}
