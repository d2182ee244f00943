//! Pooling and normalisation of sentence vectors.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa, rows};
use cke_kernels::ops::pooling::{l2_normalize, mean_rows, mean_rows_reference};
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical, gamma};
use cke_testkit::{Data, Guarded};

fn mean_on(cpu: &Cpu, x: &[f32], width: usize) -> Vec<f32> {
    let mut out = Guarded::unwritten(width);
    mean_rows(cpu, x, out.as_mut_slice()).expect("whole rows");
    out.as_slice().to_vec()
}

#[test]
fn mean_rows_of_each_width_keeps_its_bound() {
    for width in LENGTHS.into_iter().filter(|&width| width > 0) {
        for count in [1, 2, 37] {
            let x = Data::new(150).normal(width * count, 1.0, 3.0);
            let column = |j: usize| x.iter().skip(j).step_by(width).map(|&x| f64::from(x));
            let exact: Vec<f64> = (0..width).map(|j| column(j).sum::<f64>() / count as f64).collect();
            let growth = gamma(count + 1, F32_ROUNDOFF) / count as f64;
            let bounds: Vec<f64> = (0..width).map(|j| growth * column(j).map(f64::abs).sum::<f64>()).collect();
            each_isa(|cpu| {
                let case = format!("{count} rows of {width} on {}", cpu.isa());
                assert_close(&case, &mean_on(cpu, &x, width), &exact, &bounds);
                if width < 100 {
                    assert_same_at_any_offset(&case, &x, |x| mean_on(cpu, x, width));
                }
            });
            let mut twin = vec![0.0; width];
            mean_rows_reference(&x, &mut twin);
            assert_close("reference", &twin, &exact, &bounds);
        }
    }
}

#[test]
fn mean_rows_of_nothing_or_a_broken_row_is_an_error() {
    each_isa(|cpu| {
        for (len, width) in [(0, 4), (7, 4), (3, 4), (3, 0)] {
            let result = mean_rows(cpu, &vec![0.0; len], &mut vec![0.0; width]);
            assert!(matches!(result, Err(Error::Size { .. })), "{len} elements in rows of {width}: {result:?}");
        }
        assert_eq!(mean_rows(cpu, &[], &mut []), Ok(()));
    });
}

#[test]
fn l2_normalize_of_each_length_gives_unit_vectors() {
    for scale in [1.0, 1e-10, 1e30] {
        for mut x in rows(151, 0.0, scale) {
            let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let exact: Vec<f64> = x.iter().map(|&x| f64::from(x) / norm).collect();
            let bounds: Vec<f64> = exact.iter().map(|y| 1.01 * F32_ROUNDOFF * y.abs()).collect();
            l2_normalize(&mut x);
            assert_close(&format!("length {} × {scale}", x.len()), &x, &exact, &bounds);
        }
    }
}

#[test]
fn l2_normalize_of_zeros_keeps_them_and_of_nan_is_nan() {
    let mut zeros = [0.0, -0.0, 0.0];
    l2_normalize(&mut zeros);
    assert_identical("zeros", &zeros, &[0.0, -0.0, 0.0]);
    let mut tiny = [1e-20, 0.0];
    l2_normalize(&mut tiny);
    assert_eq!(tiny[0], (f64::from(1e-20f32) / 1e-12) as f32);
    let mut with_nan = [1.0, f32::NAN];
    l2_normalize(&mut with_nan);
    assert!(with_nan.iter().all(|y| y.is_nan()));
    let mut infinite = [1.0, f32::INFINITY];
    l2_normalize(&mut infinite);
    assert!(infinite[0] == 0.0 && infinite[1].is_nan());
}
