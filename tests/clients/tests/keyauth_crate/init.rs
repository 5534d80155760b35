//! `init`, and what holds before it.

use keystead_clients::{APP, Shop};

use crate::client::Client;
use crate::refused;

const SESSION_NOT_FOUND: &str =
    "Session not found. If you get this frequently, ask the developer to use the latest example code";
const TAMPERED: &str = "response was tampered with";

cases! {
    init_on_every_path
    init_refuses_another_version
}

cases_of_1_1_and_1_2! {
    init_refuses_an_unknown_app
    nothing_works_before_init
}

/// `text` cut to what two spellings of the crate's own message share.
fn tampered(text: &str) -> bool {
    text.eq_ignore_ascii_case(TAMPERED)
}

fn init_on_every_path<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let long = C::PATH;
    let root = long.trim_start_matches("/api");
    for path in [long, long.trim_end_matches('/'), root, root.trim_end_matches('/')] {
        let mut client = C::new(APP, &shop.ownerid, &shop.secret, "1.0", &server.url(path));
        assert_eq!(client.init(), Ok(()), "{path}");
    }
}

fn init_refuses_an_unknown_app<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    // The crate's own words for the bare text `KeyAuth_Invalid`, which it looks for before it verifies.
    let mut other_name = C::new("Acme Toys", &shop.ownerid, &shop.secret, "1.0", &server.url(C::PATH));
    assert_eq!(refused(other_name.init()), "The application doesn't exist");
    let mut other_owner = C::new(APP, "zzzzzzzzzz", &shop.secret, "1.0", &server.url(C::PATH));
    assert_eq!(refused(other_owner.init()), "The application doesn't exist");
}

fn init_refuses_another_version<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    // The crate unwraps `download` as a text. It stays empty here: a link would be opened in a browser.
    let mut newer = C::new(APP, &shop.ownerid, &shop.secret, "2.0", &server.url(C::PATH));
    assert_eq!(refused(newer.init()), "invalidver");
    // Compared as text, not as numbers.
    let mut shorter = C::new(APP, &shop.ownerid, &shop.secret, "1", &server.url(C::PATH));
    assert_eq!(refused(shorter.init()), "invalidver");
    let mut unsaid = C::new(APP, &shop.ownerid, &shop.secret, "", &server.url(C::PATH));
    // 1.0 always had it; later versions let programs be that do not say it.
    let want = if C::ENCIPHERS { Err("invalidver".to_owned()) } else { Ok(()) };
    assert_eq!(unsaid.init(), want);
}

fn nothing_works_before_init<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::of(&shop, &server);
    // A 1.2 client that has sent no key has none to verify with: nothing the server could send would satisfy it.
    let allowed = |text: &str| if C::VERIFIES { tampered(text) } else { text == SESSION_NOT_FOUND };
    for text in [
        refused(client.register("mia", "s3cret", &key, Some("machine-1"))),
        refused(client.login("mia", "s3cret", Some("machine-1"))),
        refused(client.license(&key, Some("machine-1"))),
        refused(client.upgrade("mia", &key)),
        refused(client.var("motd")),
    ] {
        assert!(allowed(&text), "{text}");
    }
    match client.check() {
        Ok(valid) => assert!(!C::VERIFIES && !valid),
        Err(text) => assert!(C::VERIFIES && tampered(&text), "{text}"),
    }
    client.init().expect("init");
    assert_eq!(client.license(&key, Some("machine-1")), Ok(()), "the refused calls spent the key");
}

/// Without this the other 1.2 cases would prove nothing about signatures.
#[test]
fn the_1_2_client_does_verify() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut wrong =
        keyauth::v1_2::KeyauthApi::new(APP, &shop.ownerid, &"0".repeat(64), "1.0", &server.url("/api/1.2/"));
    assert_eq!(refused(wrong.init(None)), TAMPERED);
}
