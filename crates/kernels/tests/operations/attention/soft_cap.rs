//! Scores with a soft cap.

use super::Layer;
use crate::each_isa;
use cke_kernels::attention::Mask;
use cke_testkit::tolerance::assert_identical;

/// A layer whose scores, of up to about 10, a cap bends strongly or hardly at all.
fn capped(cpu: &cke_kernels::Cpu, size: (usize, usize, usize), len: usize, cap: f32) -> Layer {
    let layer = Layer::new(cpu, size, len);
    Layer { plan: layer.plan.with_soft_cap(cap), soft_cap: Some(cap), ..layer }
}

#[test]
fn attention_with_a_soft_cap_matches_oracle() {
    each_isa(|cpu| {
        for size in [(1, 1, 1), (4, 2, 16), (3, 3, 17), (2, 2, 64)] {
            for (len, cap) in [(1, 2.0), (7, 2.0), (64, 50.0), (131, 0.5)] {
                let layer = capped(cpu, size, len, cap);
                for mask in [Mask::Full, Mask::Causal, Mask::Window(9)] {
                    let case = format!("{} {size:?}, {len} positions, {mask:?}, cap {cap}", cpu.isa());
                    layer.check(&case, &layer.whole(mask, 1), mask);
                }
            }
        }
        let layer = capped(cpu, (1, 1, 8), 1100, 3.0);
        layer.check(&format!("{} over KV blocks", cpu.isa()), &layer.whole(Mask::Causal, 2), Mask::Causal);
    });
}

#[test]
fn attention_with_a_soft_cap_in_pieces_on_threads_has_same_bits() {
    each_isa(|cpu| {
        for size in [(2, 2, 17), (2, 1, 32)] {
            let layer = capped(cpu, size, 1100, 4.0);
            let whole = layer.whole(Mask::Causal, 1);
            for (pieces, threads) in [(&[1090, 1, 9][..], 8), (&[1100], 3)] {
                let found = layer.pieces(Mask::Causal, pieces, threads);
                assert_identical(&format!("{} {size:?} {pieces:?} on {threads}", cpu.isa()), &found, &whole);
            }
        }
    });
}

#[test]
fn scores_beyond_the_largest_number_are_those_of_the_cap() {
    each_isa(|cpu| {
        let mut layer = capped(cpu, (1, 1, 8), 5, 3.0);
        layer.q.fill(1e20);
        layer.k.fill(1e20);
        // All scores are the cap: the mean of the values so far.
        let found = layer.whole(Mask::Causal, 1);
        for (i, row) in found.chunks_exact(8).enumerate() {
            for (d, found) in row.iter().enumerate() {
                let wanted = (0..=i).map(|t| f64::from(layer.v[t * 8 + d])).sum::<f64>() / (i + 1) as f64;
                assert!((f64::from(*found) - wanted).abs() < 1e-6, "wanted {wanted}, found {found}");
            }
        }
    });
}
