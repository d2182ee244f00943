//! Sliding windows.

use super::{Layer, SIZES, run_sequences};
use crate::each_isa;
use cke_kernels::attention::{AttentionPlan, Mask, SequenceRows};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::ThreadPool;
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::assert_identical;

#[test]
fn attention_with_a_window_matches_oracle() {
    each_isa(|cpu| {
        for size in SIZES {
            for (len, width) in [(1, 1), (7, 1), (7, 3), (64, 16), (131, 33), (131, 131), (33, usize::MAX)] {
                let (layer, mask) = (Layer::new(cpu, size, len), Mask::Window(width));
                layer.check(&format!("{} {size:?}, {len} positions, {mask:?}", cpu.isa()), &layer.whole(mask, 1), mask);
            }
        }
    });
}

/// Windows that begin in every chain of a KV block, cross KV blocks, and leave whole ones behind.
#[test]
fn attention_with_a_window_over_several_kv_blocks_matches_oracle() {
    each_isa(|cpu| {
        for size in [(2, 1, 8), (2, 2, 24)] {
            let layer = Layer::new(cpu, size, 1100);
            for width in [1, 40, 200, 700] {
                let mask = Mask::Window(width);
                layer.check(&format!("{} {size:?} {mask:?}", cpu.isa()), &layer.whole(mask, 2), mask);
            }
        }
    });
}

#[test]
fn attention_with_a_window_in_pieces_on_threads_has_same_bits() {
    each_isa(|cpu| {
        for (size, width) in [((2, 2, 17), 100), ((2, 1, 16), 600), ((1, 1, 64), 3)] {
            let (layer, mask) = (Layer::new(cpu, size, 1300), Mask::Window(width));
            let whole = layer.whole(mask, 1);
            let one_by_one = &[&[500][..], &[1; 120], &[680]].concat()[..];
            for (pieces, threads) in
                [(one_by_one, 1), (&[1100, 1, 1, 30, 168], 2), (&[1290, 1, 9], 8), (&[300, 1000], 3), (&[1300], 16)]
            {
                let case = format!("{} {size:?} {mask:?}, {} pieces on {threads}", cpu.isa(), pieces.len());
                assert_identical(&case, &layer.pieces(mask, pieces, threads), &whole);
            }
        }
    });
}

#[test]
fn window_has_the_bits_of_no_window_where_it_covers_everything() {
    each_isa(|cpu| {
        for size in SIZES {
            let layer = Layer::new(cpu, size, 700);
            let causal = layer.whole(Mask::Causal, 1);
            for width in [700, usize::MAX] {
                assert_identical(
                    &format!("{} {size:?} {width}", cpu.isa()),
                    &layer.whole(Mask::Window(width), 1),
                    &causal,
                );
            }
            // The first rows of a narrower one.
            let (covered, width) = (600, layer.heads * layer.dim);
            let found = layer.whole(Mask::Window(covered), 2);
            assert_identical(
                &format!("{} {size:?}, covered rows", cpu.isa()),
                &found[..covered * width],
                &causal[..covered * width],
            );
        }
    });
}

/// Keys and values of KV blocks that a window has left behind are not read.
#[test]
fn infinite_keys_in_kv_blocks_before_the_window_change_nothing() {
    each_isa(|cpu| {
        let mut layer = Layer::new(cpu, (2, 1, 16), 1300);
        let (mask, pool, width) = (Mask::Window(20), ThreadPool::new(2).unwrap(), 32);
        let whole = layer.whole(mask, 1);
        layer.k[..200 * 16].fill(f32::INFINITY);
        layer.v[..200 * 16].fill(f32::NAN);
        let mut cache = layer.plan.cache(1300).unwrap();
        layer.step(0, 1200, Some(&mut cache), mask, &pool);
        let found = layer.step(1200, 1300, Some(&mut cache), mask, &pool);
        assert_identical(&format!("{}", cpu.isa()), &found, &whole[1200 * width..]);
    });
}

#[test]
fn window_of_nothing_is_an_error() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let plan = AttentionPlan::new(cpu, 2, 2, 8, 1.0).expect("sizes are good");
    let mut cache = plan.cache(4).expect("little memory");
    let sequences = [SequenceRows { rows: 2, cache: Some(&mut cache) }].into_iter();
    let outcome = run_sequences(&plan, 2, sequences, Mask::Window(0), &mut Scratch::new());
    assert!(matches!(outcome, Err(Error::Size { wanted: 1, found: 0, .. })), "{outcome:?}");
    assert_eq!(cache.len(), 0);
}
