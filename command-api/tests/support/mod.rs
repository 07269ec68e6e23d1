//! A ledger in a temporary folder, asked through its router: no socket, no real clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use clap::Parser;
use command_api::config::Config;
use command_api::start::{Running, open};
use command_api::state::AppState;
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// Tokens of the test ledger: the role's name, repeated until it is long enough.
pub fn token(name: &str) -> String {
    format!("{name:-<40}")
}

const TOKENS: [(&str, &str, &str); 8] = [
    ("operator", "operator", ""),
    ("billing", "billing", ""),
    ("support", "support", ""),
    ("reseller-r", "reseller-admin", "reseller = \"r\""),
    ("reseller-q", "reseller-admin", "reseller = \"q\""),
    ("admin-acme", "customer-admin", "customer = \"acme\""),
    ("viewer-acme", "customer-viewer", "customer = \"acme\""),
    ("admin-other", "customer-admin", "customer = \"other\""),
];

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asserts that this is a problem as documented, and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str().unwrap()),
            (status, code),
            "{problem}"
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{code}"));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with('.') && detail.contains(' '), "no sentence: {detail}");
        assert!(!problem["title"].as_str().unwrap().is_empty());
        problem
    }

    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json()
    }
}

/// A ledger at work.
pub struct Server {
    pub running: Running,
    pub dir: TempDir,
}

/// One request to be sent.
pub struct Ask<'a> {
    server: &'a Server,
    request: axum::http::request::Builder,
    body: Body,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub fn raw(mut self, media_type: &str, body: impl Into<Body>) -> Self {
        self.request = self.request.header("content-type", media_type);
        self.body = body.into();
        self
    }

    /// Sends it without borrowing the server.
    pub fn send_owned(self) -> impl Future<Output = Answer> + use<> {
        let request = self.request.body(self.body).unwrap();
        answer(command_api::app(self.server.state()), request)
    }

    pub async fn send(self) -> Answer {
        self.send_owned().await
    }
}

impl Ask<'_> {
    /// Sends it and returns the body of the answer, none of which has been read.
    pub async fn send_unread(self) -> Body {
        let request = self.request.body(self.body).unwrap();
        command_api::app(self.server.state()).oneshot(request).await.unwrap().into_body()
    }
}

async fn answer(app: axum::Router, request: Request<Body>) -> Answer {
    let answer = app.oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

impl Server {
    /// An empty ledger on a simulated clock at 1 March 2026.
    pub async fn empty() -> Self {
        Self::start(TempDir::new().unwrap(), &["--clock-start", "2026-03-01T09:00:00Z"]).await
    }

    /// Starts on a folder, new or not.
    pub async fn start(dir: TempDir, more: &[&str]) -> Self {
        let data = dir.path().join("data");
        if !data.exists() {
            let made = DataFolder::open_or_create(&data, ClockKind::Simulated).unwrap();
            for dir in [made.log(), made.journal()] {
                SegmentLog::open(&dir, SegmentOptions::default()).unwrap().close().unwrap();
            }
            write_tokens(&data);
        }
        let args = ["command-api", "--data", data.to_str().unwrap(), "--clock", "simulated"];
        let config = Config::try_parse_from([&args, more].concat()).unwrap();
        Self { running: open(&config).await.unwrap(), dir }
    }

    /// A ledger with the seed catalogue and the customer `acme` of reseller `r`, that has
    /// `s1`: 10 seats of Office 365 E1 for a year. The views show it already.
    pub async fn with_acme() -> Self {
        let server = Self::empty().await;
        server.import().await;
        server.register("acme", "r").await.ok();
        server.purchase("acme", "s1").await.ok();
        let state = server.state();
        let last = state.ledger.log().durable_position();
        state.views.wait_for(last).await.unwrap();
        server
    }

    /// Stops, and starts again on the same folder.
    pub async fn restart(self) -> Self {
        let Self { running, dir } = self;
        running.stop().await.unwrap();
        Self::start(dir, &[]).await
    }

    pub fn state(&self) -> Arc<AppState> {
        Arc::clone(&self.running.state)
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let request = Request::builder().method(method).uri(path);
        Ask { server: self, request, body: Body::empty() }
    }

    pub fn by(&self, who: &str, method: &str, path: &str) -> Ask<'_> {
        self.ask(method, path).header("authorization", &format!("Bearer {}", token(who)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.by("operator", "GET", path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.by("operator", "POST", path).json(body).send().await
    }

    pub async fn import(&self) -> Answer {
        let toml = ledger_core::catalogue::SEEDS_TOML;
        let path = "/v1/catalogue?reason=first%20catalogue";
        self.by("operator", "POST", path).raw("application/toml", toml).send().await
    }

    pub async fn register(&self, customer: &str, reseller: &str) -> Answer {
        self.post("/v1/customers", &registration(customer, reseller)).await
    }

    pub async fn purchase(&self, customer: &str, subscription: &str) -> Answer {
        let body = json!({
            "reason": "first order", "subscription": subscription, "offer": "office-365-e1",
            "term": "P1Y", "billing": "annual", "quantity": 10
        });
        self.post(&format!("/v1/customers/{customer}/subscriptions"), &body).await
    }

    /// The whole log as the API gives it.
    pub async fn log(&self) -> Vec<Value> {
        self.get("/v1/log").await.lines()
    }

    /// Waits until the views have everything.
    pub async fn settle(&self) {
        let state = self.state();
        state.views.wait_for(state.ledger.log().durable_position()).await.unwrap();
    }
}

pub fn registration(customer: &str, reseller: &str) -> Value {
    json!({
        "reason": "contract signed", "customer": customer, "name": "Acme & Sons <b>",
        "programme": "cloud-cockpit", "reseller": reseller, "market": "FR", "currency": "EUR"
    })
}

pub fn seats(count: u32) -> Value {
    json!({ "reason": "three arrivals in Lyon", "seats": count })
}

pub fn write_tokens(data: &Path) {
    let entry = |(name, role, scope): (&str, &str, &str)| {
        let token = token(name);
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\n{scope}\ntoken = \"{token}\"\n")
    };
    let path = data.join("tokens.toml");
    fs::write(&path, TOKENS.map(entry).concat()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}
