//! What an operator does while a server runs: changes from another process are what the next request is answered by, a
//! second server is sent away, stopping loses nobody's answer, and whoever holds the write lock for a while delays
//! answers but fails none. Black box against the real binary.
#![cfg(unix)]

#[path = "support/torture.rs"]
mod torture;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use keystead::store::{self, Store};
use torture::{APP, Answer, Call, Client, Server, Shop, all_at_once, init, session_key};

/// Runs a command as the operator does. When it has ended, the running server answers by what it did.
fn operate(shop: &Shop, arguments: &[&str]) {
    let mut command = torture::program(arguments, &shop.path());
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A client with a session, whose calls are of that session.
struct Customer<'a> {
    shop: &'a Shop,
    wire: Client,
    session: String,
}

impl Customer<'_> {
    fn arrive<'a>(shop: &'a Shop, server: &Server) -> Customer<'a> {
        let mut wire = Client::connect(server);
        let session = init(shop, &mut wire);
        Customer { shop, wire, session }
    }

    /// One call; its answer is signed whatever it says.
    fn ask(&mut self, pairs: &[(&str, &str)]) -> Answer {
        let pairs = [&[("sessionid", self.session.as_str())], pairs].concat();
        let answer = self.wire.call(&Call::new(self.shop, &pairs));
        answer.assert_signed(&session_key(self.shop));
        answer
    }

    fn check(&mut self) -> Answer {
        self.ask(&[("type", "check")])
    }

    fn license(&mut self, key: &str) -> Answer {
        self.ask(&[("type", "license"), ("key", key), ("hwid", "device")])
    }
}

#[test]
fn the_next_request_sees_what_the_operator_did() {
    let shop = Shop::open();
    shop.add_keys(&["MIA".to_owned(), "LEO".to_owned(), "ZOE".to_owned(), "UNUSED".to_owned()]);
    let server = shop.serve(&[]);
    // Everything is in the server's memory before the operator begins.
    let mut mia = Customer::arrive(&shop, &server);
    mia.ask(&[("type", "register"), ("username", "mia"), ("pass", "secret"), ("key", "MIA")]).assert_success();
    let mut leo = Customer::arrive(&shop, &server);
    leo.license("LEO").assert_success();
    let mut zoe = Customer::arrive(&shop, &server);
    zoe.license("ZOE").assert_success();
    let mut other = Customer::arrive(&shop, &server);
    for customer in [&mut mia, &mut leo, &mut zoe] {
        customer.check().assert_success();
    }

    operate(&shop, &["app", "set", APP, "sessionunauthed=Log in first."]);
    other.check().assert_refused("Log in first.", "SESSION_NOT_VALIDATED");
    operate(&shop, &["app", "set", APP, "ver=2.0"]);
    let old = other.wire.call(&Call::new(&shop, &[("type", "init"), ("ver", "1.0")]));
    old.assert_refused("invalidver", "VERSION_MISMATCH");
    operate(&shop, &["app", "set", APP, "ver=1.0"]);

    operate(&shop, &["user", "ban", "mia", "--reason", "chargeback"]);
    mia.check().assert_refused("Log in first.", "SESSION_NOT_VALIDATED");
    let again = mia.ask(&[("type", "login"), ("username", "mia"), ("pass", "secret")]);
    again.assert_refused("The user is banned", "USER_BANNED");

    leo.check().assert_success();
    operate(&shop, &["session", "kill", &leo.session]);
    assert_eq!(leo.check().text("error"), "SESSION_NOT_FOUND");
    let mut leo = Customer::arrive(&shop, &server);
    leo.license("LEO").assert_success();
    leo.check().assert_success();

    operate(&shop, &["license", "ban", "LEO", "--reason", "shared"]);
    leo.check().assert_refused("Log in first.", "SESSION_NOT_VALIDATED");
    leo.license("LEO").assert_refused("Your license is banned.", "LICENSE_BANNED");
    operate(&shop, &["license", "unban", "LEO"]);
    leo.license("LEO").assert_success();
    leo.check().assert_success();

    operate(&shop, &["user", "delete", "ZOE"]);
    zoe.check().assert_refused("Log in first.", "SESSION_NOT_VALIDATED");
    zoe.license("ZOE").assert_refused("Key Already Used.", "LICENSE_IN_USE");

    operate(&shop, &["var", "set", "motd", "welcome", "--public"]);
    assert_eq!(other.ask(&[("type", "var"), ("varid", "motd")]).text("message"), "welcome");
    operate(&shop, &["ban", "add", "--hwid", "device"]);
    other.license("UNUSED").assert_refused("You've been blacklisted from our application", "SID_BLOCKED");

    operate(&shop, &["app", "set", APP, "enabled=0"]);
    let opening = Call::new(&shop, &[("type", "init"), ("ver", "1.0")]);
    other.wire.call(&opening).assert_refused("This application is disabled", "APP_DISABLED");
    operate(&shop, &["app", "set", APP, "banned=1"]);
    assert_eq!(other.check().text("error"), "APP_BANNED");
    operate(&shop, &["app", "delete", APP, "--yes"]);
    assert_eq!(other.wire.call(&opening).body, b"KeyAuth_Invalid");

    shop.assert_sound();
    server.stop();
}

