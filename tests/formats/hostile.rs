//! Bad input at every door of the three formats: each is refused in its product's shape with a status that says whose
//! fault it is, and nothing is written.

use serde_json::{Value, json};

use crate::doors::{DEVICE, Door, Doors};
use crate::support::{Fixture, OWNERID, Reply, SECRET};

const MIB: usize = 1 << 20;

/// An endpoint: its path, what it must be sent, what it may be sent, all as texts that would do.
pub(crate) struct Endpoint {
    door: Door,
    method: &'static str,
    pub(crate) path: &'static str,
    needs: &'static [(&'static str, &'static str)],
    takes: &'static [(&'static str, &'static str)],
}

const fn endpoint(
    door: Door,
    method: &'static str,
    path: &'static str,
    needs: &'static [(&'static str, &'static str)],
    takes: &'static [(&'static str, &'static str)],
) -> Endpoint {
    Endpoint { door, method, path, needs, takes }
}

const SID: &[(&str, &str)] = &[("sid", DEVICE)];
const HARDWARE: (&str, &str) = ("hardware_id", DEVICE);
const NAME: (&str, &str) = ("username", "new");
const PASSWORD: (&str, &str) = ("password", "a good password");

/// Every endpoint, without the other paths that lead to the same; `every_path_is_walked` holds it to the server's list.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    endpoint(Door::Authgate, "POST", "/api/integration/sign_up", &[NAME, PASSWORD, HARDWARE], &[]),
    endpoint(Door::Authgate, "POST", "/api/integration/sign_up_with_license_code", &[("code", "KEY"), HARDWARE], &[]),
    endpoint(Door::Authgate, "POST", "/api/integration/auth/login", &[("credentials", "{}"), HARDWARE], &[]),
    endpoint(Door::Authgate, "GET", "/api/integration/app_context", &[], &[]),
    endpoint(
        Door::Authgate,
        "POST",
        "/api/integration/activate_license",
        &[("code", "KEY"), ("username", "mia"), ("password", "secret")],
        &[],
    ),
    endpoint(Door::Authgate, "GET", "/api/integration/files/{}/download", &[], &[]),
    endpoint(
        Door::Authly,
        "POST",
        "/api/v2/init",
        &[("owner_id", OWNERID), ("app_name", "demo"), ("secret", SECRET), ("version", "1.0")],
        &[],
    ),
    endpoint(Door::Authly, "POST", "/api/v2/register", &[NAME, PASSWORD, ("key", "KEY")], SID),
    endpoint(Door::Authly, "POST", "/api/v2/login", &[("username", "mia"), ("password", "secret")], SID),
    endpoint(Door::Authly, "POST", "/api/v2/licenses", &[("license_key", "KEY")], SID),
    endpoint(Door::Authly, "POST", "/api/v2/extend", &[("username", "mia"), ("license_key", "KEY")], SID),
    endpoint(
        Door::Authly,
        "POST",
        "/api/v2/change-password",
        &[("old_password", "secret"), ("new_password", "another one")],
        &[],
    ),
    endpoint(Door::Authly, "POST", "/api/v2/variables", &[("var_key", "motd")], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/variables/set", &[("var_key", "motd"), ("var_value", "x")], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/chats/send", &[("channel_name", "lobby"), ("message", "x")], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/chats/get", &[("channel_name", "lobby")], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/logs", &[("message", "x")], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/validate-session", &[], &[]),
    endpoint(Door::Authly, "POST", "/api/v2/blacklist/check", &[], &[]),
    endpoint(
        Door::Wacht,
        "POST",
        "/wacht/{}/auth/signup",
        &[("email", "new@example.com")],
        &[
            NAME,
            PASSWORD,
            ("first_name", "New"),
            ("last_name", "User"),
            ("phone_number", "+1234567890"),
            ("phone_country_code", "+1"),
        ],
    ),
    endpoint(
        Door::Wacht,
        "POST",
        "/wacht/{}/auth/signin",
        &[("strategy", "plain_username"), ("username", "mia"), ("password", "secret")],
        &[],
    ),
    endpoint(Door::Wacht, "GET", "/wacht/{}/session", &[], &[]),
    endpoint(Door::Wacht, "POST", "/wacht/{}/session/switch-sign-in", &[], &[]),
    endpoint(Door::Wacht, "POST", "/wacht/{}/session/sign-out", &[], &[]),
    endpoint(Door::Wacht, "GET", "/wacht/{}/auth/identifier-availability", &[], &[]),
];

