//! Products by plain loops, in f64 and in the order of summation that each arithmetic promises.

use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, Shape, Supported, bf16};
use cke_kernels::scheme::Bf16;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;
use std::io::Write;
use std::sync::Once;

/// Every kernel that this CPU can run; those that it cannot are named once, past the capture of the test harness.
pub(crate) fn kernels() -> Vec<Supported<Bf16>> {
    static REPORT: Once = Once::new();
    let cpu = Cpu::host().unwrap();
    REPORT.call_once(|| {
        for record in bf16_records().filter(|record| !cpu.has(record.needs())) {
            let line =
                format!("\nignored: {} needs {}, in use are {}\n", record.name(), record.needs(), cpu.features());
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    });
    bf16_records().filter_map(|record| record.on(cpu)).collect()
}

fn bf16_records() -> impl Iterator<Item = &'static cke_kernels::gemm::Microkernel<Bf16>> {
    use cke_kernels::scheme::Scheme;
    Bf16::records()
}

/// The nearest f32 whose lower half is zero, the even one of two; by distances, not by carries.
pub(crate) fn rounded(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let low = f32::from_bits(x.to_bits() & !0xffff);
    let next = f32::from_bits((x.to_bits() & !0xffff) + 0x1_0000);
    // What would come after the largest number, in the place of infinity.
    let next_value = if next.is_finite() { f64::from(next) } else { 2f64.powi(128).copysign(f64::from(x)) };
    let (below, above) = (f64::from(x) - f64::from(low), next_value - f64::from(x));
    let low_is_even = (low.to_bits() >> 16).is_multiple_of(2);
    if below.abs() < above.abs() || below.abs() == above.abs() && low_is_even { low } else { next }
}

/// A number that is not denormal, or the zero that `vdpbf16ps` takes it for.
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

    pub(crate) fn plan(&self, kernel: Supported<Bf16>) -> GemmPlan<Bf16> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    pub(crate) fn run(&self, plan: &GemmPlan<Bf16>, pool: &dyn Parallel) -> Vec<f32> {
        self.run_packed(plan, &plan.pack_b(self.b()).unwrap(), pool)
    }

    pub(crate) fn run_packed(&self, plan: &GemmPlan<Bf16>, packed: &PackedB<Bf16>, pool: &dyn Parallel) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, self.n).unwrap();
        plan.run(self.a(), packed, place, &Epilogue::default(), ctx).unwrap();
        c
    }

    /// The operands as the kernel multiplies them.
    pub(crate) fn rounded_for(&self, kernel: Supported<Bf16>) -> Case {
        let round = |x: &[f32]| x.iter().map(|&x| rounded(x)).collect();
        let a = if bf16::widens(kernel) { self.a.clone() } else { round(&self.a) };
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
    pub(crate) fn wanted(&self, kernel: Supported<Bf16>) -> Vec<f32> {
        let operands = self.rounded_for(kernel);
        let sum_of = if bf16::widens(kernel) { Case::fused } else { Case::paired };
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
}

pub(crate) fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}
