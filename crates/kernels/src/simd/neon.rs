//! 128-bit vectors of 64-bit ARM. There are no masks: the first few lanes are a count, and loaded and stored one by one.

use super::dispatch::run_neon;
use super::prefetch::prefetch;
use super::{Body, Entry, Lanewise, Op, Simd, transpose};
use std::arch::aarch64::*;
use std::arch::asm;

/// Proof that the CPU has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// # Safety
    /// The CPU has NEON.
    #[inline(always)]
    pub unsafe fn assume() -> Neon {
        Neon(())
    }
}

// SAFETY: the function is compiled for what a value of the type proves.
unsafe impl<B: Body> Entry<B> for Neon
where
    Neon: Simd<B::Element>,
{
    const FUNCTION: unsafe fn(&B::Args<'_>) = run_body::<B>;
}

/// # Safety
/// As [`Body::run`], on a CPU with NEON.
#[target_feature(enable = "neon")]
unsafe fn run_body<B: Body>(args: &B::Args<'_>)
where
    Neon: Simd<B::Element>,
{
    // SAFETY: promised by the caller.
    unsafe { B::run(Neon::assume(), args) }
}

/// The vectors of one element type: one intrinsic for most operations, a function of this file for the others.
// SAFETY of every intrinsic below: `self` proves NEON; what memory accesses need is promised by the caller.
macro_rules! vectors {
    (
        $element:ty, $lanes:literal, $reg:ty, $cond:ty;
        splat: $splat:ident,
        load: $load:ident,
        load_first: $load_first:ident,
        load_all_lanes: $load_all_lanes:ident,
        store: $store:ident,
        store_first: $store_first:ident,
        binary: { $($binary:tt)* },
        sqrt: $sqrt:ident,
        mul_add: $mul_add:ident,
        round: $round:ident,
        scale_by_power: $scale_by_power:ident,
        less: $less:ident,
        greater: $greater:ident,
        select: $select:ident,
        sum: $sum:ident,
        sum_four: $sum_four:ident,
        largest: $largest:ident,
        transpose: $transpose:ident,
    ) => {
        impl Lanewise<$element> for Neon {
            type Reg = $reg;
            type Cond = $cond;

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
                unsafe { $mul_add(c, a, b) }
            }

            /// By comparison: the instruction has other rules for NaN.
            #[inline(always)]
            fn max(self, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $select($greater(a, b), a, b) }
            }

            #[inline(always)]
            fn min(self, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $select($less(a, b), a, b) }
            }

            #[inline(always)]
            fn round(self, a: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $round(a) }
            }

            #[inline(always)]
            fn scale_by_power(self, a: $reg, n: $reg) -> $reg {
                $scale_by_power(self, a, n)
            }

            #[inline(always)]
            fn less(self, a: $reg, b: $reg) -> $cond {
                // SAFETY: see the head of this macro.
                unsafe { $less(a, b) }
            }

            #[inline(always)]
            fn select(self, cond: $cond, a: $reg, b: $reg) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $select(cond, a, b) }
            }
        }

        // SAFETY: as the trait asks: NEON has 128 bits, a count of at most `LANES` stands for the first lanes, and `Neon` is made under a
        // promise only.
        unsafe impl Simd<$element> for Neon {
            const LANES: usize = $lanes;
            type First = usize;

            #[inline(always)]
            fn first(self, lanes: usize) -> usize {
                lanes.min($lanes)
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $element) -> $reg {
                // SAFETY: see the head of this macro.
                unsafe { $load(p) }
            }

            #[inline(always)]
            unsafe fn load_first(self, p: *const $element, first: usize) -> $reg {
                // SAFETY: see the head of this macro; lanes from `first` on are not accessed.
                unsafe { $load_first(p, first, $splat(0.0)) }
            }

            #[inline(always)]
            unsafe fn load_first_filled(self, p: *const $element, first: usize) -> $reg {
                // SAFETY: see the head of this macro; lanes from `first` on are not accessed, and there is one before it.
                unsafe { if first == $lanes { $load(p) } else { $load_first(p, first, $load_all_lanes(p)) } }
            }

            /// A plain load, of which multiply-adds take the first lane: the compiler would load into every lane at once if it knew, which
            /// takes an arithmetic unit as well.
            #[inline(always)]
            unsafe fn load_factor(self, p: *const $element) -> $reg {
                // SAFETY: see the head of this macro; the assembly is empty.
                unsafe {
                    let mut x = *p;
                    asm!("/* {0:v} */", inout(vreg) x, options(pure, nomem, nostack, preserves_flags));
                    $splat(x)
                }
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $element, v: $reg) {
                // SAFETY: see the head of this macro.
                unsafe { $store(p, v) }
            }

            #[inline(always)]
            unsafe fn store_first(self, p: *mut $element, v: $reg, first: usize) {
                // SAFETY: see the head of this macro; lanes from `first` on are not accessed.
                unsafe { $store_first(p, v, first) }
            }

            #[inline(always)]
            fn sum(self, a: $reg) -> $element {
                $sum(self, a)
            }

            #[inline(always)]
            fn sum_four(self, a: [$reg; 4]) -> [$element; 4] {
                $sum_four(self, a)
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
                unsafe { run_neon(op) }
            }
        }
    };
}

