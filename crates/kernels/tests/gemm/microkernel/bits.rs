//! Bit for bit: the order of summation, and what must not change a result.

use super::{Blocks, GAP, Stored, TileCase, depths, for_each_tile, side_works};
use crate::kernels::records;
use crate::numbers::{Number, Tested, assert_same_bits};
use crate::operands::unwritten;
use cke_kernels::Isa;
use cke_kernels::gemm::{Form, Pair, Supported};
use cke_kernels::scheme::{F32, F64};
use cke_testkit::{Data, Layout, Matrix, PageGuarded};

fn check_without_terms<S: Tested>() {
    let mut data = Data::new(25);
    for_each_tile::<S>(|kernel, rows, cols| {
        for stored in [Stored::Overwritten, Stored::Accumulated] {
            let case = TileCase { batch: 0, ..TileCase::plain(kernel, (rows, cols, 5), stored) };
            let blocks = case.blocks(&mut data);
            let zeros = vec![S::E::from(0.0); rows * cols];
            let wanted = if let Stored::Accumulated = stored { blocks.c.to_row_major() } else { zeros };
            assert_same_bits(&case.to_string(), &case.run_on(&blocks), &wanted);
        }
    });
}

#[test]
fn tile_without_terms_is_zero_or_the_old_c_bit_for_bit() {
    check_without_terms::<F32>();
    check_without_terms::<F64>();
}

/// Where the chains of a sum of `steps` products end.
fn chain_ends(steps: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = [128, 256].into_iter().chain((512..=16_384).step_by(256)).collect();
    ends.retain(|&end| end < steps);
    ends.push(steps);
    ends
}

/// What element (i, j) is, summed chain by chain.
fn summed_in_chains<S: Tested>(case: &TileCase<S>, blocks: &Blocks<S::E>, i: usize, j: usize) -> S::E {
    // The scalar ISA rounds the product and the sum, the others the sum alone.
    let fuses = case.kernel.record().isa() != Isa::Scalar;
    let step = |sum: S::E, x: S::E, y: S::E| if fuses { x.fused(y, sum) } else { x * y + sum };
    let (alpha, beta) = case.stored.factors();
    let products: Vec<_> = blocks
        .a
        .iter()
        .zip(&blocks.b)
        .flat_map(|(a, b)| (0..a.layout().cols).map(|p| (a.view().at(i, p), b.view().at(p, j))))
        .collect();
    let (mut total, mut start) = (S::E::from(0.0), 0);
    if beta != 0.0 {
        total = S::E::from(beta) * blocks.c.view().at(i, j);
    }
    for end in chain_ends(products.len()) {
        let sum = products[start..end].iter().fold(S::E::from(0.0), |sum, &(x, y)| step(sum, x, y));
        total = total + S::E::from(alpha) * sum;
        start = end;
    }
    total
}

fn check_chains<S: Tested>() {
    let mut data = Data::new(27);
    for_each_tile::<S>(|kernel, rows, cols| {
        let is_corner = (rows, cols) == (1, 1) || (rows, cols) == (kernel.tile().mr, kernel.tile().nr);
        if kernel.record().form() == Form::Dot {
            return;
        }
        // In one chain, and in four of which two end inside a block.
        for (k, batch) in [(9, 2), (170, 3)].into_iter().take(if is_corner { 2 } else { 1 }) {
            for stored in [Stored::Overwritten, Stored::Accumulated, Stored::Scaled { alpha: 0.7, beta: 0.3 }] {
                let case = TileCase { stored, ..TileCase::any(kernel, (rows, cols, k), batch, &mut data) };
                let blocks = case.blocks(&mut data);
                let wanted: Vec<_> =
                    (0..rows * cols).map(|at| summed_in_chains(&case, &blocks, at / cols, at % cols)).collect();
                assert_same_bits(&case.to_string(), &case.run_on(&blocks), &wanted);
            }
        }
    });
}

#[test]
fn element_of_the_outer_form_is_summed_in_chains_in_the_order_of_k() {
    check_chains::<F32>();
    check_chains::<F64>();
}

/// The kernels of the dot form that have to agree with this one.
fn dot_peers<S: Tested>(kernel: Supported<S>) -> impl Iterator<Item = Supported<S>> {
    let isa = kernel.record().isa();
    records::<S>().into_iter().filter(move |other| other.record().form() == Form::Dot && other.record().isa() == isa)
}