/// Other paths to the same endpoints, by what they begin with and what that stands for.
const ALIASES: &[(Door, &str, &str)] = &[
    (Door::Authgate, "/", "/api/integration/"),
    (Door::Authly, "/api/v1/", "/api/v2/"),
    (Door::Wacht, "/", "/wacht/{}/"),
];
const SAME: &[(&str, &str)] = &[
    ("/api/v2/license-login", "/api/v2/licenses"),
    ("/api/v2/variables/get", "/api/v2/variables"),
    ("/api/v2/validate", "/api/v2/validate-session"),
];

/// A server with a user "mia" (password "secret", in on the session), a key "KEY", a variable and a channel.
fn open() -> (Doors, String) {
    let db = Fixture::new();
    db.license("KEY");
    db.user("mia");
    db.variable("motd", "hello", false);
    db.channel("lobby", 0);
    db.setting("authlySetsVariables", "1");
    let doors = Doors::open_with(db, &["--rate-limit", "off"]);
    let entered = doors.log_in(Door::KeyAuth, "mia", "secret", DEVICE).expect("enters");
    (doors, entered.held)
}

impl Doors {
    fn at(&self, endpoint: &Endpoint) -> String {
        endpoint.path.replace("{}", if endpoint.door == Door::Wacht { &self.app } else { "data" })
    }

    fn headers(&self, door: Door) -> Vec<(&str, &str)> {
        if door == Door::Authgate { self.credentials().to_vec() } else { Vec::new() }
    }

    fn send(&self, endpoint: &Endpoint, method: &str, content_type: Option<&str>, body: &[u8]) -> Reply {
        let mut headers = self.headers(endpoint.door);
        headers.extend(content_type.map(|kind| ("content-type", kind)));
        self.server.ask(method, &self.at(endpoint), &headers, body)
    }

    /// All that there is, but for browsers: a request without a cookie may have made one (W31).
    fn everything(&self) -> String {
        let db = rusqlite::Connection::open(self.db().path()).expect("opens");
        let mut tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").expect("SQL");
        let names: Vec<String> =
            tables.query_map([], |row| row.get(0)).expect("rows").map(|name| name.expect("a name")).collect();
        let counted = names.iter().filter(|name| *name != "browsers").map(|name| {
            let count: i64 = db.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).expect("SQL");
            format!("{name} {count}")
        });
        let states = "SELECT (SELECT count(*) FROM licenses WHERE used_at IS NOT NULL) || ' ' || \
                      (SELECT group_concat(login || coalesce(secret, '')) FROM users) || ' ' || \
                      (SELECT group_concat(value) FROM variables) || ' ' || \
                      (SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL OR user_id IS NOT NULL)";
        let states: String = db.query_row(states, [], |row| row.get(0)).expect("SQL");
        counted.chain([states]).collect::<Vec<_>>().join("\n")
    }
}

/// That it is a refusal in its product's shape, for which the client is to blame.
#[track_caller]
fn assert_in_shape(door: Door, what: &str, reply: &Reply) {
    assert!((400..500).contains(&reply.status), "{what}: {reply:?}");
    assert_eq!(reply.header("content-type").map(|kind| kind.starts_with("application/json")), Some(true), "{reply:?}");
    assert_shape(door, what, reply);
}

/// The shape of a refusal, whatever its status.
#[track_caller]
pub(crate) fn assert_shape(door: Door, what: &str, reply: &Reply) {
    let json = reply.json();
    let keys: Vec<&str> =
        json.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_right = match door {
        Door::KeyAuth => json["success"] == false,
        Door::Authgate => keys == ["detail"] && is_text(&json["detail"]),
        Door::Authly => {
            keys == ["code", "message", "success"]
                && json["success"] == false
                && is_text(&json["code"])
                && is_text(&json["message"])
        }
        Door::Wacht => {
            let errors = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_error = |error: &Value| is_text(&error["code"]) && is_text(&error["message"]);
            keys == ["data", "errors", "message", "session", "status"]
                && json["status"] == reply.status
                && is_text(&json["message"])
                && json["data"].is_null()
                && is_text(&json["session"]["id"])
                && !errors.is_empty()
                && errors.iter().all(is_error)
        }
    };
    assert!(is_right, "{what}: not the shape of {door:?}: {reply:?}");
}

