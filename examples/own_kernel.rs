//! A microkernel of your own: tiles of 5 rows × 16 columns in AVX2, registered from outside the library, checked, used by a plan like
//! any other, and timed beside the library's.
//!
//! Three things make one: a function for each number of rows and vectors, a `static Microkernel` that names the instruction set they
//! need, and `.on(cpu)`, which proves that the CPU has it.
//!
//! cargo run --release -p cke-examples --bin own_kernel
#![cfg_attr(target_arch = "x86_64", allow(unsafe_code, reason = "a microkernel works on raw pointers"))]
#![allow(clippy::needless_range_loop, reason = "index loops read like the formulas they implement")]

/// The kernel.
#[cfg(target_arch = "x86_64")]
mod kernel {
    use cke_kernels::Isa;
    use cke_kernels::gemm::{Microkernel, TileArgs};
    use cke_kernels::scheme::F32;
    use cke_kernels::simd::Avx2;
    use std::arch::x86_64::*;

    const LANES: usize = 8;

    /// Of 16 registers, 10 hold sums, 2 a row of B, one an element of A and one the mask.
    pub static OWN: Microkernel<F32> = {
        let functions: &[&[_]] = &[
            &[tile::<1, 1>, tile::<1, 2>],
            &[tile::<2, 1>, tile::<2, 2>],
            &[tile::<3, 1>, tile::<3, 2>],
            &[tile::<4, 1>, tile::<4, 2>],
            &[tile::<5, 1>, tile::<5, 2>],
        ];
        // SAFETY: the functions need AVX2 and FMA alone, take rows and vectors as their places in the table say, and leave all that
        // is not multiplying to `begin` and `end`.
        unsafe { Microkernel::new("own_f32_5x16", Isa::Avx2.needs(), LANES, functions) }
    };

    /// C ← store(Σ Aᵢ·Bᵢ) for ROWS rows and VECTORS vectors, the last of them cut to `args.cols`.
    ///
    /// # Safety
    /// As [`TileFn`](cke_kernels::gemm::TileFn), on a CPU with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(args: &TileArgs<'_, f32>) {
        let last = mask(args.cols - (VECTORS - 1) * LANES);
        // SAFETY: the caller's promises, passed on: rows < ROWS, the runs' steps and columns below `cols` are all that is read.
        unsafe {
            let mut total = args.begin::<LANES, VECTORS, ROWS>();
            for chain in args.chains() {
                let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
                for run in chain.runs() {
                    let (mut a, mut b) = (run.first.a.cast::<f32>(), run.first.b.cast::<f32>());
                    for _ in 0..run.steps {
                        let mut row = [_mm256_setzero_ps(); VECTORS];
                        for j in 0..VECTORS {
                            let b = b.add(j * LANES);
                            row[j] = if j + 1 < VECTORS { _mm256_loadu_ps(b) } else { _mm256_maskload_ps(b, last) };
                        }
                        for i in 0..ROWS {
                            let x = _mm256_set1_ps(*a.byte_add(i * args.a_row_stride));
                            for j in 0..VECTORS {
                                sums[i][j] = _mm256_fmadd_ps(x, row[j], sums[i][j]);
                            }
                        }
                        (a, b) = (a.wrapping_byte_add(args.a_col_stride), b.wrapping_byte_add(args.b_stride));
                    }
                }
                let mut in_memory = [[[0.0; LANES]; VECTORS]; ROWS];
                for i in 0..ROWS {
                    for j in 0..VECTORS {
                        _mm256_storeu_ps(in_memory[i][j].as_mut_ptr(), sums[i][j]);
                    }
                }
                total.add(&in_memory);
            }
            total.end(Avx2::assume());
        }
    }

    /// All bits of the first `lanes` lanes.
    #[target_feature(enable = "avx2")]
    fn mask(lanes: usize) -> __m256i {
        _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    }
}

#[cfg(target_arch = "x86_64")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, Shape, check_kernel};
    use cke_kernels::scratch::Scratch;
    use cke_kernels::threads::Serial;
    use cke_kernels::view::{MatMut, MatRef};
    use cke_kernels::{Cpu, Isa};
    use std::time::Instant;

    let cpu = Cpu::host()?.capped(Isa::Avx2);
    let Some(own) = kernel::OWN.on(&cpu) else {
        println!("{} needs {}, this CPU has {}", kernel::OWN.name(), kernel::OWN.isa(), cpu.isa());
        return Ok(());
    };
    check_kernel(own)?;
    println!("{}: every tile up to {} × {} is right", kernel::OWN.name(), own.tile().mr, own.tile().nr);

    let (m, n, k) = (240, 720, 512);
    let a: Vec<f32> = (0..m * k).map(|i| ((i % 13) as f32 - 6.0) / 13.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| ((i % 17) as f32 - 8.0) / 17.0).collect();
    let plans = [GemmPlan::with_kernel(&cpu, own, Shape { m, n, k }), GemmPlan::new(&cpu, Shape { m, n, k })];
    let packed = [plans[0].pack_b(MatRef::new(&b, k, n)?)?, plans[1].pack_b(MatRef::new(&b, k, n)?)?];
    let mut results = [vec![0.0; m * n], vec![0.0; m * n]];
    let mut seconds = [f64::INFINITY; 2];
    let mut scratch = Scratch::new();
    // In turns, the best of each: what disturbs one disturbs the other as well.
    for _ in 0..20 {
        for which in 0..2 {
            let (a, c) = (MatRef::new(&a, m, k)?, MatMut::new(&mut results[which], m, n)?);
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut scratch };
            let started = Instant::now();
            plans[which].run(a, &packed[which], c, &Epilogue::default(), ctx)?;
            seconds[which] = seconds[which].min(started.elapsed().as_secs_f64());
        }
    }
    assert_eq!(
        results[0], results[1],
        "each element is summed in the same chains of fused multiply-adds in both, so the bits are the same"
    );
    for (plan, seconds) in plans.iter().zip(seconds) {
        let gflops = 2.0 * (m * n * k) as f64 / seconds / 1e9;
        println!("{:>14}: {gflops:.0} GFLOP/s on one thread", plan.kernel().record().name());
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("this example's kernel is written for x86-64");
}
