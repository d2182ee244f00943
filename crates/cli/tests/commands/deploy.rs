//! `cke deploy`, by an ssh that runs commands in a directory of this machine. `tools/dist/loopback.sh` has a real one.

#![cfg(unix)]

use crate::support::{Outcome, arg, byte_gpt2, command, golden, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// Makes the connection where `-N` asks for one, and otherwise runs its last argument.
const SSH: &str = r#"#!/bin/sh
for last; do :; done
socket= connects=
while [ $# -gt 0 ]; do
    case $1 in -S) socket=$2 && shift ;; -N) connects=1 ;; esac
    shift
done
if [ -n "$connects" ]; then
    [ -z "$FAILS" ] || { echo "ssh: Could not resolve hostname" >&2; exit 255; }
    : > "$socket"
    exec sleep 60
fi
cd "$BOARD" && PATH="$STUBS:$PATH" exec sh -c "$last"
"#;

/// A machine that is this one but for some commands.
struct Board {
    place: TempDir,
}

impl Board {
    fn new() -> Board {
        let place = tempfile::tempdir().expect("a directory");
        for folder in ["bin", "stubs", "home"] {
            fs::create_dir(place.path().join(folder)).expect("a directory can be made");
        }
        let board = Board { place };
        board.script("bin/ssh", SSH);
        board
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.place.path().join(name);
        fs::write(&path, text).expect("a script can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
    }

    /// With another command in place of one of the machine's.
    fn with(self, name: &str, script: &str) -> Board {
        self.script(&format!("stubs/{name}"), &format!("#!/bin/sh\n{script}\n"));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn deploy(&self, arguments: &[&str]) -> Outcome {
        self.deploy_in(&[], arguments)
    }

    fn deploy_in(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        let mut deploy = command(&[&["deploy", "me@board", "--quiet"], arguments].concat());
        let path = std::env::var("PATH").unwrap_or_default();
        deploy.env("PATH", format!("{}:{path}", self.path("bin").display()));
        deploy.env("BOARD", self.path("home")).env("STUBS", self.path("stubs"));
        deploy.envs(variables.iter().copied());
        run(deploy, b"")
    }

    /// Deploys the program under test.
    fn deploy_this(&self, arguments: &[&str]) -> Outcome {
        self.deploy(&[&["--archive", env!("CARGO_BIN_EXE_cke")], arguments].concat())
    }
}

#[test]
fn deploy_copies_the_program_and_tries_it() {
    let board = Board::new();
    let report = board.deploy_this(&["--json"]).json();
    assert_eq!((&report["host"], &report["model"]), (&"me@board".into(), &serde_json::Value::Null));
    assert_eq!(report["trial"]["tokens"].as_array().map(Vec::len), Some(8), "{report}");
    assert!(report["doctor"]["machine"]["isa_used"].is_string(), "{report}");
    let copied = fs::read(board.path("home/cke/cke")).expect("the program is there");
    assert!(copied == fs::read(env!("CARGO_BIN_EXE_cke")).expect("the program is here"));
    assert!(!board.path("home/cke/cke.part").exists());
}

#[test]
fn deploy_copies_models() {
    let board = Board::new();
    let model = byte_gpt2();
    fs::write(model.path().join("pytorch_model.bin"), "left behind").expect("a file can be written");
    let said = board.deploy_this(&["--dir", "it's here", "-m", arg(model.path())]);
    assert!(said.success().contains("./cke generate") && said.stderr.is_empty(), "{said:?}");
    let name = model.path().file_name().expect("a name");
    let there = board.path("home/it's here").join(name);
    assert!(there.join("config.json").is_file() && there.join("model.safetensors").is_file());
    assert!(!there.join("pytorch_model.bin").exists());
    let embedded = board.deploy_this(&["--json", "-m", arg(&golden("st-mean"))]);
    assert!(!embedded.json()["trial"].is_null() && embedded.stderr.is_empty(), "{embedded:?}");
}

#[test]
fn deploy_without_ssh_or_connection_says_so() {
    let board = Board::new();
    let empty = board.path("stubs");
    board.deploy_in(&[("PATH", arg(&empty))], &[]).failure(1, &["wanted the program ssh, found none"]);
    board.deploy_in(&[("FAILS", "1")], &[]).failure(1, &["me@board: ssh cannot connect", "Could not resolve hostname"]);
}

#[test]
fn deploy_names_what_is_wrong_with_the_machine() {
    let uname = |machine: &str, kernel: &str| {
        format!("case $1 in -s) echo Linux ;; -m) echo {machine} ;; -r) echo {kernel} ;; esac")
    };
    let on = |name: &str, script: &str| Board::new().with(name, script).deploy_this(&[]);
    on("uname", &uname("armv7l", "6.1.0")).failure(1, &["wanted x86_64 or aarch64, found armv7l", "32-bit"]);
    on("uname", &uname("aarch64", "3.18.2")).failure(1, &["wanted Linux 4.1 or later, found 3.18.2"]);
    on("uname", "echo Darwin").failure(1, &["wanted Linux, found Darwin"]);
    on("uname", "echo welcome; echo Linux").failure(1, &["wanted three lines of `uname`"]);
    on("df", "echo /dev/x 100 90 10 90% /").failure(1, &["free in cke, found 10 KiB", "--dir"]);
    on("mkdir", "echo read-only >&2; exit 1").failure(1, &["make the directory cke", "read-only"]);
}

#[test]
fn deploy_of_another_architecture_is_refused() {
    let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    let script = format!("case $1 in -s) echo Linux ;; -m) echo {other} ;; -r) echo 6.1 ;; esac");
    let own = std::env::consts::ARCH;
    let wanted = format!("wanted a program for {other}, found {own}");
    Board::new().with("uname", &script).deploy_this(&[]).failure(1, &[&wanted]);
    let nothing = Board::new().with("uname", &script);
    nothing.deploy(&[]).failure(1, &[&format!("wanted a static cke for {other}, found none"), "--archive"]);
}

#[test]
fn deploy_checks_that_all_arrives() {
    let cut = Board::new().with("cat", "head -c 1000");
    cut.deploy_this(&[]).failure(1, &["copying cke/cke: wanted", "bytes there, but found 1000"]);
    assert!(!cut.path("home/cke/cke").exists() && !cut.path("home/cke/cke.part").exists());
    Board::new()
        .with("cat", "echo No space left on device >&2; exit 1")
        .deploy_this(&[])
        .failure(1, &["No space left on device"]);
}

#[test]
fn deploy_says_which_trial_failed() {
    let board = Board::new().with("chmod", "exec /bin/chmod 644 \"$2\"");
    board.deploy_this(&[]).failure(1, &["./cke doctor", "noexec"]);
}

#[test]
fn deploy_refuses_what_is_no_program_or_archive() {
    let board = Board::new();
    let text = crate::support::file(".tar.gz", "hello");
    board.deploy(&["--archive", arg(text.path())]).failure(1, &["wanted an archive of tools/dist/build.sh"]);
    let broken = crate::support::file(".tar.gz", [0x1f, 0x8b, 8, 0]);
    board.deploy(&["--archive", arg(broken.path())]).failure(1, &["tar: "]);
    board.deploy(&["--archive", "/no/such/file"]).failure(1, &["/no/such/file"]);
    board.deploy(&["-m", "/no/such/model"]).failure(1, &["/no/such/model"]);
}

#[test]
fn deploy_to_what_is_no_machine_is_misuse() {
    for host in ["", "-oProxyCommand=true", "a b"] {
        run(command(&["deploy", "--", host]), b"").failure(2, &["wanted a machine as given to ssh"]);
    }
    run(command(&["deploy", "x", "--dir=-rf"]), b"").failure(2, &["--dir", "a hyphen"]);
}