#[test]
fn every_path_is_walked() {
    let walked =
        |door: Door, path: &str| ENDPOINTS.iter().any(|endpoint| endpoint.door == door && endpoint.path == path);
    let mut missing = Vec::new();
    for door in [Door::Authgate, Door::Authly, Door::Wacht] {
        let family = keystead::wire::FAMILIES.iter().find(|family| family.name == door.name()).expect("a family");
        for (path, _) in family.paths {
            let mut full = (*path).to_owned();
            for (_, alias, stands_for) in ALIASES.iter().filter(|(of, ..)| *of == door) {
                if !walked(door, &full)
                    && !full.starts_with(stands_for)
                    && let Some(rest) = full.strip_prefix(alias)
                {
                    full = format!("{stands_for}{rest}");
                }
            }
            let same =
                SAME.iter().find(|(alias, _)| *alias == full).map_or(full.as_str(), |(_, stands_for)| stands_for);
            // What is there for nobody, in its own words.
            if !walked(door, same) && !same.ends_with("/{*}") {
                missing.push(format!("{door:?} {path}"));
            }
        }
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.door == door) {
            if !family.paths.iter().any(|(path, _)| *path == endpoint.path) {
                missing.push(format!("{door:?} has no {}", endpoint.path));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The fields as this endpoint would take them.
fn good(endpoint: &Endpoint, session: &str) -> Vec<(&'static str, Value)> {
    let text = |(name, value): &(&'static str, &'static str)| match *name {
        "credentials" => (*name, json!({"username": "mia", "password": "secret"})),
        name => (name, Value::from(*value)),
    };
    let mut fields: Vec<_> = endpoint.needs.iter().chain(endpoint.takes).map(text).collect();
    if endpoint.door == Door::Authly && !endpoint.path.ends_with("/init") {
        fields.push(("session_id", session.into()));
    }
    fields
}

fn object(fields: &[(&str, Value)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// The same with another value for one field.
fn with(fields: &[(&'static str, Value)], name: &str, value: &Value) -> Vec<(&'static str, Value)> {
    let changed = |(given, old): &(&'static str, Value)| (*given, if *given == name { value } else { old }.clone());
    fields.iter().map(changed).collect()
}

/// Bodies of JSON that no endpoint takes, with what is wrong with them.
fn bad_json(endpoint: &Endpoint, session: &str) -> Vec<(String, Vec<u8>)> {
    let fields = good(endpoint, session);
    let whole = object(&fields);
    let mut bad: Vec<(String, Vec<u8>)> =
        ["", " ", "null", "[]", "\"x\"", "7", "{", "{}{}", "{'a':1}", "username=new&password=x", "\u{feff}{}"]
            .iter()
            .map(|body| (format!("body {body:?}"), body.as_bytes().to_vec()))
            .collect();
    let inside = &whole[1..whole.len() - 1];
    bad.push(("cut off".to_owned(), whole.as_bytes()[..whole.len() - 1].to_vec()));
    bad.push(("two objects".to_owned(), format!("{whole}{whole}").into_bytes()));
    bad.push(("in a list".to_owned(), format!("[{whole}]").into_bytes()));
    bad.push(("no UTF-8".to_owned(), [b"{\"x\":\"\xff\xfe\",", inside.as_bytes(), b"}"].concat()));
    bad.push(("half a surrogate".to_owned(), format!("{{\"x\":\"\\ud800\",{inside}}}").into_bytes()));
    bad.push(("a NUL byte".to_owned(), [b"{\"x\":\"\0\",", inside.as_bytes(), b"}"].concat()));
    bad.push(("too large a number".to_owned(), format!("{{\"x\":1e999,{inside}}}").into_bytes()));
    let (open, close) = ("[".repeat(50_000), "]".repeat(50_000));
    bad.push(("deep".to_owned(), format!("{{\"x\":{open}{close},{inside}}}").into_bytes()));
    let (open, close) = ("{\"x\":".repeat(20_000), "}".repeat(20_000));
    bad.push(("deep objects".to_owned(), format!("{{\"x\":{open}1{close},{inside}}}").into_bytes()));
    let many: Vec<String> = (0..5_000).map(|n| format!("\"x{n}\":1")).collect();
    bad.push(("many fields".to_owned(), format!("{{{},{inside}}}", many.join(",")).into_bytes()));

    let needed = fields.iter().filter(|(name, _)| !endpoint.takes.iter().any(|(other, _)| other == name));
    for (name, _) in needed {
        let without: Vec<_> = fields.iter().filter(|(given, _)| given != name).cloned().collect();
        bad.push((format!("no {name}"), object(&without).into_bytes()));
        let spelled = without.iter().cloned().chain([(name.to_uppercase().leak() as &str, "x".into())]);
        bad.push((format!("{name} in capitals"), object(&spelled.collect::<Vec<_>>()).into_bytes()));
        for value in [
            json!(null),
            json!(true),
            json!(7),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!([]),
            json!(["x"]),
            json!({}),
            json!({"x": "y"}),
            json!(""),
            json!("  \t\n "),
        ] {
            bad.push((format!("{name} is {value}"), object(&with(&fields, name, &value)).into_bytes()));
        }
        let huge =
            whole.replacen(&format!("\"{name}\":"), &format!("\"{name}\":123456789012345678901234567890,\"y\":"), 1);
        bad.push((format!("{name} is a huge number"), huge.into_bytes()));
    }
    for (name, value) in &fields {
        bad.push((format!("{name} twice"), format!("{{\"{name}\":{value},{inside}}}").into_bytes()));
        if value.is_string() {
            let nul = Value::from(format!("a\0{}", value.as_str().unwrap_or_default()));
            bad.push((format!("{name} with NUL"), object(&with(&fields, name, &nul)).into_bytes()));
            for size in [MIB / 2, MIB, MIB + MIB / 2] {
                let long = Value::from("x".repeat(size));
                bad.push((format!("{name} of {size}"), object(&with(&fields, name, &long)).into_bytes()));
            }
        }
    }
    bad
}

/// Forms that no endpoint takes.
fn bad_forms(endpoint: &Endpoint) -> Vec<(String, Vec<u8>)> {
    let fields: Vec<_> = endpoint.needs.iter().chain(endpoint.takes).copied().collect();
    let form = |fields: &[(&str, &str)]| serde_urlencoded::to_string(fields).expect("pairs").into_bytes();
    let changed = |name: &str, value: &str| -> Vec<u8> {
        form(&fields.iter().map(|(given, old)| (*given, if *given == name { value } else { old })).collect::<Vec<_>>())
    };
    let mut bad = vec![("an empty body".to_owned(), Vec::new())];
    if endpoint.needs.is_empty() {
        bad.clear();
    }
    for (name, value) in endpoint.needs {
        let without: Vec<_> = fields.iter().filter(|(given, _)| given != name).copied().collect();
        bad.push((format!("no {name}"), form(&without)));
        bad.push((format!("{name} in a list"), form(&[without.as_slice(), &[("email[]", value)]].concat())));
        for blank in ["", "   "] {
            bad.push((format!("{name} is {blank:?}"), changed(name, blank)));
        }
    }
    for (name, value) in &fields {
        bad.push((format!("{name} twice"), form(&[fields.as_slice(), &[(*name, *value)]].concat())));
        bad.push((format!("{name} with NUL"), changed(name, &format!("a\0{value}"))));
        for size in [MIB / 2, MIB, MIB + MIB / 2] {
            bad.push((format!("{name} of {size}"), changed(name, &"x".repeat(size))));
        }
    }
    bad
}

/// Sends all of these to an endpoint.
fn walk(door: Door, kind: &str, bad: impl Fn(&Endpoint, &str) -> Vec<(String, Vec<u8>)>) {
    let (doors, session) = open();
    let before = doors.everything();
    let mut sent = 0;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.door == door && endpoint.method == "POST") {
        for (what, body) in bad(endpoint, &session) {
            let what = format!("{} with {what}", endpoint.path);
            let reply = doors.send(endpoint, "POST", Some(kind), &body);
            assert_in_shape(door, &what, &reply);
            sent += 1;
        }
        assert_eq!(doors.everything(), before, "{}", endpoint.path);
    }
    assert!(sent > 50, "only {sent} requests were sent");
}

#[test]
fn authgate_refuses_bad_json_and_writes_nothing() {
    walk(Door::Authgate, "application/json", bad_json);
}

#[test]
fn authly_refuses_bad_json_and_writes_nothing() {
    walk(Door::Authly, "application/json", bad_json);
}

#[test]
fn wacht_refuses_bad_forms_and_writes_nothing() {
    walk(Door::Wacht, "application/x-www-form-urlencoded", |endpoint, _| bad_forms(endpoint));
}

#[test]
fn wacht_refuses_bad_multipart_bodies_and_writes_nothing() {
    let (doors, _) = open();
    let before = doors.everything();
    let part =
        |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let email = part("email", "new@example.com");
    let end = "--b--\r\n";
    let bad = [
        String::new(),
        end.to_owned(),
        email.clone(),
        format!("{email}{email}{end}"),
        format!("{email}{}{end}", part("username", "a\0b")),
        format!("{email}{}{end}", part("username", &"x".repeat(MIB / 2))),
        format!("{email}{}{end}", part("username", &"x".repeat(MIB))),
        format!("{email}{}{end}", part("first_name", "x").repeat(3_000)),
        format!("--b\r\n\r\nnew@example.com\r\n{end}"),
        email.replace("--b", "--c") + "--c--\r\n",
        "email=new%40example.com".to_owned(),
    ];
    let sign_up = ENDPOINTS.iter().find(|endpoint| endpoint.path.ends_with("/auth/signup")).expect("is there");
    for body in &bad {
        let reply = doors.send(sign_up, "POST", Some("multipart/form-data; boundary=b"), body.as_bytes());
        let what: String = body.chars().take(200).collect();
        assert_in_shape(Door::Wacht, &what, &reply);
    }
    assert_eq!(doors.everything(), before);
}

#[test]
fn wrong_content_types_and_methods_are_refused_everywhere() {
    let (doors, session) = open();
    let before = doors.everything();
    for endpoint in ENDPOINTS {
        let door = endpoint.door;
        let body = match door {
            Door::Wacht => serde_urlencoded::to_string(endpoint.needs).expect("pairs"),
            _ => object(&good(endpoint, &session)),
        };
        let right = if door == Door::Wacht { "application/x-www-form-urlencoded" } else { "application/json" };
        if endpoint.method == "POST" && !endpoint.needs.is_empty() {
            for kind in ["text/plain", "application/octet-stream", "application/xml", "x", "multipart/form-data"] {
                let reply = doors.send(endpoint, "POST", Some(kind), body.as_bytes());
                assert_in_shape(door, &format!("{} as {kind}", endpoint.path), &reply);
            }
            let other = if door == Door::Wacht { "application/json" } else { "application/x-www-form-urlencoded" };
            let reply = doors.send(endpoint, "POST", Some(other), body.as_bytes());
            assert_in_shape(door, &format!("{} as {other}", endpoint.path), &reply);
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            if method == endpoint.method {
                continue;
            }
            let reply = doors.send(endpoint, method, Some(right), body.as_bytes());
            assert_eq!(reply.status, 405, "{method} {}: {reply:?}", endpoint.path);
            assert_in_shape(door, &format!("{method} {}", endpoint.path), &reply);
        }
    }
    assert_eq!(doors.everything(), before);
}

#[test]
fn who_names_no_app_is_refused_everywhere() {
    let (doors, _) = open();
    let before = doors.everything();
    for endpoint in ENDPOINTS {
        let path = match endpoint.door {
            // No app is the default one, and the host names none.
            Door::Wacht => endpoint.path.replace("/wacht/{}", ""),
            _ => doors.at(endpoint),
        };
        let body = match endpoint.door {
            Door::Wacht => serde_urlencoded::to_string(endpoint.needs).expect("pairs"),
            _ => object(&good(endpoint, "0".repeat(64).as_str())),
        };
        let right = if endpoint.door == Door::Wacht { "application/x-www-form-urlencoded" } else { "application/json" };
        let body = if endpoint.path.ends_with("/init") { body.replace(SECRET, &"0".repeat(64)) } else { body };
        let reply = doors.server.ask(endpoint.method, &path, &[("content-type", right)], body.as_bytes());
        match endpoint.door {
            Door::Wacht => {
                assert_eq!((reply.status, reply.text()), (404, r#"{"message":"Deployment not found"}"#.to_owned()));
            }
            door => {
                assert_eq!(reply.status, 401, "{path}: {reply:?}");
                assert_in_shape(door, &path, &reply);
            }
        }
    }
    assert_eq!(doors.everything(), before);
}
