//! The merges that a vocabulary with scores stands for.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::BuildHasher;

use tokenizers::models::bpe::Vocab;

use super::checked::Checked;
use crate::fallible::check_available;
use crate::tokenizer::error::TokenizerFileError;

/// Most bytes that are looked at: a token of n bytes has at most n − 1 places to be cut, and each part is looked up. Vocabularies of
/// 256,000 tokens take a tenth of it.
const MAX_LOOKED_AT: usize = 1 << 29;

/// Memory for each token in the set of them, which grows by doubling, and in their order.
const BYTES_PER_TOKEN: usize = 80;

/// Two tokens that become one.
type Merge<'a> = (&'a str, &'a str);

/// For each token, all pairs of tokens that it consists of. A token of greater score comes first, then of smaller id; of one token
/// the pair with the longer left part (in characters).
///
/// Source: `generate_merges` of transformers, from SentencePiece's rule to join the neighbours whose union has the greatest score.
/// Tokens of equal score are those that a user defined, or of files without scores proper: their order is that of the ids.
pub(super) fn derive<'a>(checked: &Checked<'a>) -> Result<Vec<Merge<'a>>, TokenizerFileError> {
    let mergeable = || (0..checked.tokenizer.tokens.len() as u32).filter(|&id| checked.is_mergeable(id));
    let looked_at = mergeable().map(|id| checked.token(id).len().saturating_pow(2)).fold(0, usize::saturating_add);
    if looked_at > MAX_LOOKED_AT {
        return Err(TokenizerFileError::Gguf {
            key: "tokens",
            wanted: format!("tokens of whose lengths in bytes the squares add up to at most {MAX_LOOKED_AT}"),
            found: looked_at.to_string(),
        });
    }
    let bytes = mergeable().count() * BYTES_PER_TOKEN;
    check_available(bytes).map_err(|_| TokenizerFileError::OutOfMemory { bytes })?;
    // The hasher of the crate, which is faster than the default one, and keyed as that is.
    let mut known = HashSet::with_hasher(Vocab::new().hasher().clone());
    known.extend(mergeable().map(|id| checked.token(id)));
    let scores = checked.tokenizer.scores.as_deref().unwrap_or_default();
    let score = |id: u32| scores.get(id as usize).copied().unwrap_or(0.0);
    let mut order: Vec<u32> = mergeable().collect();
    // No score is NaN, and 0 is equal to −0.
    order.sort_by(|&one, &other| score(other).partial_cmp(&score(one)).unwrap_or(Ordering::Equal));
    let mut merges = Vec::new();
    for token in order {
        add_merges(&mut merges, checked.token(token), &known)?;
    }
    Ok(merges)
}

/// Adds the pairs that one token consists of.
fn add_merges<'a>(
    merges: &mut Vec<Merge<'a>>,
    token: &'a str,
    known: &HashSet<&str, impl BuildHasher>,
) -> Result<(), TokenizerFileError> {
    let cuts = token.char_indices().rev().map(|(at, _)| at).filter(|&at| at > 0);
    for (left, right) in cuts.map(|at| token.split_at(at)) {
        if known.contains(left) && known.contains(right) {
            let bytes = size_of::<Merge<'_>>();
            merges.try_reserve(1).map_err(|_| TokenizerFileError::OutOfMemory { bytes })?;
            merges.push((left, right));
        }
    }
    Ok(())
}
