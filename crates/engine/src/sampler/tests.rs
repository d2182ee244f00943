use proptest::prelude::*;

use super::*;

/// The possible tokens, ascending, and their probabilities.
type Distribution = Vec<(u32, f64)>;

fn distribution(config: &SamplerConfig, logits: &[f32], context: &[u32]) -> Distribution {
    let mut sampler = Sampler::new(config.clone(), logits.len()).expect("valid settings");
    let mut logits = logits.to_vec();
    sampler.sample(&mut logits, context).expect("a token");
    let total = sampler.candidates.total() as f64;
    let mut list: Distribution = sampler.candidates.list().iter().map(|c| (c.token, c.weight as f64 / total)).collect();
    list.sort_by_key(|&(token, _)| token);
    list
}

fn tokens(distribution: &Distribution) -> Vec<u32> {
    distribution.iter().map(|&(token, _)| token).collect()
}

fn sample_once(config: SamplerConfig, logits: &[f32]) -> Result<u32, SamplerError> {
    Sampler::new(config, logits.len())?.sample(&mut logits.to_vec(), &[])
}

/// Agreement with the transformers library 5.23.0: `RepetitionPenaltyLogitsProcessor`, `TemperatureLogitsWarper`,
/// `TopKLogitsWarper`, `TopPLogitsWarper` and `MinPLogitsWarper` in this order, those that are not off, then softmax.
mod library {
    use super::*;

    const LOGITS: [f32; 12] = [1.5, -0.75, 3.25, 0.5, -2.0, 2.875, 0.5, -4.5, 1.0, 2.0, -0.25, 0.5];

    #[track_caller]
    fn assert_agrees(config: SamplerConfig, logits: &[f32], context: &[u32], wanted: &[(u32, f64)]) {
        let found = distribution(&config, logits, context);
        assert_eq!(tokens(&found), tokens(&wanted.to_vec()));
        for (&(token, found), &(_, wanted)) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-7, "token {token}: wanted {wanted}, found {found}");
        }
    }

    #[test]
    fn temperature_sharpens_as_in_the_library() {
        let wanted = [
            (0, 0.018764375),
            (1, 0.000208453),
            (2, 0.621390764),
            (3, 0.002539482),
            (4, 1.7111e-05),
            (5, 0.293524213),
            (6, 0.002539482),
            (7, 1.15e-07),
            (8, 0.006903028),
            (9, 0.05100686),
            (10, 0.000566635),
            (11, 0.002539482),
        ];
        assert_agrees(SamplerConfig { temperature: 0.5, ..Default::default() }, &LOGITS, &[], &wanted);
    }

    #[test]
    fn top_k_with_ties_at_the_border_keeps_them_all() {
        let wanted = [
            (0, 0.071080431),
            (2, 0.409039641),
            (3, 0.026149029),
            (5, 0.28112856),
            (6, 0.026149029),
            (8, 0.043112461),
            (9, 0.117191819),
            (11, 0.026149029),
        ];
        assert_agrees(SamplerConfig { top_k: 6, ..Default::default() }, &LOGITS, &[], &wanted);
    }

    #[test]
    fn top_p_keeps_the_nucleus() {
        let wanted = [(0, 0.080916619), (2, 0.465642993), (5, 0.320031437), (9, 0.133408951)];
        assert_agrees(SamplerConfig { top_p: 0.8, ..Default::default() }, &LOGITS, &[], &wanted);
        assert_agrees(SamplerConfig { top_p: 0.01, ..Default::default() }, &LOGITS, &[], &[(2, 1.0)]);
    }

    #[test]
    fn top_p_with_ties_removes_the_lower_tokens_first() {
        let wanted = [(1, 0.333333333), (2, 0.333333333), (3, 0.333333333)];
        assert_agrees(SamplerConfig { top_p: 0.7, ..Default::default() }, &[1.0; 4], &[], &wanted);
    }

    #[test]
    fn min_p_removes_by_ratio_to_the_likeliest() {
        let wanted = [(0, 0.080916619), (2, 0.465642993), (5, 0.320031437), (9, 0.133408951)];
        assert_agrees(SamplerConfig { min_p: 0.15, ..Default::default() }, &LOGITS, &[], &wanted);
    }

    #[test]
    fn repetition_penalty_applies_once_to_each_distinct_token() {
        let wanted = [
            (0, 0.09510353),
            (1, 0.010023838),
            (2, 0.185236398),
            (3, 0.029615546),
            (4, 0.002871878),
            (5, 0.376141759),
            (6, 0.034986634),
            (7, 2.4847e-05),
            (8, 0.057683207),
            (9, 0.156799213),
            (10, 0.016526516),
            (11, 0.034986634),
        ];
        let config = SamplerConfig { repetition_penalty: 1.5, ..Default::default() };
        assert_agrees(config, &LOGITS, &[2, 7, 2, 3, 2], &wanted);
    }

    #[test]
    fn all_filters_together_agree() {
        let config = SamplerConfig {
            temperature: 0.7,
            top_k: 7,
            top_p: 0.9,
            min_p: 0.05,
            repetition_penalty: 1.3,
            ..Default::default()
        };
        let wanted = [(0, 0.058815097), (2, 0.716514559), (5, 0.16253321), (9, 0.062137135)];
        assert_agrees(config, &LOGITS, &[5, 5, 1, 9], &wanted);
    }

    #[test]
    fn all_filters_with_high_temperature_and_low_penalty_agree() {
        let config = SamplerConfig {
            temperature: 1.8,
            top_k: 9,
            top_p: 0.95,
            min_p: 0.1,
            repetition_penalty: 0.8,
            ..Default::default()
        };
        let wanted = [
            (0, 0.108711977),
            (2, 0.366493082),
            (3, 0.050643608),
            (5, 0.189475066),
            (6, 0.050643608),
            (8, 0.066859327),
            (9, 0.116529725),
            (11, 0.050643608),
        ];
        assert_agrees(config, &LOGITS, &[0, 2], &wanted);
    }
}

