//! Reading prompts and generating tokens with a model that continues texts.

use super::test_plan::{Test, TestKind};
use super::{Workload, token_ids};
use cke_engine::activations::Activations;
use cke_engine::error::Error;
use cke_engine::models::causal::{CausalModel, LOGIT_ROWS, MAX_ROWS, Results, Sequence};
use cke_engine::runtime::Runtime;
use std::hint::black_box;

/// `test.batch` sequences of `test.tokens` tokens behind `test.depth` others.
#[derive(Debug)]
pub(super) struct CausalWorkload<'m> {
    model: &'m dyn CausalModel,
    test: Test,
    all_logits: bool,
    /// Each sequence reads the same tokens.
    ids: Vec<u32>,
    sequences: Vec<Sequence>,
    state: Activations,
    /// (rows at a time, vocabulary)
    logits: Vec<f32>,
}

impl<'m> CausalWorkload<'m> {
    /// Makes the test ready; `all_logits` gives every position of a prompt its logits, else only the last one has them.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub(super) fn new(model: &'m dyn CausalModel, test: Test, all_logits: bool) -> Result<CausalWorkload<'m>, Error> {
        let vocabulary = model.vocabulary();
        let sequence = || -> Result<Sequence, Error> {
            Ok(Sequence { pending: Vec::with_capacity(MAX_ROWS), cache: model.cache(test.positions())? })
        };
        let logit_rows = match test.kind {
            TestKind::Prompt if all_logits => LOGIT_ROWS.min(test.total_tokens()),
            TestKind::Prompt => LOGIT_ROWS.min(test.batch),
            TestKind::Generation => test.batch,
        };
        Ok(CausalWorkload {
            model,
            test,
            all_logits,
            ids: token_ids(test.positions(), vocabulary),
            sequences: (0..test.batch).map(|_| sequence()).collect::<Result<_, _>>()?,
            state: model.activations()?,
            logits: vec![0.0; logit_rows * vocabulary],
        })
    }

    /// Reads what comes before the test, unless it is there.
    fn read_depth(&mut self, runtime: &Runtime) -> Result<(), Error> {
        let depth = self.test.depth;
        for sequence in &mut self.sequences {
            sequence.cache.truncate(depth);
            while sequence.cache.len() < depth {
                let first = sequence.cache.len();
                sequence.pending.extend_from_slice(&self.ids[first..depth.min(first + MAX_ROWS)]);
                let alone = std::slice::from_mut(sequence);
                self.model.forward(alone, Results::Last, &mut self.state, runtime)?;
            }
        }
        Ok(())
    }

    /// Reads the prompts: short ones together, long ones in pieces.
    fn read_prompts(&mut self, runtime: &Runtime) -> Result<(), Error> {
        let together = (MAX_ROWS / self.test.tokens).clamp(1, self.test.batch);
        for first in (0..self.test.batch).step_by(together) {
            let group = first..self.test.batch.min(first + together);
            for start in (0..self.test.tokens).step_by(MAX_ROWS) {
                let piece = start..self.test.tokens.min(start + MAX_ROWS);
                let ids = &self.ids[self.test.depth..][piece.clone()];
                let sequences = &mut self.sequences[group.clone()];
                sequences.iter_mut().for_each(|sequence| sequence.pending.extend_from_slice(ids));
                let results = if self.all_logits { Results::All } else { Results::Last };
                self.model.forward(sequences, results, &mut self.state, runtime)?;
                if self.all_logits {
                    self.logits_of_first(group.len() * piece.len(), runtime)?;
                } else if piece.end == self.test.tokens {
                    self.logits_of_first(group.len(), runtime)?;
                }
            }
        }
        Ok(())
    }

    /// Logits of the first rows of the last pass, a part of them at a time.
    fn logits_of_first(&mut self, rows: usize, runtime: &Runtime) -> Result<(), Error> {
        for first in (0..rows).step_by(LOGIT_ROWS) {
            self.logits_of(first..rows.min(first + LOGIT_ROWS), runtime)?;
        }
        Ok(())
    }

    fn logits_of(&mut self, rows: std::ops::Range<usize>, runtime: &Runtime) -> Result<(), Error> {
        let logits = &mut self.logits[..rows.len() * self.model.vocabulary()];
        self.model.logits(rows, logits, &mut self.state, runtime)?;
        black_box(logits);
        Ok(())
    }

    /// Reads the tokens one after the other, as generation does.
    fn generate(&mut self, runtime: &Runtime) -> Result<(), Error> {
        for i in self.test.depth..self.test.positions() {
            self.sequences.iter_mut().for_each(|sequence| sequence.pending.push(self.ids[i]));
            self.model.forward(&mut self.sequences, Results::Last, &mut self.state, runtime)?;
            self.logits_of(0..self.test.batch, runtime)?;
        }
        Ok(())
    }
}