#[test]
fn a_second_server_is_told_who_is_there() {
    let shop = Shop::open();
    let server = shop.serve(&[]);
    let Err((status, log)) = Server::start(&shop.path(), &["--listen", "127.0.0.1:0"]) else {
        panic!("two servers on one file");
    };
    assert_eq!(status.code(), Some(5), "{log}");
    assert!(log.contains(&server.pid().to_string()) && log.contains(&server.address), "it says who: {log}");
    // The first one did not even notice.
    let mut customer = Customer::arrive(&shop, &server);
    assert_eq!(customer.check().text("error"), "SESSION_NOT_VALIDATED");

    // Whichever way the first one ends, the next one starts at once.
    server.stop();
    let second = shop.serve(&[]);
    Customer::arrive(&shop, &second);
    second.kill();
    shop.serve(&[]).stop();
}

#[test]
fn stopping_answers_what_is_being_answered() {
    let shop = Shop::open();
    let server = shop.serve(&["--hash-threads", "1"]);
    let logins = 12;
    let password = shop.add_user("mia");
    shop.add_keys(&["MIA".to_owned()]);
    let mut customer = Customer::arrive(&shop, &server);
    customer.ask(&[("type", "upgrade"), ("username", "mia"), ("key", "MIA")]).assert_success();
    customer.ask(&[("type", "login"), ("username", "mia"), ("pass", password)]).assert_success();

    // A quick request and a slow one in one packet: when the quick one is answered, the slow one has been read.
    let mut waiting: Vec<_> = (0..logins).map(|_| Customer::arrive(&shop, &server)).collect();
    for customer in &mut waiting {
        let session = ("sessionid", customer.session.as_str());
        let quick = Call::new(&shop, &[session, ("type", "check")]);
        let slow = Call::new(&shop, &[session, ("type", "login"), ("username", "mia"), ("pass", password)]);
        customer.wire.send(&[quick.bytes(), slow.bytes()].concat()).unwrap();
    }
    for customer in &mut waiting {
        assert_eq!(customer.wire.receive().unwrap().text("error"), "SESSION_NOT_VALIDATED");
    }
    server.terminate();
    for mut customer in waiting {
        let answer = customer.wire.receive().expect("an answer although the server stops");
        answer.assert_success();
        answer.assert_signed(&session_key(&shop));
        assert!(customer.wire.receive().is_err(), "and then the end");
    }
    assert_eq!(server.wait().code(), Some(0));
    shop.assert_sound();
}

/// Holds the write lock as another process does, until the sender is dropped.
fn hold_write_lock(shop: &Shop) -> (mpsc::Sender<()>, impl FnOnce()) {
    let store: Store = shop.store();
    let (release, released) = mpsc::channel::<()>();
    let (tell, held) = mpsc::channel();
    let asked = store.write(move |_| -> Result<(), store::Error> {
        let _ = tell.send(());
        let _ = released.recv();
        Ok(())
    });
    held.recv().unwrap();
    let end = move || {
        asked.wait().unwrap();
        store.close();
    };
    (release, end)
}

#[test]
fn another_process_that_writes_for_long_delays_answers_and_fails_none() {
    let shop = Shop::open();
    let keys: Vec<_> = (0..16).map(|i| format!("KEY-{i}")).collect();
    shop.add_keys(&keys);
    shop.add_user("mia");
    let server = shop.serve(&[]);
    let mut reader = Customer::arrive(&shop, &server);
    let kinds = ["register", "license", "upgrade", "init"];
    let calls: Vec<Vec<(&str, &str)>> = (0..16)
        .map(|i| {
            let name = if kinds[i % 4] == "upgrade" { "mia" } else { keys[i].as_str() };
            vec![("type", kinds[i % 4]), ("ver", "1.0"), ("username", name), ("pass", "secret"), ("key", &keys[i])]
        })
        .collect();

    thread::scope(|scope| {
        let (ready, started) = mpsc::channel();
        let (shop, server) = (&shop, &server);
        let clients: Vec<_> = calls
            .into_iter()
            .map(|pairs| {
                let (ready, mut customer) = (ready.clone(), Customer::arrive(shop, server));
                scope.spawn(move || {
                    ready.send(()).unwrap();
                    let pairs = [&[("sessionid", customer.session.as_str())], pairs.as_slice()].concat();
                    customer.wire.call(&Call::new(shop, &pairs))
                })
            })
            .collect();
        let (release, end) = hold_write_lock(shop);
        clients.iter().for_each(|_| started.recv().unwrap());
        // The lock is held for a second; meanwhile reading goes on.
        for _ in 0..10 {
            assert_eq!(reader.check().text("error"), "SESSION_NOT_VALIDATED");
            assert_eq!(reader.ask(&[("type", "var"), ("varid", "none")]).text("error"), "VARIABLE_NOT_FOUND");
            thread::sleep(Duration::from_millis(100));
        }
        drop(release);
        end();
        for client in clients {
            client.join().unwrap().assert_success();
        }
    });
    shop.assert_sound();
    server.stop();
}

