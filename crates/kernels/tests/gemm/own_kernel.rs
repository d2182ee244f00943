//! Microkernels from outside the registry, and the check that tells right ones from wrong ones.

use crate::kernels::{cpu, records};
use crate::operands::{Operands, plan, tiny_blockings};
use cke_kernels::cpu::Features;
use cke_kernels::gemm::{Epilogue, Fault, KernelFault, Microkernel, Supported, Tile, TileArgs, TileFn, check_kernel};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::{Element, F32, F64, Uniform};
use cke_kernels::simd::{Scalar, Simd};
use cke_testkit::shapes;

const LANES: usize = 5;

/// What a kernel does wrong.
const NOTHING: u8 = 0;
const FORGETS_THE_LAST_STEP: u8 = 1;
const IGNORES_STRIDE_OF_A: u8 = 2;
const READS_C_ALWAYS: u8 = 3;
const WRITES_WHOLE_VECTORS: u8 = 4;
const IGNORES_EPILOGUE: u8 = 5;
const LEAVES_NO_COPY: u8 = 6;
const SINGLE_ROWS_BACKWARDS: u8 = 7;
const KNOWS_NO_CHAINS: u8 = 8;

/// # Safety
/// As [`TileFn`], for ROWS rows and VECTORS vectors of [`LANES`], with room in C for whole vectors.
unsafe fn tile<E: Element, const ROWS: usize, const VECTORS: usize, const WRONG: u8>(args: &TileArgs<'_, E>)
where
    Scalar: Simd<E>,
{
    use cke_kernels::gemm::{SideWork, Store};
    let mut args = *args;
    match WRONG {
        LEAVES_NO_COPY => args.side_work = SideWork::Nothing,
        READS_C_ALWAYS if matches!(args.store, Store::Overwrite) => args.store = Store::Accumulate,
        IGNORES_EPILOGUE if matches!(args.store, Store::Epilogue { .. }) => args.store = Store::Overwrite,
        FORGETS_THE_LAST_STEP => args.steps -= usize::from(args.pairs.len() == 1 && args.k > 7),
        IGNORES_STRIDE_OF_A => args.a_col_stride = size_of::<E>(),
        _ => {}
    }
    // SAFETY: promised by the caller: i < ROWS, steps of the runs, columns below cols; the steps were made no more.
    unsafe {
        let mut total = args.begin::<LANES, VECTORS, ROWS>();
        let mut sums = [[[E::zero(); LANES]; VECTORS]; ROWS];
        for chain in args.chains() {
            for run in chain.runs() {
                for step in 0..run.steps {
                    let p = if WRONG == SINGLE_ROWS_BACKWARDS && ROWS == 1 { run.steps - 1 - step } else { step };
                    for (i, row) in sums.iter_mut().enumerate() {
                        let x = *run.first.a.wrapping_add(i * args.a_row_stride + p * args.a_col_stride).cast::<E>();
                        for (j, sum) in row.as_flattened_mut()[..args.cols].iter_mut().enumerate() {
                            *sum = *sum + x * *run.first.b.add(p * args.b_stride).cast::<E>().add(j);
                        }
                    }
                }
            }
            if WRONG != KNOWS_NO_CHAINS {
                total.add(&std::mem::replace(&mut sums, [[[E::zero(); LANES]; VECTORS]; ROWS]));
            }
        }
        if WRONG == KNOWS_NO_CHAINS {
            total.add(&sums);
        }
        total.end(Scalar);
        if WRONG == WRITES_WHOLE_VECTORS {
            (args.cols..VECTORS * LANES).for_each(|j| *args.c.add(j) = E::zero());
        }
    }
}

/// Kernels of 3 rows and 2 vectors.
struct Table<S: Uniform, const WRONG: u8>(std::marker::PhantomData<S>);

impl<S: Uniform, const WRONG: u8> Table<S, WRONG>
where
    Scalar: Simd<S::E>,
{
    const FUNCTIONS: &'static [&'static [TileFn<S::E>]] = &[
        &[tile::<S::E, 1, 1, WRONG>, tile::<S::E, 1, 2, WRONG>],
        &[tile::<S::E, 2, 1, WRONG>, tile::<S::E, 2, 2, WRONG>],
        &[tile::<S::E, 3, 1, WRONG>, tile::<S::E, 3, 2, WRONG>],
    ];
    // SAFETY: plain Rust that keeps to the contract, or breaks it only where the memory of `check_kernel` allows it.
    const KERNEL: &'static Microkernel<S> =
        &unsafe { Microkernel::new("own_3x10", Features::NONE, LANES, Self::FUNCTIONS) };
}

fn own<S: Uniform, const WRONG: u8>() -> Supported<S>
where
    Scalar: Simd<S::E>,
{
    Table::<S, WRONG>::KERNEL.on(cpu()).expect("plain Rust runs everywhere")
}

/// The fault of a wrong kernel.
fn fault<const WRONG: u8>() -> KernelFault {
    check_kernel(own::<F32, WRONG>()).expect_err("the kernel is wrong")
}

