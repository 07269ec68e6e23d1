//! The only place that writes: results to one stream, messages to the other.

use std::fmt;
use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Results and messages of one run.
pub struct Output<'a> {
    results: &'a mut (dyn Write + Send),
    messages: &'a mut (dyn Write + Send),
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("is_terminal", &self.is_terminal).finish_non_exhaustive()
    }
}

impl<'a> Output<'a> {
    /// Writes results and messages there; progress only when messages go to a terminal.
    pub fn new(
        results: &'a mut (dyn Write + Send),
        messages: &'a mut (dyn Write + Send),
        is_terminal: bool,
    ) -> Self {
        Self { results, messages, is_terminal, bar: None }
    }

    /// One line of the result.
    ///
    /// # Errors
    ///
    /// The system's answer, a broken pipe included.
    pub fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.results, "{line}")
    }

    /// Where results go, for what is written piece by piece.
    pub fn results(&mut self) -> &mut (dyn Write + Send) {
        self.results
    }

    /// One JSON value of the result, on one line.
    ///
    /// # Errors
    ///
    /// The system's answer, a broken pipe included.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.results, value)?;
        writeln!(self.results)
    }

    /// One line for the person at the keyboard. A message that cannot be written is lost.
    pub fn message(&mut self, line: impl fmt::Display) {
        let _ = writeln!(self.messages, "{line}");
    }

    /// How far long work has come: a bar, on a terminal only.
    pub fn progress(&mut self, what: &str, done: u64, total: u64) {
        if !self.is_terminal {
            return;
        }
        let bar = self.bar.get_or_insert_with(bar);
        bar.set_message(what.to_owned());
        bar.set_length(total);
        bar.set_position(done);
    }

    /// Ends the bar, if one was begun.
    pub fn progress_end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent} %, {eta} left");
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
