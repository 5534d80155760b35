//! Input that no client sends: the usual shape, a fitting status, and nothing written. Every endpoint by its table.

use keystead::wire::authly::FAMILY;
use keystead::wire::authly::endpoints::{Endpoint, Kind, TABLE};
use serde_json::{Value, json};

use super::support::Server;
use super::{Client, alice, granted, hello, mia, refused, refused_as, shop, written};

const MISSING: &str = "Required fields are missing";

/// A body with every field of the endpoint, that would do something.
fn good(endpoint: &Endpoint, session: &str) -> Value {
    let value = |name: &str| match name {
        "session_id" => session.to_owned(),
        "owner_id" | "app_name" | "secret" | "version" => hello()[name].as_str().expect("a text").to_owned(),
        "username" if endpoint.name == "register" => "alice7".to_owned(),
        "username" => "mia".to_owned(),
        "password" | "old_password" => "secret".to_owned(),
        "key" | "license_key" => "KEY-1".to_owned(),
        "channel_name" => "lobby".to_owned(),
        "limit" | "cursor" => "5".to_owned(),
        "two_factor_code" => "123456".to_owned(),
        other => format!("some-{other}"),
    };
    let first = |names: &[&'static str]| names[0];
    endpoint.fields.iter().map(|field| (first(field.names).to_owned(), json!(value(first(field.names))))).collect()
}

fn raw(server: &Server, path: &str, content_type: &str, body: &[u8]) -> super::Reply {
    server.ask("POST", &format!("/api/v2/{path}"), &[("content-type", content_type)], body)
}

/// A shop, and a session on which mia is logged in: what is refused below would be done for it.
fn with_mia(check: impl Fn(&Server, &str)) {
    let db = shop();
    db.setting("authlySetsVariables", "1");
    let server = db.serve(&[]);
    let client = Client::open(&server);
    granted(&client.call("login", &mia()), "Login success");
    let before = written(&server.db);
    check(&server, &client.session);
    assert_eq!(written(&server.db), before, "nothing was written");
}

#[test]
fn l3_l11_what_is_no_json_object_is_missing_its_fields() {
    with_mia(|server, session| {
        for endpoint in TABLE {
            let good = good(endpoint, session).to_string();
            let name = endpoint.fields[0].names[0];
            let twice = good.replacen('{', &format!("{{\"{name}\":\"x\","), 1);
            let many = (0..201).map(|i| format!("\"f{i}\":1")).collect::<Vec<_>>().join(",");
            let many = good.replacen('{', &format!("{{{many},"), 1);
            let deep = good.replacen('{', &format!("{{\"deep\":{}{},", "[".repeat(5_000), "]".repeat(5_000)), 1);
            let latin = [good.replacen('{', "{\"x\":\"", 1).into_bytes(), b"\xff\"}".to_vec()].concat();
            for body in [
                &b""[..],
                b"null",
                b"[]",
                b"\"text\"",
                b"{",
                b"{}{}",
                &good.as_bytes()[..good.len() - 1],
                twice.as_bytes(),
                many.as_bytes(),
                deep.as_bytes(),
                &latin,
                b"session_id=x&username=y",
            ] {
                refused(&raw(server, endpoint.name, "application/json", body), 400, "MISSING_FIELDS", MISSING);
            }
        }
    });
}

#[test]
fn l3_another_content_type_is_refused() {
    with_mia(|server, session| {
        for endpoint in TABLE {
            let good = good(endpoint, session).to_string();
            for content_type in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
                let message =
                    refused_as(&raw(server, endpoint.name, content_type, good.as_bytes()), 400, "MISSING_FIELDS");
                assert!(message.contains("application/json"), "{message}");
            }
        }
    });
}

#[test]
fn l11_l12_fields_of_a_wrong_type_and_with_nul() {
    with_mia(|server, session| {
        for endpoint in TABLE {
            for field in endpoint.fields {
                for name in field.names {
                    let ask = |value: Value| {
                        let mut body = good(endpoint, session);
                        body.as_object_mut().expect("an object").remove(field.names[0]);
                        body[*name] = value;
                        let body = body.to_string();
                        raw(server, endpoint.name, "application/json", body.as_bytes())
                    };
                    for value in
                        [json!([]), json!({}), json!(true), json!(1e300), json!(18_446_744_073_709_551_615_u64)]
                    {
                        let reply = ask(value);
                        let message = refused_as(&reply, 400, "MISSING_FIELDS");
                        assert!(message == MISSING || message.starts_with(name), "{}/{name}: {message}", endpoint.name);
                    }
                    if field.kind != Kind::Number {
                        assert_eq!(
                            refused_as(&ask(json!(7)), 400, "MISSING_FIELDS") == MISSING,
                            field.kind == Kind::Required
                        );
                    }
                    let nul = refused_as(&ask(json!("a\u{0}b")), 400, "MISSING_FIELDS");
                    assert!(nul.starts_with(name), "{}/{name}: {nul}", endpoint.name);
                }
            }
        }
    });
}

