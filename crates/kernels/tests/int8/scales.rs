//! Scales of groups of any length, and of whole rows and columns, against sums in i64.

use super::bits;
use super::case::{Case, EXACT_STEPS, quantized, runs, spread};
use cke_kernels::gemm::Supported;
use cke_kernels::scheme::{Int8By, Int8Kernels, Scheme};
use cke_kernels::threads::{Serial, ThreadPool};
use cke_kernels::{Cpu, Error};

/// On both sides of tiles, panels, quads and of groups of every length.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 16, 128),
    (4, 17, 129),
    (5, 15, 63),
    (9, 33, 255),
    (17, 49, 257),
    (13, 40, 1000),
    (1, 100, 770),
    (3, 8, 0),
];

pub(crate) fn kernels<const GROUP: usize, const WHOLE: bool>() -> impl Iterator<Item = Supported<Int8By<GROUP, WHOLE>>>
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    Int8By::<GROUP, WHOLE>::records().filter_map(|kernel| kernel.on(Cpu::host().unwrap()))
}

fn check<const GROUP: usize, const WHOLE: bool>()
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for (seed, size) in (0..).zip(SIZES) {
        let case = Case::new(size, seed);
        let wanted = bits(&case.wanted::<GROUP, WHOLE>());
        for kernel in kernels::<GROUP, WHOLE>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            for threads in 1..=2 {
                let found = bits(&case.run(&plan, &packed, &ThreadPool::new(threads).unwrap()));
                assert_eq!(found, wanted, "{}, {size:?}, {threads} threads", kernel.record().name());
            }
        }
    }
}

#[test]
fn products_have_the_bits_of_plain_loops_whatever_one_scale_is_of() {
    check::<16, false>();
    check::<32, false>();
    check::<64, false>();
    check::<128, false>();
    check::<256, false>();
    check::<128, true>();
}

#[test]
fn sums_longer_than_32_bits_hold_go_on_in_f32() {
    let k = EXACT_STEPS + 70;
    for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)] {
        let case = Case { m: 2, n: 17, k, a: vec![x; 2 * k], b: vec![y; 17 * k] };
        let wanted = bits(&case.wanted::<128, true>());
        for kernel in kernels::<128, true>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            assert_eq!(bits(&case.run(&plan, &packed, &Serial)), wanted, "{}", kernel.record().name());
        }
    }
}

#[test]
fn extreme_bytes_of_the_longest_group_have_exact_sums() {
    let (m, n, k) = (7, 17, 512);
    for (x, y) in [(1.0, 1.0), (1.0, -1.0)] {
        // What is spread twice is as before: bytes are all 127 or −127.
        let of = |x: f32| spread(&[x; 256]).repeat(2);
        let case = Case { m, n, k, a: of(x).repeat(m), b: of(y).into_iter().flat_map(|y| vec![y; n]).collect() };
        assert!(runs::<256, false>(&case.column(0)).iter().all(|(_, numbers)| numbers.iter().all(|q| q.abs() == 127)));
        let wanted = bits(&case.wanted::<256, false>());
        for kernel in kernels::<256, false>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            assert_eq!(bits(&case.run(&plan, &packed, &Serial)), wanted, "{}", kernel.record().name());
        }
    }
}

#[test]
fn columns_of_one_scale_are_packed_whole_and_read_back() {
    let case = Case::new((3, 20, 300), 5);
    for kernel in kernels::<128, true>() {
        let plan = case.plan(kernel);
        let mut packed = plan.empty_b().unwrap();
        let part = case.b().block(0..128, 0..20);
        let error = packed.write(0, 0, part).unwrap_err();
        assert!(matches!(error, Error::Size { wanted: 300, found: 128, .. }), "{error}");
        packed.write(0, 3, case.b().block(0..300, 3..20)).unwrap();
        packed.write(0, 0, case.b().block(0..300, 0..3)).unwrap();
        assert_eq!(packed.as_bytes(), plan.pack_b(case.b()).unwrap().as_bytes());
        let mut column = vec![0.0; 300];
        for j in 0..20 {
            packed.copy_column(j, &mut column).unwrap();
            let (scale, numbers) = quantized(&case.column(j));
            assert_eq!(column, numbers.iter().map(|&q| scale * q as f32).collect::<Vec<_>>(), "column {j}");
        }
    }
}

fn check_columns<const GROUP: usize>()
where
    Int8By<GROUP, false>: Int8Kernels,
{
    let case = Case::new((1, 20, 2 * GROUP + 45), 6);
    for kernel in kernels::<GROUP, false>() {
        let packed = case.plan(kernel).pack_b(case.b()).unwrap();
        let mut column = vec![0.0; case.k];
        for j in 0..case.n {
            packed.copy_column(j, &mut column).unwrap();
            let runs = runs::<GROUP, false>(&case.column(j));
            // The exact product of the scale and the sums of whole numbers, rounded once.
            let wanted = runs.iter().flat_map(|(scale, numbers)| {
                let sums = spread(&numbers.iter().map(|&q| q as f32).collect::<Vec<_>>());
                sums.into_iter().map(|sum| (f64::from(*scale) * f64::from(sum)) as f32)
            });
            assert_eq!(column, wanted.collect::<Vec<_>>(), "column {j} in groups of {GROUP}");
        }
    }
}

#[test]
fn columns_of_groups_read_back_rounded_once() {
    check_columns::<16>();
    check_columns::<32>();
    check_columns::<64>();
    check_columns::<128>();
    check_columns::<256>();
}

#[test]
fn numbers_that_are_not_finite_reach_their_row_or_column_and_no_other() {
    for kernel in kernels::<128, true>() {
        let mut case = Case::new((5, 20, 600), 4);
        (case.a[2 * 600 + 300], case.b[500 * 20 + 7]) = (f32::NAN, f32::INFINITY);
        let plan = case.plan(kernel);
        let found = case.run(&plan, &plan.pack_b(case.b()).unwrap(), &Serial);
        for (at, x) in found.iter().enumerate() {
            assert_eq!(x.is_nan(), at / 20 == 2 || at % 20 == 7, "{at}: {x}");
        }
    }
}
