//! Text from the demo model, token by token.
//!
//! cargo run --release -p cke-examples --bin generate

use cke_engine::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::new(None)?;
    let bundle = Bundle::demo()?;
    let tokenizer = bundle.tokenizer()?;
    let end_tokens = bundle.generation().eos_token_ids.clone();
    let model = bundle.into_causal_model(&runtime, &|_bytes| ())?;

    let prompt = "A `Vec` is";
    let sampler = SamplerConfig { temperature: 0.7, top_k: 40, seed: 1, ..SamplerConfig::default() };
    let options = GenerateOptions { max_tokens: 60, sampler, end_tokens, ..GenerateOptions::default() };
    let mut stream = TextStream::new(Vec::new())?;
    print!("{prompt}");
    for token in Tokens::new(&*model, &runtime, tokenizer.encode(prompt, true)?, options)? {
        print!("{}", stream.push(tokenizer.token_bytes(token?)?));
    }
    println!("{}", stream.finish());
    Ok(())
}
