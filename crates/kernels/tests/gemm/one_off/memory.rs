//! Memory: borders that are not crossed, operands that are not there, and scratch that cannot be had.

use super::{Case, Operands, STORAGES, large_sizes};
use crate::kernels::{cpu, cpus};
use crate::numbers::{Number, Tested, assert_same_bits};
use crate::operands::{view_mut, view_mut_of, view_of};
use crate::refusing_allocator::without_buffers;
use cke_kernels::cpu::Cpu;
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::{F32, F64, Real};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::{Data, PageGuarded, allocations};

/// Runs on operands that end, or begin, at a page without access, and compares C and its gaps with the same on plain ones.
fn check_borders<S: Tested>(cpu: &Cpu, case: Case, guard: fn(&[S::E]) -> PageGuarded<S::E>, data: &mut Data) {
    let operands = Operands::<S::E>::new(case, data);
    let [a, b, mut c] = [&operands.a, &operands.b, &operands.before].map(|matrix| guard(matrix.as_slice()));
    let gemm: Gemm<'_, S> =
        Gemm { a: view_of(a.as_slice(), case.a), b: view_of(b.as_slice(), case.b), ..operands.gemm() };
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    gemm.run(cpu, view_mut_of(c.as_mut_slice(), case.c), ctx).expect("sizes agree");
    let wanted = operands.run::<S>(cpu, &Serial);
    assert_same_bits(&format!("{}, {case:?}", cpu.isa()), c.as_slice(), wanted.as_slice());
}

fn check_all_borders<S: Tested>() {
    let mut data = Data::new(121);
    // The last of them have few rows, or columns, that are gathered.
    let sizes = [
        (1, 1, 1),
        (1, 70, 7),
        (70, 1, 7),
        (6, 65, 16),
        (13, 17, 33),
        (40, 70, 21),
        (13, 70, 3000),
        (3, 70, 40),
        (70, 3, 40),
        (6, 5, 90),
        (12, 2, 700),
    ];
    for cpu in cpus() {
        for size in sizes {
            for (a, b) in STORAGES.iter().flat_map(|&a| STORAGES.map(|b| (a, b))) {
                let any = Case::any_product(size, &mut data);
                let case = Case::new(size, [a, b, data.choose(&STORAGES)], (any.alpha, any.beta));
                check_borders::<S>(&cpu, case, PageGuarded::at_end, &mut data);
                check_borders::<S>(&cpu, case, PageGuarded::at_start, &mut data);
            }
        }
    }
    for size in large_sizes::<S::E>() {
        check_borders::<S>(self::cpu(), Case::any_product(size, &mut data), PageGuarded::at_end, &mut data);
    }
}

#[test]
fn product_at_a_page_border_touches_nothing_beyond() {
    check_all_borders::<F32>();
    check_all_borders::<F64>();
}

/// A product whose operands without elements stand at no address.
fn run_without<S: Tested>((m, n, k): (usize, usize, usize), c: &mut [S::E]) {
    let (none, c) = (std::ptr::null(), if c.is_empty() { std::ptr::null_mut() } else { c.as_mut_ptr() });
    // SAFETY: A and B are empty, since k is 0 or C is; C is empty or `c`.
    let (a, b, c) = unsafe {
        (MatRef::from_raw(none, m, k, k, 1), MatRef::from_raw(none, k, n, n, 1), MatMut::from_raw(c, m, n, n, 1))
    };
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    Gemm::<S> { alpha: S::E::one(), a, b, beta: 0.5.into() }.run(cpu(), c, ctx).expect("sizes agree");
}

fn check_nothing<S: Tested>() {
    for size in [(0, 0, 0), (0, 5, 0), (5, 0, 0), (0, 0, 7), (usize::MAX, 0, 0), (0, usize::MAX, 0), (0, 0, usize::MAX)]
    {
        run_without::<S>(size, &mut []);
    }
    let mut c = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|x: f32| S::E::from(x));
    run_without::<S>((2, 3, 0), &mut c);
    assert_eq!(c, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0].map(|x: f32| S::E::from(x)));
}

#[test]
fn product_of_operands_without_elements_reads_no_address() {
    check_nothing::<F32>();
    check_nothing::<F64>();
}

/// Runs a product while no scratch can be had.
fn check_without_scratch<S: Tested>(cpu: &Cpu, case: Case, pool: &dyn Parallel, data: &mut Data) {
    let operands = Operands::<S::E>::new(case, data);
    let mut c = operands.c();
    let mut scratch = Scratch::new();
    let ctx = &mut Ctx { pool, scratch: &mut scratch };
    without_buffers(|| operands.gemm::<S>().run(cpu, view_mut(&mut c), ctx)).expect("sizes agree");
    c.check();
    let name = format!("{}, {case:?}, no memory", cpu.isa());
    operands.check(&name, &c);
    assert_same_bits(&name, &c.to_row_major(), &operands.run::<S>(cpu, pool).to_row_major());
}

fn check_all_without_scratch<S: Tested>() {
    let mut data = Data::new(122);
    let pool = ThreadPool::new(2).expect("threads start");
    for cpu in cpus() {
        let mut sizes = vec![(1, 300, 40), (300, 1, 40), (20, 70, 1500), (50, 140, 33)];
        if cpu.isa() == self::cpu().isa() {
            sizes.extend(large_sizes::<S::E>());
        }
        for size in sizes {
            for pool in [&Serial as &dyn Parallel, &pool] {
                check_without_scratch::<S>(&cpu, Case::any_product(size, &mut data), pool, &mut data);
            }
        }
        // Few columns of B, and few rows of A, that do not lie along k; the last sum is two segments of the dot form.
        for size in [(50, 3, 2000), (4, 60, 1500), (2, 2, 20_000)] {
            for storage in [STORAGES[0], STORAGES[1]] {
                let case = Case::new(size, [storage, storage, STORAGES[0]], (0.7, -1.0));
                check_without_scratch::<S>(&cpu, case, &Serial, &mut data);
            }
        }
    }
}

#[test]
fn product_without_memory_for_packing_has_the_bits_of_one_with_memory() {
    assert!(without_buffers(|| Scratch::new().take::<f32>(1).is_err()), "buffers are refused");
    check_all_without_scratch::<F32>();
    check_all_without_scratch::<F64>();
}

/// Allocations of a product that ran before with the same scratch.
fn allocations_of_a_second_run<E: Number, S: Tested<E = E>>(case: Case, pool: &dyn Parallel) -> usize {
    let operands = Operands::<E>::new(case, &mut Data::new(123));
    let (mut c, mut scratch) = (operands.c(), Scratch::new());
    let mut run = || {
        let ctx = &mut Ctx { pool, scratch: &mut scratch };
        operands.gemm::<S>().run(cpu(), view_mut(&mut c), ctx).expect("sizes agree");
    };
    run();
    allocations(run)
}

#[test]
fn product_with_used_scratch_allocates_nothing() {
    let (pool, mut data) = (ThreadPool::new(2).expect("threads start"), Data::new(124));
    for size in large_sizes::<f32>().into_iter().chain([(30, 40, 50), (5, 6, 7)]) {
        let case = Case::any_product(size, &mut data);
        for pool in [&Serial as &dyn Parallel, &pool] {
            assert_eq!(allocations_of_a_second_run::<_, F32>(case, pool), 0, "f32 {case:?}");
            assert_eq!(allocations_of_a_second_run::<_, F64>(case, pool), 0, "f64 {case:?}");
        }
    }
}
