//! What `--help` says about the environment.

use cke_kernels::Isa;

/// The variables that the kernels read; those beside a flag stand with it.
fn variables() -> String {
    format!(
        "  CKE_ISA          {settings}: the highest instruction set to use
  CKE_REQUIRE_ISA  {settings}: fail if another one is in use",
        settings = Isa::SETTINGS
    )
}

/// What the help of the whole program ends with.
pub(crate) fn program_help() -> String {
    let variables = variables();
    format!(
        "\
Environment:
  CKE_MODEL        model directory, GGUF file or packed file, as --model
  CKE_NUM_THREADS  number of threads, as --threads; if unset, the first number among OMP_NUM_THREADS,
                   OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and BLIS_NUM_THREADS
{variables}

Exit status: 0 on success (including a closed output pipe), 1 on failure, 2 on misuse, 130 if interrupted
(129 and 143 by SIGHUP and SIGTERM).

Examples:
  cke doctor                           what this machine can do
  cke generate \"A vector is\"          text from the demo model, which knows only Rust's documentation
  cke chat --model model.gguf          a conversation with your own model"
    )
}

/// What the help of a command that runs kernels ends with: its own part, and the environment.
pub(crate) fn command_help(own: &str) -> String {
    let variables = variables();
    format!("{own}\n\nEnvironment (other variables are listed with their flags):\n{variables}")
}
