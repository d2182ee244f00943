//! A microkernel of your own in eight bits: a scheme with formats of its own, tiles of 4 rows × 16 columns in AVX2, checked, used by a plan
//! like any other, and timed beside the library's.
//!
//! What [`own_kernel.rs`](own_kernel.rs) needs for f32 is a function for each tile. Here come four things more: how a block of a row and
//! of a panel lies in memory, and what prepares rows, packs panels and reads a column back.
//!
//! ```text
//! x ≈ scale · q,  q in −127 … 127,  scale = max |x| / 127 over 32 steps of K
//! C[i][j] = Σ over groups g of K  scale_a[i][g] · scale_b[g][j] · Σ_p q_a[i][p] · q_b[p][j]
//! ```
//!
//! cargo run --release -p cke-examples --bin own_int8_kernel
#![cfg_attr(target_arch = "x86_64", allow(unsafe_code, reason = "a microkernel works on raw pointers"))]
#![allow(clippy::needless_range_loop, reason = "index loops read like the formulas they implement")]

/// How numbers lie in memory, and how they get there.
#[cfg(target_arch = "x86_64")]
mod format {
    use super::kernel::OWN;
    use cke_kernels::gemm::{Microkernel, PanelBlock, PanelFormat, RowBlock, RowFormat};
    use cke_kernels::scheme::Scheme;
    use cke_kernels::view::MatRef;

    /// Steps of K with one scale.
    pub const GROUP: usize = 32;
    /// Columns of a panel.
    pub const COLS: usize = 16;
    /// Products that the instructions add at a time.
    pub const QUAD: usize = 4;
    /// Bytes of a scale.
    pub const SCALE: usize = size_of::<f32>();

    /// A scale, then the numbers.
    pub const ROWS: RowFormat = RowFormat {
        layout: "own int8 rows",
        block_k: GROUP,
        block_bytes: SCALE + GROUP,
        is_in_place: false,
        needs_whole_rows: false,
    };
    /// The scales of the columns; then for every four steps of K the four numbers of each column.
    pub const PANEL: PanelFormat =
        PanelFormat { layout: "own int8 quads", cols: COLS, block_k: GROUP, block_bytes: COLS * (SCALE + GROUP) };

    /// f32 · f32 in eight bits.
    #[derive(Clone, Copy, Debug)]
    pub struct OwnInt8;

    impl Scheme for OwnInt8 {
        type A = f32;
        type B = f32;
        type C = f32;
        const NAME: &'static str = "own_int8";

        fn kernels() -> &'static [&'static [Microkernel<OwnInt8>]] {
            static ALL: &[&[Microkernel<OwnInt8>]] = &[std::slice::from_ref(&OWN)];
            ALL
        }
    }

    /// Where the byte of step `p` of a group and of a column lies in a block of a panel.
    fn place(p: usize, col: usize) -> usize {
        COLS * SCALE + (p / QUAD * COLS + col) * QUAD + p % QUAD
    }

    /// A group of a row, zeros behind its end: its scale and its numbers.
    fn quantised(x: MatRef<'_, f32>, row: usize, start: usize) -> (f32, [i8; GROUP]) {
        let block = x.block(row..row + 1, start..x.cols().min(start + GROUP));
        let mut group = [0.0; GROUP];
        for (p, element) in group[..block.cols()].iter_mut().enumerate() {
            // SAFETY: element (0, p) of the view.
            *element = unsafe { *block.as_ptr().add(p * block.col_stride()) };
        }
        let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        (largest / 127.0, group.map(|x| (x * factor).round_ties_even() as i8))
    }

    /// # Safety
    /// None: plain Rust.
    pub unsafe fn prepare(block: RowBlock<'_, f32>) {
        let RowBlock { source, rows, row_stride, .. } = block;
        for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
            for (start, out) in (0..source.cols()).step_by(GROUP).zip(row.chunks_exact_mut(ROWS.block_bytes)) {
                let (scale, numbers) = quantised(source, i, start);
                out[..SCALE].copy_from_slice(&scale.to_ne_bytes());
                out[SCALE..].copy_from_slice(&numbers.map(|q| q as u8));
            }
        }
    }

    /// # Safety
    /// None: plain Rust.
    pub unsafe fn pack(block: PanelBlock<'_, f32>) {
        let PanelBlock { source, panel, row, col: first, .. } = block;
        for j in 0..source.cols() {
            for start in (0..source.rows()).step_by(GROUP) {
                let out = &mut panel[(row + start) / GROUP * PANEL.block_bytes..][..PANEL.block_bytes];
                let (scale, numbers) = quantised(source.transposed(), j, start);
                out[(first + j) * SCALE..][..SCALE].copy_from_slice(&scale.to_ne_bytes());
                for (p, q) in numbers.into_iter().enumerate() {
                    out[place(p, first + j)] = q as u8;
                }
            }
        }
    }

    /// out ← what a column of a panel stands for.
    pub fn column(_format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
        for (group, block) in out.chunks_mut(GROUP).zip(panel.chunks_exact(PANEL.block_bytes)) {
            let scale = f32::from_ne_bytes(std::array::from_fn(|byte| block[col * SCALE + byte]));
            for (p, x) in group.iter_mut().enumerate() {
                *x = scale * f32::from(block[place(p, col)] as i8);
            }
        }
    }
}

