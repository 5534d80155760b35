//! What a session can ask: `var`, `check`, `checkblacklist`; and how raw values arrive.

use std::thread;
use std::time::{Duration, Instant};

use keystead_clients::Shop;

use crate::client::Client;
use crate::refused;

cases! {
    var_needs_a_login
    var_values_arrive_unchanged
    check_follows_the_session
    sessions_behind_one_address_are_separate
    check_blacklist_sees_the_address
    unescaped_values_arrive_unchanged
}

// ---- var

fn var_needs_a_login<C: Client>() {
    let shop = Shop::open();
    shop.operator(&["var", "set", "motd", "hello"]);
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.var("no-such-name")), "Variable not found.");
    assert_eq!(refused(client.var("motd")), "Session is not validated.");
    client.license(&key, Some("machine-1")).expect("license");
    assert_eq!(client.var("motd").as_deref(), Ok("hello"));
    assert_eq!(refused(client.var("no-such-name")), "Variable not found.");
}

/// Quotes, slashes, controls and other scripts each have more than one spelling in JSON; the signature covers the one sent.
fn var_values_arrive_unchanged<C: Client>() {
    let values =
        [r#""quoted" \ and/or </script> & 'more'"#, "Grüße – 日本 🔑", "tab\tand line\nend", "{\"json\":[1]}", "0"];
    let shop = Shop::open();
    for (n, value) in values.iter().enumerate() {
        shop.operator(&["var", "set", &format!("v{n}"), value]);
    }
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    client.license(&key, Some("machine-1")).expect("license");
    for (n, value) in values.iter().enumerate() {
        assert_eq!(client.var(&format!("v{n}")).as_deref(), Ok(*value));
    }
}

// ---- check

fn check_follows_the_session<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.check(), Ok(false));
    client.license(&key, Some("machine-1")).expect("license");
    assert_eq!(client.check(), Ok(true));
    client.init().expect("a second init");
    assert_eq!(client.check(), Ok(false), "a new session begins without a login");
}

/// The server that clients come from keeps one session for an address: the second program there logs the first one out
/// and takes its signing key away.
fn sessions_behind_one_address_are_separate<C: Client>() {
    let shop = Shop::open();
    let keys = shop.keys(2, "1");
    let server = shop.serve();
    let mut one = C::opened(&shop, &server);
    one.license(&keys[0], Some("machine-1")).expect("license");
    let mut two = C::opened(&shop, &server);
    assert_eq!((one.check(), two.check()), (Ok(true), Ok(false)));
    two.license(&keys[1], Some("machine-2")).expect("license");
    assert_eq!((one.check(), two.check()), (Ok(true), Ok(true)));
}

// ---- check_blacklist

fn check_blacklist_sees_the_address<C: Client>() {
    let shop = Shop::open();
    // The ban of another machine, which is not this one's business. (Only the 1.0 client says which machine it is.)
    shop.operator(&["ban", "add", "--hwid", "machine-9"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.check_blacklist(), Ok(false));
    shop.operator(&["ban", "add", "--ip", "127.0.0.1"]);
    // The ban comes from another process while the server runs; it may take a moment until the server has seen it.
    let start = Instant::now();
    while client.check_blacklist() != Ok(true) {
        assert!(start.elapsed() < Duration::from_secs(10), "the ban was never seen");
        thread::sleep(Duration::from_millis(20));
    }
}

// ---- raw bodies

/// In the clear the crate escapes nothing: what is not a valid escape stays as it is; `+`, `&` and `%41` cannot be
/// repaired. Enciphered, they arrive.
fn unescaped_values_arrive_unchanged<C: Client>() {
    let name = "50% off / Jürgen's \"list\"";
    let shop = Shop::open();
    shop.operator(&["var", "set", name, "reached"]);
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    client.register("Jürgen O'Neill", "100% p=ss wörd?", &key, Some("S-1-5-21/ü")).expect("register");
    assert_eq!(client.var(name).as_deref(), Ok("reached"));
    let mut later = C::opened(&shop, &server);
    assert_eq!(
        refused(later.login("Jürgen O'Neill", "100 p=ss wörd?", Some("S-1-5-21/ü"))),
        "Password does not match."
    );
    assert_eq!(later.login("Jürgen O'Neill", "100% p=ss wörd?", Some("S-1-5-21/ü")), Ok(()));
}
