//! The log: one line per request, and never what a customer would not want to find there.

use serde_json::Value;

use crate::support::{Fixture, SECRET, post_bytes};

#[test]
fn one_json_line_per_request_and_no_secret_in_any() {
    let db = Fixture::new();
    db.license("LICENSE-KEY-IN-FULL");
    db.license("ANOTHER-KEY-IN-FULL");
    db.user("tom");
    let server = db.serve(&["--log-level", "trace"]);
    let session = server.init_with("1.2", &[("enckey", "the-enckey-itself")]);
    let mut want = vec![("init", "OK")];
    let pass = "pass-word-of-mia";
    for (call, pairs, outcome) in [
        (
            "register",
            &[("username", "mia"), ("pass", pass), ("key", "LICENSE-KEY-IN-FULL"), ("email", "mia@example.test")][..],
            "OK",
        ),
        ("login", &[("username", "mia"), ("pass", pass), ("hwid", "the-device-of-mia")], "OK"),
        (
            "login",
            &[("username", "mia"), ("pass", "a-wrong-password"), ("hwid", "the-device-of-mia")],
            "INVALID_PASSWORD",
        ),
        ("license", &[("key", "ANOTHER-KEY-IN-FULL")], "OK"),
        ("license", &[("key", "unknown-license-key")], "LICENSE_NOT_FOUND"),
        ("upgrade", &[("username", "tom"), ("key", "LICENSE-KEY-IN-FULL")], "LICENSE_IN_USE"),
        ("register", &[("username", "x"), ("pass", "nul-\0-password"), ("key", "y")], "INVALID_REQUEST"),
        ("check", &[], "OK"),
        ("nonsense-type", &[("pass", pass)], "UNKNOWN_TYPE"),
        ("logout", &[], "OK"),
        ("check", &[], "SESSION_NOT_FOUND"),
    ] {
        session.call(call, pairs);
        want.push((if call == "nonsense-type" { "" } else { call }, outcome));
    }
    let query = format!("/api/1.2/?type=check&name=none&ownerid=AbCdEfGh12&sessionid={}&pass={pass}", session.id);
    server.get(&query);
    server.get(&format!("/nowhere?pass={pass}"));
    server.raw(&post_bytes("/api/1.2/", "multipart/form-data", pass.as_bytes()));
    want.extend([("check", "APP_NOT_FOUND"), ("", "NO_SUCH_PATH"), ("", "OWNERID_MISSING")]);
    let id = session.id.clone();

    let (status, log) = server.stop();
    assert!(status.success(), "{status}");
    let lines: Vec<Value> = log
        .iter()
        .filter(|line| !line.starts_with("listening on "))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["target"] == "request").collect();
    let told: Vec<_> = requests.iter().map(|l| (l["type"].as_str().unwrap(), l["outcome"].as_str().unwrap())).collect();
    assert_eq!(told, want, "one line each, in order");
    for (n, line) in requests.iter().enumerate() {
        assert_eq!(line["id"], n as u64 + 1);
        assert!(line["took_us"].is_u64() && line["status"].is_u64() && line["time"].is_string(), "{line}");
        assert_eq!((&line["level"], &line["peer"]), (&"INFO".into(), &"127.0.0.1".into()));
    }
    assert_eq!((&requests[1]["app"], &requests[1]["family"]), (&"demo".into(), &"keyauth".into()));

    let secrets = [
        pass,
        "a-wrong-password",
        "nul-",
        SECRET,
        &SECRET[..16],
        "the-enckey-itself",
        "LICENSE-KEY-IN-FULL",
        "ANOTHER-KEY-IN-FULL",
        "unknown-license-key",
        &id,
        &id[..16],
        "the-device-of-mia",
        "argon2",
        "mia@example.test",
    ];
    for line in &log {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret:?} is in the log: {line}");
        }
    }
}

#[test]
fn text_is_one_line_per_request_too() {
    let server = Fixture::new().serve(&["--log-format", "text"]);
    let session = server.init();
    session.call("var", &[("varid", "line\nbreak \u{1b}[31m")]);
    let (_, log) = server.stop();
    let lines: Vec<_> = log.iter().filter(|line| line.contains(" request ")).collect();
    assert_eq!(lines.len(), 2, "{log:#?}");
    assert!(lines[1].contains("type=\"var\"") && lines[1].contains("outcome=\"VARIABLE_NOT_FOUND\""), "{}", lines[1]);
    assert!(log.iter().all(|line| !line.contains('\u{1b}')));
}

#[test]
fn switched_off_there_is_nothing_but_the_address() {
    let server = Fixture::new().serve(&["--log-level", "off"]);
    server.init();
    let (_, log) = server.stop();
    assert!(matches!(log.as_slice(), [line] if line.starts_with("listening on http://127.0.0.1:")), "{log:?}");
}
