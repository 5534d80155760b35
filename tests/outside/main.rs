//! What leaves the server, against real servers on loopback: HTTP requests and mail.

mod fetch;
mod mail;
#[path = "../support/mod.rs"]
mod support;