/// Somebody imports in many steps, somebody else bans: between two steps the ban gets its turn, the server does not.
#[test]
fn a_change_is_seen_while_the_server_waits_for_the_write_lock() {
    let shop = Shop::open();
    shop.add_keys(&["MIA".to_owned(), "LEO".to_owned()]);
    let server = shop.serve(&[]);
    let mut mia = Customer::arrive(&shop, &server);
    mia.license("MIA").assert_success();
    mia.check().assert_success();
    let mut leo = Customer::arrive(&shop, &server);
    let other = shop.store();

    thread::scope(|scope| {
        let hold = |work: fn(&mut store::Tx<'_>, &keystead::model::app::App)| {
            let (release, released) = mpsc::channel::<()>();
            let (tell, held) = mpsc::channel();
            let app = shop.app.clone();
            let asked = other.write(move |tx| -> Result<(), store::Error> {
                let _ = tell.send(());
                let _ = released.recv();
                work(tx, &app);
                Ok(())
            });
            held.recv().unwrap();
            (release, asked)
        };
        let (release, banning) = hold(|tx, app| {
            let mia = keystead::domain::user::find(tx, app, Some("MIA")).unwrap();
            keystead::domain::user::ban_user(tx, mia.id, None).unwrap();
        });
        let waiting = scope.spawn(|| leo.license("LEO"));
        // Long enough for the server to be waiting for its turn.
        thread::sleep(Duration::from_millis(300));
        drop(release);
        banning.wait().unwrap();
        let (release, holding) = hold(|_, _| {});
        // As long as a command waits after its commit (src/cli/db.rs); no longer.
        thread::sleep(Duration::from_millis(120));
        mia.check().assert_refused("Session is not validated.", "SESSION_NOT_VALIDATED");
        drop(release);
        holding.wait().unwrap();
        waiting.join().unwrap().assert_success();
    });
    other.close();
    shop.assert_sound();
    server.stop();
}

#[test]
fn beyond_the_bound_the_answer_is_unavailable_and_then_all_is_well_again() {
    let shop = Shop::open();
    shop.add_keys(&["KEY".to_owned()]);
    let server = shop.serve(&["--busy-timeout", "50ms"]);
    let mut customer = Customer::arrive(&shop, &server);
    let (release, end) = hold_write_lock(&shop);
    let answer = customer.license("KEY");
    assert_eq!((answer.status, answer.text("error")), (503, "UNAVAILABLE"), "{answer:?}");
    assert!(!answer.text("message").contains("locked"), "{answer:?}");
    drop(release);
    end();
    customer.license("KEY").assert_success();
    shop.assert_sound();
    server.stop();
}

#[test]
fn many_clients_see_a_setting_change_at_once() {
    let shop = Shop::open();
    let server = shop.serve(&[]);
    let call = vec![("type", "check")];
    all_at_once(&shop, &server, &vec![call.clone(); 64], &[torture::V1_2]);
    operate(&shop, &["app", "set", APP, "sessionunauthed=Log in first."]);
    for answer in all_at_once(&shop, &server, &vec![call; 64], &[torture::V1_2]) {
        answer.assert_refused("Log in first.", "SESSION_NOT_VALIDATED");
    }
    server.stop();
}

/// Somebody tidies up beside the database while the server runs, commands go on, and the server is stopped as it asks.
#[test]
fn files_removed_beside_the_database_cost_nobody_what_was_answered() {
    for endings in [&["-wal"][..], &["-shm"], &["-wal", "-shm"], &["-shm", "-wal"]] {
        let shop = Shop::open();
        let keys = ["MIA".to_owned(), "LEO".to_owned(), "NEW".to_owned()];
        shop.add_keys(&keys);
        let server = shop.serve(&[]);
        let mut mia = Customer::arrive(&shop, &server);
        mia.license("MIA").assert_success();
        for ending in endings {
            std::fs::remove_file(shop.path().with_extension(format!("db{ending}"))).expect("it was there");
        }
        // Not by the session: where nobody can tell what others have written, nothing is answered from memory.
        let refused = mia.wire.call(&Call::new(&shop, &[("type", "init"), ("ver", "1.0")]));
        assert_eq!((refused.status, refused.text("error")), (503, "UNAVAILABLE"), "{endings:?}: {refused:?}");
        let end = Instant::now() + Duration::from_secs(60);
        while !server.log().contains("stop and start again") {
            assert!(Instant::now() < end, "{endings:?}: {}", server.log());
            thread::sleep(Duration::from_millis(5));
        }
        // With the locks in their place, commands are kept out; without them, what they do counts.
        let kept_out = endings == ["-wal"];
        if !kept_out {
            operate(&shop, &["license", "ban", "NEW", "--reason", "while it runs"]);
        }
        server.stop();
        shop.assert_sound();
        assert!(shop.license("MIA").used_at.is_some(), "{endings:?}: what the server answered is lost");
        assert_eq!(shop.license("NEW").banned, !kept_out, "{endings:?}: what the command said is lost");
        let server = shop.serve(&[]);
        Customer::arrive(&shop, &server).license("LEO").assert_success();
        server.stop();
    }
}
