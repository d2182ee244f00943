//! Keys and values kept in int8.

use super::{LENGTHS, Layer, SIZES, assert_refused};
use crate::each_isa;
use cke_kernels::Cpu;
use cke_kernels::attention::{AttentionPlan, KvDtype, Mask};
use cke_kernels::threads::ThreadPool;
use cke_testkit::tolerance::assert_identical;

/// A layer that keeps its keys and values in int8.
fn quantizing(cpu: &Cpu, size: (usize, usize, usize), len: usize) -> Layer {
    let layer = Layer::new(cpu, size, len);
    Layer { plan: layer.plan.with_kv(KvDtype::Int8), ..layer }
}

/// The layer in f32 over the numbers that keys and values are rounded to: whole multiples of 1/127 of the largest magnitude of a head.
fn rounded(cpu: &Cpu, size: (usize, usize, usize), len: usize) -> Layer {
    let mut layer = Layer::new(cpu, size, len);
    for head in layer.k.chunks_exact_mut(layer.dim).chain(layer.v.chunks_exact_mut(layer.dim)) {
        let largest = head.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let (scale, factor) = (largest / 127.0, 127.0 / largest);
        head.iter_mut().for_each(|x| *x = (*x * factor).round_ties_even() * scale);
    }
    layer
}

#[test]
fn attention_in_int8_has_the_bits_of_f32_over_rounded_keys_and_values() {
    each_isa(|cpu| {
        for size in SIZES {
            for len in LENGTHS {
                let (layer, of_f32) = (quantizing(cpu, size, len), rounded(cpu, size, len));
                for mask in [Mask::Full, Mask::Causal, Mask::Window(20)] {
                    let case = format!("{} {size:?}, {len} positions, {mask:?}", cpu.isa());
                    let found = layer.whole(mask, 1);
                    of_f32.check(&case, &found, mask);
                    assert_identical(&case, &found, &of_f32.whole(mask, 1));
                }
            }
        }
    });
}

#[test]
fn attention_in_int8_over_several_kv_blocks_has_the_bits_of_f32() {
    each_isa(|cpu| {
        for mask in [Mask::Full, Mask::Causal, Mask::Window(333)] {
            let (layer, of_f32) = (quantizing(cpu, (2, 1, 9), 1301), rounded(cpu, (2, 1, 9), 1301));
            let found = layer.whole(mask, 2);
            of_f32.check(&format!("{} {mask:?}", cpu.isa()), &found, mask);
            assert_identical(&format!("{} {mask:?}", cpu.isa()), &found, &of_f32.whole(mask, 2));
        }
    });
}

#[test]
fn attention_in_int8_in_pieces_on_threads_has_same_bits() {
    each_isa(|cpu| {
        for size in [(3, 3, 17), (1, 1, 1)] {
            let layer = quantizing(cpu, size, 301);
            for mask in [Mask::Causal, Mask::Window(77)] {
                let whole = layer.whole(mask, 1);
                let one_by_one = &[&[250][..], &[1; 51]].concat()[..];
                for (pieces, threads) in [(one_by_one, 1), (&[7, 290, 1, 3], 2), (&[300, 1], 8), (&[301], 3)] {
                    let case = format!("{} {size:?} {mask:?}, {} pieces on {threads}", cpu.isa(), pieces.len());
                    assert_identical(&case, &layer.pieces(mask, pieces, threads), &whole);
                }
            }
        }
    });
}

#[test]
fn attention_in_int8_stays_within_its_bound_of_the_oracle() {
    each_isa(|cpu| {
        for size in SIZES {
            let mut layer = quantizing(cpu, size, 131);
            // Small scores, for which the bound is narrow.
            layer.q.iter_mut().for_each(|x| *x /= 16.0);
            let largest = |all: &[f32]| f64::from(all.iter().fold(0f32, |largest, x| largest.max(x.abs())));
            let sum = |query: &[f32]| query.iter().map(|x| f64::from(x.abs())).sum::<f64>();
            let most = layer.q.chunks_exact(layer.dim).map(sum).fold(0.0, f64::max);
            let of_score = most / f64::from(layer.dim as f32).sqrt() * largest(&layer.k) / 254.0;
            let tolerance = ((2.0 * of_score).exp_m1() + 1.0 / 254.0) * largest(&layer.v) + 1e-5;
            for mask in [Mask::Full, Mask::Causal, Mask::Window(20)] {
                let case = format!("{} {size:?} {mask:?}", cpu.isa());
                layer.check_within(&case, &layer.whole(mask, 1), mask, tolerance);
            }
        }
    });
}

#[test]
fn truncated_cache_in_int8_forgets() {
    each_isa(|cpu| {
        let (layer, pool, width) = (quantizing(cpu, (2, 2, 17), 40), ThreadPool::new(1).unwrap(), 34);
        let whole = layer.whole(Mask::Causal, 1);
        let mut cache = layer.plan.cache(40).unwrap();
        layer.step(0, 40, Some(&mut cache), Mask::Causal, &pool);
        cache.truncate(5);
        let found = layer.step(5, 9, Some(&mut cache), Mask::Causal, &pool);
        assert_identical(&format!("{}", cpu.isa()), &found, &whole[5 * width..9 * width]);
    });
}

/// Rows without a number, with one that is not finite, and with large and small ones.
#[test]
fn keys_and_values_of_any_numbers_are_kept() {
    each_isa(|cpu| {
        let mut layer = quantizing(cpu, (1, 1, 17), 3);
        layer.k[..17].fill(0.0);
        layer.v[..17].fill(0.0);
        assert!(layer.whole(Mask::Causal, 1)[..17].iter().all(|x| *x == 0.0));
        layer.v[17..34].fill(1e38);
        layer.v[20] = 1e-40;
        assert!(layer.whole(Mask::Causal, 1).iter().all(|x| x.is_finite()));
        layer.v[34 + 5] = f32::INFINITY;
        assert!(layer.whole(Mask::Causal, 1)[34..].iter().all(|x| x.is_nan()));
    });
}

#[test]
fn cache_in_int8_takes_a_bit_more_than_a_quarter_and_serves_its_own_plans_only() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let wide = AttentionPlan::new(cpu, 4, 2, 64, 1.0).expect("sizes are good");
    let narrow = wide.with_kv(KvDtype::Int8);
    // A scale for 64 numbers.
    assert_eq!(narrow.cache_bytes(1024) * 64, wide.cache_bytes(1024) * 17);
    assert_refused(&wide, &narrow, "in int8");
}
