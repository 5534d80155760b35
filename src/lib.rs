//! Keystead, a self-hosted license and login server.
//!
//! The rooms, and what each may know. Imports point one way: `cli → http → wire → outside → domain →
//! store → model`; `tests/tidy.rs` enforces it.
//!
//! * [`cli`] the command line: one file per command.
//! * [`http`] sockets and the runtime: accepting, limits, timeouts, the log line. The only room that knows hyper.
//! * [`wire`] foreign formats: bytes to domain and back. No rules, no SQL.
//! * [`outside`] everything that leaves the server: HTTP requests, mail. No rules, no formats.
//! * [`domain`] the rules. No JSON, no HTTP, no clock, no async.
//! * [`store`] the database. The only room that knows SQL and engines.
//! * [`model`] plain data.
//!
//! Beside the rooms: [`config`] (every server setting), [`clock`] (the only reader of the time), [`limit`] (how much
//! somebody may ask), [`metrics`] (what is counted) and [`pending`] (a result from another thread).

#![warn(missing_docs, unreachable_pub)]
// Tests may unwrap; what runs for customers may not.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::print_stdout))]

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod limit;
pub mod metrics;
pub mod model;
pub mod outside;
pub mod pending;
pub mod store;
pub mod wire;