/// Row `i` of A times column `j` of B, as a tile of one element.
fn dot_alone<S: Tested>(case: TileCase<S>, blocks: &Blocks<S::E>, i: usize, j: usize) -> S::E {
    let start = |block: &Matrix<S::E>, i, j| block.as_slice().as_ptr().wrapping_add(block.layout().index(i, j)).cast();
    let pair = |(a, b)| Pair { a: start(a, i, 0), b: start(b, 0, j) };
    let pairs: Vec<_> = blocks.a.iter().zip(&blocks.b).map(pair).collect();
    let mut c = unwritten(Layout::row_major(1, 1));
    // SAFETY: a row of A and a column of B in their layouts, and a C of one element.
    unsafe { TileCase { rows: 1, cols: 1, ..case }.run(&pairs, c.as_mut_slice().as_mut_ptr(), std::ptr::null_mut()) };
    c.as_slice()[0]
}

fn check_dots<S: Tested>() {
    let mut data = Data::new(28);
    for kernel in records::<S>().into_iter().filter(|kernel| kernel.record().form() == Form::Dot) {
        let (rows, cols) = (kernel.tile().mr, kernel.tile().nr);
        for &k in depths(Form::Dot) {
            let any = TileCase::any(kernel, (rows, cols, k), 2, &mut data);
            let case = TileCase { stored: Stored::Overwritten, ..any };
            let blocks = case.blocks(&mut data);
            let whole = case.run_on(&blocks);
            for other in dot_peers(kernel) {
                let element =
                    |index| dot_alone(TileCase { kernel: other, ..case }, &blocks, index / cols, index % cols);
                let alone: Vec<_> = (0..rows * cols).map(element).collect();
                assert_same_bits(&format!("{case}, {}", other.record().name()), &alone, &whole);
            }
        }
    }
}

#[test]
fn element_of_the_dot_form_has_the_same_bits_in_any_tile() {
    check_dots::<F32>();
    check_dots::<F64>();
}

fn check_side_work<S: Tested>() {
    let mut data = Data::new(29);
    for kernel in records::<S>() {
        for stored in Stored::all::<S>() {
            let case = TileCase::plain(kernel, (kernel.tile().mr, kernel.tile().nr, 17), stored);
            let blocks = case.blocks(&mut data);
            let wanted = case.run_on(&blocks);
            for case in side_works().map(|side_work| TileCase { side_work, ..case }) {
                assert_same_bits(&case.to_string(), &case.run_on(&blocks), &wanted);
            }
        }
    }
}

#[test]
fn tile_has_the_same_bits_whatever_it_does_besides() {
    check_side_work::<F32>();
    check_side_work::<F64>();
}

/// Calls that leave a copy of B: the copy and nothing beside it is written, and C is what it is without.
fn check_copies_of_b<S: Tested>() {
    let mut data = Data::new(30);
    for_each_tile::<S>(|kernel, rows, cols| {
        if kernel.record().form() == Form::Dot {
            return;
        }
        let case = TileCase::any(kernel, (rows, cols, 3), 1, &mut data);
        let blocks = case.blocks(&mut data);
        let copy = unwritten::<S::E>(Layout::padded(3, cols, GAP));
        let mut copied = PageGuarded::at_end(copy.as_slice());
        let mut after = Matrix::with_layout(blocks.c.layout(), &blocks.c.to_row_major());
        let pair = Pair { a: blocks.a[0].as_slice().as_ptr().cast(), b: blocks.b[0].as_slice().as_ptr().cast() };
        // SAFETY: the blocks, C and the copy are laid out as `run` asks.
        unsafe { case.run(&[pair], after.as_mut_slice().as_mut_ptr(), copied.as_mut_slice().as_mut_ptr()) };
        after.check();
        assert_same_bits(&case.to_string(), &after.to_row_major(), &case.run_on(&blocks));
        let wanted = Matrix::with_layout(copy.layout(), &blocks.b[0].to_row_major());
        assert_same_bits(&case.to_string(), copied.as_slice(), wanted.as_slice());
    });
}

#[test]
fn tile_that_copies_b_has_the_same_bits_and_a_true_copy() {
    check_copies_of_b::<F32>();
    check_copies_of_b::<F64>();
}
