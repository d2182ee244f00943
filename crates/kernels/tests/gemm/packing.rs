//! Packed B: panels written at once or in pieces, and read back.

use crate::kernels::{kernels, records};
use crate::numbers::Tested;
use crate::operands::{Operands, plan, uniform, unwritten, view, view_of};
use cke_kernels::Error;
use cke_kernels::gemm::{CopyArgs, GemmPlan, PackedB, Supported};
use cke_kernels::scheme::{F32, F64};
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_testkit::shapes::{GemmCase, Storage};
use cke_testkit::{Data, Element, Layout, Matrix, PageGuarded};

/// Depths round the block in which transposed operands are packed.
const DEPTHS: [usize; 7] = [0, 1, 5, 31, 32, 33, 70];

/// All columns, one after the other.
fn columns<S: Tested>(packed: &PackedB<S>) -> Vec<S::E> {
    let mut all = vec![S::E::CANARY; packed.k() * packed.n()];
    for (j, column) in all.chunks_exact_mut(packed.k().max(1)).enumerate() {
        packed.copy_column(j, column).expect("the column exists");
    }
    all
}

/// A plan for B (k, n) and such a B.
fn plan_and_b(kernel: Supported<F32>, k: usize, n: usize, storage: Storage) -> (GemmPlan<F32>, Matrix<f32>) {
    let case = GemmCase::row_major(1, n, k).stored(Storage::RowMajor, storage, Storage::RowMajor);
    (plan(kernel, &case, None), Operands::new(case, 31).b)
}

fn check_columns<S: Tested>() {
    let mut data = Data::new(33);
    for kernel in kernels::<S>() {
        let nr = kernel.tile().nr;
        for (k, n) in DEPTHS.into_iter().flat_map(|k| [0, 1, nr - 1, nr, 2 * nr + 3].map(|n| (k, n))) {
            for storage in Storage::ALL {
                let b = uniform(storage.layout(k, n), &mut data);
                let mut packed = PackedB::<S>::zeroed(kernel, k, n).expect("memory is there");
                packed.write(0, 0, view(&b)).expect("inside B");
                let wanted = b.view().transposed().to_row_major();
                assert_eq!(columns(&packed), wanted, "{}: {k}x{n} {storage:?}", kernel.record().name());
            }
        }
    }
}

#[test]
fn packed_columns_read_back_as_those_of_b() {
    check_columns::<F32>();
    check_columns::<F64>();
}

/// Copies a block of each size and storage between canaries, from operands that end, or begin, at a page without access.
fn check_copies<S: Tested>() {
    let mut data = Data::new(34);
    let lengths = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33];
    for kernel in records::<S>() {
        for (rows, cols) in lengths.into_iter().flat_map(|rows| lengths.map(|cols| (rows, cols))) {
            let storage = data.choose(&Storage::ALL);
            let source = uniform::<S::E>(storage.layout(rows, cols), &mut data);
            let guard = data.choose(&[PageGuarded::at_end, PageGuarded::at_start]);
            let guarded = guard(source.as_slice());
            let gap = data.choose(&[0, 1, 19]);
            let mut copy = unwritten::<S::E>(Layout::padded(rows, cols, gap));
            let args = CopyArgs {
                source: guarded.as_slice().as_ptr(),
                rows,
                cols,
                row_stride: source.layout().row_stride,
                col_stride: source.layout().col_stride,
                out: copy.as_mut_slice().as_mut_ptr(),
                out_stride: cols + gap,
            };
            // SAFETY: the source and the copy are laid out as the arguments say.
            unsafe { kernel.copy(&args) };
            copy.check();
            let name = kernel.record().name();
            assert_eq!(copy.to_row_major(), source.to_row_major(), "{name}: {rows}x{cols} {storage:?}, gap {gap}");
        }
    }
}

#[test]
fn block_of_every_size_and_storage_is_copied_and_nothing_beside_it_is_touched() {
    check_copies::<F32>();
    check_copies::<F64>();
}

#[test]
fn packed_sizes_count_whole_panels() {
    for kernel in kernels() {
        let nr = kernel.tile().nr;
        let (plan, _) = plan_and_b(kernel, 7, nr + 1, Storage::RowMajor);
        let packed = plan.empty_b().expect("memory is there");
        assert_eq!((packed.k(), packed.n(), packed.format().cols), (7, nr + 1, nr));
        assert_eq!(packed.bytes(), 2 * nr * 7 * size_of::<f32>());
        assert!(columns(&packed).iter().all(|&x| x == 0.0), "a B not yet written is zero");
    }
}

fn check_pieces<S: Tested>() {
    let mut data = Data::new(32);
    for kernel in kernels::<S>() {
        let (k, n) = (41, 3 * kernel.tile().nr + 5);
        for storage in Storage::ALL {
            let b = uniform(storage.layout(k, n), &mut data);
            let mut pieces = PackedB::<S>::zeroed(kernel, k, n).expect("memory is there");
            write_in_pieces(&mut pieces, &b, &mut data);
            let wanted = b.view().transposed().to_row_major();
            assert_eq!(columns(&pieces), wanted, "{}: {storage:?}", kernel.record().name());
        }
    }
}

