//! Which tests are run: checked against the model before its weights are loaded.

use crate::error::CliError;
use cke_engine::config::ModelConfig;
use std::fmt;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TestKind {
    /// Reading a prompt in one pass, in pieces if it is long.
    Prompt,
    /// Reading token after token, each with its logits.
    Generation,
}

/// One thing to time; displayed as llama-bench names it: `pp512` reads 512 tokens, `tg64` generates 64; with several
/// sequences their number follows, as in `pp128x8`, and with tokens in the context already theirs, as in `tg64@4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) kind: TestKind,
    /// Tokens of each sequence.
    pub(crate) tokens: usize,
    /// Sequences that run together.
    pub(crate) batch: usize,
    /// Tokens of each sequence that were read before.
    pub(crate) depth: usize,
}

impl Test {
    /// Tokens of all sequences that are timed.
    pub(crate) fn total_tokens(&self) -> usize {
        self.tokens * self.batch
    }

    /// Tokens of each sequence in the end.
    pub(crate) fn positions(&self) -> usize {
        self.depth + self.tokens
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TestKind::Prompt => "pp",
            TestKind::Generation => "tg",
        };
        write!(f, "{kind}{}", self.tokens)?;
        if self.batch > 1 {
            write!(f, "x{}", self.batch)?;
        }
        if self.depth > 0 { write!(f, "@{}", self.depth) } else { Ok(()) }
    }
}

/// The flags that say what to time. Of the first two, `None` leaves the choice to the model and a length of 0 means
/// no test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) prompts: Option<&'a [usize]>,
    pub(crate) generations: Option<&'a [usize]>,
    pub(crate) batches: &'a [usize],
    pub(crate) depths: &'a [usize],
    pub(crate) all_logits: bool,
}

/// Lengths that are timed unless others are wanted, as far as the context goes.
const USUAL_PROMPTS: [usize; 2] = [128, 512];
const USUAL_GENERATION: usize = 64;

/// The tests for a model.
///
/// # Errors
/// If a length is beyond the model's context, the model cannot do what is wanted, or nothing is left to do.
pub(crate) fn tests(config: &ModelConfig, wishes: Wishes<'_>) -> Result<Vec<Test>, CliError> {
    let context = config.max_positions();
    let is_encoder = matches!(config, ModelConfig::Bert(_));
    if is_encoder && wishes.generations.is_some_and(|lengths| lengths.iter().any(|&tokens| tokens > 0)) {
        return Err(CliError::Misuse("-g: wanted a model that generates, found an encoder (bert)".to_owned()));
    }
    if is_encoder && wishes.depths.iter().any(|&depth| depth > 0) {
        return Err(CliError::Misuse("-d: wanted a model that generates, found an encoder (bert)".to_owned()));
    }
    if is_encoder && wishes.all_logits {
        return Err(CliError::Misuse("--all-logits: wanted a model with logits, found an encoder (bert)".to_owned()));
    }
    let prompts = wishes.prompts.map_or_else(|| usual_prompts(context), <[usize]>::to_vec);
    let generations = match wishes.generations {
        Some(lengths) => lengths.to_vec(),
        None if is_encoder => Vec::new(),
        None => vec![USUAL_GENERATION.min(context)],
    };
    let lengths = [(TestKind::Prompt, prompts), (TestKind::Generation, generations)];
    let mut tests = Vec::new();
    for (kind, lengths) in lengths {
        for tokens in lengths.into_iter().filter(|&tokens| tokens > 0) {
            check_length(kind, tokens, context)?;
            for &depth in wishes.depths {
                check_depth(depth, tokens, context)?;
                tests.extend(wishes.batches.iter().map(|&batch| Test { kind, tokens, batch, depth }));
            }
        }
    }
    if tests.is_empty() {
        return Err(CliError::Misuse("wanted at least one test, found no -p and no -g above 0".to_owned()));
    }
    Ok(tests)
}

fn usual_prompts(context: usize) -> Vec<usize> {
    let within: Vec<usize> = USUAL_PROMPTS.into_iter().filter(|&tokens| tokens <= context).collect();
    if within.is_empty() { vec![context] } else { within }
}

fn check_length(kind: TestKind, tokens: usize, context: usize) -> Result<(), CliError> {
    if tokens <= context {
        return Ok(());
    }
    let flag = match kind {
        TestKind::Prompt => "-p",
        TestKind::Generation => "-g",
    };
    Err(CliError::Misuse(format!("{flag} {tokens}: wanted at most {context} tokens, the model's context")))
}

