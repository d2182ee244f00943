//! The flags that say how the next token is picked.

use crate::numbers;
use cke_engine::generation_config::GenerationConfig;
use cke_engine::sampler::SamplerConfig;

/// How the next token is picked.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Sampling temperature: below 1 favours likely tokens, 0 is --greedy [default: the model's, else 0.8]
    #[arg(long, alias = "temp", value_name = "T", value_parser = numbers::not_negative, allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Sample from the K likeliest tokens only; 0 is off [default: the model's, else 40]
    #[arg(long, value_name = "K", value_parser = numbers::count, allow_negative_numbers = true)]
    top_k: Option<usize>,
    /// Sample from the likeliest tokens whose probabilities add up to P; 1 is off [default: the model's, else 0.95]
    #[arg(long, value_name = "P", value_parser = numbers::probability, allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Sample from tokens at least P times as likely as the likeliest only [default: the model's, else 0]
    #[arg(long, value_name = "P", value_parser = numbers::share, allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// Penalty for tokens that are already in the text; above 1 makes them less likely [default: the model's, else 1]
    #[arg(long, alias = "repeat-penalty", value_name = "R", value_parser = numbers::positive, allow_negative_numbers = true)]
    repetition_penalty: Option<f32>,
    /// Always take the likeliest token, as temperature 0 does
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p"])]
    greedy: bool,
    /// Random seed: the same seed gives the same text
    ///
    /// The prompts of a file, and the answers of a chat, use the seeds S, S + 1, and so on.
    #[arg(long, value_name = "S", default_value = "0", value_parser = numbers::seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
}

impl SamplingArgs {
    /// The flags, then what the model's `generation_config.json` says, then a default. If the model asks for sampling, what it
    /// leaves out is as in transformers; if it says nothing of it, the defaults are ours; and if it asks for the likeliest
    /// token, that is taken unless a flag asks for sampling.
    pub(crate) fn config(&self, model: &GenerationConfig) -> SamplerConfig {
        // As if it asked for sampling, so that its other wishes are there.
        let theirs = SamplerConfig::from(&GenerationConfig { do_sample: Some(true), ..model.clone() });
        let base = SamplerConfig {
            repetition_penalty: self.repetition_penalty.unwrap_or(theirs.repetition_penalty),
            rules: theirs.rules,
            seed: self.seed,
            ..SamplerConfig::default()
        };
        if self.is_greedy(model) {
            return SamplerConfig { temperature: 0.0, ..base };
        }
        let is_silent = model.do_sample != Some(true);
        let top_k = if is_silent && model.top_k.is_none() { 40 } else { theirs.top_k };
        let top_p = if is_silent && model.top_p.is_none() { 0.95 } else { theirs.top_p };
        let asked = model.temperature.filter(|&temperature| temperature > 0.0);
        let temperature = asked.unwrap_or(if is_silent { 0.8 } else { 1.0 });
        SamplerConfig {
            temperature: self.temperature.unwrap_or(temperature),
            top_k: self.top_k.unwrap_or(top_k),
            top_p: self.top_p.unwrap_or(top_p),
            min_p: self.min_p.unwrap_or(theirs.min_p),
            top_h: theirs.top_h,
            typical_p: theirs.typical_p,
            epsilon_cutoff: theirs.epsilon_cutoff,
            eta_cutoff: theirs.eta_cutoff,
            ..base
        }
    }

    fn is_greedy(&self, model: &GenerationConfig) -> bool {
        let wants_sampling = self.temperature.is_some_and(|temperature| temperature > 0.0)
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some();
        self.greedy
            || self.temperature == Some(0.0)
            || (!wants_sampling && (model.do_sample == Some(false) || model.temperature == Some(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        sampling: SamplingArgs,
    }

    fn config(flags: &[&str], model: &GenerationConfig) -> SamplerConfig {
        let args = [&["cke"], flags].concat();
        Command::parse_from(args).sampling.config(model)
    }

    #[test]
    fn flag_comes_before_the_model_and_the_model_before_the_default() {
        let model = GenerationConfig { temperature: Some(0.5), top_k: Some(3), ..GenerationConfig::default() };
        let found = config(&["--temperature", "0.7", "--seed", "9"], &model);
        let wanted = SamplerConfig { temperature: 0.7, top_k: 3, top_p: 0.95, seed: 9, ..SamplerConfig::default() };
        assert_eq!(found, wanted);
    }

    #[test]
    fn model_that_samples_leaves_the_rest_to_the_defaults_of_transformers() {
        let model = GenerationConfig { do_sample: Some(true), top_p: Some(0.9), ..GenerationConfig::default() };
        assert_eq!(config(&[], &model), SamplerConfig { top_p: 0.9, top_k: 50, ..SamplerConfig::default() });
    }

    #[test]
    fn model_that_does_not_sample_is_greedy_unless_a_flag_asks_for_it() {
        let model = GenerationConfig { do_sample: Some(false), temperature: Some(0.6), ..GenerationConfig::default() };
        assert_eq!(config(&[], &model), SamplerConfig::greedy());
        assert_eq!(config(&["--repetition-penalty", "1.2"], &model).temperature, 0.0);
        assert_eq!(config(&["--top-p", "0.5"], &model).temperature, 0.6);
        assert_eq!(config(&["--temperature", "0.7"], &model).temperature, 0.7);
        let silent = GenerationConfig::default();
        assert_eq!(config(&[], &silent).temperature, 0.8);
    }

    #[test]
    fn temperature_0_of_the_model_is_greedy() {
        let model = GenerationConfig { do_sample: Some(true), temperature: Some(0.0), ..GenerationConfig::default() };
        assert_eq!(config(&[], &model), SamplerConfig::greedy());
        assert_eq!(config(&["--temperature", "0.7"], &model).temperature, 0.7);
    }

    #[test]
    fn greedy_flag_comes_before_the_model() {
        let model = GenerationConfig { do_sample: Some(true), temperature: Some(0.5), ..GenerationConfig::default() };
        assert_eq!(config(&["--greedy"], &model), SamplerConfig::greedy());
    }
}
