//! A model that was accepted, used as programs use it.

use cke_engine::bundle::Bundle;
use cke_engine::memory::Run;
use cke_engine::model_files::ModelFiles;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::Tokenizer;
use cke_engine::weight_format::WeightFormat;

/// Tokens that a model reads.
const TOKENS: usize = 5;

/// Opens, loads and runs a model, with its weights in `format` or, if they are packed, in that of the file. Whatever is an error on
/// the way ends it.
pub fn run(files: &ModelFiles, format: WeightFormat) {
    let Ok(bundle) = Bundle::of_files(files) else { return };
    let (vocabulary, positions) = (bundle.config().vocab_size(), bundle.config().max_positions());
    if let Ok(tokenizer) = bundle.tokenizer() {
        tokenize(&tokenizer, &["", "ab  a b", "naïve 🦀\n\n"], vocabulary);
    }
    let format = bundle.packed_format().unwrap_or(format);
    let runtime = Runtime::new(Some(1)).expect("one thread").with_weights(format);
    let (cpu, kv) = (runtime.cpu(), runtime.kv_dtype());
    let _ = bundle.memory(Run { cpu, threads: 1, weights: format, kv, lengths: &[positions], logits: 1 });
    let ids = [0, vocabulary - 1, vocabulary / 2, 1, 0].map(|id| id.min(vocabulary - 1) as u32);
    let ids = &ids[..positions.min(TOKENS)];
    if bundle.config().is_causal() {
        let Ok(model) = bundle.into_causal_model(&runtime, &|_| ()) else { return };
        assert!(model.cache(positions.saturating_add(1)).is_err());
        let (Some(whole), Some(steps)) = (logits(&*model, &runtime, ids, ids.len()), logits(&*model, &runtime, ids, 1))
        else {
            return;
        };
        // With numbers that are not finite, the bits of NaN may differ.
        if whole.iter().chain(&steps).all(|logit| logit.is_finite()) {
            assert_eq!(whole, steps, "a prompt read at once and token by token");
        }
    } else if let Ok(model) = bundle.into_bert(&runtime, &|_| ())
        && let Ok(mut state) = model.activations()
        && model.forward(&[ids.into()], &mut state, &runtime).is_ok()
    {
        assert_eq!(model.hidden(&state).len(), ids.len() * model.config().hidden_size);
    }
}

/// The logits after the last of some tokens, which are read in pieces; `None` if the machine has not the memory.
fn logits(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32], piece: usize) -> Option<Vec<f32>> {
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(ids.len()).ok()? }];
    let mut state = model.activations().ok()?;
    let mut logits = vec![0.0; model.vocabulary()];
    for ids in ids.chunks(piece) {
        sequences[0].pending.extend_from_slice(ids);
        model.forward(&mut sequences, Results::Last, &mut state, runtime).ok()?;
    }
    model.logits(0..1, &mut logits, &mut state, runtime).expect("a row for the last token");
    Some(logits)
}

/// Encodes and decodes texts: ids are below the vocabulary, and have bytes.
pub fn tokenize(tokenizer: &Tokenizer, texts: &[&str], vocabulary: usize) {
    const MOST: usize = 64;
    for text in texts {
        let Ok(ids) = tokenizer.encode_truncated(text, true, MOST) else { continue };
        assert!(ids.len() <= MOST && ids.iter().all(|&id| (id as usize) < vocabulary));
        let _ = tokenizer.decode(&ids, true);
        for &id in &ids {
            tokenizer.token_bytes(id).expect("the bytes of a token that was given");
        }
    }
}
