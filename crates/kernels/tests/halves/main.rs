//! Products with weights in bf16 and in f16 against plain loops: within the bound of the rounded operands' product, and bit by bit in the
//! order of summation that the kernel's arithmetic promises.

mod oracle;
#[path = "../support/page_borders.rs"]
mod page_borders;

use cke_kernels::gemm::{
    Blocking, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, Form, GemmPlan, Layout, Matrices, RowBuf, Shape,
    Supported, check_prepared_kernel, supported,
};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::{Bf16, F16, F32};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Isa};
use cke_testkit::Data;
use cke_testkit::tolerance::{assert_close, gemm_bound};
use oracle::{Arithmetic, Case, Half, bits};
use page_borders::{Border, product_at};
use std::io::Write;
use std::sync::Mutex;

/// Every kernel that this CPU can run; those that it cannot are named once for each scheme, past the capture of the test harness.
fn kernels<S: Half>() -> Vec<Supported<S>> {
    static REPORTED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let cpu = Cpu::host().unwrap();
    let mut reported = REPORTED.lock().unwrap();
    if !reported.contains(&S::NAME) {
        reported.push(S::NAME);
        for record in S::records().filter(|record| !cpu.has(record.needs())) {
            let line =
                format!("\nignored: {} needs {}, in use are {}\n", record.name(), record.needs(), cpu.features());
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
    S::records().filter_map(|record| record.on(cpu)).collect()
}

/// Each test for every scheme.
macro_rules! tests {
    ($($scheme:ident $module:ident),*; $names:tt) => { $(tests!(@scheme $scheme $module $names);)* };
    (@scheme $scheme:ident $module:ident [$($name:ident)*]) => {
        mod $module {
            use super::*;

            $(#[test]
            fn $name() {
                super::$name::<$scheme>();
            })*
        }
    };
}

tests! { Bf16 bf16, F16 f16; [
    products_have_the_promised_bits_on_any_number_of_threads
    products_of_every_height_stay_within_the_bound_of_the_rounded_operands
    every_height_at_every_depth_has_the_promised_bits
    widening_has_the_bits_of_f32_products_with_rounded_weights
    blocks_of_any_size_leave_the_bits_alone
    a_row_has_the_same_bits_in_any_company
    rows_with_any_strides_give_the_same_bits
    numbers_that_are_not_finite_are_multiplied_as_such
    denormal_numbers_are_kept_or_flushed_as_the_arithmetic_says
    packed_weights_serve_every_kernel_and_read_back_rounded
    weights_packed_piece_by_piece_are_those_packed_at_once
    epilogues_are_applied_to_the_sums
    columns_of_c_that_are_not_contiguous_are_written_alone
    batches_are_reduced_as_one_long_sum
    nothing_is_read_or_written_past_the_ends_of_operands
    kernels_pass_the_test_for_kernels_from_outside
] }

/// On both sides of tiles, panels, pairs, chains and of the blocks that a cache would have room for.
const SIZES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 16, 2),
    (2, 8, 3),
    (4, 17, 129),
    (5, 15, 64),
    (9, 33, 255),
    (6, 3, 257),
    (13, 40, 1001),
    (1, 100, 3072),
    (33, 64, 515),
    (12, 31, 384),
    (70, 5, 300),
    (40, 24, 33),
    (3, 8, 0),
];

fn products_have_the_promised_bits_on_any_number_of_threads<S: Half>() {
    for kernel in kernels::<S>() {
        for (seed, size) in (0..).zip(SIZES) {
            let case = Case::new(size, seed);
            let (plan, wanted) = (case.plan(kernel), bits(&case.wanted(kernel)));
            for threads in 1..=3 {
                let found = bits(&case.run(&plan, &ThreadPool::new(threads).unwrap()));
                assert_eq!(found, wanted, "{}, {size:?}, {threads} threads", kernel.record().name());
            }
        }
    }
}

fn products_of_every_height_stay_within_the_bound_of_the_rounded_operands<S: Half>() {
    for kernel in kernels::<S>() {
        for m in 1..=3 * kernel.tile().mr {
            let case = Case::new((m, 37, 131), m as u64);
            let (exact, sizes) = case.rounded_for(kernel).exact();
            let bounds: Vec<f64> = sizes.iter().map(|&size| gemm_bound(case.k, size)).collect();
            let name = format!("{}, {m} rows", kernel.record().name());
            assert_close(&name, &case.run(&case.plan(kernel), &Serial), &exact, &bounds);
        }
    }
}

