//! The keys that say which tokens may come where.

use serde_json::Value;

use super::count;
use crate::formats::json_object::{JsonObject, TokenIds};
use crate::load_error::LoadError;
use crate::notice::Notice;
use crate::sampler::TokenRules;

/// The rules of a file; `notices` gets those that cannot be followed.
pub(super) fn read(json: &JsonObject, vocab_size: usize, notices: &mut Vec<Notice>) -> Result<TokenRules, LoadError> {
    let positive = |key| json.number(key, "a finite number above 0", |x| x > 0.0 && x.is_finite());
    let tokens = |key| Ok::<_, LoadError>(json.token_ids(key, vocab_size)?.unwrap_or_default().usable);
    let length = |key| Ok::<_, LoadError>(count(json, key)?.unwrap_or(0));
    let mut forced = |key| -> Result<Vec<u32>, LoadError> {
        let ids = json.token_ids(key, vocab_size)?.unwrap_or_default();
        notices.extend(ids.unusable.first().map(|&id| json.unusable_id(key, id, vocab_size)));
        Ok(ids.usable)
    };
    let (forced_bos, forced_eos) = (forced("forced_bos_token_id")?, forced("forced_eos_token_id")?);
    let min_new_tokens = count(json, "min_new_tokens")?;
    Ok(TokenRules {
        encoder_repetition_penalty: positive("encoder_repetition_penalty")?.unwrap_or(1.0),
        no_repeat_ngram_size: length("no_repeat_ngram_size")?,
        encoder_no_repeat_ngram_size: length("encoder_no_repeat_ngram_size")?,
        sequence_bias: sequence_bias(json, vocab_size)?,
        bad_words: bad_words(json, vocab_size)?,
        suppressed: tokens("suppress_tokens")?,
        suppressed_first: tokens("begin_suppress_tokens")?,
        forced_bos: forced_bos.first().copied(),
        forced_eos,
        // As in transformers, the one takes the place of the other, even if it is 0.
        min_length: if min_new_tokens.is_some() { 0 } else { length("min_length")? },
        min_new_tokens: min_new_tokens.unwrap_or(0),
        length_penalty: length_penalty(json)?,
        replaces_invalid: json.flag("remove_invalid_values")?.unwrap_or(false),
        end_tokens: Vec::new(),
    })
}

/// The ids of a sequence; `None` if one of them is no token's, so that it can never occur.
fn sequence(list: &Value, vocab_size: usize) -> Option<Option<Vec<u32>>> {
    let mut ids = TokenIds::default();
    for id in list.as_array()? {
        ids.push(id.as_i64()?, vocab_size);
    }
    Some(ids.unusable.is_empty().then_some(ids.usable))
}

/// `[[ids, …], …]`
fn bad_words(json: &JsonObject, vocab_size: usize) -> Result<Vec<Vec<u32>>, LoadError> {
    const KEY: &str = "bad_words_ids";
    let wrong = || json.wrong(KEY, "a list of lists of token ids");
    let Some(value) = json.get(KEY) else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(wrong)?;
    let words: Option<Vec<Option<Vec<u32>>>> = list.iter().map(|word| sequence(word, vocab_size)).collect();
    Ok(words.ok_or_else(wrong)?.into_iter().flatten().filter(|word| !word.is_empty()).collect())
}

/// `[[ids, bias], …]`
fn sequence_bias(json: &JsonObject, vocab_size: usize) -> Result<Vec<(Vec<u32>, f32)>, LoadError> {
    const KEY: &str = "sequence_bias";
    let wrong = || json.wrong(KEY, "a list of pairs of a list of token ids and a number");
    let Some(value) = json.get(KEY) else { return Ok(Vec::new()) };
    let mut biases: Vec<(Vec<u32>, f32)> = Vec::new();
    for pair in value.as_array().ok_or_else(wrong)? {
        let [ids, bias] = pair.as_array().map(Vec::as_slice).ok_or_else(wrong)? else { return Err(wrong()) };
        let bias = bias.as_f64().map(|bias| bias as f32).filter(|bias| !bias.is_nan()).ok_or_else(wrong)?;
        let Some(ids) = sequence(ids, vocab_size).ok_or_else(wrong)? else { continue };
        if ids.is_empty() {
            return Err(wrong());
        }
        biases.push((ids, bias));
    }
    // Of a sequence that is listed twice the last bias counts.
    biases.reverse();
    let mut seen = std::collections::HashSet::new();
    biases.retain(|(ids, _)| seen.insert(ids.clone()));
    biases.reverse();
    Ok(biases)
}

/// `[start, factor]`
fn length_penalty(json: &JsonObject) -> Result<Option<(usize, f64)>, LoadError> {
    const KEY: &str = "exponential_decay_length_penalty";
    let Some(value) = json.get(KEY) else { return Ok(None) };
    let pair = value.as_array().map(Vec::as_slice).and_then(|pair| match pair {
        [start, factor] => Some((usize::try_from(start.as_u64()?).ok()?, factor.as_f64()?)),
        _ => None,
    });
    let pair = pair.filter(|&(start, factor)| start <= u32::MAX as usize && factor.is_finite() && factor > 0.0);
    pair.map(Some).ok_or_else(|| json.wrong(KEY, "a pair of a whole number and a finite number above 0"))
}