/// The kernel.
#[cfg(target_arch = "x86_64")]
mod kernel {
    use super::format::{COLS, GROUP, OwnInt8, PANEL, QUAD, ROWS, SCALE, column, pack, prepare};
    use cke_kernels::Isa;
    use cke_kernels::gemm::{KBlocks, KernelParts, Microkernel, TileArgs};
    use cke_kernels::simd::Avx2;
    use std::arch::x86_64::*;

    const LANES: usize = 8;

    pub static OWN: Microkernel<OwnInt8> = {
        let functions: &[&[_]] = &[
            &[tile::<1, 1>, tile::<1, 2>],
            &[tile::<2, 1>, tile::<2, 2>],
            &[tile::<3, 1>, tile::<3, 2>],
            &[tile::<4, 1>, tile::<4, 2>],
        ];
        // SAFETY: the functions need AVX2 and FMA alone, read whole blocks of the steps of a call, and leave C to `begin` and `end`; the
        // others are plain Rust, and do as `KernelParts` says.
        unsafe {
            Microkernel::from_parts(KernelParts {
                name: "own_int8_4x16",
                needs: Isa::Avx2.needs(),
                lanes: LANES,
                functions,
                rows_at_once: 1,
                rows: ROWS,
                panel: PANEL,
                k_blocks: KBlocks::Multiples(GROUP),
                pack,
                column,
                prepare,
                session: None,
            })
        }
    };

    /// C ← store(Σ Aᵢ·Bᵢ) for ROWS rows and VECTORS vectors of columns.
    ///
    /// # Safety
    /// As [`TileFn`](cke_kernels::gemm::TileFn), on a CPU with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(args: &TileArgs<'_, f32>) {
        // SAFETY: the caller's promises, passed on: blocks of rows below ROWS and of one panel are all that is read.
        unsafe {
            let mut total = args.begin::<LANES, VECTORS, ROWS>();
            // A call begins where a group does, and ends there or with the sum of a pair.
            let (mut offset, mut left) = (args.offset, args.steps);
            for pair in args.pairs {
                while offset < args.k && left > 0 {
                    let (a, b) =
                        (pair.a.add(offset / GROUP * args.a_col_stride), pair.b.add(offset / GROUP * args.b_stride));
                    total.add(&group::<ROWS, VECTORS>(a, args.a_row_stride, b));
                    let steps = GROUP.min(args.k - offset).min(left);
                    (offset, left) = (offset + steps, left - steps);
                }
                offset = 0;
            }
            total.end(Avx2::assume());
        }
    }

    /// scale_a · scale_b · Σ q_a · q_b for one group.
    ///
    /// # Safety
    /// Blocks of ROWS rows, `row_stride` bytes apart, and of a panel are valid for reads; the CPU has AVX2.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn group<const ROWS: usize, const VECTORS: usize>(
        rows: *const u8,
        row_stride: usize,
        panel: *const u8,
    ) -> [[[f32; LANES]; VECTORS]; ROWS] {
        let mut sums = [[_mm256_setzero_si256(); VECTORS]; ROWS];
        let mut scaled = [[[0.0; LANES]; VECTORS]; ROWS];
        // SAFETY: inside the blocks that the caller vouches for.
        unsafe {
            for quad in 0..GROUP / QUAD {
                for j in 0..VECTORS {
                    let place = panel.add(COLS * SCALE + (quad * COLS + j * LANES) * QUAD);
                    let b = _mm256_loadu_si256(place.cast());
                    let magnitudes = _mm256_abs_epi8(b);
                    for i in 0..ROWS {
                        let a = rows.add(i * row_stride + SCALE + quad * QUAD).cast::<i32>().read_unaligned();
                        // |b| · (a with the sign of b): the instruction wants one factor without a sign. A pair of products is at most
                        // 2 · 127² in magnitude, which 16 bits hold.
                        let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(_mm256_set1_epi32(a), b));
                        let quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                        sums[i][j] = _mm256_add_epi32(sums[i][j], quads);
                    }
                }
            }
            for i in 0..ROWS {
                let row_scale = _mm256_set1_ps(rows.add(i * row_stride).cast::<f32>().read_unaligned());
                for j in 0..VECTORS {
                    let scales = _mm256_loadu_ps(panel.add(j * LANES * SCALE).cast());
                    let product = _mm256_mul_ps(_mm256_mul_ps(row_scale, scales), _mm256_cvtepi32_ps(sums[i][j]));
                    _mm256_storeu_ps(scaled[i][j].as_mut_ptr(), product);
                }
            }
        }
        scaled
    }
}