fn every_height_at_every_depth_has_the_promised_bits<S: Half>() {
    let kernels = kernels::<S>();
    for arithmetic in [Arithmetic::Widened, Arithmetic::Paired, Arithmetic::Tiled] {
        let kernels: Vec<_> = kernels.iter().filter(|&&kernel| S::arithmetic(kernel) == arithmetic).collect();
        let most = kernels.iter().map(|kernel| 3 * kernel.tile().mr).max().unwrap_or(0);
        for k in (1..=266).take_while(|_| most > 0) {
            // Columns of one panel to six, which is as many as a tile has.
            let case = Case::new((most, [5, 37, 84][k % 3], k), k as u64);
            let wanted = bits(&case.wanted(*kernels[0]));
            for &&kernel in &kernels {
                let plan = case.plan(kernel);
                let packed = plan.pack_b(case.b()).unwrap();
                for m in 1..=3 * kernel.tile().mr {
                    let rows = Case { m, a: case.a[..m * k].to_vec(), b: vec![], ..case };
                    let found = bits(&rows.run_packed(&plan, &packed, &Serial));
                    assert_eq!(found, wanted[..m * case.n], "{}, {m} rows of {k}", kernel.record().name());
                }
            }
        }
    }
}

fn widening_has_the_bits_of_f32_products_with_rounded_weights<S: Half>() {
    let fused = |kernel: &Supported<F32>| kernel.record().isa() != Isa::Scalar;
    let cpu = Cpu::host().unwrap();
    for plain in supported::<F32>(cpu, Form::Outer).filter(fused) {
        for kernel in kernels::<S>().into_iter().filter(|&kernel| S::widens(kernel)) {
            let case = Case::new((19, 50, 777), 21);
            let operands = case.rounded_for(kernel);
            let plan = GemmPlan::with_kernel(cpu, plain, Shape { m: 19, n: 50, k: 777 });
            let (packed, mut c) = (plan.pack_b(operands.b()).unwrap(), vec![0.0; 19 * 50]);
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            plan.run(operands.a(), &packed, MatMut::new(&mut c, 19, 50).unwrap(), &Epilogue::default(), ctx).unwrap();
            assert_eq!(bits(&case.run(&case.plan(kernel), &Serial)), bits(&c), "{}", kernel.record().name());
        }
    }
}

fn blocks_of_any_size_leave_the_bits_alone<S: Half>() {
    for kernel in kernels::<S>() {
        let case = Case::new((37, 40, 1101), 7);
        let wanted = bits(&case.wanted(kernel));
        for (mc, kc) in [(4, 1), (7, 256), (16, 700), (37, 2000)] {
            let plan = case.plan(kernel).with_blocking(Blocking { mc, kc, nc: kernel.tile().nr }).unwrap();
            assert_eq!(bits(&case.run(&plan, &Serial)), wanted, "{}, {mc} {kc}", kernel.record().name());
        }
    }
}

fn a_row_has_the_same_bits_in_any_company<S: Half>() {
    for kernel in kernels::<S>() {
        let case = Case::new((37, 50, 701), 3);
        let plan = case.plan(kernel);
        let (all, packed) = (case.run(&plan, &Serial), plan.pack_b(case.b()).unwrap());
        for i in 0..case.m {
            let alone = Case { m: 1, a: case.a[i * case.k..(i + 1) * case.k].to_vec(), b: vec![], ..case };
            let found = alone.run_packed(&plan, &packed, &Serial);
            assert_eq!(bits(&found), bits(&all[i * case.n..(i + 1) * case.n]), "row {i}");
        }
    }
}

