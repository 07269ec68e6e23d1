//! Harness of the end-to-end tests: builds and starts the real programs, and speaks to them as a user
//! would. Everything a test starts, it stops.

#![allow(clippy::missing_panics_doc, reason = "a harness panics where a test has to fail")]
#![allow(clippy::unwrap_used, reason = "a harness panics where a test has to fail")]

mod programs;
mod server;
mod tools;

pub use programs::{Ran, program, replay_tool, run};
pub use server::{Answer, Server, request};
pub use tools::{Nats, cargo_deny, python};

/// A small generator of reproducible numbers (xorshift).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Starts with a seed, which must not be zero.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "the seed is not zero");
        Self(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
