//! The same bits whatever the threads, alignment, blocks, other rows and columns, and fusing kernel.

use crate::epilogue::{EpilogueKind, EpilogueOperands};
use crate::kernels::kernels;
use crate::operands::{Operands, plan, tiny_blockings, unwritten, view, view_mut_of, view_of};
use cke_kernels::Isa;
use cke_kernels::gemm::{Blocking, Ctx, Epilogue, GemmPlan, PackedB, Supported};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::{AlignedBuf, Scratch};
use cke_kernels::threads::{Serial, ThreadPool};
use cke_testkit::shapes::{GemmCase, Storage};
use cke_testkit::tolerance::assert_identical;
use cke_testkit::{Layout, Matrix};
use std::ops::Range;

/// A product that crosses the borders of every kernel's tile, with every part of an epilogue.
const CASE: (usize, usize, usize) = (29, 150, 37);

/// A sum of chains of both of the first lengths, the last one short.
const DEEP: usize = 1100;

fn case() -> GemmCase {
    let (m, n, k) = CASE;
    GemmCase::row_major(m, n, k)
}

fn full_epilogue(case: &GemmCase) -> EpilogueOperands {
    EpilogueOperands::new(EpilogueKind::FULL, case.m, case.n, 71)
}

/// The product of [`case`] by one plan on the calling thread.
fn serial(plan: &GemmPlan<F32>) -> Vec<f32> {
    let mut operands = Operands::new(case(), 72);
    operands.run(plan, &full_epilogue(&case()).epilogue()).expect("sizes agree");
    operands.c.to_row_major()
}

#[test]
fn product_has_the_same_bits_for_any_number_of_threads() {
    let pools: Vec<_> = (1..=3).map(|threads| ThreadPool::new(threads).expect("threads start")).collect();
    for kernel in kernels() {
        let blockings = tiny_blockings(kernel).into_iter().map(Some).chain([None]);
        for blocking in blockings {
            let plan = plan(kernel, &case(), blocking);
            let wanted = serial(&plan);
            for (pool, _repetition) in pools.iter().flat_map(|pool| (0..3).map(move |i| (pool, i))) {
                let mut operands = Operands::new(case(), 72);
                operands.run_on(&plan, &full_epilogue(&case()).epilogue(), pool).expect("sizes agree");
                let name = format!("{}, {blocking:?}, {pool:?}", kernel.record().name());
                assert_identical(&name, &operands.c.to_row_major(), &wanted);
            }
        }
    }
}

#[test]
fn product_too_deep_for_the_cache_has_the_same_bits_for_any_number_of_threads() {
    for kernel in kernels() {
        let case = GemmCase::row_major(kernel.tile().mr + 1, kernel.tile().nr + 1, 70_000);
        let plan = plan(kernel, &case, None);
        let mut operands = Operands::new(case, 73);
        operands.run(&plan, &Epilogue::default()).expect("sizes agree");
        let wanted = operands.c.to_row_major();
        for threads in 2..=3 {
            let pool = ThreadPool::new(threads).expect("threads start");
            operands.run_on(&plan, &Epilogue::default(), &pool).expect("sizes agree");
            assert_identical(&format!("{}, {threads}", kernel.record().name()), &operands.c.to_row_major(), &wanted);
        }
    }
}

#[test]
fn product_has_the_same_bits_for_any_blocking() {
    for kernel in kernels() {
        let wanted = serial(&plan(kernel, &case(), None));
        for blocking in tiny_blockings(kernel) {
            let found = serial(&plan(kernel, &case(), Some(blocking)));
            assert_identical(&format!("{}, {blocking:?}", kernel.record().name()), &found, &wanted);
        }
    }
}

