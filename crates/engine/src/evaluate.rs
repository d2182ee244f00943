//! How well a model predicts a text: negative log-likelihoods and perplexity.

use crate::error::Error;
use crate::fallible::{with_capacity, zeros};
use crate::models::causal::{CausalModel, LOGIT_ROWS, MAX_ROWS, Results, Sequence};
use crate::runtime::Runtime;
use cke_kernels::ops::softmax::log_sum_exp;

/// −ln p(token t + 1 given tokens 0…t) in natural logarithm, for each t: one number less than there are tokens.
///
/// Calls `evaluated` with the number of tokens that the model has just read.
///
/// # Errors
/// If there are fewer than two tokens, more than the context holds, or the model fails.
pub fn negative_log_likelihoods(
    model: &dyn CausalModel,
    runtime: &Runtime,
    tokens: &[u32],
    evaluated: &mut dyn FnMut(usize),
) -> Result<Vec<f64>, Error> {
    if tokens.len() < 2 {
        return Err(Error::TooFewTokens { wanted: 2, found: tokens.len() });
    }
    let vocabulary = model.vocabulary();
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(tokens.len())? }];
    let mut state = model.activations()?;
    let mut logits = zeros(LOGIT_ROWS.min(tokens.len()) * vocabulary)?;
    let mut result = with_capacity(tokens.len() - 1)?;
    for piece in tokens.chunks(MAX_ROWS) {
        sequences[0].pending.extend_from_slice(piece);
        model.forward(&mut sequences, Results::All, &mut state, runtime)?;
        for first in (0..piece.len()).step_by(LOGIT_ROWS) {
            let rows = first..piece.len().min(first + LOGIT_ROWS);
            let logits = &mut logits[..rows.len() * vocabulary];
            model.logits(rows, logits, &mut state, runtime)?;
            // The last token of all predicts nothing that is known.
            let targets = &tokens[result.len() + 1..];
            for (row, &target) in logits.chunks_exact(vocabulary).zip(targets) {
                if target as usize >= vocabulary {
                    return Err(Error::UnknownToken { id: target, position: result.len() + 1, vocabulary });
                }
                result.push(log_sum_exp(runtime.cpu(), row) - f64::from(row[target as usize]));
            }
        }
        evaluated(piece.len());
    }
    Ok(result)
}
