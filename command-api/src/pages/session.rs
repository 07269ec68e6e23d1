//! Who is signed in to the dashboard. The cookie holds a random id, never the token; all in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use ledger_core::commit::Hash;

use crate::auth::Principal;
use crate::clock::stopwatch;
use crate::tokens::random_hex;

/// Name of the cookie.
const COOKIE: &str = "ledger_session";

/// How long a session lasts, in seconds: a working day.
const SESSION_SECONDS: u32 = 12 * 60 * 60;

/// Most sessions at a time; the oldest makes room.
const SESSIONS_MAX: usize = 1000;

/// Everyone who is signed in.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<BTreeMap<Hash, Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    principal: Principal,
    since: Instant,
}

impl Session {
    fn is_over(&self) -> bool {
        Duration::from_secs(SESSION_SECONDS.into()) <= self.since.elapsed()
    }
}

impl Sessions {
    /// Signs somebody in and returns the cookie to set.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn sign_in(&self, principal: Principal) -> Result<String, getrandom::Error> {
        let id = random_hex()?;
        let mut open = self.lock();
        open.retain(|_, session| !session.is_over());
        while SESSIONS_MAX <= open.len() {
            let oldest = open.iter().min_by_key(|(_, session)| session.since);
            let Some(oldest) = oldest.map(|(id, _)| *id) else { break };
            open.remove(&oldest);
        }
        open.insert(Hash::of(id.as_bytes()), Session { principal, since: stopwatch() });
        Ok(cookie(&id, SESSION_SECONDS))
    }

    /// Whoever the request's cookie belongs to.
    #[must_use]
    pub fn find(&self, headers: &HeaderMap) -> Option<Principal> {
        let id = Hash::of(session_id(headers)?.as_bytes());
        let session = self.lock().get(&id).cloned()?;
        (!session.is_over()).then_some(session.principal)
    }

    /// Signs whoever the request's cookie belongs to out, and returns the cookie to set.
    pub fn sign_out(&self, headers: &HeaderMap) -> String {
        if let Some(id) = session_id(headers) {
            self.lock().remove(&Hash::of(id.as_bytes()));
        }
        cookie("", 0)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cookie(value: &str, seconds: u32) -> String {
    format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}")
}

fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
}