#[test]
fn product_of_many_chains_has_the_same_bits_for_any_blocking_and_threads() {
    let pool = ThreadPool::new(2).expect("threads start");
    for kernel in kernels() {
        let case = GemmCase::row_major(kernel.tile().mr + 1, kernel.tile().nr + 1, DEEP);
        let result = |kc: usize| {
            let blocking = Blocking { mc: kernel.tile().mr, kc, nc: kernel.tile().nr };
            let mut operands = Operands::new(case, 74);
            let extra = full_epilogue(&case);
            operands.run_on(&plan(kernel, &case, Some(blocking)), &extra.epilogue(), &pool).expect("sizes agree");
            operands.c.to_row_major()
        };
        let wanted = result(DEEP);
        for kc in [1, 127, 128, 129, 256, 300, 512, 1000] {
            assert_identical(&format!("{}, kc = {kc}", kernel.record().name()), &result(kc), &wanted);
        }
    }
}

#[test]
fn product_has_the_same_bits_for_any_alignment() {
    let case = case();
    let extra = full_epilogue(&case);
    let operands = Operands::new(case, 72);
    let line = 16; // elements of a cache line, on which the buffers start
    let buffer = || AlignedBuf::<f32>::zeroed(line + case.m * case.n.max(case.k)).expect("memory is there");
    for kernel in kernels() {
        let plan = plan(kernel, &case, None);
        let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
        let wanted = serial(&plan);
        for offset in 0..line {
            let (mut a, mut c) = (buffer(), buffer());
            a[offset..][..case.m * case.k].copy_from_slice(operands.a.as_slice());
            let c_at = &mut c[(offset * 5) % line..][..case.m * case.n];
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            let a = view_of(&a[offset..], case.a_layout());
            plan.run(a, &packed, view_mut_of(c_at, case.c_layout()), &extra.epilogue(), ctx).expect("sizes agree");
            assert_identical(&format!("{}, {offset}", kernel.record().name()), c_at, &wanted);
        }
    }
}

#[test]
fn product_has_the_same_bits_for_any_storage() {
    for kernel in kernels() {
        let wanted = serial(&plan(kernel, &case(), None));
        for storage in Storage::ALL {
            let case = case().stored(storage, storage, storage);
            let mut operands = Operands::new(case, 72);
            let plan = plan(kernel, &case, Some(tiny_blockings(kernel)[2]));
            operands.run(&plan, &full_epilogue(&case).epilogue()).expect("sizes agree");
            assert_identical(&format!("{}, {case}", kernel.record().name()), &operands.c.to_row_major(), &wanted);
        }
    }
}

/// C of some rows of A alone, without their residual.
fn product_of_rows(plan: &GemmPlan<F32>, packed: &PackedB<F32>, a: &Matrix<f32>, rows: Range<usize>) -> Vec<f32> {
    let layout = Layout { rows: rows.len(), ..a.layout() };
    let a = view_of(&a.as_slice()[a.layout().index(rows.start, 0)..], layout);
    let extra = EpilogueOperands::new(EpilogueKind { residual: false, ..EpilogueKind::FULL }, 0, plan.n(), 74);
    let mut c = unwritten(Layout::row_major(rows.len(), plan.n()));
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    let c_layout = c.layout();
    plan.run(a, packed, view_mut_of(c.as_mut_slice(), c_layout), &extra.epilogue(), ctx).expect("sizes agree");
    c.to_row_major()
}

#[test]
fn row_has_the_same_bits_in_any_batch() {
    for kernel in kernels() {
        let mr = kernel.tile().mr;
        let case = GemmCase { m: 2 * mr + 3, ..case() };
        let operands = Operands::new(case, 75);
        let plan = plan(kernel, &case, None);
        let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
        let whole = product_of_rows(&plan, &packed, &operands.a, 0..case.m);
        for start in 0..case.m {
            for end in start..=case.m {
                let part = product_of_rows(&plan, &packed, &operands.a, start..end);
                let name = format!("{}, rows {start}..{end}", kernel.record().name());
                assert_identical(&name, &part, &whole[start * case.n..end * case.n]);
            }
        }
    }
}

