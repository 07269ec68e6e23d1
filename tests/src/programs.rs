//! The built programs and what they print.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What a finished program left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Path of a built program of this workspace; builds all of them first.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--workspace", "--bins", "--locked", "--quiet"]).current_dir(workspace);
    assert!(cargo.status().unwrap().success(), "the programs can be built");
    // This test lies in `target/PROFILE/deps`, the programs lie in `target/PROFILE`.
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// Runs a command to its end.
#[must_use]
pub fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|err| panic!("{command:?}: {err}"));
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `replay-tool` with arguments.
#[must_use]
pub fn replay_tool(args: &[&str]) -> Ran {
    run(Command::new(program("replay-tool")).args(args))
}
