//! How the results of measurements are written.

use cke_perf::report::Format;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// The flags for it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct FormatArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "md", value_parser = format())]
    output: Format,
    /// Print one JSON value, as --output json does
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl FormatArgs {
    /// The format.
    pub(super) fn format(self) -> Format {
        if self.json { Format::Json } else { self.output }
    }
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}
