//! Results of any kind as a list of named rates.

use super::{ResultsError, unfit};
use crate::words::counted;
use cke_perf::peers::{Dtype, Product};
use serde::Deserialize;
use serde_json::Value;

/// What was measured, and where.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    pub(super) rows: Vec<RateRow>,
    /// Name and value of what may differ between two results.
    pub(super) conditions: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct RateRow {
    pub(super) name: String,
    pub(super) unit: String,
    /// The rounds; the median alone if nothing else is known.
    pub(super) samples: Vec<f64>,
    /// What the machine could do meanwhile, in a unit of its own.
    pub(super) limit: Option<f64>,
}

const WANTED: &str = "results of cke bench model, gemm or attention with --json, or of tools/peers/peers.py";

/// Reads results of any kind.
///
/// # Errors
/// If the text is no results, or none was measured.
pub(super) fn rates(text: &str) -> Result<Rates, ResultsError> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| unfit("results in JSON", format!("invalid JSON ({error})")))?;
    let has = |name: &str| json.get(name).is_some_and(Value::is_array);
    let (is_gemm, is_peers) = (has("rows") && has("contestants"), has("tests"));
    let typed = |error: serde_json::Error| unfit(WANTED, error);
    let rates = if json.get(0).is_some_and(|row| row.get("attention").is_some()) {
        of_attention(&serde_json::from_value::<Vec<AttentionRow>>(json).map_err(typed)?)
    } else if json.is_array() {
        of_models(&serde_json::from_value::<Vec<ModelRow>>(json).map_err(typed)?)
    } else if is_gemm {
        of_products(serde_json::from_value(json).map_err(typed)?)
    } else if is_peers {
        of_peers(serde_json::from_value(json).map_err(typed)?)
    } else {
        return Err(unfit(WANTED, "other JSON"));
    };
    if rates.rows.is_empty() { Err(unfit(WANTED, "an empty list")) } else { Ok(rates) }
}

/// The rounds, or the one number that is known.
fn samples(rounds: Vec<f64>, single: f64) -> Vec<f64> {
    if rounds.is_empty() { vec![single] } else { rounds }
}

/// A row of `cke bench model`.
#[derive(Debug, Deserialize)]
struct ModelRow {
    model: String,
    weights: String,
    threads: usize,
    test: String,
    logits: Option<String>,
    isa: String,
    dtype: String,
    peak_gflops: f64,
    tokens_per_second: f64,
    /// Older versions did not write them.
    #[serde(default)]
    rates: Vec<f64>,
}

fn of_models(rows: &[ModelRow]) -> Rates {
    let of_all = |value: fn(&ModelRow) -> &str| {
        let mut values: Vec<&str> = rows.iter().map(value).collect();
        values.dedup();
        values.join(", ")
    };
    let row = |row: &ModelRow| {
        let logits = row.logits.as_ref().map(|logits| format!(", {logits} logits")).unwrap_or_default();
        RateRow {
            name: format!("{}, {}{logits}, {}", row.model, row.test, counted(row.threads, "thread")),
            unit: "tokens/s".to_owned(),
            samples: samples(row.rates.clone(), row.tokens_per_second),
            limit: Some(row.peak_gflops),
        }
    };
    Rates {
        rows: rows.iter().map(row).collect(),
        conditions: vec![
            ("weights".to_owned(), of_all(|row| &row.weights)),
            ("instruction set".to_owned(), of_all(|row| &row.isa)),
            ("dtype".to_owned(), of_all(|row| &row.dtype)),
        ],
    }
}

/// A row of `cke bench attention`.
#[derive(Debug, Deserialize)]
struct AttentionRow {
    attention: String,
    positions: usize,
    heads: usize,
    key_heads: usize,
    head_size: usize,
    kv: String,
    threads: usize,
    cpu: String,
    isa: String,
    rates: Vec<f64>,
}

fn of_attention(rows: &[AttentionRow]) -> Rates {
    let row = |row: &AttentionRow| {
        let AttentionRow { attention, positions, heads, key_heads, head_size, kv, threads, .. } = row;
        RateRow {
            name: format!(
                "{attention}, {positions} positions, {heads}/{key_heads}×{head_size}, {kv}, {}",
                counted(*threads, "thread")
            ),
            unit: "calls/s".to_owned(),
            samples: row.rates.clone(),
            limit: None,
        }
    };
    let conditions = rows.first().map(|row| [("CPU", &row.cpu), ("instruction set", &row.isa)]);
    Rates {
        rows: rows.iter().map(row).collect(),
        conditions: conditions.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
    }
}

/// What `cke bench gemm` wrote.
#[derive(Debug, Deserialize)]
struct Products {
    cpu: String,
    isa: String,
    dtype: Dtype,
    rows: Vec<ProductRow>,
}

#[derive(Debug, Deserialize)]
struct ProductRow {
    product: Product,
    threads: usize,
    peak_gflops: f64,
    entries: Vec<ProductEntry>,
}

#[derive(Debug, Deserialize)]
struct ProductEntry {
    name: String,
    rate: Option<ProductRate>,
    #[serde(default)]
    rounds: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct ProductRate {
    median: f64,
}

fn of_products(results: Products) -> Rates {
    let Products { cpu, isa, dtype, rows } = results;
    let rows = rows.into_iter().flat_map(|ProductRow { product, threads, peak_gflops, entries }| {
        entries.into_iter().filter_map(move |ProductEntry { name, rate, rounds }| {
            Some(RateRow {
                name: format!("{name}, {product}, {}", counted(threads, "thread")),
                unit: "GFLOP/s".to_owned(),
                samples: samples(rounds, rate?.median),
                limit: Some(peak_gflops),
            })
        })
    });
    let conditions = [("CPU", cpu), ("instruction set", isa), ("dtype", dtype.to_string())];
    Rates { rows: rows.collect(), conditions: conditions.map(|(name, value)| (name.to_owned(), value)).to_vec() }
}

/// What `tools/peers` wrote.
#[derive(Debug, Deserialize)]
struct Peers {
    machine: Machine,
    tests: Vec<PeerTest>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    cpu: String,
}

#[derive(Debug, Deserialize)]
struct PeerTest {
    suite: String,
    label: String,
    unit: String,
    threads: usize,
    limit: Option<f64>,
    entries: Vec<PeerEntry>,
}

#[derive(Debug, Deserialize)]
struct PeerEntry {
    contestant: String,
    median: f64,
    #[serde(default)]
    rounds: Vec<f64>,
}

fn of_peers(results: Peers) -> Rates {
    let rows = results.tests.into_iter().flat_map(|PeerTest { suite, label, unit, threads, limit, entries }| {
        entries.into_iter().map(move |PeerEntry { contestant, median, rounds }| RateRow {
            name: format!("{contestant}, {suite}, {label}, {}", counted(threads, "thread")),
            unit: unit.clone(),
            samples: samples(rounds, median),
            limit,
        })
    });
    Rates { rows: rows.collect(), conditions: vec![("CPU".to_owned(), results.machine.cpu)] }
}
