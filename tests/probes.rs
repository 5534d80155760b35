//! The operator's listener: what it says of a server that is well, of one whose database is gone, of one that is
//! stopping; what is counted; and `keystead health`, which asks it. Black box against the real binary.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use keystead::store::lock;
use serde_json::{Value, json};
use support::{Fixture, OWNERID, Ran, Reply, Server, exchange, program, until};

/// Any free port, for the listener too.
const PROBES: &[&str] = &["--metrics-listen", "127.0.0.1:0"];

fn ask(at: SocketAddr, path: &str) -> Reply {
    exchange(at, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

fn probes(server: &Server) -> SocketAddr {
    server.probes.expect("--metrics-listen was given")
}

fn ready(server: &Server) -> (u16, Value) {
    let reply = ask(probes(server), "/readyz");
    (reply.status, reply.json())
}

/// One figure, by its name and labels as they are shown.
fn figure(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

fn health(server: &Server, more: &[&str]) -> Ran {
    let mut command = program(server.db.folder());
    command.arg("health").arg("--database").arg(server.db.path()).args(more);
    let output = command.output().expect("starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_server_that_is_well_says_so_on_its_own_listener_only() {
    let server = Fixture::new().serve(PROBES);
    let at = probes(&server);
    assert_ne!(at, server.address);
    let live = ask(at, "/livez");
    assert_eq!((live.status, live.json()), (200, json!({ "alive": true })));
    assert_eq!(ready(&server), (200, json!({ "ready": true, "server": "serving", "database": "ok" })));
    assert_eq!(ask(at, "/metrics").status, 200);
    let ran = health(&server, &["--url", &format!("http://{at}")]);
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("status 404: ask GET /livez, /readyz or /metrics"), "{}", ran.err);
    for path in ["/", "/livez/", "/metrics/x", "/api/1.2/"] {
        assert_eq!(ask(at, path).status, 404, "{path}");
    }
    let post = exchange(at, b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(post.status, 404);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(server.address, path).status, 404, "clients are not told: {path}");
    }
}

#[test]
fn being_asked_again_and_again_writes_little_and_changes_nothing() {
    let server = Fixture::new().serve(PROBES);
    let commits =
        || figure(&ask(probes(&server), "/metrics").text(), "keystead_commit_duration_seconds_count").unwrap();
    let other = rusqlite::Connection::open(server.db.path()).expect("opens");
    let seen = || other.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).expect("reads");
    let untouched = seen();
    let before = commits();
    let began = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(ready(&server).0, 200);
    }
    let most = began.elapsed().as_secs_f64() + 1.0;
    let made = commits() - before;
    assert_ne!(seen(), untouched, "something was really written");
    // The clean-up writes at its start, too.
    assert!((1.0..=most + 6.0).contains(&made), "{made} commits in {most} s");
    let version: i64 = other.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).expect("reads");
    assert_eq!(version, keystead::store::schema::VERSION);
}

#[test]
fn connections_that_say_nothing_do_not_make_it_look_ill() {
    let server = Fixture::new().serve(PROBES);
    let at = probes(&server);
    let silent: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(at).expect("connects")).collect();
    (&silent[0]).write_all(b"GET /livez HTTP/1.1\r\n").expect("writes");
    let ran = health(&server, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    drop(silent);
}

#[cfg(unix)]
#[test]
fn a_lock_file_that_is_taken_away_lets_no_second_server_in() {
    let server = Fixture::new().serve(PROBES);
    let (database, path) = (server.db.path(), server.db.folder().join("keystead.db.lock"));
    let written = std::fs::read(&path).expect("the lock file");
    std::fs::remove_file(&path).expect("removes");
    until("it is made again", || lock::holder(&database).is_some());
    assert_eq!(std::fs::read(&path).expect("the lock file"), written);
    let mut second = program(server.db.folder());
    second.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(&database);
    assert_eq!(second.output().expect("starts").status.code(), Some(5));

    // The other one was quicker.
    let aside = server.db.folder().join("another");
    let other = lock::hold(&aside).expect("free");
    std::fs::rename(server.db.folder().join("another.lock"), &path).expect("moves");
    let init = [("type", "init"), ("name", "demo"), ("ownerid", OWNERID)];
    until("it writes no more", || !server.post("1.2", &init).success());
    until("it is not ready", || ready(&server).0 == 503);
    let said = ready(&server).1;
    assert!(said["database"].as_str().is_some_and(|text| text.contains("stop one of the two")), "{said}");
    drop(other);
    until("it is the only one again", || ready(&server).0 == 200);
    assert!(server.post("1.2", &init).success());
}

