//! 512-bit vectors with a mask for every operation.

use super::dispatch::run_avx512;
use super::prefetch::prefetch;
use super::{Body, Entry, Lanewise, Op, Simd, transpose};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, VL, BW and DQ.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU has AVX-512 F, VL, BW and DQ.
    #[inline(always)]
    pub unsafe fn assume() -> Avx512 {
        Avx512(())
    }
}

// SAFETY: the function is compiled for what a value of the type proves.
unsafe impl<B: Body> Entry<B> for Avx512
where
    Avx512: Simd<B::Element>,
{
    const FUNCTION: unsafe fn(&B::Args<'_>) = run_body::<B>;
}

/// # Safety
/// As [`Body::run`], on a CPU with AVX-512 F, VL, BW and DQ.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn run_body<B: Body>(args: &B::Args<'_>)
where
    Avx512: Simd<B::Element>,
{
    // SAFETY: promised by the caller.
    unsafe { B::run(Avx512::assume(), args) }
}

/// The vectors of one element type: every operation is one intrinsic.
// SAFETY of every intrinsic below: `self` proves AVX-512 F, VL, BW and DQ; what memory accesses need is promised by the caller.
macro_rules! vectors {
    (
        $element:ty, $lanes:literal, $reg:ty, $mask:ty;
        splat: $splat:ident,
        load: $load:ident,
        load_first: $load_first:ident,
        load_onto: $load_onto:ident,
        store: $store:ident,
        store_first: $store_first:ident,
        binary: { $($binary:tt)* },
        sqrt: $sqrt:ident,
        mul_add: $mul_add:ident,
        round: $round:ident,
        scale_by_power: $scale_by_power:ident,
        compare: $compare:ident,
        blend: $blend:ident,
        sum: $sum:ident,
        sum_four: $sum_four:ident,
        largest: $largest:ident,
        transpose: $transpose:ident,
    ) => {
        impl Lanewise<$element> for Avx512 {
            type Reg = $reg;
            type Cond = $mask;

            #[inline(always)]
            fn splat(self, x: $element) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $splat(x) }
            }

            binary! { $($binary)* }

            #[inline(always)]
            fn sqrt(self, a: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $sqrt(a) }
            }

            #[inline(always)]
            fn mul_add(self, a: $reg, b: $reg, c: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $mul_add(a, b, c) }
            }

            #[inline(always)]
            fn round(self, a: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
            }

            #[inline(always)]
            fn scale_by_power(self, a: $reg, n: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $scale_by_power(a, n) }
            }

            #[inline(always)]
            fn less(self, a: $reg, b: $reg) -> $mask {
                // SAFETY: see the head of this macro.
                unsafe { $compare::<_CMP_LT_OQ>(a, b) }
            }

            #[inline(always)]
            fn select(self, cond: $mask, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $blend(cond, b, a) }
            }
        }

        // SAFETY: as the trait asks: AVX-512 has 512 bits and a mask bit for each lane, and `Avx512` is made under a promise only.
        unsafe impl Simd<$element> for Avx512 {
            const LANES: usize = $lanes;
            type First = $mask;

            #[inline(always)]
            fn first(self, lanes: usize) -> $mask {
                if lanes >= $lanes { !0 } else { (1 << lanes) - 1 }
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $element) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $load(p) }
            }

            #[inline(always)]
            unsafe fn load_first(self, p: *const $element, mask: $mask) -> $reg {
                // SAFETY: see the head of this macro; lanes outside the mask are not accessed.
                unsafe { $load_first(mask, p) }
            }

            #[inline(always)]
            unsafe fn load_first_filled(self, p: *const $element, mask: $mask) -> $reg {
                // SAFETY: see the head of this macro; the first lane is in the mask, lanes outside of it are not accessed.
                unsafe { $load_onto($splat(*p), mask, p) }
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $element, v: $reg) {
                // SAFETY: see the head of this macro.
                unsafe { $store(p, v) }
            }

            #[inline(always)]
            unsafe fn store_first(self, p: *mut $element, v: $reg, mask: $mask) {
                // SAFETY: see the head of this macro; lanes outside the mask are not accessed.
                unsafe { $store_first(p, mask, v) }
            }

            #[inline(always)]
            fn sum(self, a: $reg) -> $element {
                // SAFETY: see the head of this macro.
                unsafe { $sum(a) }
            }

            #[inline(always)]
            fn sum_four(self, a: [$reg; 4]) -> [$element; 4] {
                // SAFETY: see the head of this macro.
                unsafe { $sum_four(a) }
            }

            #[inline(always)]
            fn largest(self, a: $reg) -> $element {
                // SAFETY: see the head of this macro.
                unsafe { $largest(a) }
            }

            #[inline(always)]
            fn prefetch(self, p: *const $element) {
                prefetch(p);
            }

            #[inline(always)]
            unsafe fn transpose(
                self,
                p: *const $element,
                row_stride: usize,
                rows: usize,
                cols: usize,
                out: *mut $element,
                out_stride: usize,
            ) {
                // SAFETY: promised by the caller.
                unsafe {
                    let mut block = transpose::load(self, p, row_stride, rows, cols);
                    transpose::$transpose(self, &mut block);
                    transpose::store(self, &block, out, out_stride, cols, rows);
                }
            }

            #[inline(always)]
            fn outline<O: Op>(self, op: O) -> O::Output {
                // SAFETY: see the head of this macro.
                unsafe { run_avx512(op) }
            }
        }
    };
}