vectors! {
    f32, 4, float32x4_t, uint32x4_t;
    splat: vdupq_n_f32,
    load: vld1q_f32,
    load_first: load_first_f32,
    load_all_lanes: vld1q_dup_f32,
    store: vst1q_f32,
    store_first: store_first_f32,
    binary: {
        add => vaddq_f32,
        sub => vsubq_f32,
        mul => vmulq_f32,
        div => vdivq_f32,
    },
    sqrt: vsqrtq_f32,
    mul_add: vfmaq_f32,
    round: vrndnq_f32,
    scale_by_power: scale_f32,
    less: vcltq_f32,
    greater: vcgtq_f32,
    select: vbslq_f32,
    sum: sum_f32,
    sum_four: sum_four_f32,
    largest: vmaxvq_f32,
    transpose: f32x4,
}

vectors! {
    f64, 2, float64x2_t, uint64x2_t;
    splat: vdupq_n_f64,
    load: vld1q_f64,
    load_first: load_first_f64,
    load_all_lanes: vld1q_dup_f64,
    store: vst1q_f64,
    store_first: store_first_f64,
    binary: {
        add => vaddq_f64,
        sub => vsubq_f64,
        mul => vmulq_f64,
        div => vdivq_f64,
    },
    sqrt: vsqrtq_f64,
    mul_add: vfmaq_f64,
    round: vrndnq_f64,
    scale_by_power: scale_f64,
    less: vcltq_f64,
    greater: vcgtq_f64,
    select: vbslq_f64,
    sum: sum_f64,
    sum_four: sum_four_f64,
    largest: vmaxvq_f64,
    transpose: f64x2,
}

/// The first lanes, and those of `others` in the others.
///
/// # Safety
/// The CPU has NEON, `first` ≤ 4, and `p` is valid for reads of `first` elements.
#[inline(always)]
unsafe fn load_first_f32(p: *const f32, first: usize, others: float32x4_t) -> float32x4_t {
    // SAFETY: lanes below `first`, promised by the caller.
    unsafe {
        match first {
            0 => others,
            1 => vld1q_lane_f32::<0>(p, others),
            2 => vcombine_f32(vld1_f32(p), vget_high_f32(others)),
            3 => vld1q_lane_f32::<2>(p.add(2), vcombine_f32(vld1_f32(p), vget_high_f32(others))),
            _ => vld1q_f32(p),
        }
    }
}

