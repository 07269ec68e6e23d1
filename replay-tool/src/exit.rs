//! What became of a run: one exit code and, unless all is well, one sentence.

use std::io;
use std::process::ExitCode;

/// The documented exit codes; scripts may depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was as it should be.
    Fine,
    /// Something wrong was found: damage, another log than was signed, a proof that proves nothing, a
    /// scenario or a case that fails, or a file that is not imported.
    Found,
    /// The command line is wrong.
    Usage,
    /// The source, or what it is to be compared with, cannot be opened, reached or believed.
    Source,
    /// What was asked for is not there.
    NotFound,
}

impl Exit {
    /// The number the operating system gets.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Source => 3,
            Self::NotFound => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a run ended early. The text is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Stored data is damaged.
    #[error("{0}")]
    Damage(String),
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The source, or what it is to be compared with, cannot be opened, reached or believed.
    #[error("{0}")]
    Source(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}; check the disk or the pipe")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code; a reader who has seen enough is no failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Damage(_) => Exit::Found,
            Self::Usage(_) => Exit::Usage,
            Self::NotFound(_) => Exit::NotFound,
            Self::Output(err) if err.kind() == io::ErrorKind::BrokenPipe => Exit::Fine,
            Self::Source(_) | Self::Output(_) => Exit::Source,
        }
    }
}
