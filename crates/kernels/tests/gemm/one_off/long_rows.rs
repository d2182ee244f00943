//! One row against a B that comes from beyond L2: its rows are read in long pieces, and the bits are those of tiles.

use super::{Case, Operands};
use crate::kernels::{cpu, cpus};
use crate::numbers::{Tested, assert_same_bits};
use cke_kernels::scheme::{F32, F64};
use cke_kernels::threads::{Serial, ThreadPool};
use cke_testkit::{Data, Layout, Matrix};

/// Columns below, at and beyond a piece, sums of one chain and of several, and B larger than the second level of most CPUs.
const SIZES: [(usize, usize); 4] = [(20_000, 61), (4096, 300), (2047, 1025), (301, 9000)];

fn check<S: Tested>() {
    let pool = ThreadPool::new(3).expect("threads start");
    let mut data = Data::new(81);
    for (n, k) in SIZES {
        for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (-0.5, 2.0)] {
            let b = |k, n| Layout::padded(k, n, 5);
            // Two rows are computed in tiles.
            let two = Case::new((2, n, k), [Layout::row_major, b, Layout::row_major], (alpha, beta));
            let two = Operands::<S::E>::new(two, &mut data);
            let first_row = |matrix: &Matrix<S::E>, cols| {
                Matrix::with_layout(Layout::row_major(1, cols), &matrix.to_row_major()[..cols])
            };
            let one = Operands {
                case: Case::new((1, n, k), [Layout::row_major, b, Layout::row_major], (alpha, beta)),
                a: first_row(&two.a, k),
                b: Matrix::with_layout(two.case.b, &two.b.to_row_major()),
                before: first_row(&two.before, n),
            };
            for cpu in cpus() {
                let name = format!("{}, n = {n}, k = {k}, α = {alpha}, β = {beta}", cpu.isa());
                let wanted = two.run::<S>(&cpu, &Serial).to_row_major();
                assert_same_bits(&name, &one.run::<S>(&cpu, &Serial).to_row_major(), &wanted[..n]);
                assert_same_bits(&name, &one.run::<S>(&cpu, &pool).to_row_major(), &wanted[..n]);
            }
            one.check("long rows", &one.run::<S>(cpu(), &Serial));
        }
    }
}

#[test]
fn long_rows_have_the_bits_of_tiles() {
    check::<F32>();
    check::<F64>();
}
