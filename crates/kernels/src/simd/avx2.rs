//! 256-bit vectors with fused multiply-add.

use super::dispatch::run_avx2;
use super::{Op, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU has AVX2 and FMA.
    #[inline(always)]
    pub unsafe fn assume() -> Avx2 {
        Avx2(())
    }
}

/// Eight set lanes followed by eight clear ones: the mask of n lanes starts 8 − n elements in.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

// SAFETY of every intrinsic below: `self` proves AVX2 and FMA; what memory accesses need is promised by the caller.
impl Simd<f32> for Avx2 {
    const LANES: usize = 8;
    type Reg = __m256;
    type Mask = __m256i;
    type Cond = __m256;

    #[inline(always)]
    fn mask(self, lanes: usize) -> __m256i {
        let start = 8 - lanes.min(8);
        // SAFETY: start <= 8, so eight elements follow in the table.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(start).cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_masked(self, p: *const f32, mask: __m256i) -> __m256 {
        // SAFETY: see the head of this block; lanes outside the mask are not accessed.
        unsafe { _mm256_maskload_ps(p, mask) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: see the head of this block.
        unsafe { _mm256_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f32, v: __m256, mask: __m256i) {
        // SAFETY: see the head of this block; lanes outside the mask are not accessed.
        unsafe { _mm256_maskstore_ps(p, mask, v) }
    }

    binary! {
        add => _mm256_add_ps,
        sub => _mm256_sub_ps,
        mul => _mm256_mul_ps,
        div => _mm256_div_ps,
        max => _mm256_max_ps,
        min => _mm256_min_ps,
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_sqrt_ps(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale_by_power(self, a: __m256, n: __m256) -> __m256 {
        // In three steps, so that each factor is a normal number and, for a near 1, only the last one rounds.
        // SAFETY: see the head of this block.
        unsafe {
            let third = self.round(_mm256_mul_ps(n, _mm256_set1_ps(1.0 / 3.0)));
            let rest = _mm256_sub_ps(n, _mm256_add_ps(third, third));
            let bias = _mm256_set1_epi32(127);
            let power =
                |n: __m256| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), bias)));
            let p = power(third);
            _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(a, p), p), power(rest))
        }
    }

    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
    }

    #[inline(always)]
    fn select(self, cond: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the head of this block.
        unsafe { _mm256_blendv_ps(b, a, cond) }
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        // SAFETY: see the head of this block.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        // SAFETY: see the head of this block.
        unsafe {
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn outline<O: Op>(self, op: O) -> O::Output {
        // SAFETY: see the head of this block.
        unsafe { run_avx2(op) }
    }

    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
}
