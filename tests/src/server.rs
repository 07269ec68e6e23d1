//! A running `command-api`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::programs::program;

/// A server process; ended with the test.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: PathBuf,
    url: String,
    /// What it printed until it was ready.
    pub banner: Vec<String>,
    stderr: Arc<Said>,
    readers: Vec<JoinHandle<()>>,
}

/// What it said on standard error, and that it said more.
#[derive(Debug, Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts a server on a data folder and a free port, and waits until it is ready.
    #[must_use]
    pub fn start(data: &Path, args: &[&str]) -> Self {
        match Self::try_start(data, args) {
            Ok(server) => server,
            Err(stderr) => panic!("the server did not start: {stderr}"),
        }
    }

    /// Starts a server with the offers and rules of the seeds, on the machine's clock.
    #[must_use]
    pub fn start_with_offers(data: &Path) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let catalogue = workspace.join("ledger-core/catalogues/seeds.toml");
        Self::start(data, &["--catalogue", catalogue.to_str().unwrap()])
    }

    /// The same as [`start`](Self::start); when the server ends before it is ready, what it said on standard error.
    ///
    /// # Errors
    ///
    /// Everything on standard error of a server that did not become ready.
    pub fn try_start(data: &Path, args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new(program("command-api"))
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::new(Said::default());
        let mut pipe = BufReader::new(child.stderr.take().unwrap());
        let kept = Arc::clone(&stderr);
        let mut readers = vec![std::thread::spawn(move || {
            let mut line = String::new();
            while pipe.read_line(&mut line).unwrap_or(0) != 0 {
                kept.text.lock().unwrap().push_str(&line);
                kept.more.notify_all();
                line.clear();
            }
        })];
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = Vec::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap_or(0) == 0 {
                child.wait().unwrap();
                readers.remove(0).join().unwrap();
                return Err(stderr.text.lock().unwrap().clone());
            }
            banner.push(line.trim_end().to_owned());
            if line.contains("ready") {
                break;
            }
        }
        readers.push(std::thread::spawn(move || {
            let mut rest = Vec::new();
            // What is printed later is not looked at, but the pipe must not fill up.
            let _ = stdout.read_to_end(&mut rest);
        }));
        let mut words = banner.iter().rev().flat_map(|line| line.split_whitespace());
        let url = words.find(|word| word.starts_with("http://")).unwrap();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { child, data: data.to_owned(), url, banner, stderr, readers })
    }

    /// `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where its tokens lie.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.data.join("tokens.toml")
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    /// Waits until it has said something on standard error.
    pub fn wait_for_stderr(&self, text: &str) {
        let said = self.stderr.text.lock().unwrap();
        let is_missing = |said: &mut String| !said.contains(text);
        let (said, late) =
            self.stderr.more.wait_timeout_while(said, Duration::from_mins(1), is_missing).unwrap();
        assert!(!late.timed_out(), "{text:?} is not said: {said}");
    }

    /// The first token of a role.
    #[must_use]
    pub fn token(&self, role: &str) -> String {
        let text = std::fs::read_to_string(self.tokens()).unwrap();
        let value = |line: &str, key: &str| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
        };
        text.split("[[token]]")
            .find(|entry| entry.lines().any(|line| value(line, "role").as_deref() == Some(role)))
            .and_then(|entry| entry.lines().find_map(|line| value(line, "token")))
            .unwrap_or_else(|| panic!("there is a token for {role}"))
    }

    /// Sends a request as the operator.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_send(method, path, headers, body).unwrap()
    }

    /// The same; the transport may fail, for a server that is killed meanwhile.
    ///
    /// # Errors
    ///
    /// What the HTTP client says.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let bearer = format!("Bearer {}", self.token("operator"));
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        request(&format!("{}{path}", self.url), method, &headers, body)
    }

    /// Posts a JSON body as the operator.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    /// Reads as the operator; fails unless the answer is 200.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], "");
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.json()
    }

    /// Sends the process a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.join();
    }

    /// Asks the process to stop, and waits; returns what it said on standard error.
    #[must_use]
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        self.join();
        let stderr = self.stderr();
        assert!(status.success(), "it stops in order: {status}, {stderr}");
        stderr
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one HTTP request.
///
/// # Errors
///
/// What the HTTP client says; an answer with an error status is an answer.
pub fn request(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_mins(1)))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if method == "POST" {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned()).map_err(|err| err.to_string())?;
    let mut answer = agent.run(request).map_err(|err| err.to_string())?;
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().map_err(|err| err.to_string())?;
    Ok(Answer { status, headers, text })
}
