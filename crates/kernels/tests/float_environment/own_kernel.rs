//! Microkernels from outside may leave anything in the columns past those of C; no epilogue may compute with it.

use crate::environment::{INVALID, raised_by};
use crate::routines::whole_numbers;
use cke_kernels::cpu::{Cpu, Features};
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, Microkernel, Shape, TileArgs, TileFn};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::Scalar;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};

const LANES: usize = 8;

/// A NaN that raises an exception in every operation but moves.
const SIGNALING_NAN: u32 = 0x7FA0_0000;

/// # Safety
/// As [`TileFn`], for one row and one vector of [`LANES`].
unsafe fn leaves_nan_past_c(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller: one row, the steps of the runs, columns below cols.
    unsafe {
        let mut total = args.begin::<LANES, 1, 1>();
        for chain in args.chains() {
            let mut sums = [[[f32::from_bits(SIGNALING_NAN); LANES]]];
            sums[0][0][..args.cols].fill(0.0);
            for run in chain.runs() {
                for p in 0..run.steps {
                    let x = *run.first.a.wrapping_add(p * args.a_col_stride).cast::<f32>();
                    for (j, sum) in sums[0][0][..args.cols].iter_mut().enumerate() {
                        *sum += x * *run.first.b.add(p * args.b_stride).cast::<f32>().add(j);
                    }
                }
            }
            total.add(&sums);
        }
        total.end(Scalar);
    }
}

const FUNCTIONS: &[&[TileFn<f32>]] = &[&[leaves_nan_past_c]];

// SAFETY: plain Rust that keeps to the contract.
static KERNEL: Microkernel<F32> = unsafe { Microkernel::new("own_1x8", Features::NONE, LANES, FUNCTIONS) };

#[test]
fn what_a_kernel_leaves_past_the_columns_of_c_raises_no_exception() {
    let cpu = Cpu::host().expect("the environment asks for what the CPU has");
    let kernel = KERNEL.on(cpu).expect("plain Rust runs everywhere");
    // One chain and several; a part of a vector, and a whole one before it.
    for (n, k) in [(5, 3), (13, 40), (3, 2000)] {
        let plan = GemmPlan::with_kernel(cpu, kernel, Shape { m: 2, n, k });
        let (a, b, mut c) = (whole_numbers::<f32>(2 * k), whole_numbers::<f32>(k * n), vec![0.0; 2 * n]);
        let (a, b) = (MatRef::new(&a, 2, k).expect("as large"), MatRef::new(&b, k, n).expect("as large"));
        let packed = plan.pack_b(b).expect("memory for a small matrix");
        for activation in Activation::ALL {
            let c = MatMut::new(&mut c, 2, n).expect("as large");
            let epilogue = Epilogue { activation, ..Epilogue::default() };
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            let raised = raised_by(|| plan.run(a, &packed, c, &epilogue, ctx).expect("sizes match"));
            assert_eq!(raised & INVALID, 0, "{activation:?}, n = {n}, k = {k}");
        }
        assert!(c.iter().all(|x| x.is_finite()), "n = {n}, k = {k}");
    }
}
