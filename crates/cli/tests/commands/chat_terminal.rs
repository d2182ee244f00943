//! `cke chat` in a terminal: keys and signals.
#![cfg(unix)]

use crate::support::{arg, chat_llama, command, send, talkative_llama, wait};
use cke_testkit::tiny_models::ModelDir;
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A chat in a terminal; what it says beside the answers goes to a pipe.
struct TerminalChat {
    child: Child,
    keyboard: File,
    /// What appears on the screen.
    shown: Receiver<u8>,
    /// The child's side.
    terminal: OwnedFd,
}

impl TerminalChat {
    /// One that edits its first line.
    fn begin(model: &ModelDir) -> TerminalChat {
        let pty = nix::pty::openpty(None, None).expect("a terminal");
        let mut command = command(&["chat", "-q", "-m", arg(model.path())]);
        let side = || pty.slave.try_clone().expect("a side of the terminal");
        command.env("TERM", "xterm").stdin(side()).stdout(side()).stderr(Stdio::piped());
        let child = command.spawn().expect("cke starts");
        let keyboard = File::from(pty.master);
        let screen = BufReader::new(keyboard.try_clone().expect("a terminal has two directions"));
        let (sender, shown) = channel();
        thread::spawn(move || screen.bytes().map_while(Result::ok).try_for_each(|byte| sender.send(byte)));
        let chat = TerminalChat { child, keyboard, shown, terminal: pty.slave };
        // The editor forgets what is typed before its prompt.
        chat.await_screen(|text| text.ends_with(b"> "));
        chat
    }

    fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal with room");
    }

    /// Waits until what is shown from now on is as it should be.
    #[track_caller]
    fn await_screen(&self, is_there: impl Fn(&[u8]) -> bool) {
        let mut text = Vec::new();
        while !is_there(&text) {
            text.push(self.shown.recv_timeout(PATIENCE).expect("more on the screen"));
        }
    }

    /// Waits for the prompt of another line.
    #[track_caller]
    fn await_prompt(&self) {
        self.await_screen(|text| text.contains(&b'\n') && text.ends_with(b"> "));
    }

    /// Waits until the terminal hands lines over and echoes what is typed, as shells leave it, or does not.
    fn await_cooked(&self, wanted: bool) {
        let started = Instant::now();
        while self.is_cooked() != wanted {
            assert!(started.elapsed() < PATIENCE, "the settings of the terminal stay");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.terminal).expect("settings of a terminal").local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    /// How it ended, and what it said.
    fn end(mut self) -> (ExitStatus, String) {
        let (status, mut said) = (wait(&mut self.child), String::new());
        self.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert!(self.is_cooked(), "{said}");
        (status, said)
    }
}

#[test]
fn chat_is_left_by_ctrl_c_only_if_nothing_was_typed() {
    let model = chat_llama();
    let mut chat = TerminalChat::begin(&model);
    // Ctrl-C on an empty line, on one with a text, and on an empty one again; then a command, and Ctrl-D.
    for keys in ["\x03", "abc\x03", "\x03", "/stats\r"] {
        chat.type_keys(keys);
        chat.await_prompt();
    }
    chat.type_keys("\x04");
    let (status, said) = chat.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("press Ctrl-C again").count(), 2, "{said}");
    assert!(said.contains("conversation: 0 messages"), "{said}");
}

#[test]
fn signals_at_the_prompt_of_a_chat_leave_the_terminal_as_it_was() {
    let model = chat_llama();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let chat = TerminalChat::begin(&model);
        chat.await_cooked(false);
        send(signal, &chat.child);
        assert_eq!(chat.end().0.code(), Some(code));
    }
}

#[test]
fn ctrl_c_stops_an_answer_and_termination_the_chat() {
    let model = talkative_llama();
    let mut chat = TerminalChat::begin(&model);
    for signal in ["INT", "INT", "TERM"] {
        chat.type_keys("Hi\r");
        chat.await_cooked(true);
        // More than the echo of the question.
        chat.await_screen(|text| text.len() >= 100);
        send(signal, &chat.child);
        if signal == "INT" {
            chat.await_prompt();
        }
    }
    assert_eq!(chat.end().0.code(), Some(143));
}
