//! What can be set from outside: flags, and the environment where a flag is missing.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::Uri;
use axum::http::uri::Authority;
use chrono::{DateTime, Utc};
use clap::{Parser, ValueEnum};
use ledger_core::folder::ClockKind;

/// Largest JSON body of one command, in bytes: far above any command that makes sense.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Largest catalogue accepted, in bytes: some ten thousand offers.
pub const CATALOGUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest price list or offer matrix accepted, in bytes: some hundred thousand rows.
pub const PRICE_LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest line of a bulk request, in bytes.
pub const BULK_LINE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Entries of a list when the caller names no limit.
pub const LIMIT_DEFAULT: u32 = 50;

/// Most entries of a list.
pub const LIMIT_MAX: u32 = 500;

/// How long a read waits for the views to reach `min_position`.
pub const VIEWS_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  command-api --demo                                  try it with two years of example data
  command-api --data /srv/ledger --listen 0.0.0.0:8080
  command-api --data /srv/ledger --nats nats://127.0.0.1:4222
  command-api --data /srv/ledger --backups /mnt/backups
  command-api --data ./training --clock simulated --clock-start 2026-01-01T00:00:00Z \\
              --catalogue catalogue.toml";

/// The subscription ledger: HTTP interface, scheduler and dashboard.
#[derive(Clone, Debug, Parser)]
#[command(name = "command-api", version, about, before_help = EXAMPLES)]
pub struct Config {
    /// Data folder; made when missing. Default: ./ledger-data, with --demo ./ledger-data-demo.
    #[arg(long, env = "LEDGER_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Address to listen on; port 0 takes any free one.
    #[arg(long, env = "LEDGER_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Clock that dates the commits. An existing folder keeps its own; a new one gets the real one.
    #[arg(long, env = "LEDGER_CLOCK", value_enum)]
    pub clock: Option<ClockChoice>,

    /// Where a simulated clock starts, only for a new data folder. Default: now.
    #[arg(long, env = "LEDGER_CLOCK_START", value_name = "INSTANT")]
    pub clock_start: Option<DateTime<Utc>>,

    /// NATS server to publish to, of scheme nats or tls; without it nothing is published. User and
    /// password do not belong here.
    #[arg(long, env = "LEDGER_NATS", value_name = "URL", value_parser = nats_url)]
    pub nats: Option<String>,

    /// Name of this ledger in published events: letters, digits, '-', '_' and '.'.
    #[arg(long, env = "LEDGER_NATS_NAME", value_name = "NAME", default_value = "ledger",
        value_parser = nats_name)]
    pub nats_name: String,

    /// File with the credentials of a NATS user.
    #[arg(long, env = "LEDGER_NATS_CREDENTIALS", value_name = "FILE", requires = "nats")]
    pub nats_credentials: Option<PathBuf>,

    /// Minutes between two signed checkpoints of the log while it grows.
    #[arg(long, env = "LEDGER_CHECKPOINT_EVERY", value_name = "MINUTES", default_value = "10",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub checkpoint_every: u16,

    /// Folder in which POST /v1/backups makes backups, outside of the data folder, best on another
    /// disk; without it no backup is made while the ledger runs.
    #[arg(long, env = "LEDGER_BACKUPS", value_name = "DIR")]
    pub backups: Option<PathBuf>,

    /// Loads two years of example data into a new folder, on a simulated clock.
    #[arg(long, env = "LEDGER_DEMO")]
    pub demo: bool,

    /// Catalogue to import at start unless it is the last one imported (.toml or .json).
    #[arg(long, env = "LEDGER_CATALOGUE", value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

/// Which clock to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClockChoice {
    /// The machine's clock.
    Real,
    /// A clock that moves only by POST /v1/clock.
    Simulated,
}

/// Flags that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The demo's story has its own dates.
    #[error("--demo comes with a simulated clock of its own: leave --clock and --clock-start out")]
    DemoClock,
    /// Only a simulated clock can be told where to start.
    #[error("--clock-start goes with --clock simulated only")]
    StartOfRealClock,
}

