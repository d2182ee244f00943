//! Products by plain loops, in f64 and in the order of summation that each arithmetic promises.

use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, Shape, Supported, bf16};
use cke_kernels::scheme::{Bf16, F16, Scheme};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;

/// Weights of 16 bits.
pub(crate) trait Half: Scheme<A = f32, B = f32, C = f32> {
    /// A denormal weight, which loses nothing.
    const DENORMAL: f32;

    /// The nearest weight, the even one of two; not by bits.
    fn rounded(x: f32) -> f32;

    /// How the kernel computes.
    fn arithmetic(_kernel: Supported<Self>) -> Arithmetic {
        Arithmetic::Widened
    }

    /// Whether the kernel multiplies weights in f32, and rows as they are.
    fn widens(kernel: Supported<Self>) -> bool {
        Self::arithmetic(kernel) == Arithmetic::Widened
    }
}

/// Kernels of one arithmetic promise the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// In f32.
    Widened,
    /// In pairs of one row and column, by `vdpbf16ps`.
    Paired,
    /// In tiles of pairs, by `tdpbf16ps`.
    Tiled,
}

impl Half for Bf16 {
    const DENORMAL: f32 = f32::from_bits(0x0012_0000);

    fn rounded(x: f32) -> f32 {
        rounded(x, 8, -126, 128)
    }

    fn arithmetic(kernel: Supported<Bf16>) -> Arithmetic {
        match kernel.record().name() {
            _ if bf16::widens(kernel) => Arithmetic::Widened,
            name if name.contains("tdpbf16ps") => Arithmetic::Tiled,
            _ => Arithmetic::Paired,
        }
    }
}

impl Half for F16 {
    const DENORMAL: f32 = 5.0 / (1 << 24) as f32;

    fn rounded(x: f32) -> f32 {
        rounded(x, 11, -14, 16)
    }
}

/// The nearest number with `bits` significant bits, the even one of two, with exponents from `least` to below `end`.
fn rounded(x: f32, bits: i32, least: i32, end: i32) -> f32 {
    if !x.is_finite() || x == 0.0 {
        return x;
    }
    let exponent = f64::from(x).abs().log2().floor() as i32;
    let step = 2f64.powi(exponent.max(least) - (bits - 1));
    let nearest = (f64::from(x) / step).round_ties_even() * step;
    if nearest.abs() < 2f64.powi(end) { nearest as f32 } else { f32::INFINITY.copysign(x) }
}

/// A number that is not denormal, or the zero that the instructions of pairs take it for.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// Steps at which a sum of `k` starts a new chain, and its end.
fn chains(k: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let length = |at: usize| match at {
        0..256 => 128,
        256..16_384 => 256,
        16_384..131_072 => 512,
        _ => 1024,
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let chain = at..k.min(at + length(at));
        at = chain.end;
        (!chain.is_empty()).then_some(chain)
    })
}

/// A (m, k) and B (k, n) of one product.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

impl Case {
    pub(crate) fn new((m, n, k): (usize, usize, usize), seed: u64) -> Case {
        let mut data = Data::new(seed);
        Case { m, n, k, a: data.normal(m * k, 0.0, 1.0), b: data.normal(k * n, 0.0, 1.0) }
    }

    pub(crate) fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    pub(crate) fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, self.n).unwrap()
    }

    pub(crate) fn plan<S: Half>(&self, kernel: Supported<S>) -> GemmPlan<S> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    pub(crate) fn run<S: Half>(&self, plan: &GemmPlan<S>, pool: &dyn Parallel) -> Vec<f32> {
        self.run_packed(plan, &plan.pack_b(self.b()).unwrap(), pool)
    }

    pub(crate) fn run_packed<S: Half>(&self, plan: &GemmPlan<S>, packed: &PackedB<S>, pool: &dyn Parallel) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, self.n).unwrap();
        plan.run(self.a(), packed, place, &Epilogue::default(), ctx).unwrap();
        c
    }

    /// The operands as the kernel multiplies them.
    pub(crate) fn rounded_for<S: Half>(&self, kernel: Supported<S>) -> Case {
        let round = |x: &[f32]| x.iter().map(|&x| S::rounded(x)).collect();
        let a = if S::widens(kernel) { self.a.clone() } else { round(&self.a) };
        Case { a, b: round(&self.b), ..*self }
    }

    /// For each element of C the product in f64 and that of the magnitudes.
    pub(crate) fn exact(&self) -> (Vec<f64>, Vec<f64>) {
        let element = |at: usize| {
            let (i, j) = (at / self.n, at % self.n);
            let products = (0..self.k).map(|p| f64::from(self.a[i * self.k + p]) * f64::from(self.b[p * self.n + j]));
            products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
        };
        (0..self.m * self.n).map(element).unzip()
    }

    /// The bits that the kernel promises.
    pub(crate) fn wanted<S: Half>(&self, kernel: Supported<S>) -> Vec<f32> {
        let operands = self.rounded_for(kernel);
        let sum_of = match S::arithmetic(kernel) {
            Arithmetic::Widened => Case::fused,
            Arithmetic::Paired => Case::paired,
            Arithmetic::Tiled => Case::tiled,
        };
        let element = |at: usize| {
            let sums = chains(self.k).map(|chain| sum_of(&operands, at / self.n, at % self.n, chain));
            sums.reduce(|total, sum| total + sum).unwrap_or(0.0)
        };
        (0..self.m * self.n).map(element).collect()
    }

    /// A chain of fused multiply-adds.
    fn fused(&self, i: usize, j: usize, chain: std::ops::Range<usize>) -> f32 {
        chain.fold(0.0, |sum, p| self.a[i * self.k + p].mul_add(self.b[p * self.n + j], sum))
    }

    /// A chain of `vdpbf16ps`.
    fn paired(&self, i: usize, j: usize, chain: std::ops::Range<usize>) -> f32 {
        let product = |sum: f32, p: usize| match p < self.k {
            true => flushed(flushed(self.a[i * self.k + p]).mul_add(flushed(self.b[p * self.n + j]), sum)),
            false => sum + 0.0,
        };
        chain.step_by(2).fold(0.0, |sum, p| product(product(sum, p + 1), p))
    }

    /// A chain of `tdpbf16ps`: of each 32 steps the even and the odd ones apart.
    fn tiled(&self, i: usize, j: usize, chain: std::ops::Range<usize>) -> f32 {
        let half = |steps: std::ops::Range<usize>| {
            steps.step_by(2).fold(0.0, |sum, p| {
                flushed(flushed(self.a[i * self.k + p]).mul_add(flushed(self.b[p * self.n + j]), sum))
            })
        };
        let end = chain.end;
        // Where nothing but zeros of a sign is added, the sign is +.
        chain.step_by(32).fold(0.0, |sum, first| {
            let end = end.min(first + 32);
            flushed(sum + flushed(half(first..end) + half(first + 1..end))) + 0.0
        })
    }
}

pub(crate) fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}
