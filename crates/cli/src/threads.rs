//! The number of threads: what `--threads` says, else the environment, else one for each core that the process may use.

use crate::error::CliError;
use crate::numbers;
use crate::output::note;
use cke_kernels::cores::{threads_from_environment, usable_cores};
use cke_kernels::threads::ThreadPool;
use cke_report::words::counted;

/// The project's own variable. Unlike those of other libraries it is for this program, so a value that is no number of threads is an error.
const OWN_VARIABLE: &str = "CKE_NUM_THREADS";

/// How many threads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ThreadArgs {
    /// Threads, 1 to 1024 [default: CKE_NUM_THREADS, or one per core available to the process]
    #[arg(short, long, value_name = "N", value_parser = numbers::threads, allow_negative_numbers = true)]
    threads: Option<usize>,
}

impl ThreadArgs {
    /// The number of threads.
    ///
    /// # Errors
    /// Returns [`CliError::Misuse`] if there is no flag and `CKE_NUM_THREADS` is not a number of threads.
    pub(crate) fn count(&self) -> Result<usize, CliError> {
        self.threads.map_or_else(default_count, Ok)
    }

    /// The number of threads to run with; if they are more than the CPUs, standard error says what to expect, unless it is to be quiet.
    ///
    /// # Errors
    /// As [`ThreadArgs::count`].
    pub(crate) fn count_to_run(&self, is_quiet: bool) -> Result<usize, CliError> {
        let count = self.count()?;
        if !is_quiet {
            warn_of(count);
        }
        Ok(count)
    }

    /// Whether the flag says so.
    pub(crate) fn is_given(&self) -> bool {
        self.threads.is_some()
    }
}

/// Says on standard error what to expect of more threads than CPUs.
fn warn_of(threads: usize) {
    if let Some(text) = warning(threads) {
        note(&text);
    }
}

/// What to expect of more threads than there are CPUs for them.
fn warning(threads: usize) -> Option<String> {
    // Not the default number of threads, which the environment may raise.
    let cpus = usable_cores();
    (threads > cpus).then(|| {
        let (threads, cpus) = (counted(threads, "thread"), counted(cpus, "CPU"));
        format!("warning: {threads} on {cpus}: more threads than CPUs are slower")
    })
}

/// Numbers of threads to measure with.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ThreadCountsArgs {
    /// Thread counts, 1 to 1024 [default: those of CKE_NUM_THREADS, or 1 and one per core available to the process]
    #[arg(short, long, value_name = "N,…", allow_negative_numbers = true, value_delimiter = ',')]
    #[arg(value_parser = numbers::threads)]
    threads: Option<Vec<usize>>,
}

impl ThreadCountsArgs {
    /// The numbers of threads to measure with; if one is more than the CPUs, standard error says what to expect.
    ///
    /// # Errors
    /// As [`ThreadArgs::count`].
    pub(crate) fn counts(&self) -> Result<Vec<usize>, CliError> {
        let counts = match &self.threads {
            Some(counts) => counts.clone(),
            None => counts_of_environment()?.unwrap_or_else(one_and_all),
        };
        if let Some(&most) = counts.iter().max() {
            warn_of(most);
        }
        Ok(counts)
    }
}

fn one_and_all() -> Vec<usize> {
    let mut counts = vec![1, ThreadPool::available()];
    counts.dedup();
    counts
}

/// The number of threads without a flag.
///
/// # Errors
/// As [`ThreadArgs::count`].
fn default_count() -> Result<usize, CliError> {
    let first = counts_of_environment()?.and_then(|counts| counts.into_iter().next());
    Ok(first.unwrap_or_else(ThreadPool::available))
}

/// The numbers of threads that the environment sets: all of `CKE_NUM_THREADS`, else the one that another library's variable limits
/// threads to.
///
/// # Errors
/// As [`ThreadArgs::count`].
fn counts_of_environment() -> Result<Option<Vec<usize>>, CliError> {
    let own = std::env::var_os(OWN_VARIABLE).filter(|value| !value.is_empty());
    match own {
        Some(value) => Ok(Some(parse(&value.to_string_lossy())?)),
        None => Ok(threads_from_environment().map(|limit| vec![limit.threads])),
    }
}

fn parse(value: &str) -> Result<Vec<usize>, CliError> {
    let counts = value.split(',').map(|count| numbers::threads(count.trim())).collect::<Result<_, _>>();
    counts.map_err(|wanted| {
        CliError::Misuse(format!("invalid value `{value}` of {OWN_VARIABLE}: {wanted}; --threads overrides it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_threads_than_cpus_are_warned_of() {
        let cpus = usable_cores();
        assert_eq!(warning(cpus), None);
        let warning = warning(cpus + 1).expect("too many");
        assert!(warning.starts_with(&format!("warning: {} threads on {cpus} CPU", cpus + 1)), "{warning}");
    }

    #[test]
    fn list_of_counts_is_read_whole_or_refused() {
        assert_eq!(parse("1, 2").expect("two counts"), [1, 2]);
        for value in ["0", "1,", "1,0", "1025", "all", " "] {
            let error = parse(value).expect_err("no counts").to_string();
            assert!(error.starts_with(&format!("invalid value `{value}` of CKE_NUM_THREADS: wanted")), "{error}");
        }
    }
}
