//! `cke bench compare`.

use crate::error::CliError;
use crate::input::Source;
use crate::output::Output;
use cke_report::results::compare;
use std::path::{Path, PathBuf};

/// Compares two results of the same measurement: the factor by which the new one is faster
///
/// OLD.json and NEW.json are the output of cke bench model, gemm or attention with --json, or of tools/peers/peers.py. The factor is the
/// median of the ratios of all pairs of repetitions; "interval" is its 95% confidence interval if there are enough of them (-r 5 or more).
/// An interval that excludes 1 means "faster" or "slower", any other "within noise". "machine" is the factor by which the measured hardware
/// limit changed: if it is not near 1, the machine has changed, not only the program.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// Old results; - is standard input
    #[arg(value_name = "OLD.json")]
    old: PathBuf,
    /// New results; - is standard input
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke bench model --synthetic gpt2 --json > old.json
  cke bench model --synthetic gpt2 --dtype int8 --json > new.json
  cke bench compare old.json new.json";

pub(super) fn run(args: CompareArgs) -> Result<(), CliError> {
    let is_stdin = |path: &Path| path == Path::new("-");
    if is_stdin(&args.old) && is_stdin(&args.new) {
        return Err(CliError::Misuse("wanted two results, found standard input for both: name a file".to_owned()));
    }
    let (old, new) = (Source::new(Some(&args.old)), Source::new(Some(&args.new)));
    let comparison = compare(&old.text()?, &new.text()?)
        .map_err(|(is_new, error)| CliError::of_results(error, if is_new { new } else { old }))?;
    let mut output = Output::new();
    if args.json {
        output.json(&comparison)?;
    } else {
        output.tables(&comparison.text())?;
    }
    output.flush()
}
