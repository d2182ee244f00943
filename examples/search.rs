//! Search by meaning: the passages of a text file as vectors, ranked by their cosine with the vector of a question. All cosines are one
//! matrix product, scores (1, passages) = question (1, width) · passagesᵀ, with the passages packed once.
//!
//! ```text
//! cargo run --release -p cke-examples --bin search -- --model DIR [--file TEXT] [QUESTION]
//! ```
//!
//! DIR holds a sentence-transformers model (`bash tools/golden/fetch_minilm.sh target/minilm` fetches one); without `--model` the
//! variable CKE_MINILM_DIR names it. The text is the README where no other is given. Without a question they are read from standard
//! input, one in each line.

use cke_engine::models::bert::BertActivations;
use cke_engine::prelude::*;
use cke_kernels::prelude::*;
use std::error::Error;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Words of a passage at most: about as many as MiniLM reads.
const WORDS: usize = 150;
/// Passages that are shown.
const BEST: usize = 5;
/// Characters that are shown of each.
const SHOWN: usize = 100;

/// The paragraphs, list items and table rows of a text, each with the Markdown heading that it stands under; long ones in pieces.
fn passages(text: &str) -> Vec<String> {
    let (mut passages, mut heading, mut words) = (Vec::new(), "", Vec::new());
    // An empty line ends the last one.
    for line in text.lines().chain([""]) {
        let is_heading = line.starts_with('#');
        if is_heading || line.trim().is_empty() || line.trim_start().starts_with(['-', '*', '|']) {
            for piece in words.chunks(WORDS) {
                let piece = piece.join(" ");
                passages.push(if heading.is_empty() { piece } else { format!("{heading}: {piece}") });
            }
            words.clear();
        }
        if is_heading {
            heading = line.trim_start_matches('#').trim();
        } else {
            words.extend(line.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)));
        }
    }
    passages
}

/// Passages with their vectors.
struct Index {
    embedder: Embedder,
    passages: Vec<String>,
    plan: GemmPlan<F32>,
    /// The vectors as columns: (width, passages).
    vectors: PackedB<F32>,
    state: BertActivations,
}

impl Index {
    fn new(embedder: Embedder, passages: Vec<String>, runtime: &Runtime) -> Result<Index, Box<dyn Error>> {
        let mut state = embedder.model().activations()?;
        // As many texts in a forward pass as keep the matrix products busy; short and long ones need no padding.
        let vectors = embedder.embed(&passages, &mut state, runtime)?;
        let (n, k) = (passages.len(), embedder.width());
        let plan = GemmPlan::new(runtime.cpu(), Shape { m: 1, n, k });
        let vectors = plan.pack_b(MatRef::new(&vectors, n, k)?.transposed())?;
        Ok(Index { embedder, passages, plan, vectors, state })
    }

    /// The best passages with their scores, best first.
    fn search(&mut self, question: &str, runtime: &Runtime) -> Result<Vec<(f32, &str)>, Box<dyn Error>> {
        let question = self.embedder.embed(&[question], &mut self.state, runtime)?;
        let mut scores = vec![0.0; self.passages.len()];
        let (question, out) = (MatRef::new(&question, 1, self.plan.k())?, MatMut::new(&mut scores, 1, self.plan.n())?);
        let ctx = &mut Ctx { pool: runtime.pool(), scratch: &mut Scratch::new() };
        self.plan.run(question, &self.vectors, out, &Epilogue::default(), ctx)?;

        let mut ranked: Vec<_> = scores.into_iter().zip(self.passages.iter().map(String::as_str)).collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        ranked.truncate(BEST);
        Ok(ranked)
    }

    fn print_best(&mut self, question: &str, runtime: &Runtime) -> Result<(), Box<dyn Error>> {
        println!("{question}");
        for (score, passage) in self.search(question, runtime)? {
            let shown: String = passage.chars().take(SHOWN).collect();
            println!("  {score:.3}  {shown}");
        }
        Ok(())
    }
}

/// What was asked for.
struct Arguments {
    model: PathBuf,
    file: PathBuf,
    question: Option<String>,
}

impl Arguments {
    fn read() -> Result<Arguments, Box<dyn Error>> {
        let mut model = std::env::var_os("CKE_MINILM_DIR").map(PathBuf::from);
        let mut file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let mut question = None;
        let mut rest = std::env::args().skip(1);
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--model" => model = Some(rest.next().ok_or("--model: wanted a directory")?.into()),
                "--file" => file = rest.next().ok_or("--file: wanted a text file")?.into(),
                _ if question.is_none() && !argument.starts_with("--") => question = Some(argument),
                _ => return Err("usage: search [--model DIR] [--file TEXT] [QUESTION]".into()),
            }
        }
        let model = model.ok_or(
            "wanted a sentence-transformers model, as --model DIR or in CKE_MINILM_DIR; one can be fetched by: \
             bash tools/golden/fetch_minilm.sh target/minilm",
        )?;
        Ok(Arguments { model, file, question })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { model, file, question } = Arguments::read()?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let runtime = Runtime::new(None)?;
    // Vectors of length 1, whose products are cosines.
    let options = EmbedOptions { normalize: Some(true), ..EmbedOptions::default() };
    let embedder = Embedder::open(&model, options, &runtime, &|_bytes| ())?;

    let started = Instant::now();
    let mut index = Index::new(embedder, passages(&text), &runtime)?;
    println!("{} passages in {:.2} s", index.passages.len(), started.elapsed().as_secs_f64());
    if let Some(question) = question {
        return index.print_best(&question, &runtime);
    }

    let stdin = std::io::stdin();
    let prompt = if stdin.is_terminal() { "? " } else { "" };
    let mut lines = stdin.lock().lines();
    loop {
        print!("{prompt}");
        std::io::stdout().flush()?;
        let Some(question) = lines.next().transpose()? else { return Ok(()) };
        index.print_best(&question, &runtime)?;
    }
}