#[test]
fn right_kernel_passes() {
    assert_eq!(own::<F32, NOTHING>().tile(), Tile { mr: 3, nr: 10 });
    check_kernel(own::<F32, NOTHING>()).unwrap_or_else(|fault| panic!("{fault}"));
    check_kernel(own::<F64, NOTHING>()).unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn every_record_of_the_registry_passes() {
    records::<F32>().into_iter().for_each(|kernel| check_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}")));
    records::<F64>().into_iter().for_each(|kernel| check_kernel(kernel).unwrap_or_else(|fault| panic!("{fault}")));
}

#[test]
fn wrong_sum_is_reported_with_rows_columns_and_depth() {
    let found = fault::<FORGETS_THE_LAST_STEP>();
    assert_eq!((found.rows, found.cols, found.k, found.pairs), (1, 1, 8, 1), "{found}");
    assert!(matches!(found.fault, Fault::Element { row: 0, col: 0, .. }), "{found}");
    assert!(found.to_string().starts_with("own_3x10, tile of 1 rows and 1 columns, 1 pairs with k = 8, overwriting"));
}

#[test]
fn ignored_stride_of_a_is_reported() {
    let found = fault::<IGNORES_STRIDE_OF_A>();
    assert!(matches!(found.fault, Fault::Element { .. }), "{found}");
}

#[test]
fn c_that_must_not_be_read_is_reported() {
    let found = fault::<READS_C_ALWAYS>();
    assert!(matches!(found.fault, Fault::Element { found, .. } if found.is_nan()), "{found}");
    assert_eq!(found.store, "overwriting");
}

#[test]
fn write_beside_the_tile_is_reported() {
    let found = fault::<WRITES_WHOLE_VECTORS>();
    assert_eq!((found.rows, found.cols, found.fault), (1, 1, Fault::Outside { offset: 1 }));
}

#[test]
fn ignored_epilogue_is_reported() {
    assert_eq!(fault::<IGNORES_EPILOGUE>().store, "with an epilogue");
}

#[test]
fn missing_copy_of_b_is_reported() {
    let found = fault::<LEAVES_NO_COPY>();
    assert!(matches!(found.fault, Fault::Copy { row: 0, col: 0, .. }), "{found}");
    assert_eq!(found.k, 1);
}

#[test]
fn order_that_depends_on_the_tile_is_reported() {
    let found = fault::<SINGLE_ROWS_BACKWARDS>();
    assert!(matches!(found.fault, Fault::Order { row: 0, .. }), "{found}");
    assert_eq!(found.rows, 1);
}

#[test]
fn sum_in_one_chain_is_reported() {
    let found = fault::<KNOWS_NO_CHAINS>();
    assert!(matches!(found.fault, Fault::Chains { at: 128, .. }), "{found}");
    assert!(found.to_string().contains("two calls that part after step 128"), "{found}");
}

#[test]
fn products_of_an_own_kernel_match_the_oracle() {
    let kernel = own::<F32, NOTHING>();
    for (seed, case) in shapes::all(3, 10).into_iter().enumerate() {
        for blocking in tiny_blockings(kernel).into_iter().map(Some).chain([None]) {
            let mut operands = Operands::new(case, seed as u64);
            operands.run(&plan(kernel, &case, blocking), &Epilogue::default()).expect("sizes agree");
            operands.check(kernel.record().name());
        }
    }
}

#[test]
fn own_kernel_applies_epilogues() {
    let case = shapes::GemmCase::row_major(7, 23, 5);
    let (mut plain, mut rectified) = (Operands::new(case, 1), Operands::new(case, 1));
    let plan = plan(own::<F32, NOTHING>(), &case, None);
    plain.run(&plan, &Epilogue::default()).expect("sizes agree");
    let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
    rectified.run(&plan, &epilogue).expect("sizes agree");
    let wanted: Vec<f32> = plain.c.to_row_major().into_iter().map(|x| x.max(0.0)).collect();
    assert_eq!(rectified.c.to_row_major(), wanted);
}

/// Makes a record of these functions while the program runs.
fn record(lanes: usize, functions: &'static [&'static [TileFn<f32>]]) {
    // SAFETY: never called.
    let _ = unsafe { Microkernel::<F32>::new("never_called", Features::NONE, lanes, functions) };
}

const ONE: TileFn<f32> = tile::<f32, 1, 1, NOTHING>;

#[test]
#[should_panic(expected = "a function for each number of rows")]
fn record_without_functions_is_refused() {
    record(1, &[]);
}

#[test]
#[should_panic(expected = "a function for each number of rows")]
fn record_without_vectors_is_refused() {
    record(1, &[&[], &[]]);
}

#[test]
#[should_panic(expected = "as many functions for each number of rows")]
fn record_with_uneven_rows_is_refused() {
    record(1, &[&[ONE, ONE], &[ONE]]);
}

#[test]
#[should_panic(expected = "at least one lane")]
fn record_without_lanes_is_refused() {
    record(0, &[&[ONE]]);
}

#[test]
#[should_panic(expected = "at most Tile::MAX_BYTES")]
fn record_of_a_tile_without_room_is_refused() {
    record(Tile::MAX_BYTES / 8 + 1, &[&[ONE], &[ONE]]);
}

#[test]
#[should_panic(expected = "at most Tile::MAX_BYTES")]
fn record_with_lanes_beyond_counting_is_refused() {
    record(usize::MAX, &[&[ONE, ONE]]);
}
