//! What the program says: results on stdout, errors on stderr. Nothing else writes there but the log.

use std::error::Error;
use std::io::{self, Write};

use ledger_core::error::chain;

/// Writes one line to stdout. A closed stdout is no reason to stop serving.
pub fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes an error and all its causes as one sentence to stderr.
pub fn complain(err: &dyn Error) {
    let _ = writeln!(io::stderr().lock(), "command-api: {}.", chain(err));
}

/// The text as one word of a shell's command line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_text_as_one_word() {
        assert_eq!(quoted("ledger-data/tokens.toml"), "ledger-data/tokens.toml");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