#[cfg(target_arch = "x86_64")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use cke_kernels::gemm::{GemmPlan, Shape, check_prepared_kernel};
    use cke_kernels::scheme::Int8;
    use cke_kernels::view::MatRef;
    use cke_kernels::{Cpu, Isa};

    let cpu = Cpu::host()?.capped(Isa::Avx2);
    let Some(own) = kernel::OWN.on(&cpu) else {
        println!("{} needs {}, this CPU has {}", kernel::OWN.name(), kernel::OWN.isa(), cpu.isa());
        return Ok(());
    };
    check_prepared_kernel(own)?;
    println!("{}: every tile up to {} × {} is right", kernel::OWN.name(), own.tile().mr, own.tile().nr);

    let shape = Shape { m: 128, n: 768, k: 768 };
    let a: Vec<f32> = (0..shape.m * shape.k).map(|i| ((i % 13) as f32 - 6.0) / 13.0).collect();
    let b: Vec<f32> = (0..shape.k * shape.n).map(|i| ((i % 17) as f32 - 8.0) / 17.0).collect();
    let (a, b) = (MatRef::new(&a, shape.m, shape.k)?, MatRef::new(&b, shape.k, shape.n)?);
    let found = timed(GemmPlan::with_kernel(&cpu, own, shape), a, b)?;
    let librarys = timed(GemmPlan::<Int8>::new(&cpu, shape), a, b)?;
    let difference = found.iter().zip(&librarys).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    println!(
        "their results differ by {difference:.2} at most: groups are of {} steps here, of 128 there",
        format::GROUP
    );
    Ok(())
}

/// C = A·B by this plan, and what it takes.
#[cfg(target_arch = "x86_64")]
fn timed<S: cke_kernels::scheme::Scheme<A = f32, B = f32, C = f32>>(
    plan: cke_kernels::gemm::GemmPlan<S>,
    a: cke_kernels::view::MatRef<'_, f32>,
    b: cke_kernels::view::MatRef<'_, f32>,
) -> Result<Vec<f32>, cke_kernels::Error> {
    use cke_kernels::gemm::{Ctx, Epilogue};
    use cke_kernels::scratch::Scratch;
    use cke_kernels::threads::Serial;
    use cke_kernels::view::MatMut;

    let packed = plan.pack_b(b)?;
    let mut c = vec![0.0; a.rows() * b.cols()];
    let (mut best, mut scratch) = (f64::INFINITY, Scratch::new());
    for _ in 0..20 {
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut scratch };
        let started = std::time::Instant::now();
        plan.run(a, &packed, MatMut::new(&mut c, a.rows(), b.cols())?, &Epilogue::default(), ctx)?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    let operations = 2.0 * (a.rows() * a.cols() * b.cols()) as f64;
    println!("{:>16}: {:.0} GOP/s on one thread", plan.kernel().record().name(), operations / best / 1e9);
    Ok(c)
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("this example's kernel is written for x86-64");
}
