//! `cke completions`.

use crate::Cli;
use crate::error::CliError;
use crate::output::Output;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Writes a completion script for a shell
///
/// The script goes to standard output; load it from the shell's start-up file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(cke completions bash)
  cke completions zsh > ~/.zfunc/_cke
  cke completions fish > ~/.config/fish/completions/cke.fish";

pub(crate) fn run(args: CompletionsArgs) -> Result<(), CliError> {
    // Into memory first: the generator panics if its writer fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cke", &mut script);
    let mut output = Output::new();
    output.write(&String::from_utf8_lossy(&script))?;
    output.flush()
}