#[cfg(unix)]
#[test]
fn a_database_that_is_gone_is_told_and_one_that_is_back_too() {
    let server = Fixture::new().serve(PROBES);
    assert_eq!(health(&server, &[]).code, 0);
    let (path, away) = (server.db.path().to_owned(), server.db.folder().join("away"));
    std::fs::rename(&path, &away).expect("moves");
    until("it is not ready", || ready(&server).0 == 503);
    let said = ready(&server).1;
    assert_eq!((&said["ready"], &said["server"]), (&json!(false), &json!("serving")));
    assert!(said["database"].as_str().is_some_and(|text| text.starts_with("unavailable: ")), "{said}");
    assert_eq!(ask(probes(&server), "/livez").status, 200, "a restart would not help");
    let ran = health(&server, &["--json"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&told["healthy"], &told["server"]["database"]), (&json!(false), &said["database"]));
    assert!(ran.err.contains("is not well: the database is unavailable"), "{}", ran.err);

    // Another file in its place is not the one that clients were answered by.
    std::fs::copy(&away, &path).expect("copies");
    until("it says what is wrong", || ready(&server).1["database"].to_string().contains("another file"));

    std::fs::rename(&away, &path).expect("moves back");
    until("it is ready again", || ready(&server).0 == 200);
    assert_eq!(health(&server, &[]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_server_that_is_stopping_says_so_until_it_has_stopped() {
    // A client in the middle of its request holds up the end.
    let mut server = Fixture::new().serve(&[PROBES, &["--drain-timeout", "1m", "--body-timeout", "1m"]].concat());
    let mut slow = TcpStream::connect(server.address).expect("connects");
    slow.write_all(b"POST /api/1.2/ HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\ntype=").expect("writes");
    let under_way = || figure(&ask(probes(&server), "/metrics").text(), "keystead_requests_in_flight");
    until("the request is under way", || under_way() == Some(1.0));
    server.ask_to_stop();
    until("it says that it is stopping", || ready(&server) == (503, json!({ "ready": false, "server": "stopping" })));
    assert_eq!(ask(probes(&server), "/livez").status, 200);
    assert!(health(&server, &[]).err.contains("the server is stopping"));
    slow.write_all(b"init").expect("writes");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("is answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(server.ended().success());
    // The address is free at once for the next server.
    TcpListener::bind(probes(&server)).expect("free");
    assert_eq!(health(&server, &[]).code, 6, "nobody serves it");
}

#[test]
fn what_happens_is_counted() {
    let db = Fixture::new();
    db.license("KEY-1");
    let server = db.serve(&[PROBES, &["--rate-limit", "1/h burst 8"]].concat());
    let session = server.init();
    assert!(session.call("license", &[("key", "KEY-1")]).success());
    for _ in 0..3 {
        assert!(session.call("check", &[]).success());
    }
    assert!(!session.call("license", &[("key", "NO-SUCH")]).success());
    let _ = server.post("1.2", &[("type", "made-up"), ("name", "demo"), ("ownerid", OWNERID)]);
    let _ = server.post("1.2", &[("type", "register"), ("sessionid", "x"), ("name", "demo"), ("ownerid", OWNERID)]);
    let _ = server.post("1.2", &[("type", "init"), ("ver", "1.0"), ("name", "demo"), ("ownerid", OWNERID)]);
    let _ = ask(server.address, "/nothing/here");
    let text = ask(probes(&server), "/metrics").text();
    let of = |call: &str, outcome: &str| {
        figure(&text, &format!(r#"keystead_requests_total{{family="keyauth",call="{call}",outcome="{outcome}"}}"#))
    };
    assert_eq!(of("init", "success"), Some(1.0));
    assert_eq!(of("license", "success"), Some(1.0));
    assert_eq!(of("license", "refused"), Some(1.0));
    assert_eq!(of("check", "success"), Some(3.0));
    assert_eq!(of("init", "limited"), Some(1.0));
    assert_eq!(of("", "refused"), Some(1.0), "no client makes up a name");
    let nothing = r#"keystead_requests_total{family="none",call="",outcome="refused"}"#;
    assert_eq!(figure(&text, nothing), Some(1.0));
    assert!(!text.contains("made-up") && !text.contains("demo") && !text.contains("KEY-1"), "{text}");
    let count = r#"keystead_request_duration_seconds_count{family="keyauth"}"#;
    assert_eq!(figure(&text, count), Some(9.0));
    let infinite = r#"keystead_request_duration_seconds_bucket{le="+Inf",family="keyauth"}"#;
    assert_eq!(figure(&text, infinite), Some(9.0));
    assert_eq!(figure(&text, "keystead_requests_in_flight"), Some(0.0));
    assert!(figure(&text, "keystead_commit_calls_count").is_some_and(|count| count >= 2.0), "{text}");
    assert_eq!(figure(&text, r#"keystead_cache_loads_total{cache="apps"}"#), Some(1.0));
    assert!(figure(&text, "keystead_database_bytes").is_some_and(|bytes| bytes >= 4096.0));
    assert!(text.ends_with("# EOF\n"), "the whole of it");
}

#[test]
fn the_page_lists_what_is_shown() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let mut listed: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .filter(|name| name.starts_with("keystead_") || name.starts_with("process_"))
        .collect();
    let server = Fixture::new().serve(PROBES);
    let text = ask(probes(&server), "/metrics").text();
    let mut shown: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    // There is none yet.
    shown.push("keystead_last_backup_timestamp_seconds".to_owned());
    listed.sort_unstable();
    shown.sort_unstable();
    assert_eq!(listed, shown);
}

#[test]
fn without_the_listener_health_asks_the_front_door() {
    let mut server = Fixture::new().serve(&[]);
    let ran = health(&server, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("--metrics-listen"), "{}", ran.out);
    server.kill();
    let ran = health(&server, &["--json"]);
    assert_eq!(ran.code, 6);
    assert!(ran.out.contains(r#""healthy":false"#) && ran.err.contains("no server uses"), "{}{}", ran.out, ran.err);
    assert_eq!(health(&server, &["--url", "https://127.0.0.1/"]).code, 2);
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    assert_eq!(health(&server, &["--url", &format!("http://{nobody}/")]).code, 6);
}

#[test]
fn an_address_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    let keystead = support::Keystead::new();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", &address];
    keystead.fails(&arguments, 1, "choose another address with --metrics-listen");
    assert!(!keystead.database().exists(), "a start that fails leaves nothing behind");
}
