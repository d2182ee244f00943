//! An instruction set of one feature, with vectors of two lanes and counts in the place of masks.

use cke_kernels::cpu::{Cpu, Features};
use cke_kernels::gemm::{Ctx, Epilogue, Form, GemmPlan, Microkernel, Outer, Shape, Supported, check_kernel, supported};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::{Body, Entry, Lanewise, Op, Simd};
use cke_kernels::threads::Serial;
use cke_kernels::tile_functions;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;

/// The record: tiles of 3 × 4.
static KERNEL: Microkernel<F32> = {
    // SAFETY: the functions are instances of the library's body for this file's vectors, which are plain Rust.
    unsafe {
        Microkernel::new("toy_f32_3x4", TwoLanes::NEEDS, 2, tile_functions!(TwoLanes, Outer, f32, [1 2 3], [1 2]))
    }
};

/// Proof that the CPU has the feature.
#[derive(Clone, Copy, Debug)]
struct TwoLanes(());

impl TwoLanes {
    const NEEDS: Features = if cfg!(target_arch = "aarch64") { Features::NEON } else { Features::FMA };
}

impl Lanewise<f32> for TwoLanes {
    type Reg = [f32; 2];
    type Cond = [bool; 2];

    fn splat(self, x: f32) -> [f32; 2] {
        [x; 2]
    }
    fn add(self, [a, b]: [f32; 2], [c, d]: [f32; 2]) -> [f32; 2] {
        [a + c, b + d]
    }
    fn sub(self, [a, b]: [f32; 2], [c, d]: [f32; 2]) -> [f32; 2] {
        [a - c, b - d]
    }
    fn mul(self, [a, b]: [f32; 2], [c, d]: [f32; 2]) -> [f32; 2] {
        [a * c, b * d]
    }
    fn div(self, [a, b]: [f32; 2], [c, d]: [f32; 2]) -> [f32; 2] {
        [a / c, b / d]
    }
    fn sqrt(self, a: [f32; 2]) -> [f32; 2] {
        a.map(f32::sqrt)
    }
    fn mul_add(self, a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> [f32; 2] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    fn max(self, a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
        self.select(self.less(b, a), a, b)
    }
    fn min(self, a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
        self.select(self.less(a, b), a, b)
    }
    fn round(self, a: [f32; 2]) -> [f32; 2] {
        a.map(f32::round_ties_even)
    }
    fn scale_by_power(self, a: [f32; 2], n: [f32; 2]) -> [f32; 2] {
        std::array::from_fn(|i| (f64::from(a[i]) * f64::from(n[i]).exp2()) as f32)
    }
    fn less(self, a: [f32; 2], b: [f32; 2]) -> [bool; 2] {
        [a[0] < b[0], a[1] < b[1]]
    }
    fn select(self, cond: [bool; 2], a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
        std::array::from_fn(|i| if cond[i] { a[i] } else { b[i] })
    }
}

// SAFETY: as the trait asks: two elements, read and written by plain Rust; a count of at most two stands for the first lanes.
unsafe impl Simd<f32> for TwoLanes {
    const LANES: usize = 2;
    type First = usize;

    fn first(self, lanes: usize) -> usize {
        lanes.min(2)
    }
    unsafe fn load(self, p: *const f32) -> [f32; 2] {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[f32; 2]>().read_unaligned() }
    }
    unsafe fn load_first(self, p: *const f32, first: usize) -> [f32; 2] {
        // SAFETY: elements below the count, promised by the caller.
        std::array::from_fn(|i| if i < first { unsafe { p.add(i).read() } } else { 0.0 })
    }
    unsafe fn load_first_filled(self, p: *const f32, first: usize) -> [f32; 2] {
        // SAFETY: elements below the count, of which there is one, promised by the caller.
        std::array::from_fn(|i| unsafe { p.add(if i < first { i } else { 0 }).read() })
    }
    unsafe fn store(self, p: *mut f32, v: [f32; 2]) {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[f32; 2]>().write_unaligned(v) }
    }
    unsafe fn store_first(self, p: *mut f32, v: [f32; 2], first: usize) {
        for (i, x) in v.into_iter().enumerate().take(first) {
            // SAFETY: elements below the count, promised by the caller.
            unsafe { p.add(i).write(x) }
        }
    }
    fn sum(self, [a, b]: [f32; 2]) -> f32 {
        a + b
    }
    fn largest(self, [a, b]: [f32; 2]) -> f32 {
        a.max(b)
    }
    fn prefetch(self, _p: *const f32) {}
    unsafe fn transpose(
        self,
        p: *const f32,
        row_stride: usize,
        rows: usize,
        cols: usize,
        out: *mut f32,
        out_stride: usize,
    ) {
        for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
            // SAFETY: an element of the block, promised by the caller.
            unsafe { out.add(j * out_stride + i).write(p.add(i * row_stride + j).read()) }
        }
    }
    fn outline<O: Op>(self, op: O) -> O::Output {
        op.run(self)
    }
}

// SAFETY: plain Rust.
unsafe impl<B: Body<Element = f32>> Entry<B> for TwoLanes {
    const FUNCTION: unsafe fn(&B::Args<'_>) = run_body::<B>;
}

/// # Safety
/// As [`Body::run`].
unsafe fn run_body<B: Body<Element = f32>>(args: &B::Args<'_>) {
    // SAFETY: promised by the caller.
    unsafe { B::run(TwoLanes(()), args) }
}

/// The kernel, on a CPU that has the feature.
fn kernel() -> Option<Supported<F32>> {
    KERNEL.on(Cpu::host().expect("CKE_ISA is right"))
}

#[test]
fn kernel_of_another_isa_runs_if_the_cpu_has_its_feature() {
    let cpu = Cpu::host().expect("CKE_ISA is right");
    assert_eq!(kernel().is_some(), cpu.has(TwoLanes::NEEDS));
    assert!(!cpu.capped(cke_kernels::Isa::Scalar).has(TwoLanes::NEEDS));
}

#[test]
fn kernel_of_another_isa_passes_the_check_of_kernels() {
    if let Some(kernel) = kernel() {
        check_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

#[test]
fn kernel_of_another_isa_has_the_bits_of_every_isa_that_fuses() {
    let cpu = Cpu::host().expect("CKE_ISA is right");
    let Some(own) = kernel() else { return };
    let others: Vec<_> =
        supported::<F32>(cpu, Form::Outer).filter(|kernel| kernel.record().needs() != Features::NONE).collect();
    for (m, n, k) in [(1, 1, 1), (7, 9, 300), (3, 4, 128), (5, 2, 1000)] {
        let mut data = Data::new(41);
        let (a, b) = (data.uniform(m * k), data.uniform(k * n));
        let product = |kernel| {
            let plan = GemmPlan::with_kernel(cpu, kernel, Shape { m, n, k });
            let mut c = vec![f32::NAN; m * n];
            let packed = plan.pack_b(MatRef::new(&b, k, n).unwrap()).unwrap();
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            let (a, place) = (MatRef::new(&a, m, k).unwrap(), MatMut::new(&mut c, m, n).unwrap());
            plan.run(a, &packed, place, &Epilogue::default(), ctx).unwrap();
            c
        };
        let found = product(own);
        for other in &others {
            assert_eq!(found, product(*other), "{m}×{n}×{k}, {}", other.record().name());
        }
    }
}
