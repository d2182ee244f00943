//! Questions, commands and answers, one after another.

use super::advice::Advice;
use super::command::{Command, HELP, Line};
use super::display::{Display, Style};
use super::lines::Lines;
use super::report::{Record, print_notes, print_state, times};
use super::saved::save;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::language_model::LanguageModel;
use crate::output::{Output, note};
use crate::progress::Progress;
use crate::speed::{GenerateTimes, rates};
use cke_engine::chat::conversation::Conversation;
use cke_engine::chat::session::{Answer, ChatSession, Event};
use cke_engine::error::Error;
use cke_report::words::counted;
use std::ops::ControlFlow;

/// A conversation between the user and a model.
#[derive(Debug)]
pub(super) struct Dialogue<'a> {
    model: &'a LanguageModel,
    session: ChatSession<'a>,
    interrupt: &'a Interrupt,
    manner: Manner,
    output: Output,
    /// All answers so far.
    work: GenerateTimes,
    /// The seed of the last one.
    last_seed: Option<u64>,
}

/// How a dialogue is led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) style: Style,
    pub(super) is_quiet: bool,
    /// What to do if the context is full.
    pub(super) advice: Advice,
    /// The seed of the first answer.
    pub(super) seed: u64,
}

/// What is to be answered.
#[derive(Debug)]
enum Task {
    Question(String),
    /// The last question, again.
    Again,
}