fn rows_with_any_strides_give_the_same_bits<S: Half>() {
    for kernel in kernels::<S>() {
        let case = Case::new((14, 20, 1024), 12);
        let wanted = bits(&case.wanted(kernel));
        // Columns of a row-major matrix, and rows a multiple of 4096 bytes apart, which are copied.
        let transposed: Vec<f32> = (0..case.m * case.k).map(|at| case.a[at % case.m * case.k + at / case.m]).collect();
        let columns = MatRef::new(&transposed, case.k, case.m).unwrap().transposed();
        for a in [columns, case.a()] {
            let (plan, mut c) = (case.plan(kernel), vec![f32::NAN; case.m * case.n]);
            let packed = plan.pack_b(case.b()).unwrap();
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            plan.run(a, &packed, MatMut::new(&mut c, case.m, case.n).unwrap(), &Epilogue::default(), ctx).unwrap();
            assert_eq!(bits(&c), wanted, "{}", kernel.record().name());
        }
    }
}

fn numbers_that_are_not_finite_are_multiplied_as_such<S: Half>() {
    for kernel in kernels::<S>() {
        for (x, y) in [
            (f32::NAN, 1.0),
            (1.0, f32::NAN),
            (f32::INFINITY, 2.0),
            (-2.0, f32::INFINITY),
            (f32::NEG_INFINITY, 0.0),
            (0.0, f32::INFINITY),
            (f32::INFINITY, f32::NEG_INFINITY),
            // Beyond the largest weight, so that it becomes infinite.
            (1.0, f32::MAX),
        ] {
            let mut case = Case::new((8, 21, 601), 4);
            (case.a[2 * 601 + 300], case.b[300 * 21 + 7]) = (x, y);
            let (found, wanted) = (case.run(&case.plan(kernel), &Serial), case.wanted(kernel));
            for (at, (&found, &wanted)) in found.iter().zip(&wanted).enumerate() {
                let is_same = found.to_bits() == wanted.to_bits() || found.is_nan() && wanted.is_nan();
                assert!(is_same, "{}, {x} {y} at {at}: {found}, not {wanted}", kernel.record().name());
            }
            let is_finite = |i: usize, j: usize| found[i * 21 + j].is_finite();
            assert!(!is_finite(2, 7) && is_finite(0, 0) && (y.is_nan() || is_finite(3, 8)), "{x} {y}");
        }
    }
}

fn denormal_numbers_are_kept_or_flushed_as_the_arithmetic_says<S: Half>() {
    let denormal = f32::from_bits(0x0012_3456);
    for kernel in kernels::<S>() {
        let case = Case { m: 2, n: 17, k: 5, a: vec![denormal; 10], b: vec![3.0; 85] };
        let turned = Case { a: vec![3.0; 10], b: vec![S::DENORMAL; 85], ..case };
        for case in [case, turned] {
            let found = case.run(&case.plan(kernel), &Serial);
            assert_eq!(bits(&found), bits(&case.wanted(kernel)), "{}", kernel.record().name());
            assert_eq!(found.iter().all(|&c| c != 0.0), S::widens(kernel), "{found:?}");
        }
    }
}

fn packed_weights_serve_every_kernel_and_read_back_rounded<S: Half>() {
    let case = Case::new((7, 37, 401), 9);
    for packer in kernels::<S>() {
        let packed = case.plan(packer).pack_b(case.b()).unwrap();
        assert_eq!(packed.bytes(), 48 * 402 * 2);
        for kernel in kernels::<S>() {
            let found = case.run_packed(&case.plan(kernel), &packed, &Serial);
            assert_eq!(bits(&found), bits(&case.wanted(kernel)), "{}", kernel.record().name());
        }
        let mut column = vec![0.0; case.k];
        for j in 0..case.n {
            packed.copy_column(j, &mut column).unwrap();
            let wanted: Vec<f32> = (0..case.k).map(|p| S::rounded(case.b[p * case.n + j])).collect();
            assert_eq!(bits(&column), bits(&wanted), "column {j}");
        }
    }
}

fn weights_packed_piece_by_piece_are_those_packed_at_once<S: Half>() {
    let case = Case::new((1, 37, 401), 10);
    for kernel in kernels::<S>() {
        let plan = case.plan(kernel);
        let (whole, mut pieces) = (plan.pack_b(case.b()).unwrap(), plan.empty_b().unwrap());
        for (rows, cols) in [(0..70, 0..5), (70..401, 0..5), (0..401, 5..37)] {
            pieces.write(rows.start, cols.start, case.b().block(rows, cols)).unwrap();
        }
        assert_eq!(pieces.as_bytes(), whole.as_bytes());
        assert!(pieces.write(1, 0, case.b().block(1..3, 0..1)).is_err(), "half a pair");
    }
}

