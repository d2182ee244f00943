//! bf16, against the product in f64 and the order of summation that is promised.

#[path = "../../../tests/halves/oracle.rs"]
mod oracle;

use super::heights;
use super::page_borders::{Border, product_at};
use crate::cpu::{Cpu, Isa};
use crate::gemm::bf16::tiles;
use crate::gemm::micro::tile_block::every_size;
use crate::gemm::tile_args::TileArgs;
use crate::gemm::{Blocking, Microkernel, Supported, check_prepared_kernel};
use crate::scheme::Bf16;
use crate::simd::SoftwareTiles;
use crate::threads::{Serial, ThreadPool};
use cke_testkit::tolerance::{assert_close, gemm_bound};
use oracle::{Arithmetic, Case, Half, bits};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn), inside a session.
unsafe fn tile(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tiles::tile(SoftwareTiles, args) }
}

/// Its rows are rounded on AVX-512.
static KERNEL: Microkernel<Bf16> =
    tiles::record::<SoftwareTiles>("software_amx_bf16_tdpbf16ps_32x32", Isa::Avx512.needs(), every_size!(tile));

/// The kernel, if this CPU can prepare its rows.
fn kernel() -> Option<Supported<Bf16>> {
    let kernel = KERNEL.on(Cpu::host().unwrap())?;
    assert_eq!(Bf16::arithmetic(kernel), Arithmetic::Tiled);
    Some(kernel)
}

/// On both sides of pairs, of the steps of a tile and of chains.
const DEPTHS: [usize; 14] = [1, 2, 3, 31, 32, 33, 64, 127, 129, 160, 255, 257, 288, 515];

#[test]
fn every_height_has_the_promised_bits_within_the_bound_of_the_rounded_operands() {
    let Some(kernel) = kernel() else { return };
    for k in DEPTHS {
        let case = Case::new((heights(kernel).max().unwrap(), [5, 16, 37, 70][k % 4], k), k as u64);
        let (plan, wanted) = (case.plan(kernel), case.wanted(kernel));
        let (exact, sizes) = case.rounded_for(kernel).exact();
        let bounds: Vec<f64> = sizes.iter().map(|&size| gemm_bound(k, size)).collect();
        assert_close(kernel.record().name(), &wanted, &exact, &bounds);
        let packed = plan.pack_b(case.b()).unwrap();
        for m in heights(kernel) {
            let rows = Case { m, a: case.a[..m * k].to_vec(), b: vec![], ..case };
            let found = bits(&rows.run_packed(&plan, &packed, &Serial));
            assert_eq!(found, bits(&wanted[..m * case.n]), "{m} rows of {k}");
        }
    }
}

#[test]
fn blocks_and_threads_leave_the_bits_alone() {
    let Some(kernel) = kernel() else { return };
    let case = Case::new((70, 40, 1101), 7);
    let wanted = bits(&case.wanted(kernel));
    for (mc, kc) in [(4, 1), (16, 700), (70, 2000)] {
        let plan = case.plan(kernel).with_blocking(Blocking { mc, kc, nc: kernel.tile().nr }).unwrap();
        assert_eq!(bits(&case.run(&plan, &ThreadPool::new(2).unwrap())), wanted, "{mc} {kc}");
    }
}

#[test]
fn denormal_numbers_are_zeros() {
    let Some(kernel) = kernel() else { return };
    let case = Case { m: 2, n: 17, k: 5, a: vec![3.0; 10], b: vec![Bf16::DENORMAL; 85] };
    let found = case.run(&case.plan(kernel), &Serial);
    assert_eq!(bits(&found), bits(&[0.0; 34]));
}

#[test]
fn nothing_is_read_or_written_past_the_ends_of_operands() {
    let Some(kernel) = kernel() else { return };
    for size in [(1, 16, 4), (3, 5, 7), (17, 17, 131), (37, 30, 65), (33, 48, 64)] {
        let case = Case::new(size, 13);
        let (plan, wanted) = (case.plan(kernel), bits(&case.wanted(kernel)));
        let packed = plan.pack_b(case.b()).unwrap();
        for border in Border::BOTH {
            assert_eq!(bits(&product_at(border, &plan, &case.a, &packed)), wanted, "{size:?}, {border:?}");
        }
    }
}

#[test]
fn tiles_pass_the_test_for_kernels_from_outside() {
    // A low one: fused multiply-adds are slow where the C library computes them.
    static KERNEL: Microkernel<Bf16> = tiles::record::<SoftwareTiles>(
        "software_amx_bf16_tdpbf16ps_3x32",
        Isa::Avx512.needs(),
        every_size!(tile).split_at(3).0,
    );
    let Some(kernel) = KERNEL.on(Cpu::host().unwrap()) else { return };
    check_prepared_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}"));
}