#[derive(serde::Deserialize)]
struct LibraryCase {
    settings: std::collections::HashMap<String, f32>,
    logits: Vec<f32>,
    kept: Distribution,
}

/// `tests/golden/README.md` says where the numbers come from.
#[test]
fn filters_leave_what_those_of_the_library_leave() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/settings-sampling/golden.json");
    let cases: Vec<LibraryCase> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(cases.len(), 24);
    for LibraryCase { settings, logits, kept } in cases {
        let get = |key: &str| settings.get(key).copied();
        let config = SamplerConfig {
            temperature: get("temperature").unwrap_or(1.0),
            top_k: get("top_k").unwrap_or(0.0) as usize,
            top_p: get("top_p").unwrap_or(1.0),
            min_p: get("min_p").unwrap_or(0.0),
            top_h: get("top_h"),
            typical_p: get("typical_p").unwrap_or(1.0),
            epsilon_cutoff: get("epsilon_cutoff").unwrap_or(0.0),
            eta_cutoff: get("eta_cutoff").unwrap_or(0.0),
            ..SamplerConfig::default()
        };
        let found = distribution(&config, &logits, &[]);
        assert_eq!(tokens(&found), tokens(&kept), "{settings:?}");
        for (&(token, found), &(_, wanted)) in found.iter().zip(&kept) {
            assert!((found - wanted).abs() < 1e-6, "{settings:?}, token {token}: wanted {wanted}, found {found}");
        }
    }
}

