//! What a line says: a question, or a command.

use std::path::PathBuf;

/// A line of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing but white space.
    Empty,
    Question(String),
    Command(Command),
    /// A command that is not, or not so; and why.
    Wrong(String),
}

/// Something else than a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Clear,
    Save(PathBuf),
    Load(PathBuf),
    Regenerate,
    /// Another system prompt, or none.
    System(Option<String>),
    Stats,
    Exit,
}

/// What `/help` prints.
pub(super) const HELP: &str = "\
/clear         forget the conversation but keep the system prompt
/regen         answer the last question again
/system TEXT   set the system prompt; without TEXT, remove it
/save FILE     write the conversation to a file, as JSON
/load FILE     continue the conversation of a file
/stats         tokens in the context, memory and speed
/help          this list
/exit          exit, as /quit, /bye and Ctrl-D do
A line that ends with \\ continues on the next line. Put a space before a question that begins with /.";

impl Line {
    /// Reads a line. One that begins with `/` is a command.
    pub(super) fn parse(line: &str) -> Line {
        if line.trim().is_empty() {
            return Line::Empty;
        }
        let Some(command) = line.strip_prefix('/') else { return Line::Question(line.trim().to_owned()) };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (name, rest.trim()) {
            ("save" | "load", "") => Line::Wrong(format!("/{name}: wanted the name of a file, found none")),
            ("save", file) => Line::Command(Command::Save(path_of(file))),
            ("load", file) => Line::Command(Command::Load(path_of(file))),
            ("system", text) => Line::Command(Command::System(Some(text.to_owned()).filter(|text| !text.is_empty()))),
            (name, "") => match plain(name) {
                Some(command) => Line::Command(command),
                None => Line::Wrong(unknown(name)),
            },
            (name, rest) if plain(name).is_some() => {
                Line::Wrong(format!("/{name}: wanted nothing after it, found `{rest}`"))
            }
            (name, _) => Line::Wrong(unknown(name)),
        }
    }
}

/// The file of a name, in which `~` stands for the user's own directory as in a shell.
fn path_of(name: &str) -> PathBuf {
    let in_home = if name == "~" { Some("") } else { name.strip_prefix("~/") };
    match (in_home, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => name.into(),
    }
}

/// The command of this name, if it is one that takes no argument.
fn plain(name: &str) -> Option<Command> {
    match name {
        "help" | "?" => Some(Command::Help),
        "clear" => Some(Command::Clear),
        "regen" => Some(Command::Regenerate),
        "stats" => Some(Command::Stats),
        "exit" | "quit" | "bye" => Some(Command::Exit),
        _ => None,
    }
}

fn unknown(name: &str) -> String {
    format!(
        "/{name}: wanted one of /clear, /regen, /system, /save, /load, /stats, /help and /exit; put a space before it to ask it as a question"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_a_question_unless_it_begins_with_a_slash() {
        assert_eq!(Line::parse(" \t"), Line::Empty);
        assert_eq!(Line::parse(" Who?\nI "), Line::Question("Who?\nI".to_owned()));
        assert_eq!(Line::parse(" /etc/passwd?"), Line::Question("/etc/passwd?".to_owned()));
        for (line, command) in [
            ("/help", Command::Help),
            ("/clear ", Command::Clear),
            ("/regen", Command::Regenerate),
            ("/stats", Command::Stats),
            ("/exit", Command::Exit),
            ("/quit", Command::Exit),
            ("/bye", Command::Exit),
            ("/save  my file.json", Command::Save("my file.json".into())),
            ("/load x", Command::Load("x".into())),
            ("/system Be brief.", Command::System(Some("Be brief.".to_owned()))),
            ("/system a\nb", Command::System(Some("a\nb".to_owned()))),
            ("/system", Command::System(None)),
        ] {
            assert_eq!(Line::parse(line), Line::Command(command), "{line}");
        }
        let Line::Command(Command::Save(path)) = Line::parse("/save ~/x.json") else { panic!("no command") };
        assert!(path.is_absolute() && path.ends_with("x.json"), "{path:?}");
    }

    #[test]
    fn unknown_or_incomplete_command_says_what_is_wanted() {
        for (line, part) in [
            ("/dance", "/dance: wanted one of /clear"),
            ("/etc/passwd is", "a space before it"),
            ("/", "wanted one of"),
            ("/save", "the name of a file"),
            ("/load ", "the name of a file"),
            ("/clear all", "found `all`"),
        ] {
            let Line::Wrong(message) = Line::parse(line) else { panic!("{line} is right") };
            assert!(message.contains(part), "{message}");
        }
        for name in ["/clear", "/regen", "/system", "/save", "/load", "/stats", "/help", "/exit"] {
            assert!(HELP.contains(name) && unknown("x").contains(name));
        }
    }
}
