//! Every number of rows of up to three tiles with K of every remainder, and operands at the borders of their memory.

use crate::definitions::Definition;
use crate::page_borders::{Border, product_at};
use crate::products::Case;
use crate::{bits, for_each_format, kernels};
use cke_kernels::gemm::grouped::{ROW_BLOCK, ROW_GROUP};
use cke_kernels::scheme::Grouped;
use cke_kernels::threads::Serial;

/// Columns of one panel to three.
const WIDTHS: [usize; 3] = [2, 18, 35];

/// Every K of up to a group of a row and a bit, then one of each remainder of a group, beyond two blocks.
fn depths() -> impl Iterator<Item = usize> {
    (1..=ROW_GROUP + 2).chain((ROW_GROUP + 3..=2 * ROW_BLOCK + ROW_GROUP).step_by(ROW_GROUP / 2 - 1))
}

fn check_sweep<F: Definition>() {
    let most = kernels::<Grouped<F>>().map(|kernel| 3 * kernel.tile().mr).max().unwrap();
    for k in depths() {
        let case = Case::<F>::of_depth(most, WIDTHS[k % WIDTHS.len()], k, k as u64);
        let wanted = bits(&case.wanted());
        for kernel in kernels() {
            let plan = case.plan(kernel);
            let packed = case.pack(&plan);
            for m in 1..=3 * kernel.tile().mr {
                let found = bits(&case.first_rows(m).run(&plan, &packed, &Serial));
                assert_eq!(found, wanted[..m * case.n], "{}, {m} rows of {k}", kernel.record().name());
            }
        }
    }
}

#[test]
fn every_height_at_depths_of_every_remainder_has_the_bits_of_plain_loops() {
    for_each_format!(check_sweep);
}

fn check_borders<F: Definition>() {
    for kernel in kernels() {
        for (m, n, k) in [(1, 16, 4), (3, 5, 7), (5, 17, 131), (13, 30, 65), (7, 48, 256)] {
            let case = Case::<F>::of_depth(m, n, k, 13);
            let (plan, wanted) = (case.plan(kernel), bits(&case.wanted()));
            let packed = case.pack(&plan);
            for border in Border::BOTH {
                let found = bits(&product_at(border, &plan, &case.a, &packed));
                assert_eq!(found, wanted, "{}, {m}×{n}, K {k}, {border:?}", kernel.record().name());
            }
        }
    }
}

#[test]
fn nothing_is_read_or_written_past_the_ends_of_operands() {
    for_each_format!(check_borders);
}
