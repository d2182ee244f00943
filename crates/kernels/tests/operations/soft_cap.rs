//! The soft cap against its formula in f64.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa, rows};
use cke_kernels::Cpu;
use cke_kernels::ops::soft_cap::{soft_cap, soft_cap_reference};
use cke_testkit::Guarded;
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical};

fn on(cpu: &Cpu, x: &[f32], cap: f32) -> Vec<f32> {
    let mut out = Guarded::new(x);
    soft_cap(cpu, out.as_mut_slice(), cap);
    out.as_slice().to_vec()
}

#[test]
fn soft_cap_of_each_length_keeps_its_bound() {
    for (cap, deviation) in [(30.0, 20.0), (50.0, 500.0), (30.0, 1e-3), (0.5, 1e30)] {
        for x in rows(190, 0.0, deviation) {
            let exact: Vec<f64> = x.iter().map(|&x| f64::from(cap) * (f64::from(x) / f64::from(cap)).tanh()).collect();
            // The error of `simd::math::tanh`, and the roundings before and behind.
            let bounds: Vec<f64> = exact.iter().map(|y| (3e-7 + 2.1 * F32_ROUNDOFF) * y.abs()).collect();
            each_isa(|cpu| {
                let case = format!("cap {cap}, length {} on {}", x.len(), cpu.isa());
                assert_close(&case, &on(cpu, &x, cap), &exact, &bounds);
            });
            let mut twin = x.clone();
            soft_cap_reference(&mut twin, cap);
            assert_close("reference", &twin, &exact, &bounds);
        }
    }
}

#[test]
fn soft_cap_of_special_values_is_the_limit_or_nan() {
    each_isa(|cpu| {
        let found = on(cpu, &[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, f32::NAN], 30.0);
        assert_eq!(found[..5], [30.0, -30.0, 30.0, -30.0, 0.0], "{}", cpu.isa());
        assert!(found[5].is_nan(), "{}", cpu.isa());
    });
}

#[test]
fn soft_cap_of_each_length_and_offset_gives_the_same_bits() {
    let x = rows(191, 0.0, 40.0).pop().expect("the last length");
    each_isa(|cpu| {
        let whole = on(cpu, &x, 30.0);
        for len in LENGTHS {
            assert_identical("prefix", &on(cpu, &x[..len], 30.0), &whole[..len]);
        }
        assert_same_at_any_offset(cpu.isa().name(), &x[..100], |x| on(cpu, x, 30.0));
    });
}