#[test]
fn l36_a_text_of_a_mebibyte_in_every_field() {
    with_mia(|server, session| {
        let long = "x".repeat(1 << 20);
        for endpoint in TABLE {
            for field in endpoint.fields {
                let mut body = good(endpoint, session);
                body[field.names[0]] = json!(long);
                let reply = raw(server, endpoint.name, "application/json", body.to_string().as_bytes());
                refused_as(&reply, 413, "BODY_TOO_LARGE");
                // And the longest that is read at all, where it is not just looked for or not asked for.
                let name = field.names[0];
                if matches!(
                    (endpoint.name, name),
                    ("blacklist/check", "sid") | ("init", "hash") | (_, "two_factor_code")
                ) {
                    continue;
                }
                body[name] = json!(&long[..1_000_000]);
                let reply = raw(server, endpoint.name, "application/json", body.to_string().as_bytes());
                assert!((400..500).contains(&reply.status), "{}/{name}: {reply:?}", endpoint.name);
                refused_as(&reply, reply.status, reply.json()["code"].as_str().expect("a code"));
            }
        }
    });
}

#[test]
fn l1_l2_another_method_is_not_allowed() {
    with_mia(|server, session| {
        for (path, _) in FAMILY.paths.iter().filter(|(path, _)| !path.contains('{')) {
            for method in ["GET", "PUT", "DELETE", "PATCH"] {
                let target = format!("{path}?session_id={session}");
                let reply = server.ask(method, &target, &[], b"");
                refused_as(&reply, 405, "METHOD_NOT_ALLOWED");
                assert_eq!(reply.header("allow"), Some("POST"));
            }
            assert_eq!(server.ask("HEAD", path, &[], b"").status, 405);
        }
    });
}

#[test]
fn l4_where_there_is_no_endpoint_the_answer_has_the_usual_shape() {
    with_mia(|server, session| {
        let body = json!({ "session_id": session }).to_string();
        for path in ["device-auth", "nothing", "chats", "chats/send/more", "register//", ""] {
            for version in ["v1", "v2"] {
                for method in ["GET", "POST", "PUT"] {
                    let headers = [("content-type", "application/json")];
                    let reply = server.ask(method, &format!("/api/{version}/{path}"), &headers, body.as_bytes());
                    refused(&reply, 404, "NOT_FOUND", "There is no such call");
                }
            }
        }
    });
}

#[test]
fn l30_every_call_but_init_needs_a_session() {
    with_mia(|server, session| {
        for endpoint in TABLE.iter().filter(|endpoint| !endpoint.opens()) {
            let mut body = good(endpoint, session);
            for none in
                ["", " ", "0", "é", &"0".repeat(63), &"0".repeat(65), &"0".repeat(64), &"0".repeat(32), "' OR 1=1 --"]
            {
                body["session_id"] = json!(none);
                let reply = raw(server, endpoint.name, "application/json", body.to_string().as_bytes());
                match none.trim() {
                    "" => refused(&reply, 400, "MISSING_FIELDS", MISSING),
                    _ => refused(&reply, 401, "INVALID_SESSION", "Invalid session"),
                }
            }
        }
    });
}

/// While the database cannot be written to nobody is told that something does not exist, or was done.
#[test]
fn l4_l15_a_database_that_cannot_be_written_to_is_unavailable() {
    let server = shop().serve(&["--busy-timeout", "50ms"]);
    let client = Client::open(&server);
    let before = written(&server.db);
    let other = rusqlite::Connection::open(server.db.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (path, body) in [("init", hello()), ("register", alice()), ("login", mia()), ("logs", json!({"message": "x"}))]
    {
        let reply = client.call(path, &body);
        refused_as(&reply, 503, "UNAVAILABLE");
        assert_eq!(reply.header("retry-after"), Some("1"), "{reply:?}");
    }
    granted(&client.call("validate", &json!({})), "Session is valid");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(written(&server.db), before);
    granted(&client.call("register", &alice()), "User registered successfully");
}
