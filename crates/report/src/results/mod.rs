//! Results in files: charts of them, CKE beside other libraries, and what changed between two.

mod compare;
mod figure;
mod gemm;
mod models;
mod rates;

use cke_chart::bars::BarChart;
pub use compare::{Comparison, compare};
pub use figure::Choice;
use figure::Figure;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why results cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The choice names what was not measured.
    #[error("{0}")]
    Choice(String),
    /// The text is not what it should be.
    #[error("wanted {wanted}, found {found}")]
    Content {
        /// What would have been right.
        wanted: &'static str,
        /// What is wrong with it.
        found: String,
    },
}

/// The chosen part of results of either kind, which are JSON.
///
/// # Errors
/// If the text is neither, or what is chosen was not measured.
pub fn chart(text: &str, choice: &Choice) -> Result<BarChart, ResultsError> {
    figure(text, choice).map(|figure| figure.chart())
}

fn figure(text: &str, choice: &Choice) -> Result<Figure, ResultsError> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| unfit("results in JSON", format!("invalid JSON ({error})")))?;
    let has = |name: &str| json.get(name).is_some_and(Value::is_array);
    if has("rows") && has("contestants") {
        typed::<gemm::GemmResults>(json, "results of cke bench gemm")?.figure(choice)
    } else if has("tests") {
        typed::<models::ModelResults>(json, "results of tools/peers/peers.py")?.figure(choice)
    } else {
        Err(unfit("results of cke bench gemm -o json or of tools/peers/peers.py", "neither"))
    }
}

fn typed<T: DeserializeOwned>(json: Value, wanted: &'static str) -> Result<T, ResultsError> {
    serde_json::from_value(json).map_err(|error| unfit(wanted, error))
}

fn unfit(wanted: &'static str, found: impl ToString) -> ResultsError {
    ResultsError::Content { wanted, found: found.to_string() }
}
