//! Whole products through a plan, against the `f64` oracle.

use crate::kernels::{cpu, kernels};
use crate::operands::{Operands, plan, run_packed, tiny_blockings, view};
use cke_kernels::gemm::{Epilogue, GemmPlan, Shape};
use cke_kernels::scheme::F32;
use cke_kernels::threads::Serial;
use cke_testkit::shapes::{self, GemmCase};
use cke_testkit::{Layout, Matrix, tolerance};

#[test]
fn product_of_every_shape_and_storage_matches_the_oracle() {
    for kernel in kernels() {
        let tile = kernel.tile();
        for (seed, case) in shapes::all(tile.mr, tile.nr).into_iter().enumerate() {
            let mut operands = Operands::new(case, seed as u64);
            operands.run(&plan(kernel, &case, None), &Epilogue::default()).expect("sizes agree");
            operands.check(kernel.record().name());
        }
    }
}

#[test]
fn product_in_tiny_blocks_matches_the_oracle() {
    for kernel in kernels() {
        let (mr, nr) = (kernel.tile().mr, kernel.tile().nr);
        for blocking in tiny_blockings(kernel) {
            let edges = [(3 * mr + 2, 3 * nr + 3, 17), (4 * mr, 4 * nr, 10), (1, nr + 1, 11), (2 * mr + 1, 1, 5)];
            let cases = edges.map(|(m, n, k)| GemmCase::row_major(m, n, k)).into_iter().chain(shapes::storages(mr, nr));
            for (seed, case) in cases.enumerate() {
                let mut operands = Operands::new(case, seed as u64);
                operands.run(&plan(kernel, &case, Some(blocking)), &Epilogue::default()).expect("sizes agree");
                operands.check(&format!("{}, {blocking:?}", kernel.record().name()));
            }
        }
    }
}

#[test]
fn product_of_the_dispatched_kernel_matches_the_oracle() {
    for (seed, case) in shapes::extremes().into_iter().enumerate() {
        let plan = GemmPlan::<F32>::new(cpu(), Shape { m: case.m, n: case.n, k: case.k });
        assert_eq!((plan.n(), plan.k()), (case.n, case.k));
        let mut operands = Operands::new(case, seed as u64);
        operands.run(&plan, &Epilogue::default()).expect("sizes agree");
        operands.check(plan.kernel().record().name());
    }
}

#[test]
fn one_plan_and_packing_serve_every_number_of_rows() {
    for kernel in kernels() {
        let (n, k) = (kernel.tile().nr + 3, 9);
        let planned = GemmCase::row_major(4, n, k);
        let plan = plan(kernel, &planned, None);
        let packed = plan.pack_b(view(&Operands::new(planned, 1).b)).expect("sizes agree");
        for m in shapes::edges(kernel.tile().mr) {
            let mut operands = Operands::new(GemmCase::row_major(m, n, k), 2);
            operands.b = Operands::new(planned, 1).b;
            run_packed(&plan, &operands.a, &packed, &mut operands.c, &Epilogue::default(), &Serial)
                .expect("sizes agree");
            operands.check(kernel.record().name());
        }
    }
}

#[test]
fn product_of_an_a_with_repeated_rows_matches_the_oracle() {
    for kernel in kernels() {
        let case = GemmCase::row_major(kernel.tile().mr + 2, 5, 7);
        let mut operands = Operands::new(case, 3);
        let row = operands.a.to_row_major()[..case.k].to_vec();
        operands.a = Matrix::with_layout(Layout { row_stride: 0, ..case.a_layout() }, &row.repeat(case.m));
        operands.run(&plan(kernel, &case, None), &Epilogue::default()).expect("sizes agree");
        operands.check(kernel.record().name());
        let c = operands.c.to_row_major();
        for other in c.chunks_exact(case.n) {
            tolerance::assert_identical("every row is the first one", other, &c[..case.n]);
        }
    }
}

#[test]
fn product_with_whole_numbers_is_exact() {
    for kernel in kernels() {
        let case = GemmCase::row_major(2 * kernel.tile().mr + 1, 2 * kernel.tile().nr + 5, 300);
        let mut data = cke_testkit::Data::new(4);
        let mut operands = Operands::new(case, 4);
        // Sums stay below 300 · 100² < 2²⁴.
        operands.a = Matrix::with_layout(case.a_layout(), &data.whole(case.m * case.k, 100));
        operands.b = Matrix::with_layout(case.b_layout(), &data.whole(case.k * case.n, 100));
        operands.run(&plan(kernel, &case, None), &Epilogue::default()).expect("sizes agree");
        let wanted: Vec<f32> = operands.oracle().exact().iter().map(|&x| x as f32).collect();
        assert_eq!(operands.c.to_row_major(), wanted, "{}", kernel.record().name());
    }
}
