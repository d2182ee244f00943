//! Whole products whose operands lie at the border of a page without access: the smallest step outside faults.

use crate::kernels::kernels;
use crate::operands::{Operands, plan, tiny_blockings, uniform, view, view_mut_of, view_of};
use cke_kernels::gemm::{Ctx, Epilogue, Multiplier, Scale, Supported};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_testkit::shapes::{self, GemmCase};
use cke_testkit::{Data, Layout, PageGuarded, tolerance};

/// Copies values to one side of a page without access.
type Guard = fn(&[f32]) -> PageGuarded<f32>;

/// Runs one product on guarded operands and compares it, and the gaps of C, with the same on plain ones.
fn check(kernel: Supported<F32>, case: GemmCase, guard: Guard) {
    let mut data = Data::new(61);
    let mut plain = Operands::new(case, 62);
    let (scale, bias) = (data.uniform(case.n), data.uniform(case.n));
    let [multiplier, residual] = [0, 1].map(|_| uniform(Layout::padded(case.m, case.n, 2), &mut data));
    let plan = plan(kernel, &case, Some(tiny_blockings(kernel)[2]));

    let [a, mut c] = [&plain.a, &plain.c].map(|matrix| guard(matrix.as_slice()));
    let [scale_at, bias_at, multiplier_at, residual_at] =
        [&scale, &bias, multiplier.as_slice(), residual.as_slice()].map(|values: &[f32]| guard(values));
    let guarded = Epilogue {
        scale: Scale::PerColumn(scale_at.as_slice()),
        bias: Some(bias_at.as_slice()),
        activation: Activation::Silu,
        multiplier: Multiplier::Matrix(view_of(multiplier_at.as_slice(), multiplier.layout())),
        residual: Some(view_of(residual_at.as_slice(), residual.layout())),
    };
    let packed = plan.pack_b(view(&plain.b)).expect("sizes agree");
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    let a = view_of(a.as_slice(), plain.a.layout());
    plan.run(a, &packed, view_mut_of(c.as_mut_slice(), plain.c.layout()), &guarded, ctx).expect("sizes agree");

    let epilogue = Epilogue {
        scale: Scale::PerColumn(&scale),
        bias: Some(&bias),
        multiplier: Multiplier::Matrix(view(&multiplier)),
        residual: Some(view(&residual)),
        ..guarded
    };
    plain.run(&plan, &epilogue).expect("sizes agree");
    // The gaps of the plain C are canaries, so equal bits mean that the gaps of the other one were not written either.
    tolerance::assert_identical(&format!("{}, {case}", kernel.record().name()), c.as_slice(), plain.c.as_slice());
    plain.c.check();
}

#[test]
fn product_at_a_page_border_touches_nothing_beyond() {
    for kernel in kernels() {
        let tile = kernel.tile();
        let edges =
            [(1, 1, 1), (tile.mr, tile.nr, 4), (tile.mr + 1, tile.nr + 1, 0), (2 * tile.mr - 1, 2 * tile.nr - 1, 11)];
        let cases = edges.map(|(m, n, k)| GemmCase::row_major(m, n, k)).into_iter();
        for case in cases.chain(shapes::storages(tile.mr, tile.nr)) {
            check(kernel, case, PageGuarded::at_end);
            check(kernel, case, PageGuarded::at_start);
        }
    }
}
