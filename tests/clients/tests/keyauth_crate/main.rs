//! The crate `keyauth` as published, against a real server: each case runs for its 1.1 and its 1.2 client.
//!
//! The 1.2 client verifies every answer, so a case that ends in anything but its "tampered with" also proves the
//! signature, failures included. Must not check bodies or headers (the vectors do): only what a program that uses the
//! crate gets to see.
//!
//! What the crate does that shapes these tests: it sends values unescaped and in random order, opens a connection for each
//! call, reads any status, and unwraps what it reads. A missing or null field is a panic here, as in a customer's program.

use std::thread;
use std::time::{Duration, Instant};

use keystead_clients::{APP, Server, Shop};

const SESSION_NOT_FOUND: &str =
    "Session not found. If you get this frequently, ask the developer to use the latest example code";
const TAMPERED: &str = "response was tampered with";

/// One generic case, two tests.
macro_rules! cases {
    ($($case:ident)*) => {
        mod v1_1 {
            $(#[test] fn $case() { super::$case::<keyauth::v1_1::KeyauthApi>(); })*
        }
        mod v1_2 {
            $(#[test] fn $case() { super::$case::<keyauth::v1_2::KeyauthApi>(); })*
        }
    };
}

cases! {
    init_on_every_path
    init_refuses_an_unknown_app
    init_refuses_another_version
    nothing_works_before_init
    register_then_login
    register_refusals_spend_no_key
    register_refuses_a_banned_machine
    login_refusals
    login_refuses_a_banned_user
    login_from_another_machine
    machine_id_of_this_machine
    license_first_and_second_use
    license_refusals
    license_refuses_a_banned_machine
    upgrade_adds_a_plan
    upgrade_refusals_spend_no_key
    var_needs_a_login
    var_values_arrive_unchanged
    check_follows_the_session
    sessions_behind_one_address_are_separate
    check_blacklist_sees_the_address
    unescaped_values_arrive_unchanged
}

/// What both clients can do, under one spelling.
trait Client: Sized {
    const PATH: &'static str;
    /// Whether this client verifies answers.
    const VERIFIES: bool;
    fn new(name: &str, ownerid: &str, secret: &str, version: &str, url: &str) -> Self;
    fn init(&mut self) -> Result<(), String>;
    fn register(&mut self, username: &str, password: &str, key: &str, hwid: Option<&str>) -> Result<(), String>;
    fn login(&mut self, username: &str, password: &str, hwid: Option<&str>) -> Result<(), String>;
    fn license(&mut self, key: &str, hwid: Option<&str>) -> Result<(), String>;
    fn upgrade(&mut self, username: &str, key: &str) -> Result<(), String>;
    fn var(&mut self, name: &str) -> Result<String, String>;
    fn check(&mut self) -> Result<bool, String>;
    fn check_blacklist(&mut self) -> Result<bool, String>;
    fn seen(&self) -> Seen<'_>;

    /// A client of this shop's app, not yet initialised.
    fn of(shop: &Shop, server: &Server) -> Self {
        Self::new(APP, &shop.ownerid, &shop.secret, "1.0", &server.url(Self::PATH))
    }

    /// A client of this shop's app with a session.
    fn opened(shop: &Shop, server: &Server) -> Self {
        let mut client = Self::of(shop, server);
        client.init().expect("init");
        client
    }
}

/// What the crate keeps of an answer, for the program to read.
struct Seen<'a> {
    username: &'a str,
    ip: &'a str,
    subscription: &'a str,
    create_date: &'a str,
    last_login: &'a str,
}

macro_rules! client {
    ($version:ident, $path:literal, $verifies:literal) => {
        impl Client for keyauth::$version::KeyauthApi {
            const PATH: &'static str = $path;
            const VERIFIES: bool = $verifies;

            fn new(name: &str, ownerid: &str, secret: &str, version: &str, url: &str) -> Self {
                keyauth::$version::KeyauthApi::new(name, ownerid, secret, version, url)
            }

            fn init(&mut self) -> Result<(), String> {
                self.init(None)
            }

            fn register(
                &mut self,
                username: &str,
                password: &str,
                key: &str,
                hwid: Option<&str>,
            ) -> Result<(), String> {
                self.register(username.into(), password.into(), key.into(), hwid.map(str::to_owned))
            }

            fn login(&mut self, username: &str, password: &str, hwid: Option<&str>) -> Result<(), String> {
                self.login(username.into(), password.into(), hwid.map(str::to_owned))
            }

            fn license(&mut self, key: &str, hwid: Option<&str>) -> Result<(), String> {
                self.license(key.into(), hwid.map(str::to_owned))
            }

            fn upgrade(&mut self, username: &str, key: &str) -> Result<(), String> {
                self.upgrade(username.into(), key.into())
            }

            fn var(&mut self, name: &str) -> Result<String, String> {
                self.var(name.into())
            }

            fn check(&mut self) -> Result<bool, String> {
                self.check_session()
            }

            fn check_blacklist(&mut self) -> Result<bool, String> {
                self.checkblacklist().map(|()| self.blacklisted)
            }

            fn seen(&self) -> Seen<'_> {
                Seen {
                    username: &self.username,
                    ip: &self.ip,
                    subscription: &self.subscription,
                    create_date: &self.create_date,
                    last_login: &self.last_login,
                }
            }
        }
    };
}