fn check_threads<S: Tested>() {
    let mut data = Data::new(35);
    let pool = ThreadPool::new(3).expect("three threads");
    for kernel in kernels::<S>() {
        let nr = kernel.tile().nr;
        let (k, n) = (41, 5 * nr + 3);
        let b = uniform(Storage::RowMajor.layout(k, n), &mut data);
        let packed = |pool: &dyn Parallel, n0: usize| {
            let mut packed = PackedB::<S>::zeroed(kernel, k, n0 + n).expect("memory is there");
            packed.write_by(pool, 0, n0, view(&b)).expect("inside B");
            packed
        };
        for n0 in [0, 1, nr - 1, nr + 2] {
            assert_eq!(packed(&pool, n0).as_bytes(), packed(&Serial, n0).as_bytes(), "{}", kernel.record().name());
        }
    }
}

#[test]
fn packing_by_several_threads_gives_the_bytes_of_one() {
    check_threads::<F32>();
    check_threads::<F64>();
}

#[test]
fn packing_in_pieces_equals_packing_at_once() {
    check_pieces::<F32>();
    check_pieces::<F64>();
}

/// Writes B in blocks of random height and width, from the last to the first.
fn write_in_pieces<S: Tested>(packed: &mut PackedB<S>, b: &Matrix<S::E>, data: &mut Data) {
    let layout = b.layout();
    let mut row_end = layout.rows;
    while row_end > 0 {
        let row = row_end - 1 - data.below(row_end.min(20));
        let mut col_end = layout.cols;
        while col_end > 0 {
            let col = col_end - 1 - data.below(col_end.min(70));
            let piece = Layout { rows: row_end - row, cols: col_end - col, ..layout };
            packed.write(row, col, view_of(&b.as_slice()[layout.index(row, col)..], piece)).expect("inside B");
            col_end = col;
        }
        row_end = row;
    }
}

#[test]
fn packing_reads_nothing_outside_b() {
    for kernel in kernels() {
        let (k, n) = (33, kernel.tile().nr + 3);
        for storage in Storage::ALL {
            let (plan, b) = plan_and_b(kernel, k, n, storage);
            for guarded in [PageGuarded::at_end(b.as_slice()), PageGuarded::at_start(b.as_slice())] {
                let packed = plan.pack_b(view_of(guarded.as_slice(), b.layout())).expect("sizes agree");
                assert_eq!(columns(&packed), b.view().transposed().to_row_major());
            }
        }
    }
}

#[test]
fn write_outside_b_is_refused_and_changes_nothing() {
    for kernel in kernels() {
        let (k, n) = (5, kernel.tile().nr + 2);
        let (plan, b) = plan_and_b(kernel, k, n, Storage::RowMajor);
        let mut packed = plan.pack_b(view(&b)).expect("sizes agree");
        let before = columns(&packed);
        let ones = vec![1.0; (k + 1) * (n + 1)];
        // (first row, first column, rows, columns)
        let outside = [
            (0, 0, k + 1, 1),
            (1, 0, k, 1),
            (k, 0, 1, 1),
            (usize::MAX, 0, 1, 1),
            (0, 0, 1, n + 1),
            (0, 1, 1, n),
            (0, n, 1, 1),
            (0, usize::MAX, 1, 1),
        ];
        for (k0, n0, rows, cols) in outside {
            let found = packed.write(k0, n0, view_of(&ones, Layout::row_major(rows, cols)));
            assert!(matches!(found, Err(Error::Size { .. })), "{rows}x{cols} at ({k0}, {n0}): {found:?}");
        }
        assert_eq!(columns(&packed), before);
    }
}

#[test]
fn write_of_nothing_is_accepted_anywhere() {
    for kernel in kernels() {
        let (k, n) = (5, kernel.tile().nr);
        let (plan, _) = plan_and_b(kernel, k, n, Storage::RowMajor);
        let mut packed = plan.empty_b().expect("memory is there");
        for (k0, n0, rows, cols) in
            [(k, 0, 0, n), (k + 1, 0, 0, n), (usize::MAX, 0, 0, 1), (0, n, k, 0), (0, usize::MAX, 1, 0)]
        {
            packed.write(k0, n0, view_of(&[], Layout::row_major(rows, cols))).expect("nothing fits anywhere");
        }
    }
}

#[test]
fn copy_of_a_column_that_does_not_exist_is_refused() {
    for kernel in kernels() {
        let (plan, b) = plan_and_b(kernel, 5, 3, Storage::RowMajor);
        let packed = plan.pack_b(view(&b)).expect("sizes agree");
        let mut out = [7.0; 6];
        for j in [3, kernel.tile().nr, usize::MAX] {
            let error = packed.copy_column(j, &mut out[..5]).unwrap_err();
            assert!(matches!(error, Error::Size { wanted: 3, found, .. } if found == j), "{error}");
        }
        for len in [4, 6] {
            let error = packed.copy_column(0, &mut out[..len]).unwrap_err();
            assert!(matches!(error, Error::Size { wanted: 5, found, .. } if found == len), "{error}");
        }
        assert_eq!(out, [7.0; 6]);
    }
}
