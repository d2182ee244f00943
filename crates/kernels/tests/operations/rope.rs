//! Rotary embeddings against complex products in f64, and against transformers.

use crate::each_isa;
use cke_kernels::ops::rope::{Pairing, angles, rotate, rotate_reference};
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical, max_ulp_distance};
use cke_testkit::{Data, Guarded};

const PAIRINGS: [Pairing; 2] = [Pairing::Half, Pairing::Interleaved];

/// (head_dim, pairs): round the vectors of every instruction set, those of real models, and part of a head.
const SHAPES: [(usize, usize); 16] = [
    (1, 0),
    (2, 1),
    (6, 3),
    (7, 3),
    (16, 8),
    (18, 9),
    (32, 16),
    (34, 17),
    (64, 32),
    (80, 40),
    (96, 48),
    (100, 50),
    (128, 64),
    (80, 16),
    (128, 1),
    (9, 0),
];

/// Inverse frequencies, cosines and sines of transformers 5.24 for YaRN with a factor of 4, at position 1000.
const COS: [f32; 4] = [0.64034134, 0.98186165, -0.9553915, 0.92338645];
const SIN: [f32; 4] = [0.9415094, -0.5765628, -0.61943847, 0.66620904];

fn on(cpu: &Cpu, x: &[f32], head_dim: usize, (cos, sin): (&[f32], &[f32]), pairing: Pairing) -> Vec<f32> {
    let mut out = Guarded::new(x);
    rotate(cpu, out.as_mut_slice(), head_dim, cos, sin, pairing).expect("the sizes fit");
    out.as_slice().to_vec()
}

/// Where the elements of pair `i` of `pairs` stand in a head.
fn places(i: usize, pairs: usize, pairing: Pairing) -> (usize, usize) {
    match pairing {
        Pairing::Half => (i, i + pairs),
        Pairing::Interleaved => (2 * i, 2 * i + 1),
    }
}

#[test]
fn rotate_of_each_shape_is_the_complex_product_on_every_isa() {
    for (head_dim, pairs) in SHAPES {
        let mut data = Data::new(170);
        let (x, turns) = (data.normal(3 * head_dim, 0.0, 2.0), data.uniform_in(pairs, 0.0, 6.3));
        let (cos, sin): (Vec<f32>, Vec<f32>) = turns.iter().map(|t| (t.cos(), t.sin())).unzip();
        for pairing in PAIRINGS {
            let mut twin = x.clone();
            rotate_reference(&mut twin, head_dim, &cos, &sin, pairing);
            let mut exact: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let mut bounds = vec![0.0; x.len()];
            for (h, i) in (0..3).flat_map(|h| (0..pairs).map(move |i| (h, i))) {
                let (p, q) = places(i, pairs, pairing);
                let (p, q) = (h * head_dim + p, h * head_dim + q);
                let (a, b, c, s) = (exact[p], exact[q], f64::from(cos[i]), f64::from(sin[i]));
                (exact[p], exact[q]) = (a * c - b * s, b * c + a * s);
                bounds[p] = 2.01 * F32_ROUNDOFF * ((a * c).abs() + (b * s).abs());
                bounds[q] = 2.01 * F32_ROUNDOFF * ((b * c).abs() + (a * s).abs());
            }
            let case = format!("{pairs} pairs {pairing:?} of heads of {head_dim}");
            assert_close(&case, &twin, &exact, &bounds);
            each_isa(|cpu| {
                let case = format!("{case} on {}", cpu.isa());
                assert_identical(&case, &on(cpu, &x, head_dim, (&cos, &sin), pairing), &twin);
            });
        }
    }
}

/// What `apply_rotary_pos_emb` of Llama and of GPT-J give in transformers 5.24.
#[test]
fn rotate_with_either_pairing_gives_the_numbers_of_transformers() {
    let x = [0.5, -1.25, 2.0, 3.0, -0.75, 1.5, 0.25, -2.5];
    let half = [1.0263027, -0.3624829, -1.7559234, 4.435682, -0.009501308, 2.193496, -1.4777248, -0.309839];
    let interleaved = [1.4970574, -0.32967195, 3.6934118, 1.7924594, 1.6457014, -0.9685085, 1.8963692, -2.141914];
    each_isa(|cpu| {
        for (pairing, wanted) in [(Pairing::Half, half), (Pairing::Interleaved, interleaved)] {
            let found = on(cpu, &x, 8, (&COS, &SIN), pairing);
            // Sums that cancel, from products that transformers may fuse.
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-6), "{pairing:?}: {found:?}");
        }
    });
}