#[test]
fn row_has_the_same_bits_beside_rows_of_nan_and_infinity() {
    for kernel in kernels() {
        let case = GemmCase { m: 2 * kernel.tile().mr + 1, ..case() };
        let operands = Operands::new(case, 75);
        let plan = plan(kernel, &case, None);
        let packed = plan.pack_b(view(&operands.b)).expect("sizes agree");
        let whole = product_of_rows(&plan, &packed, &operands.a, 0..case.m);
        for row in 0..case.m {
            for other in [f32::NAN, f32::INFINITY, 0.0, 1e-40] {
                let mut values = vec![other; case.m * case.k];
                let kept = row * case.k..(row + 1) * case.k;
                values[kept.clone()].copy_from_slice(&operands.a.as_slice()[kept]);
                let a = Matrix::with_layout(case.a_layout(), &values);
                let found = product_of_rows(&plan, &packed, &a, 0..case.m);
                let columns = row * case.n..(row + 1) * case.n;
                let name = format!("{}, row {row} among {other}", kernel.record().name());
                assert_identical(&name, &found[columns.clone()], &whole[columns]);
            }
        }
    }
}

#[test]
fn column_has_the_same_bits_in_any_width() {
    for kernel in kernels() {
        let whole = {
            let mut operands = Operands::new(case(), 76);
            operands.run(&plan(kernel, &case(), None), &Epilogue::default()).expect("sizes agree");
            operands
        };
        for n in 1..case().n {
            let narrow = GemmCase { n, ..case() };
            let mut operands = Operands::new(narrow, 76);
            let first_columns = |matrix: &Matrix<f32>| {
                matrix.to_row_major().chunks_exact(case().n).flat_map(|row| row[..n].to_vec()).collect::<Vec<f32>>()
            };
            operands.b = Matrix::from_values(narrow.k, n, &first_columns(&whole.b));
            operands.run(&plan(kernel, &narrow, None), &Epilogue::default()).expect("sizes agree");
            let name = format!("{}, {n} columns", kernel.record().name());
            assert_identical(&name, &operands.c.to_row_major(), &first_columns(&whole.c));
        }
    }
}

#[test]
fn kernels_of_all_fusing_isas_give_the_same_bits() {
    let fusing: Vec<Supported<F32>> =
        kernels().into_iter().filter(|kernel| kernel.record().isa() != Isa::Scalar).collect();
    for kind in EpilogueKind::all() {
        let product = |kernel: Supported<F32>| {
            let mut operands = Operands::new(case(), 77);
            let extra = EpilogueOperands::new(kind, case().m, case().n, 78);
            operands.run(&plan(kernel, &case(), None), &extra.epilogue()).expect("sizes agree");
            operands.c.to_row_major()
        };
        for pair in fusing.windows(2) {
            let name = format!("{} and {}, {kind:?}", pair[0].record().name(), pair[1].record().name());
            assert_identical(&name, &product(pair[0]), &product(pair[1]));
        }
    }
}

#[test]
fn element_is_one_chain_of_multiply_adds_in_the_order_of_k() {
    for kernel in kernels() {
        let isa = kernel.record().isa();
        // The scalar ISA rounds the product and the sum, the others the sum alone.
        let step = |sum: f32, x: f32, y: f32| if isa == Isa::Scalar { x * y + sum } else { x.mul_add(y, sum) };
        for blocking in tiny_blockings(kernel).into_iter().map(Some).chain([None]) {
            let mut operands = Operands::new(case(), 79);
            operands.run(&plan(kernel, &case(), blocking), &Epilogue::default()).expect("sizes agree");
            let (a, b) = (operands.a.view(), operands.b.view());
            let element = |i: usize, j: usize| (0..case().k).fold(0.0, |sum, p| step(sum, a.at(i, p), b.at(p, j)));
            let wanted: Vec<f32> =
                (0..case().m).flat_map(|i| (0..case().n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect();
            assert_identical(kernel.record().name(), &operands.c.to_row_major(), &wanted);
        }
    }
}