client!(v1_1, "/api/1.1/", false);
client!(v1_2, "/api/1.2/", true);

/// The text of a refusal; fails on success.
#[track_caller]
fn refused<T>(result: Result<T, String>) -> String {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(message) => message,
    }
}

/// `text` cut to what two spellings of the crate's own message share.
fn tampered(text: &str) -> bool {
    text.eq_ignore_ascii_case(TAMPERED)
}

// ---- init

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
    assert_eq!(unsaid.init(), Ok(()));
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

// ---- register

fn register_then_login<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.register("mia", "s3cret", &key, Some("machine-1")), Ok(()));
    let registered = client.seen();
    assert_eq!((registered.username, registered.ip, registered.subscription), ("mia", "127.0.0.1", "default"));
    let created: u64 = registered.create_date.parse().expect("whole seconds");
    assert_eq!(client.check(), Ok(true));

    let mut later = C::opened(&shop, &server);
    assert_eq!(later.login("mia", "s3cret", Some("machine-1")), Ok(()));
    let seen = later.seen();
    assert_eq!((seen.username, seen.ip, seen.subscription), ("mia", "127.0.0.1", "default"));
    assert_eq!(seen.create_date.parse(), Ok(created));
    assert!(seen.last_login.parse::<u64>().expect("whole seconds") >= created);
}

fn register_refusals_spend_no_key<C: Client>() {
    let shop = Shop::open();
    let [first, second, banned] = <[String; 3]>::try_from(shop.keys(3, "1")).expect("three keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let machine = Some("machine-1");
    client.register("mia", "s3cret", &first, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    let long = "x".repeat(71);
    assert_eq!(refused(client.register("mia", "other", &second, machine)), "Username Already Exists.");
    assert_eq!(refused(client.register("MIA", "other", &second, machine)), "Username Already Exists.");
    assert_eq!(refused(client.register("noa", "other", "no-such-key", machine)), "Key Not Found.");
    assert_eq!(refused(client.register("noa", "other", &first, machine)), "Key Already Used.");
    assert_eq!(refused(client.register("noa", "other", &banned, machine)), "Your license is banned.");
    assert_eq!(
        refused(client.register("noa", "other", &planless, machine)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(
        refused(client.register(&long, "other", &second, machine)),
        "Username must be shorter than 70 characters"
    );
    assert_eq!(refused(client.register("noa", "other", &long, machine)), "Key must be shorter than 70 characters");
    refused(client.register("noa", "", &second, machine));
    assert_eq!(client.check(), Ok(false), "a refused registration logged in");
    assert_eq!(client.register("noa", "other", &second, machine), Ok(()), "a refusal spent the key or took the name");
}

fn register_refuses_a_banned_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    shop.operator(&["ban", "add", "--hwid", "machine-9"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let text = refused(client.register("mia", "s3cret", &key, Some("machine-9")));
    assert_eq!(text, "You've been blacklisted from our application");
    assert_eq!(client.register("mia", "s3cret", &key, Some("machine-1")), Ok(()), "the refusal spent the key");
}

// ---- login

fn login_refusals<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &key, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("noa", "s3cret", machine)), "Username not found.");
    assert_eq!(refused(client.login("mia", "S3cret", machine)), "Password does not match.");
    assert_eq!(refused(client.login("mia", "", machine)), "Password does not match.");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("Mia", "s3cret", machine), Ok(()), "user names have no case");
    assert_eq!(refused(client.login("mia", "wrong", machine)), "Password does not match.");
    assert_eq!(client.check(), Ok(true), "a failed login ends no session");
}

fn login_refuses_a_banned_user<C: Client>() {
    let shop = Shop::open();
    let keys = shop.keys(2, "1");
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &keys[0], machine).expect("register");
    C::opened(&shop, &server).register("noa", "s3cret", &keys[1], machine).expect("register");
    shop.operator(&["user", "ban", "mia", "--reason", "shared her password"]);
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("mia", "s3cret", machine)), "The user is banned");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("noa", "s3cret", machine), Ok(()), "another user was banned too");
}