/// The filters as their definitions say, with sorting and `f64`. `None` where a probability lies so near a limit that
/// rounding decides.
fn naive_distribution(config: &SamplerConfig, logits: &[f32]) -> Option<Distribution> {
    const MARGIN: f64 = 1e-9;
    let scaled = |&logit: &f32| f64::from(logit) / f64::from(config.temperature);
    let mut list: Vec<(u32, f64)> = (0..).zip(logits.iter().map(scaled)).collect();
    list.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))); // ascending
    if (1..list.len()).contains(&config.top_k) {
        let kth = list[list.len() - config.top_k].1;
        list.retain(|&(_, x)| x >= kth);
    }
    let softmax = |list: &mut Vec<(u32, f64)>| {
        let max = list.last().expect("one is left").1;
        let sum: f64 = list.iter().map(|&(_, x)| (x - max).exp()).sum();
        list.iter_mut().for_each(|(_, x)| *x = (*x - max).exp() / sum);
    };
    softmax(&mut list);
    if config.top_p < 1.0 {
        let limit = 1.0 - f64::from(config.top_p);
        let mut sum = 0.0;
        let sums: Vec<f64> = list
            .iter()
            .map(|&(_, p)| {
                sum += p;
                sum
            })
            .collect();
        if sums.iter().any(|sum| (sum - limit).abs() < MARGIN) {
            return None;
        }
        let removed = sums.iter().filter(|&&sum| sum <= limit).count().min(list.len() - 1);
        list.drain(..removed);
    }
    let smallest = f64::from(config.min_p) * list.last().expect("one is left").1;
    if config.min_p > 0.0 && list.iter().any(|&(_, p)| (p - smallest).abs() < MARGIN) {
        return None;
    }
    list.retain(|&(_, p)| p >= smallest && p > 0.0);
    let sum: f64 = list.iter().map(|&(_, p)| p).sum();
    list.iter_mut().for_each(|(_, p)| *p /= sum);
    list.sort_by_key(|&(token, _)| token);
    Some(list)
}