#[test]
fn weights_beyond_the_range_of_f16_become_infinite_or_zero() {
    let tiny = 2f32.powi(-25);
    for (x, wanted) in [
        (65519.99, 65504.0),
        (65520.0, f32::INFINITY),
        (-1e9, f32::NEG_INFINITY),
        (tiny.next_up(), 2.0 * tiny),
        (tiny, 0.0),
        (-1e-30, -0.0),
    ] {
        for kernel in kernels::<F16>() {
            let case = Case { m: 1, n: 3, k: 1, a: vec![1.0], b: vec![x; 3] };
            let plan = case.plan(kernel);
            let (packed, mut column) = (plan.pack_b(case.b()).unwrap(), [0.0]);
            packed.copy_column(1, &mut column).unwrap();
            assert_eq!(bits(&column), bits(&[wanted]), "{x}");
            // A chain begins with a sum of +0, which −0 does not change.
            assert_eq!(bits(&case.run(&plan, &Serial)), bits(&[wanted + 0.0; 3]), "{x}, {}", kernel.record().name());
        }
    }
}

#[test]
fn every_f16_is_a_weight_without_loss() {
    let halves: Vec<f32> =
        (0..=u16::MAX).map(|bits| half::f16::from_bits(bits).to_f32()).filter(|x| !x.is_nan()).collect();
    for kernel in kernels::<F16>() {
        let case = Case { m: 1, n: halves.len(), k: 1, a: vec![1.0], b: halves.clone() };
        let wanted: Vec<f32> = halves.iter().map(|x| x + 0.0).collect();
        assert_eq!(bits(&case.run(&case.plan(kernel), &Serial)), bits(&wanted), "{}", kernel.record().name());
    }
}

/// What every part of an epilogue makes of sums.
fn with_epilogue(sums: &[f32], n: usize, bias: &[f32], residual: &[f32]) -> Vec<f32> {
    sums.iter().enumerate().map(|(at, &sum)| (0.5 * sum + bias[at % n]).max(0.0) + residual[at]).collect()
}

fn epilogues_are_applied_to_the_sums<S: Half>() {
    for kernel in kernels::<S>() {
        for size in [(5, 20, 300), (1, 7, 33), (40, 33, 129)] {
            let case = Case::new(size, 2);
            let (m, n, plan) = (case.m, case.n, case.plan(kernel));
            let (packed, mut rows) = (plan.pack_b(case.b()).unwrap(), RowBuf::new());
            rows.prepare(kernel, case.a(), &Serial).unwrap();
            let mut data = Data::new(5);
            let (bias, residual) = (data.uniform(n), data.uniform(m * n));
            let epilogue = Epilogue {
                scale: cke_kernels::gemm::Scale::All(0.5),
                bias: Some(&bias),
                activation: Activation::Relu,
                residual: Some(MatRef::new(&residual, m, n).unwrap()),
                ..Epilogue::default()
            };
            let wanted = with_epilogue(&case.wanted(kernel), n, &bias, &residual);
            let close =
                |c: &[f32]| c.iter().zip(&wanted).all(|(c, wanted)| (c - wanted).abs() <= 1e-5 * wanted.abs().max(1.0));
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            let (mut c, mut prepared) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
            plan.run(case.a(), &packed, MatMut::new(&mut c, m, n).unwrap(), &epilogue, ctx).unwrap();
            plan.run_prepared(&rows, &packed, MatMut::new(&mut prepared, m, n).unwrap(), &epilogue, ctx).unwrap();
            assert!(close(&c), "{}, {size:?}", kernel.record().name());
            assert_eq!(bits(&c), bits(&prepared), "rows prepared once");
        }
    }
}