impl<'a> Dialogue<'a> {
    /// A dialogue that has not begun.
    pub(super) fn new(
        model: &'a LanguageModel,
        mut session: ChatSession<'a>,
        interrupt: &'a Interrupt,
        manner: Manner,
    ) -> Dialogue<'a> {
        session.cancel_by(interrupt.cancellation());
        let (output, work) = (Output::new(), GenerateTimes::default());
        Dialogue { model, session, interrupt, manner, output, work, last_seed: None }
    }

    /// Talks with a person until the lines end; mistakes are reported, and the dialogue goes on.
    ///
    /// # Errors
    /// If lines cannot be read or answers not be written, or [`CliError::Interrupted`] by a signal other than Ctrl-C.
    pub(super) fn converse(&mut self, mut lines: Lines) -> Result<(), CliError> {
        while let Some(line) = self.next_line(&mut lines)? {
            match self.follow(&line) {
                Ok(ControlFlow::Continue(())) | Err(CliError::Interrupted(_)) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error @ (CliError::Output(_) | CliError::ClosedOutput)) => return Err(error),
                Err(error) => error.report(),
            }
        }
        Ok(())
    }

    /// Answers the lines of a script, which ends with the first mistake. Tells whether there were any.
    ///
    /// # Errors
    /// If anything fails, or [`CliError::Interrupted`].
    pub(super) fn obey_lines(&mut self, mut lines: Lines) -> Result<bool, CliError> {
        let mut has_lines = false;
        while let Some(line) = self.next_line(&mut lines)? {
            has_lines |= Line::parse(&line) != Line::Empty;
            if self.follow(&line)?.is_break() {
                break;
            }
        }
        Ok(has_lines)
    }

    /// Asks a question and writes the answer.
    ///
    /// # Errors
    /// If it cannot be answered, or [`CliError::Interrupted`].
    pub(super) fn ask(&mut self, question: String) -> Result<(), CliError> {
        self.answer(Task::Question(question))
    }

    /// Says on standard error how fast all answers were.
    pub(super) fn print_summary(&self) {
        note(&self.rates());
        note(&self.model.summary());
    }

    /// The next line; after a signal other than Ctrl-C there is none.
    fn next_line(&self, lines: &mut Lines) -> Result<Option<String>, CliError> {
        if self.interrupt.is_termination() { Err(self.interrupt.error()) } else { lines.next() }
    }

    /// Does what a line says, and tells whether to go on.
    fn follow(&mut self, line: &str) -> Result<ControlFlow<()>, CliError> {
        match Line::parse(line) {
            Line::Empty => {}
            Line::Question(question) => self.ask(question)?,
            Line::Command(Command::Exit) => return Ok(ControlFlow::Break(())),
            Line::Command(command) => self.obey(command)?,
            Line::Wrong(problem) => return Err(CliError::Misuse(problem)),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn obey(&mut self, command: Command) -> Result<(), CliError> {
        match command {
            Command::Help => note(HELP),
            Command::Clear => {
                self.session.clear();
                let kept = self.session.conversation().system().map_or("", |_| "; the system prompt stays");
                self.confirm(&format!("the conversation is cleared{kept}"));
            }
            Command::Save(path) => {
                let conversation = self.session.conversation();
                save(conversation, &path)?;
                let messages = counted(conversation.messages().len(), "message");
                self.confirm(&format!("{messages} written to {}", path.display()));
            }
            Command::Load(path) => {
                self.session.set_conversation(Conversation::load(&path)?);
                let messages = counted(self.session.conversation().messages().len(), "message");
                self.confirm(&format!("{messages} read from {}", path.display()));
            }
            Command::Regenerate => self.answer(Task::Again)?,
            Command::System(text) => {
                let is_none = text.is_none();
                self.session.set_system(text);
                self.confirm(if is_none { "no system prompt" } else { "the system prompt is set" });
            }
            Command::Stats => {
                print_state(self.model, &self.session);
                note(&format!("in this session: {}", self.rates()));
            }
            Command::Exit => {}
        }
        Ok(())
    }

    /// How fast all answers were, and how to get them again.
    fn rates(&self) -> String {
        let seed = self.manner.seed;
        let last = self.last_seed.filter(|&last| last != seed);
        let last = last.map_or(String::new(), |last| format!(" (of the last answer: {last})"));
        format!("{}; seed {seed}{last}", rates(&self.work))
    }

    /// Tells a person that something was done.
    fn confirm(&self, text: &str) {
        if !self.manner.is_quiet {
            note(text);
        }
    }

    /// Answers, and writes the answer.
    fn answer(&mut self, task: Task) -> Result<(), CliError> {
        let answer = self.stream(task)?;
        self.work.add(&times(&answer));
        self.last_seed = Some(answer.seed);
        if self.manner.style == Style::Json && !answer.is_empty() {
            self.output.json(&Record::new(&answer, self.session.dropped_turns(), self.model))?;
            self.output.flush()?;
        }
        if !self.manner.is_quiet {
            print_notes(&answer, &self.session, &self.manner.advice);
        }
        if answer.finish.is_none() { Err(self.interrupt.error()) } else { Ok(()) }
    }

    /// Makes an answer, and shows it while it grows.
    fn stream(&mut self, task: Task) -> Result<Answer, CliError> {
        let watch = self.interrupt.watch();
        let style = self.manner.style;
        let (mut display, mut progress, mut read) = (Display::new(style, self.last_seed.is_some()), None, 0);
        let (output, mut written) = (&mut self.output, Ok(()));
        // Of an answer that is printed when it is whole.
        let most = self.session.max_tokens().min(self.session.context());
        let answering = (style == Style::Json).then(|| Progress::of_answer(most));
        let mut listen = |event: Event<'_>| {
            match event {
                Event::Reading { done, total } => {
                    let bar = progress.get_or_insert_with(|| Progress::of_tokens(total));
                    bar.add((done - std::mem::replace(&mut read, done)) as u64);
                }
                Event::Token(pieces) => {
                    progress = None;
                    answering.iter().for_each(|bar| bar.add(1));
                    if written.is_ok() {
                        written = display.show(pieces, output);
                    }
                }
            }
            let goes_on = written.is_ok() && !watch.is_requested();
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let outcome = match task {
            Task::Question(question) => self.session.ask(question, &mut listen),
            Task::Again => self.session.regenerate(&mut listen),
        };
        drop((progress, answering));
        watch.forget_interrupt();
        written?;
        // An answer without a text is a line, too, and an error begins one.
        if outcome.as_ref().is_ok_and(|answer| !answer.is_empty()) || display.has_begun() {
            display.end(output)?;
        }
        outcome.map_err(|error| match error {
            Error::ConversationTooLong { .. } => {
                let advice = self.manner.advice.for_question(&self.session);
                CliError::Failed(format!("{error}: {advice}"))
            }
            error => CliError::from(error).naming(&self.model.info.name),
        })
    }
}