/// Logits with ties and −∞ among them, the first one finite.
fn any_logits() -> impl Strategy<Value = Vec<f32>> {
    let logit = prop_oneof![6 => -8.0f32..8.0, 3 => (-3i8..4).prop_map(f32::from), 1 => Just(f32::NEG_INFINITY)];
    (-8.0f32..8.0, prop::collection::vec(logit, 0..80)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn filters_of_any_logits_leave_what_the_naive_ones_leave(
        logits in any_logits(),
        temperature in 0.6f32..3.0, // so that no token is too unlikely to have a weight
        top_k in 0usize..90,
        top_p in prop_oneof![Just(1.0f32), 0.01f32..1.0],
        min_p in prop_oneof![Just(0.0f32), 0.0f32..0.99],
    ) {
        let config = SamplerConfig { temperature, top_k, top_p, min_p, ..SamplerConfig::default() };
        if let Some(wanted) = naive_distribution(&config, &logits) {
            let found = distribution(&config, &logits, &[]);
            prop_assert_eq!(tokens(&found), tokens(&wanted));
            for (&(_, found), &(_, wanted)) in found.iter().zip(&wanted) {
                prop_assert!((found - wanted).abs() < 1e-9, "wanted {}, found {}", wanted, found);
            }
        }
    }

    #[test]
    fn sampling_of_any_bits_gives_a_token_or_an_error(
        bits in prop::collection::vec(any::<u32>(), 1..40),
        settings in any::<[u32; 4]>(),
        top_k in any::<usize>(),
        context in prop::collection::vec(any::<u32>(), 0..4),
    ) {
        let [temperature, top_p, min_p, repetition_penalty] = settings.map(f32::from_bits);
        let mut logits: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let config = SamplerConfig { temperature, top_k, top_p, min_p, repetition_penalty, seed: 1, ..Default::default() };
        if let Ok(mut sampler) = Sampler::new(config, logits.len()) {
            let is_broken = logits.iter().any(|x| x.is_nan());
            match sampler.sample(&mut logits, &context) {
                Ok(token) => prop_assert!(logits[token as usize] > f32::NEG_INFINITY),
                Err(SamplerError::NotANumber { .. }) => prop_assert!(is_broken),
                Err(error) => prop_assert_eq!(error, SamplerError::NothingPossible { vocabulary: logits.len(), rules: Vec::new() }),
            }
        }
    }
}

#[test]
fn kth_largest_of_any_order_equals_the_sorted_one() {
    let ascending: Vec<f32> = (0..1000).map(|x| (x / 3) as f32).collect();
    let descending: Vec<f32> = ascending.iter().rev().copied().collect();
    let mixed: Vec<f32> = (0..1000u32).map(|x| (x.wrapping_mul(2_654_435_761) >> 20) as f32).collect();
    for logits in [ascending, descending, mixed] {
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for k in [1, 2, 40, 499, 500, 501, 999] {
            let mut buffer = Vec::with_capacity(buffer_len(k, logits.len()));
            assert_eq!(kth_largest(&logits, k, &mut buffer), sorted[k - 1], "k = {k}");
        }
        assert_eq!(kth_largest(&logits, 1000, &mut Vec::new()), f32::NEG_INFINITY);
    }
}

#[test]
fn draws_follow_the_softmax_by_the_chi_square_test() {
    const DRAWS: usize = 200_000;
    let logits = [0.0f32, 1.0, -1.0, 0.5, 2.0, -0.5, 1.5, 0.25];
    let mut sampler = Sampler::new(SamplerConfig { seed: 11, ..Default::default() }, logits.len()).expect("valid");
    let mut counts = [0usize; 8];
    for _ in 0..DRAWS {
        counts[sampler.sample(&mut logits.to_vec(), &[]).expect("a token") as usize] += 1;
    }
    let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
    let statistic: f64 = (counts.iter().zip(logits))
        .map(|(&count, x)| (count as f64, DRAWS as f64 * f64::from(x).exp() / sum))
        .map(|(count, expected)| (count - expected).powi(2) / expected)
        .sum();
    assert!(statistic < 24.32, "χ² = {statistic}, 7 degrees of freedom, 0.1% quantile 24.32");
}

#[test]
fn same_seed_gives_the_recorded_tokens() {
    let logits: Vec<f32> = (0..100).map(|x| ((x * 37) % 100) as f32 / 25.0).collect();
    let config =
        SamplerConfig { temperature: 0.9, top_k: 60, top_p: 0.95, min_p: 0.02, seed: 42, ..Default::default() };
    let mut sampler = Sampler::new(config, logits.len()).expect("valid");
    let mut draw =
        || -> Vec<u32> { (0..8).map(|_| sampler.sample(&mut logits.clone(), &[]).expect("a token")).collect() };
    // From a program of its own, in another language, after the formulas of `Sampler`.
    let recorded = [72, 16, 27, 34, 5, 86, 24, 81];
    assert_eq!(draw(), recorded);
    assert_ne!(draw(), recorded);
    sampler.reseed(42);
    let again: Vec<u32> = (0..8).map(|_| sampler.sample(&mut logits.clone(), &[]).expect("a token")).collect();
    assert_eq!(again, recorded);
}

#[test]
fn greedy_tie_takes_the_lowest_token() {
    assert_eq!(sample_once(SamplerConfig::greedy(), &[1.0, 3.0, 3.0, 2.0]), Ok(1));
    assert_eq!(sample_once(SamplerConfig::greedy(), &[-0.0, 0.0]), Ok(0));
}

#[test]
fn greedy_with_penalty_leaves_the_repeated_token() {
    let config = SamplerConfig { repetition_penalty: 2.0, ..SamplerConfig::greedy() };
    let mut sampler = Sampler::new(config, 3).expect("valid");
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 2.0], &[1]), Ok(2));
    assert_eq!(sampler.sample(&mut [-1.0, -3.0, -1.5], &[0, 0]), Ok(2));
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 2.0], &[3, u32::MAX]), Ok(1));
}

#[test]
fn tiny_temperature_equals_greedy_without_overflow() {
    let config = SamplerConfig { temperature: f32::from_bits(1), ..Default::default() };
    assert_eq!(sample_once(config, &[1e30, 2e30, f32::MAX, -f32::MAX]), Ok(2));
}