fn columns_of_c_that_are_not_contiguous_are_written_alone<S: Half>() {
    for kernel in kernels::<S>() {
        let case = Case::new((9, 21, 140), 6);
        let (plan, wanted) = (case.plan(kernel), case.wanted(kernel));
        let (packed, mut c) = (plan.pack_b(case.b()).unwrap(), vec![7.0; 2 * case.m * case.n]);
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        let place = MatMut::with_strides(&mut c, case.m, case.n, 2 * case.n, 2).unwrap();
        plan.run(case.a(), &packed, place, &Epilogue::default(), ctx).unwrap();
        for (at, pair) in c.chunks(2).enumerate() {
            assert_eq!((pair[0].to_bits(), pair[1]), (wanted[at].to_bits(), 7.0), "{at}");
        }
    }
}

fn batches_are_reduced_as_one_long_sum<S: Half>() {
    for kernel in kernels::<S>() {
        // An odd k: chains end inside of a pair.
        for (k, count) in [(3, 150), (129, 5), (64, 9)] {
            let cases: Vec<Case> = (0..count).map(|seed| Case::new((6, 19, k), seed)).collect();
            let (m, n) = (6, 19);
            let plan = BrgemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k });
            let packed: Vec<_> = cases.iter().map(|case| case.plan(kernel).pack_b(case.b()).unwrap()).collect();
            let rows: Vec<_> = cases
                .iter()
                .map(|case| {
                    let mut rows = RowBuf::new();
                    rows.prepare(kernel, case.a(), &Serial).unwrap();
                    rows
                })
                .collect();
            let (packed, rows): (Vec<_>, Vec<_>) = (packed.iter().collect(), rows.iter().collect());
            let mut c = vec![f32::NAN; m * n];
            let operands = Brgemm { a: BlocksOfA::Prepared(&rows), b: BlocksOfB::Packed(&packed), beta: 0.0 };
            plan.run(&operands, MatMut::new(&mut c, m, n).unwrap(), &ThreadPool::new(2).unwrap()).unwrap();
            let name = format!("{}, {count} of {k}", kernel.record().name());

            let exact: Vec<_> = cases.iter().map(|case| case.rounded_for(kernel).exact()).collect();
            let sum = |parts: &dyn Fn(usize) -> f64| (0..count as usize).map(parts).sum::<f64>();
            let wanted: Vec<f64> = (0..m * n).map(|at| sum(&|i| exact[i].0[at])).collect();
            let bounds: Vec<f64> =
                (0..m * n).map(|at| gemm_bound(k * count as usize, sum(&|i| exact[i].1[at]))).collect();
            assert_close(&name, &c, &wanted, &bounds);
            if S::widens(kernel) {
                assert_eq!(bits(&c), bits(&joined(&cases).wanted(kernel)), "{name}");
                let a: Vec<f32> = cases.iter().flat_map(|case| case.a.clone()).collect();
                let a = Matrices::by_stride(&a, Layout::row_major(m, k), m * k, cases.len()).unwrap();
                let (before, operands) = (bits(&c), Brgemm { a: BlocksOfA::Strided(a), ..operands });
                plan.run(&operands, MatMut::new(&mut c, m, n).unwrap(), &Serial).unwrap();
                assert_eq!(bits(&c), before, "{name}, in place");
            }
        }
    }
}

/// One product whose sum is that of all, one after the other.
fn joined(cases: &[Case]) -> Case {
    let (m, k) = (cases[0].m, cases[0].k);
    let row = |i: usize| cases.iter().flat_map(move |case| case.a[i * k..(i + 1) * k].to_vec());
    Case {
        k: k * cases.len(),
        a: (0..m).flat_map(row).collect(),
        b: cases.iter().flat_map(|case| case.b.clone()).collect(),
        ..cases[0]
    }
}

fn nothing_is_read_or_written_past_the_ends_of_operands<S: Half>() {
    for kernel in kernels::<S>() {
        for size in [(1, 16, 4), (3, 5, 7), (6, 17, 131), (37, 30, 65)] {
            let case = Case::new(size, 13);
            let (plan, wanted) = (case.plan(kernel), bits(&case.wanted(kernel)));
            let packed = plan.pack_b(case.b()).unwrap();
            for border in Border::BOTH {
                let found = bits(&product_at(border, &plan, &case.a, &packed));
                assert_eq!(found, wanted, "{}, {size:?}, {border:?}", kernel.record().name());
            }
        }
    }
}

fn kernels_pass_the_test_for_kernels_from_outside<S: Half>() {
    for kernel in kernels::<S>() {
        check_prepared_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}"));
    }
}
