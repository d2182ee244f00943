//! `cke deploy`.

mod board;
mod model_copy;
mod program;
mod remote;
mod smoke;

use self::board::Board;
use self::model_copy::ModelCopy;
use self::program::Program;
use self::remote::Remote;
use self::smoke::Smoke;
use crate::error::CliError;
use crate::model::ModelArgs;
use crate::output::{Output, note};
use crate::status_line::StatusLine;
use cke_perf::report::format_bytes;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Copies cke and a model to another machine over ssh, and tests them there
///
/// The machine needs 64-bit Linux on x86-64 or ARM, an ssh server and a shell with the usual commands; cke is one static file and needs
/// nothing else. The program is taken from --archive, else from target/dist (the output of tools/dist/build.sh), else it is this program,
/// if it is static and built for the machine's architecture. ssh asks for a password only once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeployArgs {
    /// The machine, as given to ssh
    #[arg(value_name = "USER@HOST", value_parser = host)]
    host: String,
    #[command(flatten)]
    model: ModelArgs,
    /// Archive of tools/dist/build.sh for the machine's architecture, or a cke program
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// Directory on the machine, relative to the user's home
    #[arg(long, value_name = "DIR", default_value = "cke", value_parser = directory)]
    dir: String,
    /// An option for ssh, passed as -o
    #[arg(long, value_name = "KEY=VALUE")]
    ssh_option: Vec<String>,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke deploy pi@raspberrypi.local
  cke deploy root@tda4vm --archive target/dist/cke-0.1.0-aarch64-linux.tar.gz
  cke deploy pi@raspberrypi.local --model gpt2-int8.cke
  cke deploy board --ssh-option Port=2222 --json | jq .doctor";

/// Bytes that are to be left on the machine's disk.
const SPARE_BYTES: u64 = 16 << 20;

pub(crate) fn run(args: DeployArgs) -> Result<(), CliError> {
    let say = |text: &str| {
        if !args.quiet {
            note(text);
        }
    };
    // What can fail here fails before anything is sent.
    let model = ModelCopy::find(&args.model)?;
    let remote = Remote::connect(&args.host, &args.ssh_option)?;
    let board = Board::look(&remote, &args.dir)?;
    say(&format!("{}: {} with Linux {}, {} free", args.host, board.machine, board.kernel, format_bytes(board.free)));
    let program = Program::find(args.archive.as_deref(), board.architecture()?)?;
    let needed = program.bytes.len() as u64 + model.as_ref().map_or(0, ModelCopy::bytes);
    board.check_space(needed + SPARE_BYTES, &args.dir)?;

    let started = Instant::now();
    remote.send(&args.dir, "cke", &mut program.bytes.as_slice(), program.bytes.len() as u64)?;
    remote
        .run(&format!("chmod 755 {}", remote::quoted(&format!("{}/cke", args.dir))))
        .map_err(|failure| CliError::Failed(format!("{}: cke cannot be made executable: {failure}", args.host)))?;
    if let Some(model) = &model {
        model.send(&remote, &args.dir)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    say(&format!("{} copied in {seconds:.1} s, cke from {}", format_bytes(needed), program.source));

    let status = StatusLine::new();
    status.show(&format!("running cke on {}", args.host));
    let smoke = Smoke::test(&remote, &args.dir, model.as_ref())?;
    drop(status);
    let report = Report {
        host: &args.host,
        directory: &board.directory,
        machine: &board.machine,
        kernel: &board.kernel,
        program: program.source,
        model: model.as_ref().map(|model| model.name.as_str()),
        bytes: needed,
        copy_seconds: seconds,
        smoke,
    };
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        output.tables(&report.to_text())?;
    }
    output.flush()
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report<'a> {
    host: &'a str,
    /// Where cke lies now.
    directory: &'a str,
    machine: &'a str,
    kernel: &'a str,
    /// Where the program was taken from.
    program: String,
    /// Name of the model in the directory; `null` for the demo model.
    model: Option<&'a str>,
    bytes: u64,
    copy_seconds: f64,
    #[serde(flatten)]
    smoke: Smoke,
}

impl Report<'_> {
    fn to_text(&self) -> String {
        let model = self.model.map(|name| format!(" --model {}", remote::quoted(name))).unwrap_or_default();
        let (command, trial) = self.smoke.command();
        let (cpu, directory) = (self.smoke.cpu_line(), remote::quoted(self.directory));
        format!("{cpu}\n{trial}\nTo go on: ssh {}, and there: cd {directory} && ./cke {command}{model}\n", self.host)
    }
}

/// What ssh takes for a machine: a word that does not begin like a flag.
fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("wanted a machine as given to ssh, such as pi@raspberrypi.local".to_owned());
    }
    Ok(text.to_owned())
}

/// A directory on the machine.
fn directory(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('-') || text.contains(char::is_control) {
        return Err("wanted a directory, which does not begin with a hyphen".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned() + if text.trim_end_matches('/').is_empty() { "/" } else { "" })
}
