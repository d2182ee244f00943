//! Keys and values kept in bf16.

use super::{LENGTHS, Layer, SIZES, assert_refused};
use crate::each_isa;
use cke_kernels::attention::{AttentionPlan, KvDtype, Mask};
use cke_kernels::cpu::Features;
use cke_kernels::threads::ThreadPool;
use cke_kernels::{Cpu, Isa};
use cke_testkit::tolerance::assert_identical;
use half::bf16;

/// A layer that rounds its keys and values.
fn rounding(cpu: &Cpu, size: (usize, usize, usize), len: usize) -> Layer {
    let layer = Layer::new(cpu, size, len);
    Layer { plan: layer.plan.with_kv(KvDtype::Bf16), ..layer }
}

/// Calls `test` for each instruction set in use, and with AMX if it is in use.
fn each_cpu(mut test: impl FnMut(&Cpu)) {
    each_isa(&mut test);
    let host = Cpu::host().expect("the environment names no bad ISA");
    if host.has(Features::AMX_BF16) {
        test(host);
    }
}

/// Whether queries and weights are rounded, too.
pub(super) fn rounds_all(layer: &Layer) -> bool {
    ["vdpbf16ps", "tdpbf16ps"].iter().any(|name| layer.plan.kernel_name().contains(name))
}

/// The same with numbers that are rounded already.
fn rounded(mut layer: Layer) -> Layer {
    let queries = if rounds_all(&layer) { &mut layer.q[..] } else { &mut [] };
    for x in queries.iter_mut().chain(&mut layer.k).chain(&mut layer.v) {
        *x = bf16::from_f32(*x).to_f32();
    }
    layer
}

/// Compares with the oracle over rounded numbers. A weight that is rounded is off by 2⁻⁹ of itself at most, and values here by 5 from each
/// other.
fn check(layer: Layer, case: &str, found: &[f32], mask: Mask) {
    let layer = rounded(layer);
    if rounds_all(&layer) {
        layer.check_within(case, found, mask, 5.0 / 512.0);
    } else {
        layer.check(case, found, mask);
    }
}

#[test]
fn attention_in_bf16_is_that_of_rounded_keys_and_values() {
    each_cpu(|cpu| {
        for size in SIZES {
            for len in LENGTHS {
                let layer = rounding(cpu, size, len);
                for mask in [Mask::Full, Mask::Causal, Mask::Window(20)] {
                    let case = format!("{} {size:?}, {len} positions, {mask:?}", cpu.isa());
                    check(layer.clone(), &case, &layer.whole(mask, 1), mask);
                }
            }
        }
    });
}

#[test]
fn attention_in_bf16_over_several_kv_blocks_matches_oracle() {
    each_cpu(|cpu| {
        for mask in [Mask::Full, Mask::Causal, Mask::Window(333)] {
            let layer = rounding(cpu, (2, 1, 9), 1301);
            let found = layer.whole(mask, 2);
            check(layer, &format!("{} {mask:?}", cpu.isa()), &found, mask);
        }
    });
}

/// Kernels of f32 in plain Rust do not fuse multiply-adds, as all kernels that widen do.
#[test]
fn attention_in_bf16_has_the_bits_of_f32_where_both_fuse() {
    each_isa(|cpu| {
        if cpu.isa() == Isa::Scalar {
            return;
        }
        for size in SIZES {
            let layer = rounding(cpu, size, 700);
            if rounds_all(&layer) {
                return;
            }
            for mask in [Mask::Full, Mask::Causal, Mask::Window(130)] {
                let found = layer.whole(mask, 1);
                let of_f32 = rounded(Layer::new(cpu, size, 700)).whole(mask, 1);
                assert_identical(&format!("{} {size:?} {mask:?}", cpu.isa()), &found, &of_f32);
            }
        }
    });
}

#[test]
fn attention_in_bf16_in_pieces_on_threads_has_same_bits() {
    each_cpu(|cpu| {
        for size in [(3, 3, 17), (4, 1, 64), (1, 1, 1)] {
            let layer = rounding(cpu, size, 601);
            let whole = layer.whole(Mask::Causal, 1);
            let one_by_one = &[&[500][..], &[1; 101]].concat()[..];
            for (pieces, threads) in [(one_by_one, 1), (&[7, 590, 1, 3], 2), (&[600, 1], 8), (&[601], 3)] {
                let case = format!("{} {size:?}, {} pieces on {threads}", cpu.isa(), pieces.len());
                assert_identical(&case, &layer.pieces(Mask::Causal, pieces, threads), &whole);
            }
        }
    });
}

/// A position beside one that is kept, and one in the place of a forgotten one.
#[test]
fn truncated_cache_in_bf16_forgets() {
    each_cpu(|cpu| {
        let (layer, pool, width) = (rounding(cpu, (2, 2, 17), 40), ThreadPool::new(1).unwrap(), 34);
        let whole = layer.whole(Mask::Causal, 1);
        for kept in [4, 5] {
            let mut cache = layer.plan.cache(40).unwrap();
            layer.step(0, 40, Some(&mut cache), Mask::Causal, &pool);
            cache.truncate(kept);
            let found = layer.step(kept, 9, Some(&mut cache), Mask::Causal, &pool);
            assert_identical(&format!("{} from {kept} on", cpu.isa()), &found, &whole[kept * width..9 * width]);
        }
    });
}

#[test]
fn cache_in_bf16_takes_half_of_the_memory_and_serves_its_own_plans_only() {
    let cpu = Cpu::host().expect("the environment names no bad ISA");
    let wide = AttentionPlan::new(cpu, 4, 2, 64, 1.0).expect("sizes are good");
    let narrow = wide.with_kv(KvDtype::Bf16);
    assert_eq!((wide.format().dtype(), narrow.format().dtype()), (KvDtype::F32, KvDtype::Bf16));
    assert_eq!(narrow.cache_bytes(1024) * 2, wide.cache_bytes(1024));
    assert_eq!(narrow.with_kv(KvDtype::F32).format(), wide.format());
    assert_refused(&wide, &narrow, "2 key heads of 64 as bf16");
}
