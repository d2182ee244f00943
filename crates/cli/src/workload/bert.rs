//! Reading a batch of sequences with BERT.

use super::test_plan::Test;
use super::{Workload, token_ids};
use cke_engine::error::Error;
use cke_engine::models::bert::{Bert, BertActivations, Input};
use cke_engine::runtime::Runtime;
use std::hint::black_box;

/// A forward pass over `test.batch` sequences of `test.tokens` tokens.
#[derive(Debug)]
pub(super) struct BertWorkload<'m> {
    model: &'m Bert,
    test: Test,
    ids: Vec<u32>,
    state: BertActivations,
}

impl<'m> BertWorkload<'m> {
    /// Makes the test ready.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub(super) fn new(model: &'m Bert, test: Test) -> Result<BertWorkload<'m>, Error> {
        let ids = token_ids(test.tokens, model.config().vocab_size);
        Ok(BertWorkload { model, test, ids, state: model.activations()? })
    }
}

impl Workload for BertWorkload<'_> {
    fn run(&mut self, runtime: &Runtime) -> Result<(), Error> {
        let batch = vec![Input::from(&self.ids[..]); self.test.batch];
        self.model.forward(&batch, &mut self.state, runtime)?;
        black_box(self.model.hidden(&self.state));
        Ok(())
    }

    fn flops(&self) -> u64 {
        self.model.flops(&vec![self.test.tokens; self.test.batch])
    }

    fn bytes_read(&self) -> Option<u64> {
        None
    }
}
