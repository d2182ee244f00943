//! Every number of rows of up to three tiles with every K of up to two groups and a bit, and operands at the borders of their memory.

use crate::bits;
use crate::case::Case;
use crate::page_borders::{Border, product_at};
use crate::scales::kernels;
use cke_kernels::scheme::{Int8By, Int8Kernels};
use cke_kernels::threads::Serial;

/// Columns of one panel to three.
const WIDTHS: [usize; 3] = [5, 18, 35];

fn check_sweep<const GROUP: usize, const WHOLE: bool>()
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    let most = kernels::<GROUP, WHOLE>().map(|kernel| 3 * kernel.tile().mr).max().unwrap();
    for k in 1..=2 * GROUP + 9 {
        let case = Case::new((most, WIDTHS[k % WIDTHS.len()], k), k as u64);
        let wanted = bits(&case.wanted::<GROUP, WHOLE>());
        for kernel in kernels::<GROUP, WHOLE>() {
            let plan = case.plan(kernel);
            let packed = plan.pack_b(case.b()).unwrap();
            for m in 1..=3 * kernel.tile().mr {
                let rows = Case { m, a: case.a[..m * k].to_vec(), b: vec![], ..case };
                let found = bits(&rows.run(&plan, &packed, &Serial));
                assert_eq!(found, wanted[..m * case.n], "{}, {m} rows of {k}", kernel.record().name());
            }
        }
    }
}

#[test]
fn every_height_at_every_depth_has_the_bits_of_plain_loops() {
    check_sweep::<128, false>();
}

#[test]
fn every_height_at_every_depth_has_the_bits_of_plain_loops_with_one_scale() {
    check_sweep::<128, true>();
}

#[test]
fn every_height_at_every_depth_has_the_bits_of_plain_loops_in_other_groups() {
    check_sweep::<16, false>();
    check_sweep::<32, false>();
    check_sweep::<64, false>();
    check_sweep::<256, false>();
}

fn check_borders<const GROUP: usize, const WHOLE: bool>()
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    for kernel in kernels::<GROUP, WHOLE>() {
        for size in [(1, 16, 4), (3, 5, 7), (6, 17, 131), (37, 30, 65), (9, 48, 256)] {
            let case = Case::new(size, 13);
            let (plan, wanted) = (case.plan(kernel), bits(&case.wanted::<GROUP, WHOLE>()));
            let packed = plan.pack_b(case.b()).unwrap();
            for border in Border::BOTH {
                let found = bits(&product_at(border, &plan, &case.a, &packed));
                assert_eq!(found, wanted, "{}, {size:?}, {border:?}", kernel.record().name());
            }
        }
    }
}

#[test]
fn nothing_is_read_or_written_past_the_ends_of_operands() {
    check_borders::<16, false>();
    check_borders::<32, false>();
    check_borders::<64, false>();
    check_borders::<128, false>();
    check_borders::<256, false>();
    check_borders::<128, true>();
}
