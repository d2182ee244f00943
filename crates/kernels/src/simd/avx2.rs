//! 256-bit vectors with fused multiply-add.

use super::dispatch::run_avx2;
use super::prefetch::prefetch;
use super::{Body, Entry, Lanewise, Op, Simd, transpose};
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

// SAFETY: the function is compiled for what a value of the type proves.
unsafe impl<B: Body> Entry<B> for Avx2
where
    Avx2: Simd<B::Element>,
{
    const FUNCTION: unsafe fn(&B::Args<'_>) = run_body::<B>;
}

/// # Safety
/// As [`Body::run`], on a CPU with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn run_body<B: Body>(args: &B::Args<'_>)
where
    Avx2: Simd<B::Element>,
{
    // SAFETY: promised by the caller.
    unsafe { B::run(Avx2::assume(), args) }
}

/// 32 set bytes followed by 32 clear ones: the mask of n bytes starts 32 − n bytes in.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The vectors of one element type: one intrinsic for most operations, a function of this file for the others.
// SAFETY of every intrinsic below: `self` proves AVX2 and FMA; what memory accesses need is promised by the caller.
macro_rules! vectors {
    (
        $element:ty, $lanes:literal, $reg:ty;
        splat: $splat:ident,
        load: $load:ident,
        load_first: $load_first:ident,
        fill: $fill:ident,
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
        largest: $largest:ident,
        transpose: $transpose:ident,
    ) => {
        impl Lanewise<$element> for Avx2 {
            type Reg = $reg;
            type Cond = $reg;

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
                $scale_by_power(self, a, n)
            }

            #[inline(always)]
            fn less(self, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $compare::<_CMP_LT_OQ>(a, b) }
            }

            #[inline(always)]
            fn select(self, cond: $reg, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $blend(b, a, cond) }
            }
        }

        // SAFETY: as the trait asks: AVX2 has 256 bits, the table of masks is counted out beside it, and `Avx2` is made under a promise only.
        unsafe impl Simd<$element> for Avx2 {
            const LANES: usize = $lanes;
            type First = __m256i;

            #[inline(always)]
            fn first(self, lanes: usize) -> __m256i {
                let start = 8 - lanes.min($lanes) * (8 / $lanes);
                // SAFETY: start <= 8, so eight elements follow in the table.
                unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(start).cast()) }
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $element) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $load(p) }
            }

            #[inline(always)]
            unsafe fn load_first(self, p: *const $element, mask: __m256i) -> $reg {
                // SAFETY: see the head of this macro; lanes outside the mask are not accessed.
                unsafe { $load_first(p, mask) }
            }

            #[inline(always)]
            unsafe fn load_first_filled(self, p: *const $element, mask: __m256i) -> $reg {
                // SAFETY: see the head of this macro; lanes outside the mask are not accessed.
                unsafe { $fill($load_first(p, mask), mask) }
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $element, v: $reg) {
                // SAFETY: see the head of this macro.
                unsafe { $store(p, v) }
            }

            #[inline(always)]
            unsafe fn store_first(self, p: *mut $element, v: $reg, mask: __m256i) {
                // SAFETY: see the head of this macro; lanes outside the mask are not accessed.
                unsafe { $store_first(p, mask, v) }
            }

            #[inline(always)]
            fn sum(self, a: $reg) -> $element {
                $sum(self, a)
            }

            #[inline(always)]
            fn largest(self, a: $reg) -> $element {
                $largest(self, a)
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
                unsafe { run_avx2(op) }
            }
        }
    };
}

vectors! {
    f32, 8, __m256;
    splat: _mm256_set1_ps,
    load: _mm256_loadu_ps,
    load_first: _mm256_maskload_ps,
    fill: fill_f32,
    store: _mm256_storeu_ps,
    store_first: store_first_f32,
    binary: {
        add => _mm256_add_ps,
        sub => _mm256_sub_ps,
        mul => _mm256_mul_ps,
        div => _mm256_div_ps,
        max => _mm256_max_ps,
        min => _mm256_min_ps,
    },
    sqrt: _mm256_sqrt_ps,
    mul_add: _mm256_fmadd_ps,
    round: _mm256_round_ps,
    scale_by_power: scale_f32,
    compare: _mm256_cmp_ps,
    blend: _mm256_blendv_ps,
    sum: sum_f32,
    largest: largest_f32,
    transpose: f32x8,
}