fn check_depth(depth: usize, tokens: usize, context: usize) -> Result<(), CliError> {
    let room = context - tokens;
    if depth <= room {
        return Ok(());
    }
    Err(CliError::Misuse(format!("-d {depth}: wanted at most {room}, the model's context without {tokens} tokens")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_engine::synthetic;

    const NOTHING_SAID: Wishes<'_> =
        Wishes { prompts: None, generations: None, batches: &[1], depths: &[0], all_logits: false };

    fn names(model: &str, wishes: Wishes<'_>) -> Result<Vec<String>, String> {
        let config = synthetic::config(model).expect("a known name");
        let tests = tests(&config, wishes).map_err(|error| error.to_string())?;
        Ok(tests.iter().map(Test::to_string).collect())
    }

    fn with_context(context: usize) -> ModelConfig {
        match synthetic::config("gpt2") {
            Some(ModelConfig::Gpt2(config)) => {
                ModelConfig::Gpt2(cke_engine::config::Gpt2Config { n_positions: context, ..config })
            }
            other => panic!("gpt2 is a GPT-2, not {other:?}"),
        }
    }

    #[test]
    fn tests_nothing_said_are_the_usual_ones() {
        assert_eq!(names("gpt2", NOTHING_SAID).unwrap(), ["pp128", "pp512", "tg64"]);
        assert_eq!(names("bert-base", NOTHING_SAID).unwrap(), ["pp128", "pp512"]);
    }

    #[test]
    fn tests_nothing_said_stay_within_a_short_context() {
        let tests = tests(&with_context(40), NOTHING_SAID).expect("a valid model");
        assert_eq!(tests.iter().map(Test::to_string).collect::<Vec<_>>(), ["pp40", "tg40"]);
    }

    #[test]
    fn tests_batches_multiply() {
        let wishes = Wishes { prompts: Some(&[128]), generations: Some(&[0]), batches: &[1, 8], ..NOTHING_SAID };
        assert_eq!(names("gpt2", wishes).unwrap(), ["pp128", "pp128x8"]);
    }

    #[test]
    fn tests_at_a_depth_say_so_and_stay_within_the_context() {
        let wishes = Wishes { prompts: Some(&[0]), generations: Some(&[24]), depths: &[0, 1000], ..NOTHING_SAID };
        assert_eq!(names("gpt2", wishes).unwrap(), ["tg24", "tg24@1000"]);
        let wishes = Wishes { depths: &[1001], ..wishes };
        let error = names("gpt2", wishes).unwrap_err();
        assert_eq!(error, "-d 1001: wanted at most 1000, the model's context without 24 tokens");
        assert!(names("minilm", Wishes { depths: &[5], ..NOTHING_SAID }).unwrap_err().starts_with("-d: wanted"));
    }

    #[test]
    fn tests_zero_lengths_are_left_out() {
        let wishes = Wishes { prompts: Some(&[0]), ..NOTHING_SAID };
        assert_eq!(names("gpt2", wishes).unwrap(), ["tg64"]);
        let nothing = Wishes { generations: Some(&[0]), ..wishes };
        assert!(names("gpt2", nothing).unwrap_err().contains("no -p and no -g above 0"));
    }

    #[test]
    fn tests_beyond_the_context_are_refused() {
        let prompt = names("gpt2", Wishes { prompts: Some(&[128, 1025]), ..NOTHING_SAID }).unwrap_err();
        assert_eq!(prompt, "-p 1025: wanted at most 1024 tokens, the model's context");
        let generation = names("gpt2", Wishes { generations: Some(&[usize::MAX]), ..NOTHING_SAID }).unwrap_err();
        assert!(generation.starts_with("-g 18446744073709551615: wanted at most 1024"), "{generation}");
    }

    #[test]
    fn tests_encoder_does_not_generate() {
        assert!(names("minilm", Wishes { generations: Some(&[8]), ..NOTHING_SAID }).is_err());
        assert!(names("minilm", Wishes { all_logits: true, ..NOTHING_SAID }).is_err());
        assert!(names("minilm", Wishes { generations: Some(&[0]), ..NOTHING_SAID }).is_ok());
    }
}
