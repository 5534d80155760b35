//! The KeyAuth client API against the real server, one file per subject. What single answers look like, byte for byte,
//! is in `tests/vectors`; here is what holds between them.

#[path = "../support/mod.rs"]
mod support;

mod chat;
mod clients;
mod init;
mod license;
mod limits;
mod log;
mod login;
mod messages;
mod online;
mod register;
mod session;
mod signature;
mod token;
mod transport;
mod upgrade;
mod values;
mod variables;