/// As [`load_first_f32`], of two lanes.
///
/// # Safety
/// As [`load_first_f32`], with `first` ≤ 2.
#[inline(always)]
unsafe fn load_first_f64(p: *const f64, first: usize, others: float64x2_t) -> float64x2_t {
    // SAFETY: lanes below `first`, promised by the caller.
    unsafe {
        match first {
            0 => others,
            1 => vld1q_lane_f64::<0>(p, others),
            _ => vld1q_f64(p),
        }
    }
}

/// # Safety
/// The CPU has NEON, and `p` is valid for writes of min(`first`, 4) elements.
#[inline(always)]
unsafe fn store_first_f32(p: *mut f32, v: float32x4_t, first: usize) {
    // SAFETY: lanes below `first`, promised by the caller.
    unsafe {
        match first {
            0 => {}
            1 => vst1q_lane_f32::<0>(p, v),
            2 => vst1_f32(p, vget_low_f32(v)),
            3 => {
                vst1_f32(p, vget_low_f32(v));
                vst1q_lane_f32::<2>(p.add(2), v);
            }
            _ => vst1q_f32(p, v),
        }
    }
}

/// # Safety
/// The CPU has NEON, and `p` is valid for writes of min(`first`, 2) elements.
#[inline(always)]
unsafe fn store_first_f64(p: *mut f64, v: float64x2_t, first: usize) {
    // SAFETY: lanes below `first`, promised by the caller.
    unsafe {
        match first {
            0 => {}
            1 => vst1q_lane_f64::<0>(p, v),
            _ => vst1q_f64(p, v),
        }
    }
}

#[inline(always)]
fn scale_f32(s: Neon, a: float32x4_t, n: float32x4_t) -> float32x4_t {
    // In three steps, so that each factor is a normal number and, for a near 1, only the last one rounds.
    // SAFETY: `s` proves NEON.
    unsafe {
        let third = Lanewise::<f32>::round(s, vmulq_n_f32(n, 1.0 / 3.0));
        let rest = vsubq_f32(n, vaddq_f32(third, third));
        let p = power_of_two(s, third);
        vmulq_f32(vmulq_f32(vmulq_f32(a, p), p), power_of_two(s, rest))
    }
}

/// 2ⁿ for integral n whose powers are normal numbers.
#[inline(always)]
fn power_of_two(_: Neon, n: float32x4_t) -> float32x4_t {
    // SAFETY: the first argument proves NEON.
    unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)))) }
}

#[inline(always)]
fn scale_f64(_: Neon, a: float64x2_t, n: float64x2_t) -> float64x2_t {
    // The factor is a normal number for all n allowed.
    // SAFETY: the first argument proves NEON.
    unsafe {
        let exponent = vaddq_s64(vcvtq_s64_f64(n), vdupq_n_s64(1023));
        vmulq_f64(a, vreinterpretq_f64_s64(vshlq_n_s64::<52>(exponent)))
    }
}

/// Neighbours first, as [`sum_four_f32`] adds them.
#[inline(always)]
fn sum_f32(_: Neon, a: float32x4_t) -> f32 {
    // SAFETY: the first argument proves NEON.
    unsafe {
        let two = vpaddq_f32(a, a);
        vgetq_lane_f32::<0>(vpaddq_f32(two, two))
    }
}

#[inline(always)]
fn sum_four_f32(_: Neon, [a, b, c, d]: [float32x4_t; 4]) -> [f32; 4] {
    // SAFETY: the first argument proves NEON; both types are 16 bytes of numbers.
    unsafe { std::mem::transmute(vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))) }
}

#[inline(always)]
fn sum_f64(_: Neon, a: float64x2_t) -> f64 {
    // SAFETY: the first argument proves NEON.
    unsafe { vpaddd_f64(a) }
}

#[inline(always)]
fn sum_four_f64(s: Neon, a: [float64x2_t; 4]) -> [f64; 4] {
    [sum_f64(s, a[0]), sum_f64(s, a[1]), sum_f64(s, a[2]), sum_f64(s, a[3])]
}
