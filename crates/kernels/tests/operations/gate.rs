//! Gated linear units against the activation and a product.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa};
use cke_kernels::ops::activation::{Activation, apply};
use cke_kernels::ops::gate::{gate, gate_joined, gate_reference};
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::assert_identical;
use cke_testkit::{Data, Guarded};

fn on(cpu: &Cpu, activation: Activation, gates: &[f32], up: &[f32]) -> Vec<f32> {
    let mut out = Guarded::unwritten(gates.len());
    gate(cpu, activation, gates, up, out.as_mut_slice()).expect("the lengths agree");
    out.as_slice().to_vec()
}

/// Gates over the bends of every activation, and values.
fn operands(len: usize) -> (Vec<f32>, Vec<f32>) {
    (Data::new(180).normal(len, 0.0, 3.0), Data::new(181).normal(len, 0.0, 2.0))
}

#[test]
fn gate_of_each_length_is_the_applied_activation_times_the_value() {
    for len in LENGTHS {
        let (gates, up) = operands(len);
        each_isa(|cpu| {
            for activation in Activation::ALL {
                let mut wanted = gates.clone();
                apply(cpu, activation, &mut wanted);
                wanted.iter_mut().zip(&up).for_each(|(y, up)| *y *= up);
                let case = format!("{activation:?} of {len} on {}", cpu.isa());
                assert_identical(&case, &on(cpu, activation, &gates, &up), &wanted);
            }
        });
    }
}

#[test]
fn gate_is_close_to_its_naive_twin() {
    let (gates, up) = operands(1000);
    for activation in Activation::ALL {
        let mut wanted = vec![0.0; 1000];
        gate_reference(activation, &gates, &up, &mut wanted);
        each_isa(|cpu| {
            for (found, wanted) in on(cpu, activation, &gates, &up).iter().zip(&wanted) {
                // The loosest bound of an activation: that of GELU's tanh form far below zero, where results vanish.
                let bound = 5e-5 * wanted.abs() + f32::MIN_POSITIVE * 10.0;
                assert!((found - wanted).abs() <= bound, "{activation:?}: {found:e}, wanted {wanted:e}");
            }
        });
    }
}

#[test]
fn gate_joined_of_several_rows_gives_the_bits_of_the_parts() {
    let rows = 3;
    for inner in LENGTHS {
        let joined = Data::new(182).normal(rows * 2 * inner, 0.0, 3.0);
        each_isa(|cpu| {
            let mut out = Guarded::unwritten(rows * inner);
            gate_joined(cpu, Activation::Silu, &joined, inner, out.as_mut_slice()).expect("whole rows");
            for i in 0..rows {
                let (gates, up) = joined[2 * i * inner..][..2 * inner].split_at(inner);
                let wanted = on(cpu, Activation::Silu, gates, up);
                assert_identical(cpu.isa().name(), &out.as_slice()[i * inner..][..inner], &wanted);
            }
        });
    }
}

#[test]
fn gate_at_any_offset_gives_the_same_bits() {
    let (gates, up) = operands(100);
    each_isa(|cpu| {
        assert_same_at_any_offset(cpu.isa().name(), &gates, |gates| on(cpu, Activation::Gelu, gates, &up));
    });
}

#[test]
fn gate_of_nan_is_nan_and_of_minus_infinity_the_limit() {
    each_isa(|cpu| {
        for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            let gates = [f32::NAN, 1.0, f32::NEG_INFINITY, f32::INFINITY];
            let found = on(cpu, activation, &gates, &[1.0, f32::NAN, 5.0, 2.0]);
            assert!(found[0].is_nan() && found[1].is_nan(), "{activation:?} on {}", cpu.isa());
            assert_eq!(found[2..], [0.0, f32::INFINITY], "{activation:?} on {}", cpu.isa());
        }
    });
}

#[test]
fn gate_of_sizes_that_do_not_fit_is_an_error() {
    each_isa(|cpu| {
        let mut out = [7.0; 8];
        for (gates, up, len) in [(8, 7, 8), (8, 8, 7), (0, 1, 0)] {
            let result = gate(cpu, Activation::Silu, &[0.0; 8][..gates], &[0.0; 8][..up], &mut out[..len]);
            assert!(matches!(result, Err(Error::Size { .. })), "{gates} {up} {len}: {result:?}");
        }
        for (joined, inner, len) in [(16, 3, 8), (15, 4, 8), (8, 8, 8), (16, 0, 8), (1, 4, 0)] {
            let result = gate_joined(cpu, Activation::Silu, &[0.0; 16][..joined], inner, &mut out[..len]);
            assert!(matches!(result, Err(Error::Size { .. })), "{joined} {inner} {len}: {result:?}");
        }
        for inner in [0, 4, usize::MAX] {
            assert_eq!(gate_joined(cpu, Activation::Silu, &[], inner, &mut []), Ok(()));
        }
        assert_eq!(out, [7.0; 8]);
    });
}
