//! The only place that writes: results to one stream, messages to the other.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// Results and messages of one run.
pub struct Output<'a> {
    results: &'a mut (dyn Write + Send),
    messages: &'a mut (dyn Write + Send),
    is_terminal: bool,
    percent_shown: Option<u64>,
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
        Self { results, messages, is_terminal, percent_shown: None }
    }

    /// One line of the result.
    ///
    /// # Errors
    ///
    /// The system's answer, a broken pipe included.
    pub fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.results, "{line}")
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

    /// How far long work has come; shown on a terminal only, once per percent.
    pub fn progress(&mut self, what: &str, done: u64, total: u64) {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        if !self.is_terminal || self.percent_shown == Some(percent) {
            return;
        }
        self.percent_shown = Some(percent);
        let _ = write!(self.messages, "\r{what} {percent} %");
        let _ = self.messages.flush();
    }

    /// Ends the progress line, if one was begun.
    pub fn progress_end(&mut self) {
        if self.percent_shown.take().is_some() {
            let _ = writeln!(self.messages);
        }
    }
}