vectors! {
    f32, 16, __m512, __mmask16;
    splat: _mm512_set1_ps,
    load: _mm512_loadu_ps,
    load_first: _mm512_maskz_loadu_ps,
    load_onto: _mm512_mask_loadu_ps,
    store: _mm512_storeu_ps,
    store_first: _mm512_mask_storeu_ps,
    binary: {
        add => _mm512_add_ps,
        sub => _mm512_sub_ps,
        mul => _mm512_mul_ps,
        div => _mm512_div_ps,
        max => _mm512_max_ps,
        min => _mm512_min_ps,
    },
    sqrt: _mm512_sqrt_ps,
    mul_add: _mm512_fmadd_ps,
    round: _mm512_roundscale_ps,
    scale_by_power: _mm512_scalef_ps,
    compare: _mm512_cmp_ps_mask,
    blend: _mm512_mask_blend_ps,
    sum: _mm512_reduce_add_ps,
    sum_four: sum_four_f32,
    largest: _mm512_reduce_max_ps,
    transpose: f32x16,
}

vectors! {
    f64, 8, __m512d, __mmask8;
    splat: _mm512_set1_pd,
    load: _mm512_loadu_pd,
    load_first: _mm512_maskz_loadu_pd,
    load_onto: _mm512_mask_loadu_pd,
    store: _mm512_storeu_pd,
    store_first: _mm512_mask_storeu_pd,
    binary: {
        add => _mm512_add_pd,
        sub => _mm512_sub_pd,
        mul => _mm512_mul_pd,
        div => _mm512_div_pd,
        max => _mm512_max_pd,
        min => _mm512_min_pd,
    },
    sqrt: _mm512_sqrt_pd,
    mul_add: _mm512_fmadd_pd,
    round: _mm512_roundscale_pd,
    scale_by_power: _mm512_scalef_pd,
    compare: _mm512_cmp_pd_mask,
    blend: _mm512_mask_blend_pd,
    sum: _mm512_reduce_add_pd,
    sum_four: sum_four_f64,
    largest: _mm512_reduce_max_pd,
    transpose: f64x8,
}

/// Adds pairs of vectors into one, and again, so that the sums meet in one vector of four.
///
/// # Safety
/// The CPU has AVX-512 F.
#[inline(always)]
unsafe fn sum_four_f32([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    let mut sums = [0.0; 4];
    // SAFETY: promised by the caller; the array holds four elements.
    unsafe {
        let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        let abcd =
            _mm512_add_ps(_mm512_shuffle_ps::<0b01_00_01_00>(ab, cd), _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd));
        let half = _mm512_add_ps(abcd, _mm512_shuffle_f32x4::<0b11_10_11_10>(abcd, abcd));
        let quarter = _mm512_add_ps(half, _mm512_shuffle_f32x4::<0b01_01_01_01>(half, half));
        _mm_storeu_ps(sums.as_mut_ptr(), _mm512_castps512_ps128(quarter));
    }
    sums
}

/// As [`sum_four_f32`], in pairs.
///
/// # Safety
/// The CPU has AVX-512 F.
#[inline(always)]
unsafe fn sum_four_f64([a, b, c, d]: [__m512d; 4]) -> [f64; 4] {
    let mut sums = [0.0; 4];
    // SAFETY: promised by the caller; the array holds four elements.
    unsafe {
        let ab = _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        let cd = _mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
        let lower = _mm512_shuffle_f64x2::<0b01_00_01_00>(ab, cd);
        let upper = _mm512_shuffle_f64x2::<0b11_10_11_10>(ab, cd);
        let half = _mm512_add_pd(lower, upper);
        let ones = _mm512_shuffle_f64x2::<0b10_00_10_00>(half, half);
        let others = _mm512_shuffle_f64x2::<0b11_01_11_01>(half, half);
        _mm256_storeu_pd(sums.as_mut_ptr(), _mm512_castpd512_pd256(_mm512_add_pd(ones, others)));
    }
    sums
}
