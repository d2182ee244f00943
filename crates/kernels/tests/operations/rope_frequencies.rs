//! Inverse frequencies against those of transformers 5.24 (`ROPE_INIT_FUNCTIONS`), for the settings of real models.

use cke_kernels::Error;
use cke_kernels::ops::rope::frequencies::{
    Llama3, Yarn, dynamic_ntk, inverse_frequencies, linear, llama3, long_rope, long_rope_attention_factor, yarn,
    yarn_attention_factor,
};
use cke_testkit::tolerance::ulp_distance;

/// Steps of f32 by which a frequency may be off: PyTorch's power function is not exact, and what follows it rounds.
const STEPS: u32 = 2;

/// Checks some of the `pairs` frequencies that `fill` computes.
#[track_caller]
fn assert_frequencies(pairs: usize, fill: impl FnOnce(&mut [f32]), wanted: &[(usize, f32)]) {
    let mut found = vec![f32::NAN; pairs];
    fill(&mut found);
    for &(i, wanted) in wanted {
        assert!(ulp_distance(found[i], wanted) <= STEPS, "pair {i}: wanted {wanted:e}, found {:e}", found[i]);
    }
}

#[test]
fn frequencies_without_scaling_are_those_of_transformers() {
    let wanted = [
        (0, 1.0),
        (1, 0.7498942),
        (5, 0.23713736),
        (10, 0.05623413),
        (16, 0.01),
        (20, 0.0031622779),
        (25, 0.0007498942),
        (31, 0.00013335215),
    ];
    assert_frequencies(32, |out| inverse_frequencies(1e4, out), &wanted);
    inverse_frequencies(1e4, &mut []);
}

#[test]
fn frequencies_with_linear_scaling_are_those_of_transformers() {
    let wanted = [
        (0, 0.33333334),
        (1, 0.24996473),
        (5, 0.07904579),
        (10, 0.018744709),
        (16, 0.0033333332),
        (20, 0.0010540927),
        (25, 0.00024996474),
        (31, 4.4450717e-05),
    ];
    assert_frequencies(32, |out| linear(1e4, 3.0, out), &wanted);
}

#[test]
fn frequencies_with_dynamic_scaling_are_those_of_transformers() {
    let wanted = [
        (0, 1.0),
        (1, 0.7177865),
        (5, 0.19053571),
        (10, 0.036303855),
        (16, 0.004965059),
        (20, 0.00131797),
        (25, 0.00025112036),
        (31, 3.4344215e-05),
    ];
    assert_frequencies(32, |out| dynamic_ntk(1e4, 2.0, 2048, 5000, out), &wanted);
}

#[test]
fn frequencies_with_dynamic_scaling_of_a_short_sequence_are_unscaled() {
    let mut wanted = [0.0; 32];
    inverse_frequencies(1e4, &mut wanted);
    for length in [0, 1, 2048] {
        let mut found = [0.0; 32];
        dynamic_ntk(1e4, 2.0, 2048, length, &mut found);
        assert_eq!(found, wanted, "{length}");
    }
}

/// Llama 3.2 1B.
#[test]
fn frequencies_of_llama3_are_those_of_transformers() {
    let scaling =
        Llama3 { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192 };
    let wanted = [
        (0, 1.0),
        (8, 0.03760603),
        (13, 0.0048394212),
        (14, 0.003211446),
        (15, 0.001290548),
        (16, 0.0004295567),
        (17, 9.708286e-05),
        (18, 1.9461639e-05),
        (24, 1.6619674e-06),
        (31, 9.4183065e-08),
    ];
    assert_frequencies(32, |out| llama3(5e5, &scaling, out), &wanted);
}

const YARN: Yarn =
    Yarn { factor: 4.0, original_max_position_embeddings: 32768, beta_fast: 32.0, beta_slow: 1.0, truncate: true };

/// Qwen 2.5 and 3 with the long context of their model cards.
#[test]
fn frequencies_with_yarn_are_those_of_transformers() {
    let wanted = [
        (0, 1.0),
        (5, 0.33982083),
        (19, 0.016548172),
        (20, 0.013335215),
        (21, 0.010746079),
        (24, 0.0053753215),
        (30, 0.001064361),
        (36, 0.00017984115),
        (40, 4.4456985e-05),
        (41, 3.5825316e-05),
        (42, 2.8869548e-05),
        (50, 5.1338125e-06),
        (63, 3.1023444e-07),
    ];
    assert_frequencies(64, |out| yarn(1e6, &YARN, out), &wanted);
    assert_eq!(yarn_attention_factor(4.0, None), 1.138_629_4);
}

