//! The same bits for any number of threads and any alignment.

use super::{Case, Operands, STORAGES, large_sizes};
use crate::kernels::cpu;
use crate::numbers::{Tested, assert_same_bits};
use crate::operands::{view_mut_of, view_of};
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::{F32, F64};
use cke_kernels::scratch::{AlignedBuf, Scratch};
use cke_kernels::threads::{Serial, ThreadPool};
use cke_testkit::Data;

/// Sizes with edges, in the cache.
const SMALL_SIZES: [(usize, usize, usize); 5] =
    [(1, 300, 40), (300, 1, 40), (9, 130, 35), (50, 140, 33), (131, 97, 110)];

/// Cases of one size for every way through: each operand by rows and by columns, with and without factors.
fn cases(size: (usize, usize, usize), data: &mut Data) -> Vec<Case> {
    let [by_rows, by_cols] = [STORAGES[2], STORAGES[3]];
    let mut cases = Vec::new();
    for a in [by_rows, by_cols] {
        for b in [by_rows, by_cols] {
            let c = data.choose(&STORAGES);
            cases.extend([(1.0, 0.0), (0.7, -1.0)].map(|factors| Case::new(size, [a, b, c], factors)));
        }
    }
    cases
}

fn check_threads<S: Tested>(sizes: &[(usize, usize, usize)]) {
    let pools: Vec<_> = (1..=3).map(|threads| ThreadPool::new(threads).expect("threads start")).collect();
    let mut data = Data::new(111);
    for case in sizes.iter().flat_map(|&size| cases(size, &mut Data::new(112))) {
        let operands = Operands::new(case, &mut data);
        let wanted = operands.run::<S>(cpu(), &Serial).to_row_major();
        for pool in &pools {
            let found = operands.run::<S>(cpu(), pool).to_row_major();
            assert_same_bits(&format!("{pool:?}, {case:?}"), &found, &wanted);
        }
    }
}

#[test]
fn small_product_has_the_same_bits_for_any_number_of_threads() {
    check_threads::<F32>(&SMALL_SIZES);
    check_threads::<F64>(&SMALL_SIZES);
}

#[test]
fn large_product_has_the_same_bits_for_any_number_of_threads() {
    check_threads::<F32>(&large_sizes::<f32>());
    check_threads::<F64>(&large_sizes::<f64>());
}

/// C of `operands`, each moved by its number of elements from the start of a cache line.
fn run_moved<S: Tested>(operands: &Operands<S::E>, by: [usize; 3]) -> Vec<S::E> {
    let case = operands.case;
    let moved = |values: &[S::E], by: usize| {
        let mut buffer = AlignedBuf::<S::E>::zeroed(by + values.len()).expect("memory is there");
        buffer[by..].copy_from_slice(values);
        buffer
    };
    let (a, b) = (moved(operands.a.as_slice(), by[0]), moved(operands.b.as_slice(), by[1]));
    let mut c = moved(operands.before.as_slice(), by[2]);
    let gemm: Gemm<'_, S> =
        Gemm { a: view_of(&a[by[0]..], case.a), b: view_of(&b[by[1]..], case.b), ..operands.gemm() };
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    gemm.run(cpu(), view_mut_of(&mut c[by[2]..], case.c), ctx).expect("sizes agree");
    c[by[2]..].to_vec()
}

fn check_alignments<S: Tested>() {
    let mut data = Data::new(113);
    let sizes = SMALL_SIZES.into_iter().chain([(7, 40, 4001), (13, 70, 3000)]);
    for case in sizes.flat_map(|size| cases(size, &mut Data::new(114))) {
        let operands = Operands::<S::E>::new(case, &mut data);
        let wanted = run_moved::<S>(&operands, [0; 3]);
        for by in [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 3], [3, 1, 2]] {
            assert_same_bits(&format!("moved by {by:?}, {case:?}"), &run_moved::<S>(&operands, by), &wanted);
        }
    }
}

#[test]
fn product_has_the_same_bits_for_any_alignment() {
    check_alignments::<F32>();
    check_alignments::<F64>();
}