impl Config {
    /// Checks what a single flag cannot tell.
    ///
    /// # Errors
    ///
    /// [`UsageError`] names the flags that do not go together.
    pub fn check(&self) -> Result<(), UsageError> {
        let is_simulated = self.clock == Some(ClockChoice::Simulated);
        if self.demo && (self.clock == Some(ClockChoice::Real) || self.clock_start.is_some()) {
            return Err(UsageError::DemoClock);
        }
        if self.clock_start.is_some() && !is_simulated {
            return Err(UsageError::StartOfRealClock);
        }
        Ok(())
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        let default = if self.demo { "ledger-data-demo" } else { "ledger-data" };
        self.data.clone().unwrap_or_else(|| PathBuf::from(default))
    }

    /// The kind of clock asked for; `None` leaves it to the folder, or to a new one's default.
    #[must_use]
    pub fn clock_kind(&self) -> Option<ClockKind> {
        match self.clock {
            Some(ClockChoice::Simulated) => Some(ClockKind::Simulated),
            Some(ClockChoice::Real) => Some(ClockKind::Real),
            None => self.demo.then_some(ClockKind::Simulated),
        }
    }
}

/// Accepts an address without user and password: flags show up in process lists.
fn nats_url(text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err("leave user and password out, and use --nats-credentials".to_owned());
    }
    if text.trim().is_empty() {
        return Err("the address is empty".to_owned());
    }
    let wrong = "write nats://HOST or tls://HOST, with :PORT if it is not 4222";
    let address: Uri = text.parse().map_err(|_| wrong.to_owned())?;
    let is_scheme = matches!(address.scheme_str(), Some("nats" | "tls"));
    let is_bare = matches!(address.path(), "" | "/") && address.query().is_none();
    if !is_scheme || !is_bare || !address.authority().is_some_and(is_host) {
        return Err(wrong.to_owned());
    }
    Ok(text.to_owned())
}

/// Whether it is a host, with a port or without.
fn is_host(authority: &Authority) -> bool {
    let host = authority.host();
    let with_port = authority.port_u16().map(|port| format!("{host}:{port}"));
    !host.is_empty()
        && (authority.as_str() == host || with_port.as_deref() == Some(authority.as_str()))
}

/// Accepts what can be part of a published event's source.
fn nats_name(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(is_allowed) {
        return Err("use letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["command-api"], args].concat())
    }

    #[test]
    fn the_demo_has_a_folder_and_a_clock_of_its_own() {
        let config = parse(&["--demo"]).unwrap();
        assert_eq!(config.data(), PathBuf::from("ledger-data-demo"));
        assert_eq!(config.clock_kind(), Some(ClockKind::Simulated));
        assert_eq!(parse(&[]).unwrap().clock_kind(), None);
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let check = |args: &[&str]| parse(args).unwrap().check();
        assert_eq!(check(&["--demo", "--clock", "real"]), Err(UsageError::DemoClock));
        let start = ["--clock-start", "2026-01-01T00:00:00Z"];
        assert_eq!(check(&start), Err(UsageError::StartOfRealClock));
        assert_eq!(check(&[&start[..], &["--clock", "simulated"]].concat()), Ok(()));
    }

    #[test]
    fn a_password_in_the_address_is_refused() {
        assert!(parse(&["--nats", "nats://user:secret@host"]).is_err());
        assert!(parse(&["--nats", "nats://host:4222"]).is_ok());
    }

    #[test]
    fn an_address_or_a_name_that_nats_would_refuse_is_refused_at_once() {
        for wrong in [
            "",
            " ",
            "host",
            "host:4222",
            "http://host",
            "ws://host",
            "nats://",
            "nats://:4222",
            "nats://host:",
            "nats://host:x",
            "nats://host:99999",
            "nats://host/path",
            "nats://a b",
            "nats://a:1,nats://b:1",
            "nats://host?x=1",
        ] {
            let err = parse(&["--nats", wrong]).unwrap_err();
            assert_eq!(err.exit_code(), 2, "{wrong}");
        }
        for right in
            ["nats://host", "tls://host:4222", "nats://127.0.0.1:4222/", "nats://[::1]:4222"]
        {
            assert!(parse(&["--nats", right]).is_ok(), "{right}");
        }
        for wrong in ["", "a b", "a/b", "é"] {
            assert_eq!(parse(&["--nats-name", wrong]).unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert!(parse(&["--nats-name", "eu-1.prod_b"]).is_ok());
    }

    #[test]
    fn the_help_opens_with_examples() {
        use clap::CommandFactory;
        let help = Config::command().render_help().to_string();
        assert!(help.starts_with("Examples:"), "{help}");
    }
}
