//! What an attacker tries, against the real server: guessing, floods, addresses that are not its own, what was meant for
//! somebody else. docs/threat-model.md names these tests. How many guesses get through in an hour is counted where time
//! can be set: `src/domain/guesses/tests.rs`.

#[path = "../support/mod.rs"]
mod support;

#[path = "../formats/doors.rs"]
#[allow(dead_code, reason = "made for more than is asked of it here")]
mod doors;

mod address;
mod connections;
mod flood;
mod guessing;
mod replay;

use support::{OWNERID, Reply, Server};

/// Believes what the test says about addresses.
const BEHIND_PROXY: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

/// A call of KeyAuth's 1.2 to "demo", from this address.
fn call_from(server: &Server, address: &str, name: &str, pairs: &[(&str, &str)]) -> Reply {
    let pairs = [&[("type", name), ("name", "demo"), ("ownerid", OWNERID)], pairs].concat();
    server.post_form("/api/1.2/", &[("x-forwarded-for", address)], &pairs)
}

/// A session that was opened from there.
#[track_caller]
fn init_from(server: &Server, address: &str) -> String {
    let reply = call_from(server, address, "init", &[]);
    reply.json()["sessionid"].as_str().unwrap_or_else(|| panic!("no session: {reply:?}")).to_owned()
}
