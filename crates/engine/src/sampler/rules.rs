//! Rules that say which tokens may come where, whatever the probabilities.

use std::ops::Range;

/// Which tokens may come where. The formulas and their order are those of the transformers library's processors; the default
/// allows everything.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRules {
    /// Logits of the prompt's tokens are divided by its inverse if positive, else multiplied by it: above 1 they become
    /// likelier. `> 0`; 1 is off.
    pub encoder_repetition_penalty: f32,
    /// No sequence of this many tokens occurs twice; 0 is off.
    pub no_repeat_ngram_size: usize,
    /// No sequence of this many tokens of the prompt occurs after it; 0 is off.
    pub encoder_no_repeat_ngram_size: usize,
    /// Added to the logit of the last token of a sequence where the text ends with the tokens before it.
    pub sequence_bias: Vec<(Vec<u32>, f32)>,
    /// Sequences that never occur in the generated tokens.
    pub bad_words: Vec<Vec<u32>>,
    /// Tokens that never occur.
    pub suppressed: Vec<u32>,
    /// Tokens that do not occur first.
    pub suppressed_first: Vec<u32>,
    /// The only token that may follow a prompt of one token.
    pub forced_bos: Option<u32>,
    /// The only tokens that may come last, if the length is known.
    pub forced_eos: Vec<u32>,
    /// The least number of tokens, prompt included, before an end token is allowed.
    pub min_length: usize,
    /// The least number of generated tokens before an end token is allowed.
    pub min_new_tokens: usize,
    /// `(start, factor)`: after `start` generated tokens, `|x|·(factorⁿ − 1)` is added to the logit `x` of each end token, with n
    /// counted from there.
    pub length_penalty: Option<(usize, f64)>,
    /// Whether NaN logits become 0, and infinite ones the largest finite ones.
    pub replaces_invalid: bool,
    /// The tokens that end a text.
    pub end_tokens: Vec<u32>,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            encoder_repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            encoder_no_repeat_ngram_size: 0,
            sequence_bias: Vec::new(),
            bad_words: Vec::new(),
            suppressed: Vec::new(),
            suppressed_first: Vec::new(),
            forced_bos: None,
            forced_eos: Vec::new(),
            min_length: 0,
            min_new_tokens: 0,
            length_penalty: None,
            replaces_invalid: false,
            end_tokens: Vec::new(),
        }
    }
}

/// What comes before the next token.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The prompt and what was generated.
    pub tokens: &'a [u32],
    /// How many of them are the prompt.
    pub prompt_len: usize,
    /// Number of tokens at which the text ends, if it is known.
    pub max_len: Option<usize>,
}

impl<'a> From<&'a [u32]> for Context<'a> {
    /// A prompt, and no known end.
    fn from(tokens: &'a [u32]) -> Context<'a> {
        Context { tokens, prompt_len: tokens.len(), max_len: None }
    }
}

impl Context<'_> {
    fn prompt(&self) -> &[u32] {
        &self.tokens[..self.prompt_len.min(self.tokens.len())]
    }

    fn generated(&self) -> usize {
        self.tokens.len().saturating_sub(self.prompt_len)
    }
}

impl TokenRules {
    /// The rules that come before the penalties for repetition.
    pub(super) fn apply_biases(&self, logits: &mut [f32], context: &Context<'_>) {
        // A single token's bias first, then those of longer sequences, as they are summed in the library.
        for is_single in [true, false] {
            for (sequence, bias) in self.sequence_bias.iter().filter(|(ids, _)| (ids.len() == 1) == is_single) {
                if let Some(logit) = completing(sequence, context.tokens).and_then(|id| logits.get_mut(id)) {
                    *logit += bias;
                }
            }
        }
    }