impl Workload for CausalWorkload<'_> {
    fn run(&mut self, runtime: &Runtime) -> Result<(), Error> {
        self.read_depth(runtime)?;
        match self.test.kind {
            TestKind::Prompt => self.read_prompts(runtime),
            TestKind::Generation => self.generate(runtime),
        }
    }

    fn flops(&self) -> u64 {
        let tokens = self.test.tokens;
        let has_all = self.all_logits || self.test.kind == TestKind::Generation;
        self.test.batch as u64 * self.model.flops(tokens, self.test.depth, if has_all { tokens } else { 1 })
    }

    fn bytes_read(&self) -> Option<u64> {
        let Test { kind, tokens, batch, depth } = self.test;
        let per_position = self.model.cache_bytes(self.test.positions()) / self.test.positions();
        // What a token sees: all before it, and itself.
        let seen = batch * (tokens * depth + tokens * (tokens + 1) / 2);
        (kind == TestKind::Generation).then(|| (tokens * self.model.bytes_per_token() + seen * per_position) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_engine::config::{Gpt2Config, ModelConfig};
    use cke_engine::models::decoder::Decoder;
    use cke_engine::models::gpt2;
    use cke_engine::synthetic;

    /// A GPT-2 that costs nothing, with a context longer than one pass.
    fn tiny(runtime: &Runtime) -> Decoder {
        let Some(ModelConfig::Gpt2(usual)) = synthetic::config("gpt2") else { panic!("gpt2 is a GPT-2") };
        let n_positions = MAX_ROWS + 88;
        let config =
            Gpt2Config { vocab_size: 53, n_positions, n_embd: 12, n_layer: 2, n_head: 3, n_inner: 20, ..usual };
        gpt2::random(&config, 1, runtime).expect("a tiny model")
    }

    /// The last logits that a workload computed.
    fn logits_after_run(model: &Decoder, test: Test, all_logits: bool, runtime: &Runtime) -> Vec<f32> {
        let mut workload = CausalWorkload::new(model, test, all_logits).expect("little memory");
        for _ in 0..2 {
            workload.run(runtime).expect("a valid test");
            let lengths: Vec<usize> = workload.sequences.iter().map(|sequence| sequence.cache.len()).collect();
            assert_eq!(lengths, vec![test.positions(); test.batch], "{test}");
        }
        let vocabulary = model.vocabulary();
        let together = (MAX_ROWS / test.tokens).clamp(1, test.batch);
        let rows_of_last_pass = match (test.kind, all_logits) {
            (TestKind::Generation, _) => test.batch,
            (TestKind::Prompt, false) => (test.batch - 1) % together + 1,
            (TestKind::Prompt, true) if test.batch == 1 => (test.tokens - 1) % MAX_ROWS + 1,
            (TestKind::Prompt, true) => test.total_tokens(),
        };
        let last_rows = (rows_of_last_pass - 1) % LOGIT_ROWS + 1;
        workload.logits[(last_rows - 1) * vocabulary..][..vocabulary].to_vec()
    }

    #[test]
    fn workload_every_way_of_reading_gives_the_same_last_logits() {
        let runtime = Runtime::new(Some(1)).expect("one thread");
        let model = tiny(&runtime);
        for tokens in [1, 7, MAX_ROWS, MAX_ROWS + 88] {
            let prompt = Test { kind: TestKind::Prompt, tokens, batch: 1, depth: 0 };
            let expected = logits_after_run(&model, prompt, false, &runtime);
            assert_eq!(logits_after_run(&model, prompt, true, &runtime), expected, "{tokens} tokens, all logits");
            let generation = Test { kind: TestKind::Generation, ..prompt };
            assert_eq!(logits_after_run(&model, generation, false, &runtime), expected, "{tokens} tokens generated");
        }
    }

    #[test]
    fn workload_at_a_depth_goes_on_where_a_whole_one_does() {
        let runtime = Runtime::new(Some(1)).expect("one thread");
        let model = tiny(&runtime);
        let whole = Test { kind: TestKind::Prompt, tokens: MAX_ROWS + 20, batch: 1, depth: 0 };
        let expected = logits_after_run(&model, whole, false, &runtime);
        for kind in [TestKind::Prompt, TestKind::Generation] {
            let test = Test { kind, tokens: 9, depth: MAX_ROWS + 11, ..whole };
            assert_eq!(logits_after_run(&model, test, false, &runtime), expected, "{test}");
        }
    }

    #[test]
    fn workload_batch_gives_each_sequence_the_same() {
        let runtime = Runtime::new(Some(2)).expect("two threads");
        let model = tiny(&runtime);
        let alone = Test { kind: TestKind::Prompt, tokens: 30, batch: 1, depth: 0 };
        let expected = logits_after_run(&model, alone, false, &runtime);
        for kind in [TestKind::Prompt, TestKind::Generation] {
            let test = Test { kind, batch: 3, ..alone };
            assert_eq!(logits_after_run(&model, test, false, &runtime), expected, "{test}");
            assert_eq!(logits_after_run(&model, test, true, &runtime), expected, "{test}, all logits");
        }
        let beyond_one_pass = Test { batch: 40, ..alone };
        assert_eq!(logits_after_run(&model, beyond_one_pass, false, &runtime), expected);
    }

    #[test]
    fn workload_counts_the_work_of_its_kind() {
        let runtime = Runtime::new(Some(1)).expect("one thread");
        let model = tiny(&runtime);
        let test = |kind, batch| Test { kind, tokens: 20, batch, depth: 0 };
        let workload = |test, all_logits| CausalWorkload::new(&model, test, all_logits).expect("little memory");
        let (prompt, generation) = (test(TestKind::Prompt, 1), test(TestKind::Generation, 1));
        let last = workload(prompt, false);
        assert_eq!(last.flops(), model.flops(20, 0, 1));
        assert_eq!(last.bytes_read(), None);
        assert_eq!(workload(prompt, true).flops(), model.flops(20, 0, 20));
        let steps: u64 = (0..20).map(|before| model.flops(1, before, 1)).sum();
        assert_eq!(workload(generation, false).flops(), steps);
        let weights = 20 * model.bytes_per_token() as u64;
        // For 1 + 2 + … + 20 positions.
        let cache = (model.cache_bytes(20) / 20 * 210) as u64;
        assert_eq!(workload(generation, false).bytes_read(), Some(weights + cache));
        let batch = workload(test(TestKind::Generation, 3), false);
        assert_eq!(batch.flops(), 3 * steps);
        assert_eq!(batch.bytes_read(), Some(weights + 3 * cache));
    }
}
