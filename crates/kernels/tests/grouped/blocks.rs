//! Blocks of files into panels and back.

use crate::definitions::Definition;
use crate::{bits, for_each_format, kernels};
use cke_kernels::Cpu;
use cke_kernels::gemm::grouped::GroupFormat;
use cke_kernels::gemm::{GemmPlan, Shape, StableBytes};
use cke_kernels::scheme::Grouped;
use cke_kernels::threads::ThreadPool;
use cke_kernels::{Error, gemm::PackedB};
use cke_testkit::Data;
use std::sync::Arc;

fn plan<F: GroupFormat>(n: usize, k: usize) -> GemmPlan<Grouped<F>> {
    GemmPlan::new(Cpu::host().unwrap(), Shape { m: 4, n, k })
}

fn check_columns<F: Definition>() {
    for (n, blocks_of_column) in [(1, 1), (16, 2), (37, 5)] {
        let k = blocks_of_column * F::BLOCK;
        let blocks = F::random_blocks(n * blocks_of_column, &mut Data::new(n as u64));
        check_columns_of::<F>(n, k, &blocks);
    }
    let blocks = F::extreme_blocks();
    check_columns_of::<F>(blocks.len() / F::BLOCK_BYTES, F::BLOCK, &blocks);
}

fn check_columns_of<F: Definition>(n: usize, k: usize, blocks: &[u8]) {
    let packed = plan::<F>(n, k).pack_blocks(blocks).unwrap();
    let mut column = vec![0.0; k];
    for (j, blocks) in blocks.chunks(k / F::BLOCK * F::BLOCK_BYTES).enumerate() {
        packed.copy_column(j, &mut column).unwrap();
        let groups = blocks.chunks(F::BLOCK_BYTES).flat_map(F::groups);
        let wanted: Vec<f32> = groups.flat_map(|group| group.weights().collect::<Vec<_>>()).collect();
        assert_eq!(bits(&column), bits(&wanted), "{}, column {j} of {n}", F::NAME);
    }
}

#[test]
fn columns_have_the_bits_of_the_blocks_they_were_packed_from() {
    for_each_format!(check_columns);
}

fn check_size<F: Definition>() {
    let (n, k) = (64, 1024);
    let packed = plan::<F>(n, k).packed_b_bytes();
    assert_eq!(packed, n * k / F::BLOCK * (F::BLOCK_BYTES + F::GROWTH), "{}", F::NAME);
    assert!(100 * F::GROWTH < 4 * F::BLOCK_BYTES, "{}", F::NAME);
}

#[test]
fn panels_take_at_most_four_percent_more_than_the_file() {
    for_each_format!(check_size);
}

fn check_parts<F: Definition>() {
    let (n, k) = (21, 2 * F::BLOCK);
    let blocks = F::random_blocks(2 * n, &mut Data::new(5));
    let whole = plan::<F>(n, k).pack_blocks(&blocks).unwrap();
    let mut parts = plan::<F>(n, k).empty_b().unwrap();
    let (first, rest) = blocks.split_at(7 * 2 * F::BLOCK_BYTES);
    parts.write_blocks(7, rest).unwrap();
    parts.write_blocks(0, first).unwrap();
    assert_eq!(parts.as_bytes(), whole.as_bytes());
    let mut by_threads = plan::<F>(n, k).empty_b().unwrap();
    by_threads.write_blocks_by(&ThreadPool::new(3).unwrap(), 0, first).unwrap();
    by_threads.write_blocks_by(&ThreadPool::new(2).unwrap(), 7, rest).unwrap();
    assert_eq!(by_threads.as_bytes(), whole.as_bytes());
}

#[test]
fn columns_can_be_packed_in_parts_of_any_order_and_by_any_threads() {
    for_each_format!(check_parts);
}

fn check_errors<F: Definition>() {
    let plan = plan::<F>(3, 2 * F::BLOCK);
    let bytes = 3 * 2 * F::BLOCK_BYTES;
    for wrong in [0, bytes - 1, bytes + 1, bytes + 2 * F::BLOCK_BYTES] {
        let error = plan.pack_blocks(&vec![0; wrong]).unwrap_err();
        assert_eq!(error, Error::Size { what: "bytes of blocks", wanted: bytes, found: wrong });
    }
    let mut packed = plan.empty_b().unwrap();
    let column = vec![0; 2 * F::BLOCK_BYTES];
    assert!(matches!(packed.write_blocks(0, &column[1..]), Err(Error::Size { .. })));
    assert!(matches!(packed.write_blocks(3, &column), Err(Error::Size { .. })));
    assert!(matches!(packed.write_blocks(usize::MAX, &column), Err(Error::Size { .. })));
    packed.write_blocks(usize::MAX, &[]).unwrap_err();
    packed.write_blocks(2, &column).unwrap();

    let cut = self::plan::<F>(3, F::BLOCK + 1);
    let error = cut.empty_b().unwrap().write_blocks(0, &column).unwrap_err();
    let what = "rows of B past whole blocks of its format";
    assert_eq!(error, Error::Size { what, wanted: 0, found: 1 });

    let shared: Arc<dyn StableBytes> = Arc::new(packed.as_bytes().to_vec());
    let kernel = kernels::<Grouped<F>>().next().unwrap();
    let mut shared = PackedB::from_shared(kernel, 2 * F::BLOCK, 3, shared).unwrap();
    assert_eq!(shared.write_blocks(0, &column), Err(Error::SharedWeights));
}

#[test]
fn bytes_that_are_not_whole_columns_are_errors() {
    for_each_format!(check_errors);
}

fn check_empty<F: Definition>() {
    plan::<F>(0, F::BLOCK).pack_blocks(&[]).unwrap();
    plan::<F>(3, 0).pack_blocks(&[]).unwrap();
    assert!(plan::<F>(3, 0).pack_blocks(&[0]).is_err());
}

#[test]
fn empty_matrices_have_no_blocks() {
    for_each_format!(check_empty);
}

fn check_packed_floats<F: Definition>() {
    let (n, k) = (19, 600);
    let weights = Data::new(8).normal(n * k, 0.0, 0.02);
    let view = cke_kernels::view::MatRef::new(&weights, n, k).unwrap().transposed();
    let mut first = None;
    for kernel in kernels::<Grouped<F>>() {
        let plan = GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m: 1, n, k });
        let packed = plan.pack_b(view).unwrap();
        assert_eq!(first.get_or_insert_with(|| packed.as_bytes().to_vec()), packed.as_bytes(), "{}", F::NAME);
        let (mut column, mut error, mut power) = (vec![0.0; k], 0.0, 0.0);
        for (j, weights) in weights.chunks(k).enumerate() {
            packed.copy_column(j, &mut column).unwrap();
            for (x, w) in column.iter().zip(weights) {
                error += f64::from(x - w).powi(2);
                power += f64::from(*w).powi(2);
            }
        }
        // Normal numbers reach some 2.5 deviations in a group: at b bits a step is that over 2^(b−1), an error 0.3 steps.
        let relative = (error / power).sqrt();
        assert!(relative < 0.3 * 2.9 / 2f64.powi(F::BITS - 1), "{}: {relative}", F::NAME);
    }
}

#[test]
fn weights_packed_from_f32_are_close_and_the_same_for_every_kernel() {
    for_each_format!(check_packed_floats);
}