/// gpt-oss.
#[test]
fn frequencies_with_yarn_without_truncation_are_those_of_transformers() {
    let scaling = Yarn { factor: 32.0, original_max_position_embeddings: 4096, truncate: false, ..YARN };
    let wanted = [
        (0, 1.0),
        (4, 0.225418),
        (7, 0.073744565),
        (8, 0.050813273),
        (9, 0.031705696),
        (12, 0.0067949593),
        (15, 0.0010526022),
        (17, 0.0001293187),
        (18, 3.830881e-05),
        (19, 2.6396468e-05),
        (25, 2.8250668e-06),
        (31, 3.0235114e-07),
    ];
    assert_frequencies(32, |out| yarn(150_000.0, &scaling, out), &wanted);
    assert_eq!(yarn_attention_factor(32.0, None), 1.346_573_6);
}

/// DeepSeek-V2 and V3.
#[test]
fn frequencies_with_yarn_and_two_scales_are_those_of_transformers() {
    let scaling = Yarn { factor: 40.0, original_max_position_embeddings: 4096, ..YARN };
    let wanted = [
        (0, 1.0),
        (9, 0.074989416),
        (10, 0.05623413),
        (11, 0.039006926),
        (16, 0.0055000004),
        (22, 0.00017782794),
        (23, 3.3338034e-05),
        (24, 2.5e-05),
        (31, 3.3338035e-06),
    ];
    assert_frequencies(32, |out| yarn(1e4, &scaling, out), &wanted);
    assert_eq!(yarn_attention_factor(40.0, Some((1.0, 0.707))), 1.085_726_4);
    assert_eq!(yarn_attention_factor(40.0, Some((0.707, 0.707))), 1.0);
    assert_eq!(yarn_attention_factor(1.0, None), 1.0);
}

#[test]
fn frequencies_with_long_rope_are_those_of_transformers() {
    let short = [1.0, 1.05, 1.1, 1.25, 1.5, 1.7, 2.0, 2.4];
    let long = [1.0, 1.5, 2.75, 5.0, 9.5, 17.25, 33.0, 64.5];
    let wanted_short = [1.0, 0.3011693, 0.09090909, 0.025298223, 0.006666667, 0.0018601633, 0.0005, 0.00013176157];
    let wanted_long =
        [1.0, 0.2108185, 0.036363635, 0.0063245557, 0.0010526315, 0.00018332046, 3.030303e-05, 4.9027562e-06];
    for (factors, wanted) in [(short, wanted_short), (long, wanted_long)] {
        let wanted: Vec<(usize, f32)> = wanted.into_iter().enumerate().collect();
        assert_frequencies(8, |out| long_rope(1e4, &factors, out).expect("one factor for each"), &wanted);
    }
    assert_eq!(long_rope_attention_factor(32.0, 4096), 1.190_238_1);
    assert_eq!(long_rope_attention_factor(1.0, 4096), 1.0);
}

#[test]
fn long_rope_with_a_factor_missing_is_an_error() {
    let mut out = [7.0; 4];
    let result = long_rope(1e4, &[1.0; 3], &mut out);
    assert!(matches!(result, Err(Error::Size { wanted: 4, found: 3, .. })), "{result:?}");
    assert_eq!(out, [7.0; 4]);
}

#[test]
fn frequencies_of_absurd_settings_do_not_panic() {
    let mut out = [0.0; 4];
    for theta in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, 1e308] {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            for trained in [0, 1, usize::MAX] {
                let beta = Yarn { factor, original_max_position_embeddings: trained, beta_fast: 0.0, ..YARN };
                yarn(theta, &beta, &mut out);
                let llama = Llama3 {
                    factor,
                    low_freq_factor: factor,
                    high_freq_factor: factor,
                    original_max_position_embeddings: trained,
                };
                llama3(theta, &llama, &mut out);
                dynamic_ntk(theta, factor, trained, usize::MAX, &mut out);
                dynamic_ntk(theta, factor, trained, 5, &mut out[..1]);
                linear(theta, factor, &mut out);
                let _ = (yarn_attention_factor(factor, None), long_rope_attention_factor(factor, trained));
            }
        }
    }
}
