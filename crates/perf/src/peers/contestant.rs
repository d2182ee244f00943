//! A contestant's process, seen from outside.

use super::accuracy::Sample;
use super::dtype::Dtype;
use super::library::Library;
use super::product::Product;
use super::protocol::{Answer, Prepared, Request, Timed};
use super::turn;
use super::{Entrant, Settings, Subject};
use crate::counters::Counts;
use cke_kernels::cores::THREAD_VARIABLES;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// Why a contest cannot be held, or a contestant not take part.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No process could be started.
    #[error("{program} cannot be started: {source}", program = program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A contestant's process ended.
    #[error("{name}: its process ended with {status}")]
    Ended {
        /// The contestant.
        name: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A contestant's process answered something else.
    #[error("{name}: wanted an answer, found {found:?}")]
    Answer {
        /// The contestant.
        name: String,
        /// What it said.
        found: String,
    },
    /// A contestant cannot do what it was asked.
    #[error("{name}: {reason}")]
    Refused {
        /// The contestant.
        name: String,
        /// Why.
        reason: String,
    },
}

/// How to start a contestant's process: a program and arguments that lead to [`serve_process`](super::worker::serve_process).
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    arguments: Vec<OsString>,
    library_variables: Vec<(&'static str, &'static str)>,
}

impl Launcher {
    /// Starts `program` with these arguments.
    pub fn new<A: Into<OsString>>(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Launcher {
        Launcher {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            library_variables: Vec::new(),
        }
    }

    /// Sets environment variables for the processes of libraries, in place of the values that this process has.
    #[must_use]
    pub fn with_library_variables(mut self, variables: &[(&'static str, &'static str)]) -> Launcher {
        self.library_variables.extend_from_slice(variables);
        self
    }

    /// The command for a process with this number of threads. The loader finds the files next to a library.
    fn command(&self, threads: usize, subject: Option<&Subject>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(THREAD_VARIABLES.map(|variable| (variable, threads.to_string())));
        // It would change the width of the integers of MKL's functions.
        command.env_remove("MKL_INTERFACE_LAYER");
        if let Some(Subject::Library(path)) = subject {
            command.env("LD_LIBRARY_PATH", library_path(path)).envs(self.library_variables.iter().copied());
        }
        command
    }
}

/// `LD_LIBRARY_PATH` with the directory of `library` behind what it has already.
fn library_path(library: &Path) -> OsString {
    let mut paths = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    if let Some(directory) = library.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        if !paths.is_empty() {
            paths.push(":");
        }
        paths.push(directory);
    }
    paths
}

/// A running process. It is stopped except while it works on a request, and killed when dropped.
#[derive(Debug)]
pub(super) struct ContestantProcess {
    name: String,
    child: Child,
    /// `None` once the process has ended.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Whether what a library prints is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chatter {
    Shown,
    Hidden,
}

