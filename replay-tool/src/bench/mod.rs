//! Measures speed under a load that users have. Reading order:
//!
//! [`load`] (who asks for what), [`measure`] (callers, latencies, memory), [`world`] (a ledger made
//! for the run), [`billed`] (one with many charge lines), [`plain`] (what the disk can do by itself),
//! [`client`] (a server over HTTP).

pub mod load;

pub mod measure;

pub mod world;

pub mod billed;

pub mod plain;

pub mod client;