#[test]
fn infinite_logits_share_the_probability_and_minus_infinity_is_never_drawn() {
    let (inf, none) = (f32::INFINITY, f32::NEG_INFINITY);
    let config = SamplerConfig::default();
    assert_eq!(distribution(&config, &[inf, 1.0, none, inf], &[]), [(0, 0.5), (3, 0.5)]);
    assert_eq!(distribution(&config, &[none, -1e38, none], &[]), [(1, 1.0)]);
    let top_three = SamplerConfig { top_k: 3, ..Default::default() };
    assert_eq!(distribution(&top_three, &[none, 0.0, none, none, 0.0], &[]), [(1, 0.5), (4, 0.5)]);
}

#[test]
fn top_p_too_small_for_any_token_keeps_the_likeliest() {
    for top_p in [f32::from_bits(1), f32::MIN_POSITIVE, 1e-12] {
        let config = SamplerConfig { top_p, ..Default::default() };
        assert_eq!(distribution(&config, &[0.5, 2.0, 1.0, -3.0], &[]), [(1, 1.0)]);
        assert_eq!(distribution(&config, &[f32::INFINITY, 2.0, f32::INFINITY], &[]), [(2, 1.0)]);
    }
}

#[test]
fn token_too_unlikely_for_a_weight_is_no_candidate() {
    let below_two_to_the_minus_41 = -28.5;
    assert_eq!(distribution(&SamplerConfig::default(), &[0.0, below_two_to_the_minus_41], &[]), [(0, 1.0)]);
}

#[test]
fn broken_logits_are_errors_that_name_the_fault() {
    for config in [SamplerConfig::default(), SamplerConfig::greedy()] {
        assert_eq!(sample_once(config.clone(), &[1.0, f32::NAN]), Err(SamplerError::NotANumber { token: 1 }));
        let nothing = SamplerError::NothingPossible { vocabulary: 2, rules: Vec::new() };
        assert_eq!(sample_once(config.clone(), &[f32::NEG_INFINITY; 2]), Err(nothing));
        let mut sampler = Sampler::new(config, 2).expect("valid");
        assert_eq!(sampler.sample(&mut [1.0; 3], &[]), Err(SamplerError::Length { wanted: 2, found: 3 }));
    }
}

#[test]
fn settings_that_ban_every_token_are_named() {
    let rules = TokenRules { suppressed: vec![0, 1], no_repeat_ngram_size: 3, ..TokenRules::default() };
    let config = SamplerConfig { rules, ..SamplerConfig::greedy() };
    let error = sample_once(config, &[1.0, 2.0]).expect_err("no token is left");
    let wanted =
        "logits: wanted one above -inf, found none among 2 that `no_repeat_ngram_size`, `suppress_tokens` leave";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn settings_outside_their_range_name_field_and_value() {
    type Set = fn(&mut SamplerConfig, f32);
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let cases: [(&str, Set, &[f32]); 4] = [
        ("temperature", |config, x| config.temperature = x, &[nan, inf, -0.1]),
        ("top_p", |config, x| config.top_p = x, &[nan, inf, 0.0, -0.5, 1.01]),
        ("min_p", |config, x| config.min_p = x, &[nan, inf, -0.1, 1.0]),
        ("repetition_penalty", |config, x| config.repetition_penalty = x, &[nan, inf, 0.0, -1.0]),
    ];
    for (name, set, values) in cases {
        for &value in values {
            let mut config = SamplerConfig::default();
            set(&mut config, value);
            match config.validate() {
                Err(SamplerError::Setting { field, found, .. }) => {
                    assert_eq!((field, found.to_bits()), (name, value.to_bits()));
                }
                other => panic!("{name} = {value}: wanted an error, found {other:?}"),
            }
        }
    }
}

#[test]
fn setting_error_says_what_was_wanted_and_found() {
    let error = SamplerConfig { top_p: 1.5, ..Default::default() }.validate().expect_err("above 1");
    assert_eq!(error.to_string(), "top_p: wanted a number above 0 and at most 1, found 1.5");
}

#[test]
fn vocabulary_empty_or_absurd_is_an_error_before_any_allocation() {
    for found in [0, MAX_VOCABULARY + 1, usize::MAX] {
        assert_eq!(
            Sampler::new(SamplerConfig::default(), found).expect_err("no such vocabulary"),
            SamplerError::Vocabulary { found }
        );
    }
}