fn login_from_another_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    // The end of line is what this crate, Python and Go send: /etc/machine-id as it is.
    C::opened(&shop, &server).register("mia", "s3cret", &key, Some("machine-1\n")).expect("register");
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("mia", "s3cret", Some("machine-2"))), "HWID doesn't match. Ask for a HWID reset");
    // A part of the bound one is not the bound one.
    assert_eq!(refused(client.login("mia", "s3cret", Some("machine"))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(refused(client.login("mia", "s3cret", Some(""))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("mia", "s3cret", Some("machine-1")), Ok(()));
}

/// `None` makes the crate read the machine's id itself. It is empty where there is none, and then nothing is bound.
fn machine_id_of_this_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &key, None).expect("register");
    assert_eq!(C::opened(&shop, &server).login("mia", "s3cret", None), Ok(()));
}

// ---- license

fn license_first_and_second_use<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let machine = Some("machine-1");
    for turn in ["first", "second"] {
        let mut client = C::opened(&shop, &server);
        assert_eq!(client.license(&key, machine), Ok(()), "{turn}");
        let seen = client.seen();
        assert_eq!((seen.username, seen.ip, seen.subscription), (key.as_str(), "127.0.0.1", "default"), "{turn}");
        assert_eq!(client.check(), Ok(true), "{turn}");
    }
    let mut elsewhere = C::opened(&shop, &server);
    assert_eq!(refused(elsewhere.license(&key, Some("machine-2"))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(elsewhere.check(), Ok(false));
}

fn license_refusals<C: Client>() {
    let shop = Shop::open();
    let [used, banned] = <[String; 2]>::try_from(shop.keys(2, "1")).expect("two keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &used, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.license("no-such-key", machine)), "Key Not Found.");
    assert_eq!(refused(client.license(&used, machine)), "Key Already Used.");
    assert_eq!(refused(client.license(&banned, machine)), "Your license is banned.");
    assert_eq!(
        refused(client.license(&planless, machine)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(refused(client.license(&"x".repeat(71), machine)), "Key must be shorter than 70 characters");
    assert_eq!(client.check(), Ok(false));
}

fn license_refuses_a_banned_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    shop.operator(&["ban", "add", "--hwid", "machine-9"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let text = refused(client.license(&key, Some("machine-9")));
    assert_eq!(text, "You've been blacklisted from our application");
    assert_eq!(client.license(&key, Some("machine-1")), Ok(()), "the refusal spent the key");
}

// ---- upgrade

fn upgrade_adds_a_plan<C: Client>() {
    let shop = Shop::open();
    shop.operator(&["plan", "create", "gold", "--level", "2"]);
    let key = shop.key();
    let gold = shop.keys(1, "2").remove(0);
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &key, Some("machine-1")).expect("register");
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.upgrade("mia", &gold), Ok(()));
    // It takes no password, so it must not count as a login.
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("mia", "s3cret", Some("machine-1")), Ok(()));
    assert!(["default", "gold"].contains(&client.seen().subscription), "{}", client.seen().subscription);
    assert_eq!(refused(client.upgrade("mia", &gold)), "Key Already Used.");
}

fn upgrade_refusals_spend_no_key<C: Client>() {
    let shop = Shop::open();
    let [first, second, banned] = <[String; 3]>::try_from(shop.keys(3, "1")).expect("three keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &first, Some("machine-1")).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.upgrade("mia", "no-such-key")), "Key Not Found.");
    assert_eq!(refused(client.upgrade("mia", &first)), "Key Already Used.");
    assert_eq!(refused(client.upgrade("mia", &banned)), "Your license is banned.");
    assert_eq!(
        refused(client.upgrade("mia", &planless)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(refused(client.upgrade("noa", &second)), "Username not found.");
    // To the server that clients come from, this name means everybody.
    assert_eq!(refused(client.upgrade("all", &second)), "Username not found.");
    assert_eq!(client.upgrade("mia", &second), Ok(()), "a refusal spent the key");
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
    // The crate sends no hwid with this call, so a machine's ban is not visible to it.
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

/// The crate escapes nothing. What is not a valid escape stays as it is; `+`, `&` and `%41` cannot be repaired.
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