#[test]
fn rotate_of_nan_or_infinity_touches_its_pair_only() {
    let (cos, sin) = ([0.6; 20], [0.8; 20]);
    each_isa(|cpu| {
        for pairing in PAIRINGS {
            for (bad, at) in [(f32::NAN, 3), (f32::INFINITY, 17), (f32::NEG_INFINITY, 0)] {
                let mut x = Data::new(171).uniform(48);
                let (p, q) = places(at, 20, pairing);
                x[q] = bad;
                let found = on(cpu, &x, 48, (&cos, &sin), pairing);
                assert!(
                    (0..48).all(|j| found[j].is_finite() != (j == p || j == q)),
                    "{pairing:?} {bad} on {}",
                    cpu.isa()
                );
            }
        }
    });
}

#[test]
fn rotate_of_sizes_that_do_not_fit_is_an_error() {
    each_isa(|cpu| {
        let mut x = [7.0; 12];
        let mut run = |len: usize, head_dim: usize, cos: usize, sin: usize| {
            rotate(cpu, &mut x[..len], head_dim, &[0.0; 8][..cos], &[1.0; 8][..sin], Pairing::Half)
        };
        for (len, head_dim, cos, sin) in [(12, 5, 2, 2), (12, 0, 0, 0), (12, 6, 3, 2), (12, 6, 4, 4), (0, 0, 1, 1)] {
            let result = run(len, head_dim, cos, sin);
            assert!(matches!(result, Err(Error::Size { .. })), "{len} {head_dim} {cos} {sin}: {result:?}");
        }
        assert_eq!((run(0, 6, 3, 3), run(0, 0, 0, 0), run(12, 6, 0, 0)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(x, [7.0; 12]);
    });
}

/// `LlamaRotaryEmbedding` of transformers 5.24, whose sine and cosine are off by one step at times.
#[test]
fn angles_at_each_position_are_those_of_transformers() {
    let (frequencies, factor) = ([1.0, 0.1, 0.01, 0.00062500004], 1.1386294);
    let cases: [(usize, [f32; 4], [f32; 4]); 4] = [
        (0, [1.1386294; 4], [0.0; 4]),
        (1, [0.61520416, 1.132941, 1.1385725, 1.1386292], [0.9581236, 0.11367327, 0.011386104, 0.00071164337]),
        (1000, COS, SIN),
        (100_003, [1.1207699, -0.933022, 0.6118427, 1.0772018], [-0.20087798, -0.65264606, 0.9602736, -0.36893526]),
    ];
    for (position, wanted_cos, wanted_sin) in cases {
        let (mut cos, mut sin) = ([0.0; 4], [0.0; 4]);
        angles(&frequencies, position, factor, &mut cos, &mut sin).expect("the sizes fit");
        assert!(max_ulp_distance(&cos, &wanted_cos) <= 2, "cosines at {position}: {cos:?}");
        assert!(max_ulp_distance(&sin, &wanted_sin) <= 2, "sines at {position}: {sin:?}");
    }
}

#[test]
fn angles_of_sizes_that_do_not_fit_is_an_error() {
    let (mut cos, mut sin) = ([7.0; 3], [7.0; 3]);
    for (cosines, sines) in [(2, 3), (3, 2)] {
        let result = angles(&[1.0; 3], 5, 1.0, &mut cos[..cosines], &mut sin[..sines]);
        assert!(matches!(result, Err(Error::Size { wanted: 3, found: 2, .. })), "{result:?}");
    }
    assert_eq!((cos, sin), ([7.0; 3], [7.0; 3]));
    assert_eq!(angles(&[], 5, 1.0, &mut [], &mut []), Ok(()));
}
