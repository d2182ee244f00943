//! Transposition of blocks of every shape up to a square of vectors, between guarded memories.

use crate::each_isa;
use crate::element::{Real, Work};
use cke_kernels::Cpu;
use cke_kernels::simd::Simd;
use cke_testkit::Guarded;

/// A block of rows × cols elements, its rows `stride` apart; those of its transpose `out_stride`.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    cols: usize,
    stride: usize,
    out_stride: usize,
}

/// Elements from the first to the last one of `rows` rows of `cols`.
fn span(rows: usize, cols: usize, stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * stride + cols }
}

struct Transpose<'a, E>(Shape, &'a [E], &'a mut [E]);

impl<E: Real> Work<E> for Transpose<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let Transpose(Shape { rows, cols, stride, out_stride }, block, out) = self;
        assert!(rows <= S::LANES && cols <= S::LANES);
        assert!(block.len() >= span(rows, cols, stride) && out.len() >= span(cols, rows, out_stride));
        // SAFETY: as just checked.
        unsafe { s.transpose(block.as_ptr(), stride, rows, cols, out.as_mut_ptr(), out_stride) };
    }
}

struct Lanes;

impl<E: Real> Work<E> for Lanes {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) -> usize {
        S::LANES
    }
}

/// Every shape of a block for vectors of `E`, close and with gaps between rows.
fn each_shape<E: Real>(cpu: &Cpu, mut test: impl FnMut(Shape)) {
    let lanes = E::dispatch(cpu, Lanes);
    for rows in 0..=lanes {
        for cols in 0..=lanes {
            for gap in [0, 3] {
                test(Shape { rows, cols, stride: cols + gap, out_stride: rows + gap });
            }
        }
    }
}

/// 1, 2, 3 …: different, so that each has one right place.
fn numbers<E: Real>(len: usize) -> Vec<E> {
    (1..=len).map(|i| E::from_f32(i as f32)).collect()
}

fn assert_transposed<E: Real>() {
    each_isa(|cpu| {
        each_shape::<E>(cpu, |shape| {
            let Shape { rows, cols, stride, out_stride } = shape;
            let block: Vec<E> = numbers(span(rows, cols, stride));
            let mut out = Guarded::unwritten(span(cols, rows, out_stride));
            E::dispatch(cpu, Transpose(shape, &block, out.as_mut_slice()));
            out.check();
            for (at, &found) in out.as_slice().iter().enumerate() {
                let (j, i) = (at / out_stride, at % out_stride);
                let wanted = if i < rows { block[i * stride + j] } else { E::CANARY };
                assert_eq!(found.bits(), wanted.bits(), "{}, {shape:?}: row {j}, column {i}", cpu.isa());
            }
        });
    });
}

#[test]
fn transpose_of_every_shape_moves_each_element_and_writes_nothing_else() {
    assert_transposed::<f32>();
    assert_transposed::<f64>();
}

#[cfg(unix)]
fn assert_reads_only_the_block<E: Real>() {
    use cke_testkit::PageGuarded;
    each_isa(|cpu| {
        each_shape::<E>(cpu, |shape| {
            let Shape { rows, cols, stride, out_stride } = shape;
            let values: Vec<E> = numbers(span(rows, cols, stride));
            let mut out = vec![E::default(); span(cols, rows, out_stride)];
            for block in [PageGuarded::at_end(&values), PageGuarded::at_start(&values)] {
                E::dispatch(cpu, Transpose(shape, block.as_slice(), &mut out));
            }
        });
    });
}

#[cfg(unix)]
#[test]
fn transpose_at_the_edge_of_a_page_does_not_fault() {
    assert_reads_only_the_block::<f32>();
    assert_reads_only_the_block::<f64>();
}