    /// The rules that come after them.
    pub(super) fn apply_bans(&self, logits: &mut [f32], context: &Context<'_>) {
        let tokens = context.tokens;
        ban_repeated(self.no_repeat_ngram_size, tokens, tokens, logits);
        ban_repeated(self.encoder_no_repeat_ngram_size, context.prompt(), tokens, logits);
        for word in &self.bad_words {
            ban(logits, completing(word, tokens));
        }
        if tokens.len() < self.min_length || context.generated() < self.min_new_tokens {
            ban(logits, ids(&self.end_tokens));
        }
        if let Some(first) = self.forced_bos.filter(|_| tokens.len() == 1) {
            force(logits, &[first]);
        }
        if !self.forced_eos.is_empty() && context.max_len == Some(tokens.len() + 1) {
            force(logits, &self.forced_eos);
        }
        if self.replaces_invalid {
            logits.iter_mut().for_each(replace_invalid);
        }
        self.favour_the_end(logits, context);
        ban(logits, ids(&self.suppressed));
        // With a forced first token, the one after it counts as the first.
        let first = context.prompt_len + usize::from(context.prompt_len <= 1 && self.forced_bos.is_some());
        if tokens.len() == first {
            ban(logits, ids(&self.suppressed_first));
        }
    }

    /// The names of the settings that ban tokens.
    pub(super) fn bans(&self) -> Vec<&'static str> {
        let biases = self.sequence_bias.iter().any(|(_, bias)| *bias == f32::NEG_INFINITY);
        let settings = [
            ("sequence_bias", biases),
            ("no_repeat_ngram_size", self.no_repeat_ngram_size > 0),
            ("encoder_no_repeat_ngram_size", self.encoder_no_repeat_ngram_size > 0),
            ("bad_words_ids", !self.bad_words.is_empty()),
            ("min_length", self.min_length > 0),
            ("min_new_tokens", self.min_new_tokens > 0),
            ("forced_bos_token_id", self.forced_bos.is_some()),
            ("forced_eos_token_id", !self.forced_eos.is_empty()),
            ("suppress_tokens", !self.suppressed.is_empty()),
            ("begin_suppress_tokens", !self.suppressed_first.is_empty()),
        ];
        settings.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }

    fn favour_the_end(&self, logits: &mut [f32], context: &Context<'_>) {
        let Some((start, factor)) = self.length_penalty else { return };
        let Some(beyond) = context.generated().checked_sub(start).filter(|&beyond| beyond > 0) else { return };
        let growth = (factor.powi(beyond.min(i32::MAX as usize) as i32) - 1.0) as f32;
        for (i, token) in self.end_tokens.iter().enumerate() {
            // One that is listed twice is favoured once.
            let is_new = !self.end_tokens[..i].contains(token);
            if let Some(logit) = logits.get_mut(*token as usize).filter(|logit| is_new && logit.is_finite()) {
                *logit += logit.abs() * growth;
            }
        }
    }
}

fn ids(tokens: &[u32]) -> impl Iterator<Item = usize> {
    tokens.iter().map(|&token| token as usize)
}

/// The last token of `sequence`, if `tokens` end with those before it.
fn completing(sequence: &[u32], tokens: &[u32]) -> Option<usize> {
    let (&last, before) = sequence.split_last()?;
    tokens.ends_with(before).then_some(last as usize)
}

/// Makes tokens impossible.
fn ban(logits: &mut [f32], tokens: impl IntoIterator<Item = usize>) {
    for token in tokens {
        if let Some(logit) = logits.get_mut(token) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// Makes all other tokens impossible.
fn force(logits: &mut [f32], tokens: &[u32]) {
    logits.fill(f32::NEG_INFINITY);
    for token in ids(tokens) {
        if let Some(logit) = logits.get_mut(token) {
            *logit = 0.0;
        }
    }
}

/// Bans each token that would complete a sequence of `size` tokens of `text` at the end of `tokens`.
fn ban_repeated(size: usize, text: &[u32], tokens: &[u32], logits: &mut [f32]) {
    if size == 0 || tokens.len() + 1 < size {
        return;
    }
    let end: Range<usize> = tokens.len() + 1 - size..tokens.len();
    for window in text.windows(size) {
        if window[..size - 1] == tokens[end.clone()] {
            ban(logits, [window[size - 1] as usize]);
        }
    }
}

fn replace_invalid(logit: &mut f32) {
    *logit = if logit.is_nan() { 0.0 } else { logit.clamp(f32::MIN, f32::MAX) };
}