vectors! {
    f64, 4, __m256d;
    splat: _mm256_set1_pd,
    load: _mm256_loadu_pd,
    load_first: _mm256_maskload_pd,
    fill: fill_f64,
    store: _mm256_storeu_pd,
    store_first: store_first_f64,
    binary: {
        add => _mm256_add_pd,
        sub => _mm256_sub_pd,
        mul => _mm256_mul_pd,
        div => _mm256_div_pd,
        max => _mm256_max_pd,
        min => _mm256_min_pd,
    },
    sqrt: _mm256_sqrt_pd,
    mul_add: _mm256_fmadd_pd,
    round: _mm256_round_pd,
    scale_by_power: scale_f64,
    compare: _mm256_cmp_pd,
    blend: _mm256_blendv_pd,
    sum: sum_f64,
    largest: largest_f64,
    transpose: f64x4,
}

/// The first lane in all lanes outside the mask. The indices do not change in a loop.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn fill_f32(x: __m256, mask: __m256i) -> __m256 {
    // SAFETY: promised by the caller.
    unsafe {
        let own = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_permutevar8x32_ps(x, _mm256_and_si256(own, mask))
    }
}

/// As [`fill_f32`], a lane being two words.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn fill_f64(x: __m256d, mask: __m256i) -> __m256d {
    // SAFETY: promised by the caller.
    unsafe {
        let (own, first) = (_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1));
        let index = _mm256_blendv_epi8(first, own, mask);
        _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(x), index))
    }
}

#[inline(always)]
fn scale_f32(s: Avx2, a: __m256, n: __m256) -> __m256 {
    // In three steps, so that each factor is a normal number and, for a near 1, only the last one rounds.
    // SAFETY: `s` proves AVX2.
    unsafe {
        let third = Lanewise::<f32>::round(s, _mm256_mul_ps(n, _mm256_set1_ps(1.0 / 3.0)));
        let rest = _mm256_sub_ps(n, _mm256_add_ps(third, third));
        let bias = _mm256_set1_epi32(127);
        let power =
            |n: __m256| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), bias)));
        let p = power(third);
        _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(a, p), p), power(rest))
    }
}

#[inline(always)]
fn scale_f64(_: Avx2, a: __m256d, n: __m256d) -> __m256d {
    // The factor is a normal number for all n allowed.
    // SAFETY: the first argument proves AVX2.
    unsafe {
        let exponent = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(n)), _mm256_set1_epi64x(1023));
        _mm256_mul_pd(a, _mm256_castsi256_pd(_mm256_slli_epi64::<52>(exponent)))
    }
}

#[inline(always)]
fn sum_f32(_: Avx2, a: __m256) -> f32 {
    // SAFETY: the first argument proves AVX2.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

#[inline(always)]
fn sum_f64(_: Avx2, a: __m256d) -> f64 {
    // SAFETY: the first argument proves AVX2.
    unsafe {
        let two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}

#[inline(always)]
fn largest_f32(_: Avx2, a: __m256) -> f32 {
    // SAFETY: the first argument proves AVX2.
    unsafe {
        let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }
}

#[inline(always)]
fn largest_f64(_: Avx2, a: __m256d) -> f64 {
    // SAFETY: the first argument proves AVX2.
    unsafe {
        let two = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
        _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)))
    }
}

/// Stores the lanes of a mask, which are the first ones, by halves: masked stores take a dozen cycles on AMD's cores.
///
/// # Safety
/// The CPU has AVX2, and `p` is valid for writes of the lanes in `mask`.
#[inline(always)]
unsafe fn store_first_f32(p: *mut f32, mask: __m256i, v: __m256) {
    // SAFETY: each store is of lanes in the mask, promised by the caller.
    unsafe {
        let count = _mm256_movemask_ps(_mm256_castsi256_ps(mask)).count_ones();
        if count == 8 {
            return _mm256_storeu_ps(p, v);
        }
        let (mut p, mut four) = (p, _mm256_castps256_ps128(v));
        if count & 4 != 0 {
            _mm_storeu_ps(p, four);
            (p, four) = (p.add(4), _mm256_extractf128_ps::<1>(v));
        }
        if count & 2 != 0 {
            _mm_storel_epi64(p.cast(), _mm_castps_si128(four));
            (p, four) = (p.add(2), _mm_movehl_ps(four, four));
        }
        if count & 1 != 0 {
            _mm_store_ss(p, four);
        }
    }
}

/// As [`store_first_f32`].
///
/// # Safety
/// As [`store_first_f32`].
#[inline(always)]
unsafe fn store_first_f64(p: *mut f64, mask: __m256i, v: __m256d) {
    // SAFETY: each store is of lanes in the mask, promised by the caller.
    unsafe {
        let count = _mm256_movemask_pd(_mm256_castsi256_pd(mask)).count_ones();
        if count == 4 {
            return _mm256_storeu_pd(p, v);
        }
        let (mut p, mut two) = (p, _mm256_castpd256_pd128(v));
        if count & 2 != 0 {
            _mm_storeu_pd(p, two);
            (p, two) = (p.add(2), _mm256_extractf128_pd::<1>(v));
        }
        if count & 1 != 0 {
            _mm_store_sd(p, two);
        }
    }
}
