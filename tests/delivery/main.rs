//! What leaves the server after the commit, against real servers on loopback: mail for forgotten passwords, posts of
//! what clients log. What is queued arrives, whatever dies in between; what can never arrive is given up.

mod forgot;
mod log;
#[path = "../support/mod.rs"]
mod support;
