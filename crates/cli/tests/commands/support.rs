//! Starting `cke`, and files for it.

use cke_testkit::program::words;
use cke_testkit::tiny_models::{Gpt2, Llama, ModelDir};
use cke_testkit::{GgufLlama, GgufValue};
use serde_json::Value;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command that runs longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts success, and gives standard output.
    #[track_caller]
    pub(crate) fn success(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// Asserts success, and gives standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.success()).expect("standard output is one JSON document")
    }

    /// Asserts that it failed with this status, wrote no result, and said why in a line or two that hold `parts`.
    #[track_caller]
    pub(crate) fn failure(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        // clap's messages go on with usage and a pointer to --help.
        let lines = self.stderr.lines().count();
        assert!(lines <= 2 || self.stderr.contains("try '--help'"), "{lines} lines: {self:?}");
        parts.iter().for_each(|part| assert!(self.stderr.contains(part), "no {part:?} in {self:?}"));
    }
}

/// The variables that set the number of threads, in their order.
pub(crate) const THREAD_VARIABLES: [&str; 5] =
    ["CKE_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"];

/// `cke` with these arguments, without the caller's model and threads.
pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = cke_testkit::program::program(env!("CARGO_BIN_EXE_cke"));
    forget_settings(&mut command).args(args);
    command
}

/// Takes the caller's model and number of threads out of the environment of a command.
pub(crate) fn forget_settings(command: &mut Command) -> &mut Command {
    THREAD_VARIABLES.iter().fold(command.env_remove("CKE_MODEL"), |command, variable| command.env_remove(variable))
}

/// `cke` with these arguments, after a line of the shell such as `ulimit -v 100000`.
#[cfg(target_os = "linux")]
pub(crate) fn command_within<S: AsRef<std::ffi::OsStr>>(limits: &str, args: &[S]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("{limits}; exec \"$@\"");
    forget_settings(&mut shell).args(["-c", &script, "sh"]).args(words(env!("CARGO_BIN_EXE_cke"))).args(args);
    shell
}

/// Limits files to this many blocks of 512 bytes. What would make one larger is refused, as on a full disk.
#[cfg(target_os = "linux")]
pub(crate) fn file_limit(blocks: usize) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}")
}

/// Runs `cke` with nothing on standard input.
pub(crate) fn cke<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Outcome {
    run(command(args), b"")
}

/// As [`cke`], with one thread unless a flag says otherwise.
pub(crate) fn with_one_thread(args: &[&str]) -> Outcome {
    let mut command = command(args);
    command.env("CKE_NUM_THREADS", "1");
    run(command, b"")
}

/// Runs a command with these bytes on standard input.
pub(crate) fn run(mut command: Command, stdin: &[u8]) -> Outcome {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cke starts");
    let mut pipe = child.stdin.take().expect("standard input is a pipe");
    let bytes = stdin.to_owned();
    // A command that fails early does not read its input.
    thread::spawn(move || pipe.write_all(&bytes));
    let stdout = collect(child.stdout.take().expect("standard output is a pipe"));
    let stderr = collect(child.stderr.take().expect("standard error is a pipe"));
    let status = wait(&mut child);
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8(reader.join().expect("a reader ends")).expect("cke writes UTF-8")
    };
    Outcome { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Waits for the end of a child, but not for ever.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a child can be killed");
    panic!("cke still ran after {PATIENCE:?}");
}

/// A tiny GPT-2 with a tokenizer of bytes and a context of 40 tokens.
pub(crate) fn byte_gpt2() -> ModelDir {
    Gpt2 { vocabulary: 260, ..Gpt2::default() }.write().expect("a model can be written")
}

/// A tiny Llama with a tokenizer of bytes, the chat template of [`Llama::CHAT_ML`] and a context of 400 tokens.
pub(crate) fn chat_llama() -> ModelDir {
    Llama::default().write().expect("a model can be written")
}

/// A tiny Llama with a context of 100,000 tokens that ends no answer.
#[cfg(unix)]
pub(crate) fn talkative_llama() -> ModelDir {
    let model = Llama { context: 100_000, ..Llama::default() }.write().expect("a model can be written");
    let suppressed = format!(r#"{{"suppress_tokens":[{}]}}"#, Llama::TURN_END);
    model.replace("generation_config.json", suppressed).expect("a model can be changed");
    model
}

/// Sends a signal to a process that has not been waited for.
#[cfg(unix)]
pub(crate) fn send(signal: &str, child: &std::process::Child) {
    let script = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &script]).status().expect("there is a shell").success());
}

/// A tiny Llama as a GGUF file `m.gguf`, with a tokenizer of bytes and this chat template, in a new directory.
pub(crate) fn chat_gguf(template: &str) -> (tempfile::TempDir, PathBuf) {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>", "▁"].map(str::to_owned).into();
    let (control, bytes) = ([2, 3, 3, 1], (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(bytes);
    let types = control.into_iter().chain([6; 256]).collect();
    let file = GgufLlama { vocabulary: tokens.len() as u64, ..GgufLlama::default() }.gguf();
    let file = file
        .key("tokenizer.ggml.model", "llama")
        .key("tokenizer.ggml.scores", GgufValue::F32s(vec![0.0; tokens.len()]))
        .key("tokenizer.ggml.token_type", GgufValue::I32s(types))
        .key("tokenizer.ggml.tokens", GgufValue::Texts(tokens))
        .key("tokenizer.ggml.unknown_token_id", 0u32)
        .key("tokenizer.chat_template", template);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, file.bytes()).expect("a file can be written");
    (dir, path)
}

/// A model of the golden files.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden").join(name)
}

/// A tensor of integers among the expected outputs of a golden model.
pub(crate) fn golden_ids(model: &str, tensor: &str) -> Vec<u32> {
    let numbers = golden_bytes(model, tensor);
    numbers.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as u32).collect()
}

/// A tensor of f32 among the expected outputs of a golden model.
pub(crate) fn golden_floats(model: &str, tensor: &str) -> Vec<f32> {
    let numbers = golden_bytes(model, tensor);
    numbers.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn golden_bytes(model: &str, tensor: &str) -> Vec<u8> {
    let file = std::fs::read(golden(model).join("golden.safetensors")).expect("golden files are in the repository");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("golden files are intact");
    tensors.tensor(tensor).expect("the tensor is in the golden file").data().to_owned()
}

/// A file with this content, gone when dropped.
pub(crate) fn file(suffix: &str, content: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a file can be made");
    std::fs::write(file.path(), content).expect("a file can be written");
    file
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().expect("temporary files have names in UTF-8")
}

/// The keys of a JSON object, sorted.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
