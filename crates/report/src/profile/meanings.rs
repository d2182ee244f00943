//! What the operations of a profile are, for readers who do not know their names.

use super::report::Phase;

/// A name with its meaning: the operations of these phases and what lies between them, each once, in the order of the first pass.
pub(crate) fn meanings(phases: &[Phase]) -> Vec<(&'static str, &'static str)> {
    let names = phases.iter().flat_map(|phase| &phase.by_name).map(|row| row.name);
    let mut found: Vec<(&'static str, &'static str)> = Vec::new();
    for (name, meaning) in names.chain(["between operations"]).filter_map(|name| Some((name, meaning(name)?))) {
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, meaning));
        }
    }
    found
}

fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "embed" => "looks up the vectors of tokens",
        "layer norm" | "rms norm" => "keeps numbers in range between layers",
        "prepare rows" => "converts the inputs of a product to the numbers that its kernel multiplies",
        "qkv" => "product that makes queries, keys and values; one call for each weight format among them",
        "rotate" => "rotary embedding: turns queries and keys by their positions",
        "attention" => "queries against keys, softmax, and the weighted sum of values",
        "attention out" => "product behind attention",
        "gate and up" => "first products of the feed-forward part; one call for each weight format among them",
        "up" => "first product of the feed-forward part",
        "down" => "last product of the feed-forward part",
        "logits" => "output projection: a number for each token of the vocabulary",
        "cap logits" => "bounds the logits smoothly",
        "between operations" => "time that the calling thread spends in none of them",
        _ => return None,
    })
}
