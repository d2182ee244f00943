//! Eight bits, against sums in i64 and the kernels of this CPU.

#[path = "../../../tests/int8/case.rs"]
mod case;

use super::page_borders::{Border, product_at};
use super::{bits, heights};
use crate::cpu::{Cpu, Features};
use crate::gemm::int8::tile::{on_tiles, tile_record};
use crate::gemm::micro::tile_block::every_size;
use crate::gemm::tile_args::TileArgs;
use crate::gemm::{Microkernel, Supported, check_prepared_kernel};
use crate::scheme::{Int8By, Int8Kernels, Scheme};
use crate::simd::SoftwareTiles;
use crate::threads::{Serial, ThreadPool};
use case::{Case, EXACT_STEPS};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn), inside a session.
unsafe fn tile<const GROUP: usize, const WHOLE: bool>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { on_tiles::<SoftwareTiles, GROUP, WHOLE>(SoftwareTiles, args) }
}

/// The kernel of a scheme, for tests of `test::<group, whole>(kernel)`.
macro_rules! for_each_scheme {
    ($test:ident: $(($group:literal, $whole:literal))*) => {$({
        static KERNEL: Microkernel<Int8By<$group, $whole>> = tile_record::<SoftwareTiles, $group, $whole>(
            concat!("software_amx_", stringify!($group), "_", stringify!($whole)),
            Features::NONE,
            every_size!(tile::<$group, $whole>),
        );
        $test::<$group, $whole>(KERNEL.on(Cpu::host().unwrap()).unwrap());
    })*};
    ($test:ident) => {
        for_each_scheme!($test: (16, false) (32, false) (64, false) (128, false) (256, false) (128, true))
    };
}

/// On both sides of quads, tiles and groups.
const DEPTHS: [usize; 14] = [1, 3, 4, 31, 33, 63, 64, 65, 127, 129, 255, 257, 384, 515];

/// Columns of one panel to five.
const WIDTHS: [usize; 5] = [5, 16, 18, 32, 70];

fn check_heights<const GROUP: usize, const WHOLE: bool>(kernel: Supported<Int8By<GROUP, WHOLE>>)
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for (index, k) in DEPTHS.into_iter().enumerate() {
        let case = Case::new((heights(kernel).max().unwrap(), WIDTHS[index % WIDTHS.len()], k), k as u64);
        let (plan, wanted) = (case.plan(kernel), bits(&case.wanted::<GROUP, WHOLE>()));
        let packed = plan.pack_b(case.b()).unwrap();
        for m in heights(kernel) {
            let rows = Case { m, a: case.a[..m * k].to_vec(), b: vec![], ..case };
            let found = bits(&rows.run(&plan, &packed, &Serial));
            assert_eq!(found, wanted[..m * case.n], "{}, {m} rows of {k}", kernel.record().name());
        }
    }
}

#[test]
fn every_height_has_the_bits_of_sums_in_i64() {
    for_each_scheme!(check_heights);
}

fn check_against_others<const GROUP: usize, const WHOLE: bool>(kernel: Supported<Int8By<GROUP, WHOLE>>)
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    let case = Case::new((37, 50, 1030), 3);
    let packed = case.plan(kernel).pack_b(case.b()).unwrap();
    let found = bits(&case.run(&case.plan(kernel), &packed, &ThreadPool::new(2).unwrap()));
    for other in Int8By::<GROUP, WHOLE>::records().filter_map(|other| other.on(Cpu::host().unwrap())) {
        assert_eq!(bits(&case.run(&case.plan(other), &packed, &Serial)), found, "{}", other.record().name());
    }
}

#[test]
fn kernels_of_this_cpu_give_the_same_bits_from_the_same_panels() {
    for_each_scheme!(check_against_others);
}

fn check_extremes<const GROUP: usize, const WHOLE: bool>(kernel: Supported<Int8By<GROUP, WHOLE>>)
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for k in [512, EXACT_STEPS + 70] {
        for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
            let case = Case { m: 2, n: 17, k, a: vec![x; 2 * k], b: vec![y; 17 * k] };
            let plan = case.plan(kernel);
            let found = case.run(&plan, &plan.pack_b(case.b()).unwrap(), &Serial);
            assert_eq!(bits(&found), bits(&case.wanted::<GROUP, WHOLE>()), "{} {x} {y}", kernel.record().name());
        }
    }
}

#[test]
fn extreme_bytes_do_not_saturate() {
    for_each_scheme!(check_extremes);
}

fn check_borders<const GROUP: usize, const WHOLE: bool>(kernel: Supported<Int8By<GROUP, WHOLE>>)
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for size in [(1, 16, 4), (3, 5, 7), (17, 17, 131), (37, 30, 65), (33, 48, 256)] {
        let case = Case::new(size, 13);
        let (plan, wanted) = (case.plan(kernel), bits(&case.wanted::<GROUP, WHOLE>()));
        let packed = plan.pack_b(case.b()).unwrap();
        for border in Border::BOTH {
            let found = bits(&product_at(border, &plan, &case.a, &packed));
            assert_eq!(found, wanted, "{}, {size:?}, {border:?}", kernel.record().name());
        }
    }
}

#[test]
fn nothing_is_read_or_written_past_the_ends_of_operands() {
    for_each_scheme!(check_borders);
}

#[test]
fn tiles_pass_the_test_for_kernels_from_outside() {
    // One that is a little taller than half a block: all of one would take a minute.
    static KERNEL: Microkernel<Int8By<128, true>> = tile_record::<SoftwareTiles, 128, true>(
        "software_amx_int8_channel_18x32",
        Features::NONE,
        every_size!(tile::<128, true>).split_at(18).0,
    );
    let kernel = KERNEL.on(Cpu::host().unwrap()).unwrap();
    check_prepared_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}"));
}
