//! The KeyAuth client API against the real server, one file per subject. What single answers look like, byte for byte,
//! is in `tests/vectors`; here is what holds between them.

#[path = "../support/mod.rs"]
mod support;

mod chat;
mod clients;
mod file;
mod init;
mod license;
mod limits;
mod log;
mod login;
mod login_email;
mod messages;
mod online;
mod own_user;
mod program;
mod register;
mod relay;
mod session;
mod shared_core;
mod signature;
mod token;
mod transport;
mod two_factor;
mod upgrade;
mod values;
mod variables;
mod version_1_0;
mod version_1_3;
