//! Weights in four bits, packed from f32.

use crate::{bits, kernels};
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, Shape};
use cke_kernels::scheme::Int4;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;

/// B (k, n) packed, and its first column as it was packed.
fn packed(weights: &[f32]) -> (PackedB<Int4>, Vec<f32>) {
    let (k, n) = (weights.len(), 1);
    let plan = GemmPlan::<Int4>::new(Cpu::host().unwrap(), Shape { m: 1, n, k });
    let packed = plan.pack_b(MatRef::new(weights, k, n).unwrap()).unwrap();
    let mut column = vec![f32::NAN; k];
    packed.copy_column(0, &mut column).unwrap();
    (packed, column)
}

#[test]
fn weights_take_four_and_a_half_bits() {
    let plan = GemmPlan::<Int4>::new(Cpu::host().unwrap(), Shape { m: 1, n: 768, k: 768 });
    assert_eq!(plan.packed_b_bytes(), 768 * 768 * 9 / 16);
}

#[test]
fn weights_that_four_bits_can_hold_come_back() {
    let weights: Vec<f32> = (0..32).map(|p| (p % 16 - 8) as f32 * 0.25).collect();
    assert_eq!(packed(&weights).1, weights);
    let weights: Vec<f32> = weights.iter().map(|w| -w).collect();
    assert_eq!(packed(&weights).1, weights);
}

#[test]
fn errors_are_less_than_with_the_largest_weight_at_the_end_of_the_scale() {
    let weights = Data::new(3).normal(32 * 500, 0.0, 0.02);
    let (_, found) = packed(&weights);
    let error = |found: &[f32]| weights.iter().zip(found).map(|(w, x)| f64::from(w - x).powi(2)).sum::<f64>();
    let plain: Vec<f32> = weights
        .chunks(32)
        .flat_map(|group| {
            let largest = group.iter().fold(0f32, |a, &b| if b.abs() > a.abs() { b } else { a });
            let scale = half::f16::from_f32(largest / -8.0).to_f32();
            group.iter().map(move |w| (w / scale).round_ties_even().clamp(-8.0, 7.0) * scale)
        })
        .collect();
    let (found, plain) = (error(&found), error(&plain));
    assert!(found < 0.9 * plain, "{found} beside {plain}");
}

#[test]
fn extreme_weights_are_held_as_far_as_a_half_reaches() {
    assert_eq!(packed(&[0.0; 40]).1, [0.0; 40]);
    assert_eq!(packed(&[1e-40; 40]).1, [0.0; 40]);
    assert!(packed(&[1e-12; 32]).1.iter().all(|&x| x == 0.0));
    for large in [1e20, -1e20, f32::MAX] {
        let (_, found) = packed(&[large; 32]);
        assert!(found.iter().all(|x| x.abs() >= 7.0 * 65504.0 && x.signum() == large.signum()), "{}", found[0]);
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = vec![1.0; 70];
        weights[40] = bad;
        let (_, found) = packed(&weights);
        for (p, x) in found.iter().enumerate() {
            assert_eq!(x.is_nan(), (32..64).contains(&p), "{p}: {x}");
        }
    }
}

#[test]
fn depths_that_are_no_multiple_of_a_group_are_filled_up_with_zeros() {
    let mut data = Data::new(6);
    for (m, n, k) in [(1, 1, 1), (5, 19, 33), (7, 16, 255), (2, 40, 257), (3, 5, 300)] {
        let (a, b) = (data.uniform(m * k), data.uniform(k * n));
        let deep = k.next_multiple_of(32);
        let widened = |rows: &[f32], cols: usize, deep: usize| {
            let rows = rows.chunks(cols).map(|row| [row, &vec![0.0; deep - cols]].concat());
            rows.collect::<Vec<_>>().concat()
        };
        let (deep_a, deep_b) = (widened(&a, k, deep), [&b[..], &vec![0.0; (deep - k) * n]].concat());
        for kernel in kernels::<Int4>() {
            let run = |a: &[f32], b: &[f32], k: usize| {
                let plan = GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k });
                let packed = plan.pack_b(MatRef::new(b, k, n).unwrap()).unwrap();
                let mut c = vec![f32::NAN; m * n];
                let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
                let (a, place) = (MatRef::new(a, m, k).unwrap(), MatMut::new(&mut c, m, n).unwrap());
                plan.run(a, &packed, place, &Epilogue::default(), ctx).unwrap();
                bits(&c)
            };
            assert_eq!(run(&a, &b, k), run(&deep_a, &deep_b, deep), "{} {m}×{n}×{k}", kernel.record().name());
        }
    }
}