impl ContestantProcess {
    /// Starts a process that is nothing yet.
    pub(super) fn spawn(
        launcher: &Launcher,
        name: &str,
        threads: usize,
        subject: Option<&Subject>,
        chatter: Chatter,
    ) -> Result<ContestantProcess, PeerError> {
        let mut command = launcher.command(threads, subject);
        if chatter == Chatter::Hidden {
            command.stderr(Stdio::null());
        }
        let failed = |source| PeerError::Start { program: launcher.program.clone(), source };
        let mut child = command.spawn().map_err(failed)?;
        let (requests, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(ContestantProcess { name: name.to_owned(), child, requests, answers: BufReader::new(answers) })
    }

    /// Starts an entrant.
    pub(super) fn open(
        launcher: &Launcher,
        entrant: &Entrant,
        settings: Settings,
        cpu: Option<usize>,
        chatter: Chatter,
    ) -> Result<(ContestantProcess, Option<Library>), PeerError> {
        let Entrant { name, subject } = entrant;
        let mut contestant = ContestantProcess::spawn(launcher, name, settings.threads, Some(subject), chatter)?;
        contestant.bind(cpu)?;
        let library = contestant.become_contestant(subject, settings)?;
        Ok((contestant, library))
    }

    /// As [`ContestantProcess::open`], with hardware counters, for [`ContestantProcess::count`].
    pub(super) fn open_counted(
        launcher: &Launcher,
        entrant: &Entrant,
        settings: Settings,
        cpu: Option<usize>,
    ) -> Result<ContestantProcess, PeerError> {
        let Entrant { name, subject } = entrant;
        // What it prints was seen when it was timed.
        let mut contestant =
            ContestantProcess::spawn(launcher, name, settings.threads, Some(subject), Chatter::Hidden)?;
        contestant.bind(cpu)?;
        contestant.expect_done(&Request::OpenCounters)?;
        contestant.become_contestant(subject, settings)?;
        Ok(contestant)
    }

    fn become_contestant(&mut self, subject: &Subject, settings: Settings) -> Result<Option<Library>, PeerError> {
        let Settings { dtype, threads, weights, .. } = settings;
        match self.ask(&Request::Open { subject: subject.clone(), dtype, threads, weights })? {
            Answer::Opened(library) => Ok(library),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Binds it to a CPU, before it starts threads.
    pub(super) fn bind(&mut self, cpu: Option<usize>) -> Result<(), PeerError> {
        cpu.map_or(Ok(()), |cpu| self.expect_done(&Request::Bind { cpu }))
    }

    fn expect_done(&mut self, request: &Request) -> Result<(), PeerError> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has a product computed and checked.
    pub(super) fn prepare(&mut self, product: Product) -> Result<Prepared, PeerError> {
        match self.ask(&Request::Prepare(product))? {
            Answer::Prepared(prepared) => Ok(prepared),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has the last product checked.
    pub(super) fn check(&mut self) -> Result<Option<f64>, PeerError> {
        match self.ask(&Request::Check)? {
            Answer::Checked { error } => Ok(error),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has a sample computed: the elements of C.
    pub(super) fn compute(&mut self, sample: Sample) -> Result<impl Iterator<Item = f64>, PeerError> {
        match self.ask(&Request::Compute(sample))? {
            Answer::Computed { bits } => Ok(bits.into_iter().map(f64::from_bits)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// What calls take.
    pub(super) fn time(&mut self, seconds: f64) -> Result<Timed, PeerError> {
        match self.ask(&Request::Time { seconds })? {
            Answer::Timed(timed) => Ok(timed),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The events of one call.
    pub(super) fn count(&mut self, seconds: f64) -> Result<Counts, PeerError> {
        match self.ask(&Request::Count { seconds })? {
            Answer::Counted(counts) => Ok(counts),
            other => Err(self.unexpected(&other)),
        }
    }

    /// GFLOP/s of the machine.
    pub(super) fn peak(&mut self, dtype: Dtype, threads: usize) -> Result<f64, PeerError> {
        match self.ask(&Request::Peak { dtype, threads })? {
            Answer::Peak { gflops } => Ok(gflops),
            other => Err(self.unexpected(&other)),
        }
    }

    /// GB/s of the machine.
    pub(super) fn bandwidth(&mut self, threads: usize) -> Result<f64, PeerError> {
        match self.ask(&Request::Bandwidth { threads })? {
            Answer::Bandwidth { gb_per_s } => Ok(gb_per_s),
            other => Err(self.unexpected(&other)),
        }
    }

    /// GB/s of the machine from a working set of `bytes_per_thread`.
    pub(super) fn working_set(&mut self, threads: usize, bytes_per_thread: usize) -> Result<f64, PeerError> {
        match self.ask(&Request::WorkingSet { threads, bytes_per_thread })? {
            Answer::Bandwidth { gb_per_s } => Ok(gb_per_s),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Lets the process work on one request.
    fn ask(&mut self, request: &Request) -> Result<Answer, PeerError> {
        turn::resume(&mut self.child);
        let line = self.exchange(request).unwrap_or_default();
        if line.is_empty() {
            return Err(self.ended());
        }
        turn::pause(&mut self.child);
        match serde_json::from_str(&line) {
            Ok(Answer::Failed { reason }) => Err(PeerError::Refused { name: self.name.clone(), reason }),
            Ok(answer) => Ok(answer),
            Err(_) => Err(PeerError::Answer { name: self.name.clone(), found: line }),
        }
    }

    /// The line that answers; an empty one if the process is gone.
    fn exchange(&mut self, request: &Request) -> io::Result<String> {
        let mut line = String::new();
        if let Some(requests) = &mut self.requests {
            let text = serde_json::to_string(request)? + "\n";
            requests.write_all(text.as_bytes())?;
            requests.flush()?;
            self.answers.read_line(&mut line)?;
        }
        Ok(line)
    }

    /// The process closed its end: it has ended, or will now.
    fn ended(&mut self) -> PeerError {
        self.requests = None;
        match self.child.wait() {
            Ok(status) => PeerError::Ended { name: self.name.clone(), status },
            Err(source) => PeerError::Refused { name: self.name.clone(), reason: source.to_string() },
        }
    }

    fn unexpected(&self, answer: &Answer) -> PeerError {
        PeerError::Answer { name: self.name.clone(), found: format!("{answer:?}") }
    }
}

impl Drop for ContestantProcess {
    fn drop(&mut self) {
        // It may be in the midst of a long product, and there is nothing in it to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
